"""Which of the jobs that may start go first with `--order critical-path`: those with the longest
chain of jobs still to come, as the run cannot end before that has been gone through.

A job weighs what jobs of the same id took, in seconds.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from jobauto.clock import Clock
from jobauto.graph import Graph
from jobauto.ledger import Ledger
from jobauto.ledger.tries import Log, Try
from jobauto.model import Job

if TYPE_CHECKING:
    import networkx as nx

CRITICAL = "critical-path"
RUNS = 5  # so many other runs are read, the newest
NEWEST = 1000  # durations of an id that count
AGAIN = 60.0  # seconds after which the durations of this run are looked at again
NOTABLY = 1.2  # a weight that changed by less changes no order
LEAST = 1.0  # seconds: dates are whole seconds, and jobs that take none are still a chain


class Durations:
    """How long jobs took that finished, by id: the newest of them."""

    def __init__(self) -> None:
        self._kept: dict[str, deque[float]] = {}

    def take(self, log: Log) -> None:
        """Take in what a qsub.log tells that it did not tell before."""
        for name in log.read():
            of_job, job_id = log.tries[name], Job.from_name(name).id
            for number in [number for number, one in of_job.items() if one.verdict == "finished"]:
                seconds = _seconds(of_job.pop(number))
                if seconds is not None:
                    self._kept.setdefault(job_id, deque(maxlen=NEWEST)).append(seconds)

    def medians(self) -> dict[str, float]:
        """Id to seconds, at least LEAST."""
        return {job_id: max(LEAST, median(kept)) for job_id, kept in self._kept.items()}


def _seconds(one: Try) -> float | None:
    return one.in_queue if one.ran is None else one.ran


@dataclass(slots=True)
class Ordering:
    """The longest chain that begins with each job, in seconds, kept up with the run.

    Jobs that are done count nothing, nor do those in a circle or behind one. `earlier`: what other
    runs tell of durations.
    """

    graph: Graph
    ledger: Ledger
    clock: Clock
    earlier: Durations
    ranks: dict[str, float] = field(default_factory=dict)
    ranked: int = 0  # how often all ranks were found
    _weights: dict[str, float] = field(default_factory=dict)
    _edges: nx.DiGraph[str] | None = None  # the ranks are of these; another graph makes others
    _done: set[str] = field(default_factory=set)
    _again: float = -math.inf
    _log: Log = field(init=False)
    _changed: set[str] = field(init=False)  # jobs of which there is news

    def __post_init__(self) -> None:
        self._log, self._changed = Log(self.ledger.log), self.ledger.follow()

    def first(self, names: Iterable[str], room: int | None = None) -> list[str]:
        """Up to `room` of these jobs (None: all), the longest chain first; equal ones as given."""
        if room == 0:
            return []
        cut, weighed = self._cut(), self._weigh()
        if cut or weighed or self._edges is not self.graph.edges:
            self._rank()
        rank: Callable[[str], float] = lambda name: self.ranks.get(name, 0.0)  # noqa: E731
        if room is None:
            return sorted(names, key=rank, reverse=True)
        return heapq.nlargest(room, names, key=rank)

    def _cut(self) -> bool:
        """Take in what is done. Whether that is other than one job after the other, which changes
        no chain of a job that may start: one is to be done again, or was done before its makers."""
        entries, changed = self.ledger.entries, self._changed
        now = {name for name in changed if name in entries and entries[name].state.done}
        again, new = self._done & changed - now, now - self._done
        self._done -= again
        self._done |= new
        changed.clear()
        return bool(again) or any(self._early(name) for name in new)

    def _early(self, name: str) -> bool:
        edges = self._edges
        return edges is None or (name in edges and not self._done.issuperset(edges.pred[name]))

    def _weigh(self) -> bool:
        """Look at durations again if it is time; whether that changed weights notably."""
        now = self.clock.elapsed()
        if now < self._again:
            return False
        self._again = now + AGAIN
        self.earlier.take(self._log)
        found = self.earlier.medians()
        if found.keys() == self._weights.keys() and not any(
            _differ(seconds, self._weights[job_id]) for job_id, seconds in found.items()
        ):
            return False
        self._weights = found
        return True

    def _rank(self) -> None:
        import networkx as nx  # as in graph.py

        edges = self._edges = self.graph.edges
        self.ranked += 1
        order: list[str] = []
        with suppress(nx.NetworkXUnfeasible):  # said when all that can start was told
            for name in nx.topological_sort(edges):
                order.append(name)
        other = median(self._weights.values()) if self._weights else LEAST
        ranks: dict[str, float] = {}
        for name in reversed(order):
            weight = self._weights.get(self.graph.jobs[name].id, other)
            behind = max((ranks.get(user, 0.0) for user in edges.successors(name)), default=0.0)
            ranks[name] = behind + (0.0 if name in self._done else weight)
        self.ranks = ranks


def _differ(one: float, other: float) -> bool:
    return max(one, other) > NOTABLY * min(one, other)


def ordering(graph: Graph, ledger: Ledger, clock: Clock, others: Iterable[Path]) -> Ordering:
    """The step for a run; `others` are the folders of other runs, oldest first."""
    durations = Durations()
    logs = [log for folder in others if (log := folder / "qsub.log").is_file()]
    for log in logs[-RUNS:]:
        with suppress(OSError):  # it is another one's, and what it tells is not needed
            durations.take(Log(log))
    return Ordering(graph, ledger, clock, durations)
