"""What HTTP tells of a run: a copy, made between ticks when somebody asks, once for each tick.

No reader waits for the remote, and what nobody reads costs nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import TypeVar

from jobauto import lock
from jobauto.actions.status import Status
from jobauto.ledger import Entry
from jobauto.lock import Holder
from jobauto.loop import Link, what_is_wrong
from jobauto.model import State
from jobauto.monitor import Monitor

log = logging.getLogger("jobauto")

PATIENCE = 1.0  # seconds that a reader waits for the end of a tick
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A run as it was at the end of a tick. `limits`: maxqsub, maxpending, interval (seconds).

    `tick` grows with each; `watched`: a monitor looks after it.
    """

    tick: int
    date: str
    status: Status
    names: list[str]  # of all jobs, sorted
    counts: dict[State, int]
    limits: dict[str, float | None]
    watched: bool = True


class Copier:
    """Takes snapshots of one run; what has not changed since the last is not copied again."""

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor
        self._changed = monitor.standing.follow()
        self._entries: dict[str, Entry] = {}
        self._states: dict[str, State] = {}
        self._names: list[str] = []

    def take(self, link: Link, holder: Holder | None, date: str) -> Snapshot:
        """Copy what readers need, as of `date`; called while the monitor's thread rests."""
        monitor, standing = self._monitor, self._monitor.standing
        standing.update()
        changed = set(self._changed)
        entries, states = dict(self._entries), dict(self._states)
        for name in changed:
            _copy(name, monitor.ledger.entries, entries, _copied)
            _copy(name, standing.now, states, lambda state: state)
        if states.keys() != self._states.keys():
            self._names = sorted(states)
        self._changed -= changed
        self._entries, self._states = entries, states
        conditions = what_is_wrong(monitor, link)
        graph, culprits = monitor.graph.still(), dict(standing.culprits)
        queue = dict(monitor.looking.seen.queue)
        status = Status(monitor.run, graph, entries, states, culprits, queue, holder, conditions)
        limits = {
            "maxqsub": monitor.limits.maxqsub,
            "maxpending": monitor.limits.maxpending,
            "interval": monitor.obeying.interval,
        }
        return Snapshot(monitor.ticks, date, status, self._names, standing.counts, limits)


def _copy(
    name: str, source: Mapping[str, T], target: dict[str, T], copied: Callable[[T], T]
) -> None:
    if name in source:
        target[name] = copied(source[name])
    else:
        target.pop(name, None)


def _copied(entry: Entry) -> Entry:
    return Entry(entry.job, entry.words[:], entry.attempt, entry.jobid, entry.open)


class Board:
    """The newest snapshot, made when somebody asks for it.

    `tell` is called with two that differ, after a tick, if somebody is `followed`: what was, and
    what is.
    """

    def __init__(self, monitor: Monitor) -> None:
        self.tell: Callable[[Snapshot, Snapshot], None] = lambda _before, _now: None
        self.followed: Callable[[], bool] = lambda: False
        self._holder = lock.watcher(monitor.run.private)
        self._copier = Copier(monitor)
        self._link = Link()
        self._clock = monitor.clock
        self._date = self._clock.date()  # of the last tick
        self._last = self._copier.take(self._link, self._holder, self._date)
        self._old = False  # there was a tick since
        self._wanted = False  # somebody asked in the middle of a tick
        self._quiet = Lock()  # held by the monitor's thread while it is at work
        self._at_work = False

    @property
    def now(self) -> Snapshot:
        """A run as it is; in the middle of a tick, as it was before it, if that was asked for or
        the tick lasts."""
        self._wanted = self._old
        if self._old and self._quiet.acquire(timeout=PATIENCE):
            try:
                self._refresh()
            finally:
                self._quiet.release()
        return self._last

    def _refresh(self) -> None:
        """A fault of ours is logged, and does not end the run."""
        if not self._old:
            return
        try:
            self._old = self._wanted = False
            self._last = self._copier.take(self._link, self._holder, self._date)
        except Exception:
            log.exception("HTTP: no new snapshot")

    def publish(self, _monitor: Monitor, link: Link) -> None:
        """A tick is over: tell those who follow the run."""
        at_work, before = self._at_work, self._last
        self._work()
        self._link, self._old, self._date = link, True, self._clock.date()
        if self._wanted or self.followed():
            self._refresh()
            if differ(before, self._last):
                self.tell(before, self._last)
        if not at_work:
            self._rest()

    def keep_out(self, monitor: Monitor) -> None:
        """From now on let others read only while this monitor lets time pass."""
        monitor.looking.resting = self._resting
        self._work()

    @contextmanager
    def _resting(self) -> Iterator[None]:
        self._rest()
        try:
            yield
        finally:
            self._work()

    def _work(self) -> None:
        if not self._at_work:
            self._quiet.acquire()
            self._at_work = True

    def _rest(self) -> None:
        if self._at_work:
            self._at_work = False
            self._quiet.release()


def differ(one: Snapshot, other: Snapshot) -> bool:
    """Whether anything differs that a reader sees."""
    return _facts(one) != _facts(other)


def _facts(of: Snapshot) -> tuple[object, ...]:
    return of.status.states, of.status.conditions, of.status.queue, of.limits, of.watched
