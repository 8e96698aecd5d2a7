"""Which of the jobs that may start get the tokens that they ask for, in each tick."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from jobauto import lock
from jobauto.asking import read
from jobauto.clock import Clock
from jobauto.conditions import Condition
from jobauto.errors import UserError
from jobauto.graph import Graph
from jobauto.ledger import Ledger, files
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
    _known: Mapping[str, Signature] = field(default_factory=dict)
    _wants: dict[str, Wants] = field(default_factory=dict)  # of jobs that want anything
    _keepers: dict[str, list[str]] = field(default_factory=dict)  # by folder
    _held: bool = False  # something, perhaps since an earlier process

    def admitted(self, ready: Sequence[str], room: int) -> list[str]:
        """The first `room` of these jobs for which there are tokens. They are held from now on."""
        self._look()
        if not self._wants and not self._held:
            return list(ready[:room])
        turn = self._hold((), ready, room)
        if turn.waiting != self._waiting:
            self._waiting = turn.waiting
            files.put(self.run.private / WAITING, turn.waiting, durable=False)
        self._say(turn.outside)
        return turn.admitted

    def give_back_all_but(self, taken: Iterable[str]) -> None:
        """Hold tokens for no more jobs than those in flight and these, which will be."""
        if self._held:
            self._hold(taken, (), 0)

    def release(self) -> None:
        """Hold nothing: the run is over."""
        self._keepers = {}
        self.give_back_all_but(())

    def conditions(self) -> list[Condition]:
        """That jobs wait for those of other runs."""
        return [self._outside] if self._outside else []

    def _hold(self, more: Iterable[str], ready: Sequence[str], room: int) -> Turn:
        entries = (*self.ledger.in_flight(), *self.ledger.unsure())
        flying = {*(entry.job.name for entry in entries), *more}
        blocked = self._blocked() if self._keepers else set()
        turn = self.tokens.hold(
            {name: self._wants[name] for name in flying & self._wants.keys()},
            ((name, self._wants.get(name, _NOTHING)) for name in ready),
            lambda place: any(self._undone(n, blocked) for n in self._keepers.get(place, ())),
            room,
        )
        self._held = turn.holds
        return turn

    def _look(self) -> None:
        """Read what jobs want where that is new or was edited."""
        known = self.noticing.resources
        if known is self._known:
            return
        for name in known.keys() | self._known.keys():
            if known.get(name) != self._known.get(name) and name in self.graph.jobs:
                self._read(name)
        self._known = known
        self._keepers = {}
        for name, wants in self._wants.items():
            if wants.kept:
                self._keepers.setdefault(self.graph.jobs[name].folder, []).append(name)

    def _read(self, name: str) -> None:
        self._wants.pop(name, None)
        try:
            wants = read(self.run.folder, self.graph.jobs[name]).wants
        except UserError as error:  # it is not submitted before this is put right
            self.noticing.complain(error)
            return
        if wants:
            self._wants[name] = wants

    def _blocked(self) -> set[str]:
        bad = (name for name, entry in self.ledger.entries.items() if entry.state.bad)
        return set(self.graph.blocked_by(name for name in bad if name in self.graph.jobs))

    def _undone(self, name: str, blocked: set[str]) -> bool:
        entry = self.ledger.entries.get(name)
        over = entry is not None and entry.state.final
        return not (over or name in blocked or self.graph.held(name))

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
