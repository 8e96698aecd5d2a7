"""Submission: as many of the jobs that may start as there is room for, in one remote command."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

from jobauto import quoting
from jobauto.admitting import Admitting
from jobauto.ahead import LookAhead
from jobauto.around import Shared
from jobauto.asking import Asking
from jobauto.clock import Clock
from jobauto.errors import UserError
from jobauto.fetching import Fetching
from jobauto.graph import Graph
from jobauto.host import Host
from jobauto.judge import accepted, refused
from jobauto.ledger import Entry, Ledger
from jobauto.limits import Limits
from jobauto.model import Attempt, Claim, Queued, Seen
from jobauto.noticing import Noticing
from jobauto.ordering import Ordering
from jobauto.remote.following import SubmitThenLook
from jobauto.remote.framing import CLAIMS
from jobauto.remote.killing import Kill
from jobauto.remote.submission import Submit
from jobauto.reusing import Reusing
from jobauto.run import Run
from jobauto.schedulers import Dialect

log = logging.getLogger("jobauto")


class _Ahead(NamedTuple):
    """Of jobs that are handed in ahead: the options of their submission; for whom they wait."""

    asked: dict[str, list[str]]
    makers: dict[str, list[str]]


@dataclass(slots=True)
class Submitting:
    """The step that hands jobs in. `unclaimed`: open attempts that have to be sent again."""

    run: Run
    graph: Graph
    ledger: Ledger
    host: Host
    dialect: Dialect
    limits: Limits
    noticing: Noticing
    fetching: Fetching
    asking: Asking
    clock: Clock
    unclaimed: set[str] = field(default_factory=set)
    shared: Shared | None = None
    reusing: Reusing | None = None
    admitting: Admitting | None = None
    ordering: Ordering | None = None
    ahead: LookAhead = field(init=False)

    def __post_init__(self) -> None:
        parts = (self.run, self.graph, self.ledger, self.host, self.dialect)
        self.ahead = LookAhead(*parts, self._free)

    def submit(
        self,
        seen: Seen,
        guard: Callable[[], None],
        awaited: Callable[[], Sequence[str]],
    ) -> Seen | None:
        """Hand in as many as there is room for, in their order; None if there were none, else what
        was seen behind that.

        `seen` is the last look; `guard` raises if the run is not ours any more; `awaited` tells the
        files to look for.
        """
        again, room = self._room(seen)
        chosen = self._chosen(room)
        names = self.noticing.about_to_submit([*again, *chosen])
        if self._must_settle(names):
            self.fetching.settle()
            names = self.noticing.about_to_submit(names)  # what was edited meanwhile counts
        asked = self._asked(names)
        after = self._ahead(asked, room - len(chosen))
        asked |= after.asked
        if not asked:
            return None
        names = list(asked)
        guard()
        if self.noticing.to_be_sent:
            self.fetching.settle()
        self.noticing.push_changed(self.host)
        for name in names:
            self._forget_marker(name)
        date = self.clock.date()
        attempts = self._allowed(self.ledger.intend(names, date, after.makers))
        if not attempts:
            return Seen(early=True)  # the intents are to be written all the same
        options = {attempt.token: asked[attempt.job.name] for attempt in attempts}
        told = self.ahead.told(attempts)
        self._make_folders(attempts)
        submit = Submit(self.dialect, self.run.rdir, attempts, options, told)
        claims, behind = self.host.ask(SubmitThenLook(submit, awaited()))
        self.limits.handed_in(self.clock.elapsed())
        self.unclaimed.difference_update(attempt.job.name for attempt in attempts)
        self._take_answers(attempts, claims)
        return behind

    def _allowed(self, attempts: list[Attempt]) -> list[Attempt]:
        """Those attempts that nobody else makes; the others wait for another tick."""
        if self.shared is None:
            return attempts
        ours = self.shared.hand_in([attempt.job.name for attempt in attempts])
        others = [attempt for attempt in attempts if attempt.job.name not in ours]
        self.unclaimed.update(attempt.job.name for attempt in others)
        if others and not self.shared.conditions():
            self._leave_to_others(others)
        return [attempt for attempt in attempts if attempt.job.name in ours]

    def _make_folders(self, attempts: list[Attempt]) -> None:
        """Make the folders of claims, if they are on this machine: its shell would start a program
        for that. What goes wrong it tells."""
        if not self.run.mirrored:
            with contextlib.suppress(OSError):
                for attempt in attempts:
                    (self.run.folder / CLAIMS / attempt.token).mkdir(parents=True, exist_ok=True)

    def _leave_to_others(self, attempts: list[Attempt]) -> None:
        """End attempts whose jobs others have by now. Their claims on the remote are made void, so
        that no shell of ours can still submit them; one that did is followed."""
        answer = self.host.ask(Kill(self.dialect, self.run.rdir, [], doubtful=attempts))
        for attempt in attempts:
            claim = answer.claims.get(attempt.token)
            if claim and refused(claim, self.dialect):
                name = attempt.job.name
                self.ledger.settle(name, "putback", self.clock.date(), "taken-by-others")
                self.unclaimed.discard(name)

    def _take_answers(self, attempts: list[Attempt], claims: dict[str, Claim]) -> None:
        pairs = []
        for attempt in attempts:
            name, claim = attempt.job.name, claims.get(attempt.token)
            jobid = accepted(claim, self.dialect) if claim else None
            if jobid:
                pairs.append((name, jobid))
                log.info("%s submitted as %s", quoting.shown(name), jobid)
            elif claim is None:
                self.unclaimed.add(name)
            elif claim.answered:
                said = quoting.shown(claim.said.strip())
                log.warning("%s not accepted: %s", quoting.shown(name), said)
        if pairs:
            self.limits.hits = 0
        self.ledger.accept(pairs, self.clock.date())
        self.limits.writable(self.run.rdir, bool(claims), self.clock.date())

    def _asked(self, names: list[str]) -> dict[str, list[str]]:
        """Job to the options of its submission; without jobs of which they cannot be told."""
        found = {}
        for name in names:
            try:
                found[name] = self.asking.options(self.run.folder, self.graph.jobs[name])
            except (UserError, OSError) as error:
                self.noticing.complain(error)
        return found

    def _must_settle(self, names: list[str]) -> bool:
        """Whether a pull goes on that may bring a marker of an earlier attempt at these, or leave
        something of its own among what is to be sent."""
        if not self.fetching.going or not names:
            return False
        return self.noticing.to_be_sent or any(map(self._may_have_marker, names))

    def _may_have_marker(self, name: str) -> bool:
        if self.ledger.entries[name].attempt:
            return True
        return os.path.lexists(self.run.folder / self.graph.jobs[name].marker)

    def _forget_marker(self, name: str) -> None:
        marker = self.graph.jobs[name].marker
        self.graph.departed(marker)
        if self.run.mirrored:
            (self.run.folder / marker).unlink(missing_ok=True)

    def _ahead(self, asked: dict[str, list[str]], room: int) -> _Ahead:
        """Jobs to be handed in ahead, behind those that are handed in anyway."""
        found, makers = _Ahead({}, {}), self.ahead.chosen(asked, room)
        if len(self.noticing.about_to_submit(list(makers))) < len(makers):
            return found  # one was just edited: with the next tick
        options = self._asked(list(makers))
        lost = makers.keys() - options.keys()
        for name, needed in makers.items():
            if name in lost or not lost.isdisjoint(needed):
                lost = lost | {name}
                continue
            self.ledger.enqueue(self.graph.jobs[name])
            found.asked[name], found.makers[name] = options[name], needed
        return found

    def _free(self, name: str) -> bool:
        """Whether nothing but its needs decides when a job may run."""
        tokens = self.admitting and self.admitting.wants(name)
        return not tokens and not (self.reusing and name in self.reusing.keys)

    def _room(self, seen: Seen) -> tuple[list[str], int]:
        """Open attempts whose claim does not exist, and how many more may be made."""
        resting = self.run.stopped or self.limits.waits(self.clock.elapsed())
        paused = resting or self.limits.errors.paused(self.clock.now())
        flying = [] if resting else self.ledger.in_flight()
        again = [e.job.name for e in flying if e.job.name in self.unclaimed]
        return again, 0 if paused else self.room(seen)

    def _chosen(self, room: int) -> list[str]:
        """Up to `room` of the jobs that may start: those with tokens, which nobody else does."""
        ready: Iterable[str] = self.ready()
        if self.reusing:
            ready = self.reusing.worth_running(list(ready))
        if self.ordering:
            # others, or tokens, may not let the first of them through
            choosy = self.shared or (self.admitting and self.admitting.choosy())
            ready = self.ordering.first(ready, None if choosy else room)
        if self.shared:  # it takes back by itself what gets no tokens after all
            likely = list(ready)
            likely = self.admitting.likely(likely) if self.admitting else likely
            ready = self.shared.take(likely, room)
        return self.admitting.admitted(ready, room) if self.admitting else list(islice(ready, room))

    def room(self, seen: Seen) -> int:
        """How many more may be submitted, as far as the last look knows."""
        flying = self.ledger.in_flight()
        pending = sum(_pending(entry, seen) for entry in flying)
        return self.limits.room(len(flying), pending)

    def ready(self) -> Iterator[str]:
        """Queued jobs that may start now, in the order of quelist; as many as are asked for."""
        lingering = {attempt.job.name for attempt in self.ledger.lingering.values()}
        for name in self.ledger.ready():
            if name not in lingering and name in self.graph.jobs and self.graph.satisfied(name):
                yield name


def _pending(entry: Entry, seen: Seen) -> bool:
    """Whether it waits in the queue to run, as far as is known."""
    line = seen.queue.get(entry.jobid)
    return line is None or line.state not in (Queued.RUNNING, Queued.ENDING)
