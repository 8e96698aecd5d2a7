"""Which job needs which file, who makes it, and so what may start (networkx for what is asked
seldom: importing it takes a tenth of a start, so that is done when it is asked)."""

from __future__ import annotations

from collections.abc import Iterable
from copy import copy
from typing import TYPE_CHECKING

from jobauto.errors import UserError
from jobauto.model import Job
from jobauto.needs import Need
from jobauto.quoting import shown

if TYPE_CHECKING:
    import networkx as nx


class Graph:
    """Jobs, the files they need, and which of these files exist.

    `held` jobs have no dependency file. What a job still misses is kept up to date, so that each
    arriving file costs only its users; who misses nothing has no sets, as most jobs are of that
    kind at the end.
    """

    def __init__(self, jobs: Iterable[Job] = ()) -> None:
        self.jobs: dict[str, Job] = {}
        self.makers: dict[str, str] = {}
        self.needs: dict[str, list[Need]] = {}
        self.present: set[str] = set()
        self._users: dict[str, set[str]] = {}
        self._markers: dict[str, set[str]] = {}  # job -> markers of known jobs it misses
        self._files: dict[str, set[str]] = {}  # job -> other files it misses
        self._absent: dict[str, list[str]] = {}  # job -> files that must not exist
        self._frontier: set[str] = set()  # jobs that wait for nothing but _files and _absent
        self.edits = 0  # grows when jobs come or go, or their needs are set
        self._edges: nx.DiGraph[str] | None = None
        for job in jobs:
            self.add(job)

    @property
    def edges(self) -> nx.DiGraph[str]:
        """From the maker of each marker to its users; made when asked for, not to be changed."""
        if self._edges is None:
            import networkx as nx

            self._edges = nx.DiGraph()
            self._edges.add_nodes_from(self.jobs)
            for name, needs in self.needs.items():
                for need in needs:
                    if need.file in self.makers and not need.absent:
                        self._edges.add_edge(self.makers[need.file], name)
        return self._edges

    def add(self, job: Job) -> None:
        """Make a job known, on hold until its needs are set."""
        self._edited()
        self.jobs[job.name] = job
        self.makers[job.marker] = job.name
        for user in list(self._users.get(job.marker, ())):  # so far a file of unknown origin
            self.set_needs(user, self.needs[user])

    def set_needs(self, name: str, needs: list[Need] | None) -> bool:
        """Set or replace what a job needs (None: hold it); True if it misses nothing."""
        self._edited()
        self._drop_needs(name)
        if needs is None:
            return False
        self.needs[name] = needs
        for need in needs:
            self._users.setdefault(need.file, set()).add(name)
            if need.absent:
                self._absent.setdefault(name, []).append(need.file)
            elif need.file not in self.present:
                self._miss(name, need.file)
        return self._sort_in(name)

    def _edited(self) -> None:
        self.edits += 1
        self._edges = None

    def _drop_needs(self, name: str) -> None:
        for need in self.needs.pop(name, []):
            _drop(self._users, need.file, name)
        for kept in (self._markers, self._files, self._absent):
            kept.pop(name, None)
        self._frontier.discard(name)

    def _miss(self, name: str, file: str) -> None:
        lacking = self._markers if file in self.makers else self._files
        lacking.setdefault(name, set()).add(file)

    def _sort_in(self, name: str) -> bool:
        waits = name in self._files or name in self._absent
        if name not in self._markers and waits:
            self._frontier.add(name)
            return False
        self._frontier.discard(name)
        return name not in self._markers

    def remove(self, name: str) -> None:
        """Forget a job and its marker; who needs that waits for a file of unknown origin."""
        self.set_needs(name, None)
        marker = self.jobs.pop(name).marker
        del self.makers[marker]
        self.present.discard(marker)
        for user in list(self._users.get(marker, ())):
            self.set_needs(user, self.needs[user])

    def held(self, name: str) -> bool:
        return name not in self.needs

    def arrived(self, file: str) -> list[str]:
        """Note that a file exists; the jobs that now miss nothing, in order of name."""
        self.present.add(file)
        free = []
        for name in sorted(self._users.get(file, ())):
            lacked = _drop(self._markers, name, file) or _drop(self._files, name, file)
            if lacked and self._sort_in(name):
                free.append(name)
        return free

    def departed(self, file: str) -> None:
        """Note that a file is gone (a job that runs again has no marker)."""
        if file not in self.present:
            return
        self.present.discard(file)
        for name in self._users.get(file, ()):
            if any(n.file == file and not n.absent for n in self.needs[name]):
                self._miss(name, file)
                self._sort_in(name)

    def set_done(self, markers: set[str]) -> None:
        """Of all markers of known jobs, just these count as existing."""
        for marker in self.present & self.makers.keys() - markers:
            self.departed(marker)
        for marker in sorted(markers):
            self.arrived(marker)

    def satisfied(self, name: str) -> bool:
        """Nothing that must exist is missing, and no file is in the way as far as known."""
        if self.held(name) or name in self._markers or name in self._files:
            return False
        return not any(f in self.present for f in self._absent.get(name, ()))

    def released(self, name: str) -> None:
        """Note that a job was queued: its files need not be looked for any more."""
        self._frontier.discard(name)

    def watched(self) -> set[str]:
        """Files to look for: what the jobs miss that wait for nothing else."""
        files: set[str] = set()
        for name in self._frontier:
            files |= self._files.get(name) or set(self._absent[name])
        return files

    def freed_by_absence(self, missing: Iterable[str]) -> list[str]:
        """Jobs that waited only for files to be away, all of which are among `missing`."""
        gone = set(missing)
        return sorted(
            name
            for name in self._frontier
            if name not in self._files and gone.issuperset(self._absent[name])
        )

    def free(self, name: str) -> bool:
        """Misses nothing, and does not ask for any file to be away (which must be looked up)."""
        return self.satisfied(name) and name not in self._absent

    def users(self, name: str) -> list[str]:
        """Jobs that need the marker of this one, in order of name."""
        return sorted(self._users.get(self.jobs[name].marker, ()))

    def awaited(self, name: str) -> list[str] | None:
        """The jobs for whose markers a job waits; None if it waits for anything else, too."""
        if self.held(name) or name in self._files or name in self._absent:
            return None
        return sorted(self.makers[marker] for marker in self._markers.get(name, ()))

    def missing(self, name: str) -> list[Need]:
        """What the job misses, in the order of its file."""
        return [n for n in self.needs[name] if (n.file in self.present) is n.absent]

    def still(self) -> Graph:
        """A copy for readers in other threads: jobs, makers, needs and present files as of now."""
        taken = copy(self)
        taken.jobs, taken.makers = dict(self.jobs), dict(self.makers)
        taken.needs, taken.present = dict(self.needs), set(self.present)
        return taken

    def cycles(self) -> list[UserError]:
        """One error for each knot of jobs that wait for one another, naming a cycle in full."""
        if not (stuck := self._stuck()):
            return []
        import networkx as nx

        edges = self.edges.subgraph(stuck)
        return [
            self._cycle(knot)
            for knot in nx.strongly_connected_components(edges)
            if len(knot) > 1 or any(edges.has_edge(name, name) for name in knot)
        ]

    def _stuck(self) -> set[str]:
        """Jobs in a circle or behind one: what is left when all else has run. It is asked at each
        start, where no edges of networkx are needed unless there is a circle."""
        waits = {
            name: len(markers)
            for name, markers in self._markers.items()
            if self.jobs[name].marker not in self.present
        }
        done = [name for name in self.jobs if name not in waits]
        for name in done:
            marker = self.jobs[name].marker
            for user in self._users.get(marker, ()):
                if user in waits and marker in self._markers[user]:
                    waits[user] -= 1
                    if not waits[user]:
                        del waits[user]
                        done.append(user)
        return set(waits)

    def _cycle(self, knot: set[str]) -> UserError:
        import networkx as nx

        backwards = self.edges.subgraph(knot).reverse(copy=True)
        round_trip = [user for user, _ in nx.find_cycle(backwards, min(knot))]
        links: list[str] = []
        places: list[str] = []
        for user, maker in zip(round_trip, round_trip[1:] + round_trip[:1], strict=True):
            job = self.jobs[user]
            needs = (n for n in self.needs[user] if not n.absent)
            line = next(n.line for n in needs if self.makers.get(n.file) == maker)
            places.append(f"{shown(job.dependency)}:{line}")
            links.append(f"{shown(user)} needs {shown(maker)} ({places[-1]})")
        hint = "remove one of these lines; none of them can start"
        return UserError("cycle: " + ", ".join(links), places[0], hint)

    def unknown(self) -> list[tuple[Job, Need]]:
        """Needs that no job is known to make and that do not exist."""
        return [
            (self.jobs[name], need)
            for name, needs in self.needs.items()
            for need in needs
            if not need.absent and need.file not in self.present and need.file not in self.makers
        ]

    def blocked_by(self, stuck: Iterable[str]) -> dict[str, str]:
        """Every job that depends on one of `stuck`, with the nearest such culprit's name."""
        blocked: dict[str, str] = {}
        queue = [(name, name) for name in stuck]
        for name, culprit in queue:
            marker = self.jobs[name].marker
            for user in sorted(self._users.get(marker, ())):
                if user not in blocked and marker in self._markers.get(user, ()):
                    blocked[user] = culprit
                    queue.append((user, culprit))
        return blocked


def _drop(sets: dict[str, set[str]], key: str, member: str) -> bool:
    """Take a member out of a set, and the set away if it is empty then; False if it was not in."""
    members = sets.get(key)
    if members is None or member not in members:
        return False
    members.discard(member)
    if not members:
        del sets[key]
    return True
