"""What HTTP tells of a run: a copy that the monitor leaves after each tick, so no reader waits for
a tick, and no tick for a reader."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from jobauto import lock
from jobauto.actions.status import Status, all_states
from jobauto.ledger import Entry
from jobauto.lock import Holder
from jobauto.loop import Link, what_is_wrong
from jobauto.model import State
from jobauto.monitor import Monitor

log = logging.getLogger("jobauto")


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


def take(monitor: Monitor, link: Link, holder: Holder | None) -> Snapshot:
    """Copy what readers need; called between ticks by the monitor's own thread."""
    entries = {name: _copied(entry) for name, entry in monitor.ledger.entries.items()}
    states, culprits = all_states(monitor.graph, entries)
    conditions = what_is_wrong(monitor, link)
    graph, queue = monitor.graph.still(), dict(monitor.looking.seen.queue)
    status = Status(monitor.run, graph, entries, states, culprits, queue, holder, conditions)
    limits = {
        "maxqsub": monitor.limits.maxqsub,
        "maxpending": monitor.limits.maxpending,
        "interval": monitor.obeying.interval,
    }
    date = monitor.clock.date()
    return Snapshot(monitor.ticks, date, status, sorted(states), status.counts(), limits)


def _copied(entry: Entry) -> Entry:
    return Entry(entry.job, entry.words[:], entry.attempt, entry.jobid, entry.open)


@dataclass(slots=True)
class Board:
    """The newest snapshot. `tell` is called with two that differ: what was, and what is."""

    now: Snapshot
    holder: Holder | None
    tell: Callable[[Snapshot, Snapshot], None] = field(default=lambda _before, _now: None)

    @classmethod
    def of(cls, monitor: Monitor) -> Board:
        """A board with a first snapshot."""
        holder = lock.watcher(monitor.run.private)
        return cls(take(monitor, Link(), holder), holder)

    def publish(self, monitor: Monitor, link: Link) -> None:
        """Put up a new snapshot. A fault of ours is logged, and does not end the run."""
        try:
            before, self.now = self.now, take(monitor, link, self.holder)
            if differ(before, self.now):
                self.tell(before, self.now)
        except Exception:
            log.exception("HTTP: no new snapshot")


def differ(one: Snapshot, other: Snapshot) -> bool:
    """Whether anything differs that a reader sees."""
    return _facts(one) != _facts(other)


def _facts(of: Snapshot) -> tuple[object, ...]:
    return of.status.states, of.status.conditions, of.status.queue, of.limits, of.watched
