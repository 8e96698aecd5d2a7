"""The state of every job: what its entry says, and for all others what they wait for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from jobauto.graph import Graph
from jobauto.ledger import Entry, Ledger
from jobauto.model import State


def all_states(
    graph: Graph, entries: Mapping[str, Entry], alive: bool = True
) -> tuple[dict[str, State], dict[str, str]]:
    """The state of every job, and for each blocked one the job at fault.

    Waiting, ready and blocked are computed from what happened. Unless a monitor is `alive`, a
    job that waits for a file which nobody is left to make is blocked by itself.
    """
    states = {name: entry.state for name, entry in entries.items()}
    stuck = [n for n, s in states.items() if s.bad and n in graph.jobs]
    culprits = graph.blocked_by(stuck)
    moving = any(s in (State.STARTED, State.SUBMITTING) for s in states.values())
    for name in graph.jobs:
        if states.get(name, State.READY) is State.READY:
            states[name] = _not_begun(graph, name, culprits)
    if not (moving or alive or State.READY in states.values()):
        for name, state in states.items():
            if state is State.WAITING:
                states[name] = State.BLOCKED
    return states, culprits


def _not_begun(graph: Graph, name: str, culprits: Mapping[str, str]) -> State:
    if graph.held(name):
        return State.HELD
    if name in culprits:
        return State.BLOCKED
    return State.READY if graph.satisfied(name) else State.WAITING


def count(states: Iterable[State]) -> dict[State, int]:
    """How many jobs are in each state."""
    counted: dict[State, int] = {}
    for state in states:
        counted[state] = counted.get(state, 0) + 1
    return counted


class States:
    """The states of the jobs of a run that goes on, kept up with what changes.

    `now` and `culprits` are as of the last `update`, as `all_states` tells them.
    """

    def __init__(self, graph: Graph, ledger: Ledger) -> None:
        self.now: dict[str, State] = {}
        self.culprits: dict[str, str] = {}
        self._counts: Counter[State] = Counter()
        self._graph, self._ledger = graph, ledger
        self._changed = ledger.follow()
        self._bad: set[str] = set()
        self._odd: set[str] = set()  # jobs that files of other origin make ready, or not
        self._edits = -1  # of the graph, as of the last time that all was found out
        self._followers: list[set[str]] = []

    @property
    def counts(self) -> dict[State, int]:
        """How many jobs are in each state; what is furthest first."""
        found = sorted(self._counts.items(), key=lambda one: -one[0].order)
        return {state: number for state, number in found if number}

    def follow(self) -> set[str]:
        """The names of all jobs, in a set to which those that change or go are added; whoever
        follows takes them out."""
        self._followers.append(set(self.now))
        return self._followers[-1]

    def update(self) -> None:
        """Take over what has changed since."""
        changed = set(self._changed)
        self._changed.clear()
        if self._edits != self._graph.edits or not self._take(changed | self._odd):
            self._find_all()
        for follower in self._followers:
            follower |= changed

    def _find_all(self) -> None:
        graph, entries = self._graph, self._ledger.entries
        before = self.now
        self.now, self.culprits = all_states(graph, entries)
        self._counts = Counter(self.now.values())
        self._bad = {entry.job.name for entry in self._ledger.bad()}
        self._odd = {
            name
            for name, state in self.now.items()
            if (name in entries and entries[name].state is State.READY is not state)
            or (name not in entries and any(need.absent for need in graph.needs.get(name, ())))
        }
        self._edits = graph.edits
        if self._followers:
            names = {n for n in before.keys() | self.now.keys() if before.get(n) != self.now.get(n)}
            self._tell(names)

    def _tell(self, names: Iterable[str]) -> None:
        for follower in self._followers:
            follower.update(names)

    def _take(self, names: set[str]) -> bool:
        """Find out about these jobs, and what needs them; False if that does not tell all."""
        entries = self._ledger.entries
        bad = {name for name in names if name in entries and entries[name].state.bad}
        again = {n for n in names if n not in bad and n in self.now and self.now[n].final}
        if any(n not in entries or not entries[n].state.final for n in again):
            return False  # what it blocked waits again, and so may what had its marker
        blocked = self._graph.blocked_by(n for n in bad - self._bad if n in self._graph.jobs)
        self._bad |= bad
        self.culprits |= {n: why for n, why in blocked.items() if n not in self.culprits}
        for name in names | blocked.keys():
            self._put(name)
        return True

    def _put(self, name: str) -> None:
        entry, known = self._ledger.entries.get(name), name in self._graph.jobs
        state = entry.state if entry else None
        if known and state in (None, State.READY):
            state = _not_begun(self._graph, name, self.culprits)
            if entry and state is not State.READY:
                self._odd.add(name)
        before = self.now.get(name)
        if state is before:
            return
        if before:
            self._counts[before] -= 1
        if state:
            self.now[name] = state
            self._counts[state] += 1
        else:
            del self.now[name]
        self._tell([name])
