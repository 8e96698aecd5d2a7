"""What a person changes in the run folder while the run goes on.

Added folders and jobs, and edited scripts, are sent before the next submission; edited dependency
files change what a job waits for; a deleted one puts its job on hold.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from jobauto import tree
from jobauto.errors import UserError
from jobauto.graph import Graph
from jobauto.host import Host
from jobauto.quoting import shown
from jobauto.run import Run, name_problems, read_needs
from jobauto.schedulers import DIALECTS
from jobauto.tree import Tree

log = logging.getLogger("jobauto")

SHARE = 20  # looking may take at most one such part of the time


class Noticing:
    """Compares the run folder with what was seen last. `settled` jobs are left alone."""

    def __init__(
        self,
        run: Run,
        graph: Graph,
        settled: Callable[[str], bool],
        elapsed: Callable[[], float],
        known: Tree,
    ) -> None:
        self.run, self.graph, self.settled, self.elapsed = run, graph, settled, elapsed
        self._known = known
        self._next = 0.0
        self._complaints: set[str] = set()
        self._changed: dict[str, int] = {}  # folder -> ctime of its newest script
        for name, signature in known.scripts.items():
            if run.mirrored and 0 < run.synced_ns < signature[0]:
                self._take_script(name, signature)

    @property
    def resources(self) -> Mapping[str, tree.Signature]:
        """Jobs that have a `qsub.resources.<id>`, with what changes when it is edited."""
        return self._known.resources

    def soon(self) -> None:
        """Look the next time, however lately that was done."""
        self._next = 0.0

    def look(self) -> list[str]:
        """Take changes over; the jobs that miss nothing since."""
        begun = self.elapsed()
        if begun < self._next:
            return []
        found = tree.scan(self.run.folder)
        self._scripts(found)
        free = self._dependencies(found)
        self._known = found
        self._next = self.elapsed() + SHARE * (self.elapsed() - begun)
        return free

    def _scripts(self, found: Tree) -> None:
        for problem in found.problems:
            self.complain(problem)
        for name in found.scripts.keys() - self._known.scripts.keys():
            self.graph.add(found.jobs[name])
            log.info("new job %s", shown(name))
        for name, signature in found.scripts.items():
            if self._known.scripts.get(name) != signature and not self._take_script(
                name, signature
            ):
                found.dependencies.pop(name, None)  # on hold until it is put right
        for name in self._known.scripts.keys() - found.scripts.keys():
            found.dependencies.pop(name, None)

    def _take_script(self, name: str, signature: tree.Signature) -> bool:
        job = self.graph.jobs[name]
        try:
            problems = name_problems([job], DIALECTS[self.run.scheduler], self.run.rdir)
            problems = problems or self.run.filler().fill(self.run.folder, job)
        except OSError as error:
            problems = [UserError(str(error), shown(name))]
        for problem in problems:
            self.complain(problem)
        if not problems:
            self._changed[job.folder] = max(self._changed.get(job.folder, 0), signature[0])
        return not problems

    def _dependencies(self, found: Tree) -> list[str]:
        free = []
        for name, signature in found.dependencies.items():
            if name in self.graph.jobs and self._known.dependencies.get(name) != signature:
                needs, problems = read_needs(self.run.folder, self.graph, name)
                for problem in problems:
                    self.complain(problem)
                if not self.settled(name) and self.graph.set_needs(
                    name, None if problems else needs
                ):
                    free.append(name)
        for name in self._known.dependencies.keys() - found.dependencies.keys():
            if name in self.graph.jobs and not self.settled(name):
                self.graph.set_needs(name, None)
                log.info("%s is on hold: it has no dependency file", shown(name))
        return sorted(free)

    def complain(self, problem: Exception) -> None:
        """Log what is wrong in the run folder, once."""
        text = str(problem)
        if text not in self._complaints:
            self._complaints.add(text)
            log.error("%s", text)

    def newest(self) -> int:
        """The newest change of a script, as far as seen (ctime in ns)."""
        return max((signature[0] for signature in self._known.scripts.values()), default=1)

    def push_changed(self, host: Host) -> None:
        """Send folders in which scripts were added or edited."""
        if not self._changed:
            return
        if self.run.mirrored:
            host.push(self.run.folder, self.run.rdir, sorted(self._changed))
            self.run.synced_ns = max(self.run.synced_ns, *self._changed.values())
            self.run.save()
        self._changed.clear()
