"""Which of the jobs that may start get the tokens that they ask for, in each tick."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from jobauto import lock
from jobauto.asking import read
from jobauto.clock import Clock
from jobauto.conditions import Condition
from jobauto.errors import UserError
from jobauto.graph import Graph
from jobauto.ledger import Ledger, files
from jobauto.model import Job
from jobauto.noticing import Noticing
from jobauto.registry import folder
from jobauto.resources import Wants
from jobauto.run import PRIVATE, Run, is_run, open_run
from jobauto.tokens import Tokens, Turn
from jobauto.tree import Signature

log = logging.getLogger("jobauto")

WAITING = "waiting.json"  # in the run's own folder: job to what it waits for


@dataclass(slots=True)
class Admitting:
    """Holds tokens for the jobs of a run."""

    run: Run
    graph: Graph
    ledger: Ledger
    noticing: Noticing
    clock: Clock
    tokens: Tokens
    _waiting: dict[str, str] = field(default_factory=dict)
    _outside: Condition | None = None
    _looked: Mapping[str, Signature] | None = None  # what was noticed last
    _signatures: dict[str, Signature] = field(default_factory=dict)
    _wants: dict[str, Wants] = field(default_factory=dict)  # of jobs that want anything
    _keepers: dict[str, list[str]] = field(default_factory=dict)  # by folder
    _held: bool = False  # something, perhaps since an earlier process

    def admitted(self, ready: Iterable[str], room: int) -> list[str]:
        """The first `room` of these jobs for which there are tokens. They are held from now on."""
        if not self.choosy():
            return list(islice(ready, room))
        turn = self._hold(list(ready), room)
        if turn.waiting != self._waiting:
            self._waiting = turn.waiting
            files.put(self.run.private / WAITING, turn.waiting, durable=False)
        self._say(turn.outside)
        return turn.admitted

    def wants(self, name: str) -> bool:
        """Whether a job wants any token."""
        self._look()
        return name in self._wants

    def choosy(self) -> bool:
        """Whether jobs may have to wait for tokens, so that it takes more of them than go."""
        self._look()
        return bool(self._wants) or self._held

    def likely(self, ready: Sequence[str]) -> list[str]:
        """Those of these jobs for each of which there are tokens now, if it is the only one."""
        self._look()
        return self.tokens.there_for(self._of(ready)) if self._wants else list(ready)

    def release(self) -> None:
        """Hold nothing: the run is over."""
        self._keepers = {}
        if self._held:
            self._hold((), 0)

    def conditions(self) -> list[Condition]:
        """That jobs wait for those of other runs."""
        return [self._outside] if self._outside else []

    def _hold(self, ready: Sequence[str], room: int) -> Turn:
        entries = (*self.ledger.in_flight(), *self.ledger.unsure())
        flying = {entry.job.name for entry in entries}
        blocked = self._blocked() if self._keepers else set()
        turn = self.tokens.hold(
            {name: self._wants[name] for name in flying & self._wants.keys()},
            self._of(ready),
            lambda place: any(self._undone(n, blocked) for n in self._keepers.get(place, ())),
            room,
        )
        self._held = turn.holds
        return turn

    def _of(self, names: Sequence[str]) -> Iterator[tuple[str, Wants]]:
        return ((name, self._wants.get(name, _NOTHING)) for name in names)

    def _look(self) -> None:
        """Read what jobs want where that is new or was edited; forget jobs that are gone."""
        known = self.noticing.resources
        if known is self._looked:
            return
        self._looked = known
        for name in known.keys() | self._signatures.keys():
            if known.get(name) != self._signatures.get(name):
                self._read(name, known.get(name))
        self._keepers = {}
        for name, wants in self._wants.items():
            if wants.kept:
                self._keepers.setdefault(Job.from_name(name).folder, []).append(name)

    def _read(self, name: str, signature: Signature | None) -> None:
        self._wants.pop(name, None)
        self._signatures.pop(name, None)
        if signature is None or name not in self.graph.jobs:
            return
        self._signatures[name] = signature
        try:
            wants = read(self.run.folder, self.graph.jobs[name]).wants
        except UserError as error:  # it is not submitted before this is put right
            self.noticing.complain(error)
            return
        if wants:
            self._wants[name] = wants

    def _blocked(self) -> set[str]:
        bad = (entry.job.name for entry in self.ledger.bad())
        return set(self.graph.blocked_by(name for name in bad if name in self.graph.jobs))

    def _undone(self, name: str, blocked: set[str]) -> bool:
        entry = self.ledger.entries.get(name)
        over = entry is not None and entry.state.final
        gone = name not in self.graph.jobs
        return not (over or gone or name in blocked or self.graph.held(name))

    def _say(self, outside: str) -> None:
        """Note that other runs are waited for, since when, and tell the log once."""
        before = self._outside
        if not outside:
            self._outside = None
        elif before is None or before.why != outside:
            log.info("waiting: %s", outside)
            since = before.since if before else self.clock.date()
            self._outside = Condition("waiting for tokens", outside, since, "next tick")


_NOTHING = Wants()


def admitting(
    run: Run, graph: Graph, ledger: Ledger, noticing: Noticing, clock: Clock, limits: dict[str, int]
) -> Admitting:
    """The step for a run; `limits` has the tokens of which there is not just one."""
    # by machine: the folder may be one that several share
    file = folder() / f"tokens@{socket.gethostname()}.json"
    tokens = Tokens(file, run.folder, limits, in_flight_unwatched)
    before = files.get(run.private / WAITING)
    return Admitting(run, graph, ledger, noticing, clock, tokens, before, _held=file.exists())


def in_flight_unwatched(place: Path) -> set[str] | None:
    """The jobs of a run that nobody watches which may be in the queue; None if it is watched, or
    that cannot be told."""
    if not is_run(place):
        return set()
    if lock.watcher(place / PRIVATE):
        return None
    try:
        ledger = Ledger(place, open_run(place).id)
        ledger.recover()
    except UserError:
        return None
    return {entry.job.name for entry in (*ledger.in_flight(), *ledger.unsure())}
