"""What a person changes in the run folder while the run goes on.

Added folders and jobs, and edited scripts, are sent before the next submission; edited dependency
files change what a job waits for; a deleted one puts its job on hold.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence

from jobauto import tree
from jobauto.errors import UserError
from jobauto.graph import Graph
from jobauto.host import Host
from jobauto.model import Job
from jobauto.quoting import shown
from jobauto.run import Run, name_problems, read_needs
from jobauto.schedulers import DIALECTS
from jobauto.tree import Signature, Tree
from jobauto.watching import Watching

log = logging.getLogger("jobauto")

# Looking at all folders may take at most one such part of the time: where it is the only way, and
# where the kernel tells what changed, so that nothing rests on that alone.
SHARE, RARELY = 20, 5000
FIRST = 600.0  # seconds until it is done for the first time where the kernel tells


class Noticing:
    """Compares the run folder with what was seen last. `settled` jobs are left alone.

    `watching` tells which folders changed, if that is possible, since before `known` was found.
    """

    def __init__(
        self,
        run: Run,
        graph: Graph,
        settled: Callable[[str], bool],
        elapsed: Callable[[], float],
        known: Tree,
        watching: Watching | None = None,
    ) -> None:
        self.run, self.graph, self.settled, self.elapsed = run, graph, settled, elapsed
        self._known, self._watching = known, watching
        self._next = elapsed() + FIRST if watching else 0.0
        self._next_linked = 0.0
        self._complaints: set[str] = set()
        self._bad: set[str] = set()  # jobs whose scripts cannot be submitted
        self._changed: dict[str, int] = {}  # folder -> ctime of its newest script
        self._names: dict[str, set[str]] | None = None  # of jobs with any file, by folder
        for name, signature in known.scripts.items():
            if run.mirrored and 0 < run.synced_ns < signature[0]:
                self._take_script(name, signature)

    @property
    def resources(self) -> Mapping[str, Signature]:
        """Jobs that have a `qsub.resources.<id>`, with what changes when it is edited; another
        object whenever any of it did."""
        return self._known.resources

    def forget(self, job: Job) -> None:
        """A job is not in the run folder any more; another one of its name would be a new one."""
        self._known.scripts.pop(job.name, None)
        self._known.dependencies.pop(job.name, None)
        self._known.resources.pop(job.name, None)
        self._changed.pop(job.folder, None)

    def soon(self) -> None:
        """Look at all folders the next time, however lately that was done."""
        self._next = 0.0

    def look(self) -> list[str]:
        """Take changes over; the jobs that miss nothing since."""
        begun = self.elapsed()
        changed = self._told()
        if begun >= self._next or changed is None:
            free = self._look_at_all()
            share = RARELY if self._watching else SHARE
            self._next = self.elapsed() + share * (self.elapsed() - begun)
            return free
        if self._known.linked and begun >= self._next_linked:
            changed |= self._known.linked
            free = self._look_at(changed)
            self._next_linked = self.elapsed() + SHARE * (self.elapsed() - begun)
            return free
        return self._look_at(changed)

    def about_to_submit(self, names: Sequence[str]) -> list[str]:
        """Look again at the files of jobs that are just to be submitted; those that may go on.

        So no edit of their scripts and dependency files is ever missed, whatever way is used.
        """
        edited = {self.graph.jobs[name].folder for name in names if self._differs(name)}
        if not edited:
            return list(names)
        self._look_at(edited)
        jobs, graph = self.graph.jobs, self.graph
        return [n for n in names if n in jobs and (self.settled(n) or graph.satisfied(n))]

    def _differs(self, name: str) -> bool:
        job, root = self.graph.jobs[name], self.run.folder
        files = (
            (name, self._known.scripts),
            (job.dependency, self._known.dependencies),
            (job.resources, self._known.resources),
        )
        return any(tree.signature(f"{root}/{file}") != known.get(name) for file, known in files)

    def _told(self) -> set[str] | None:
        """The folders that changed as far as the kernel tells; None if all must be looked at."""
        if self._watching is None:
            return set()
        try:
            return self._watching.changed()
        except OSError as error:
            log.info("no more is told of changes in the run folder: %s", error)
            self.close()
            return None

    def close(self) -> None:
        """Watch no more; from then on all folders are looked at."""
        if self._watching:
            self._watching.close()
        self._watching = None

    def _look_at_all(self) -> list[str]:
        found, self._names = tree.scan(self.run.folder), None
        before, self._known = self._known, found
        return self._compare(before, found)

    def _look_at(self, folders: set[str]) -> list[str]:
        if not folders:
            return []
        found = tree.scan_folders(self.run.folder, folders)
        before = self._part(folders)
        free = self._compare(before, found)
        self._take(folders, before, found)
        return free

    def _part(self, folders: set[str]) -> Tree:
        """What is known of jobs in these folders."""
        known, part = self._known, Tree()
        if self._names is None:
            self._names = {}
            for name in (*known.scripts, *known.dependencies, *known.resources):
                self._names.setdefault(name.rpartition("/")[0], set()).add(name)
        names = [name for folder in folders for name in self._names.get(folder, ())]
        for have, take in zip(_signatures(known), _signatures(part), strict=True):
            take.update((name, have[name]) for name in names if name in have)
        return part

    def _take(self, folders: set[str], before: Tree, found: Tree) -> None:
        """Know what was found in these folders in place of what was known before."""
        known = self._known
        if found.resources != before.resources:
            known.resources = dict(known.resources)
        for have, was, new in zip(*map(_signatures, (known, before, found)), strict=True):
            for name in was.keys() - new.keys():
                del have[name]
            have.update(new)
        assert self._names is not None
        for folder in folders:
            self._names.pop(folder, None)
        for name in (*found.scripts, *found.dependencies, *found.resources):
            self._names.setdefault(name.rpartition("/")[0], set()).add(name)
        known.linked = (known.linked - folders) | found.linked

    def _compare(self, before: Tree, found: Tree) -> list[str]:
        self._scripts(before, found)
        return self._dependencies(before, found)

    def _scripts(self, before: Tree, found: Tree) -> None:
        for problem in found.problems:
            self.complain(problem)
        for name in found.scripts.keys() - before.scripts.keys():
            self.graph.add(found.jobs[name])
            log.info("new job %s", shown(name))
        for name, signature in found.scripts.items():
            if before.scripts.get(name) != signature:
                well = self._take_script(name, signature)
                (self._bad.discard if well else self._bad.add)(name)
        for name in self._bad & found.scripts.keys():
            found.dependencies.pop(name, None)  # on hold until it is put right
        for name in before.scripts.keys() - found.scripts.keys():
            found.dependencies.pop(name, None)

    def _take_script(self, name: str, signature: Signature) -> bool:
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

    def _dependencies(self, before: Tree, found: Tree) -> list[str]:
        free = []
        for name, signature in found.dependencies.items():
            if name in self.graph.jobs and before.dependencies.get(name) != signature:
                needs, problems = read_needs(self.run.folder, self.graph, name)
                for problem in problems:
                    self.complain(problem)
                if not self.settled(name) and self.graph.set_needs(
                    name, None if problems else needs
                ):
                    free.append(name)
        for name in before.dependencies.keys() - found.dependencies.keys():
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

    @property
    def to_be_sent(self) -> bool:
        """Whether `push_changed` has anything to do."""
        return bool(self._changed)

    def push_changed(self, host: Host) -> None:
        """Send folders in which scripts were added or edited."""
        if not self._changed:
            return
        if self.run.mirrored:
            host.push(self.run.folder, self.run.rdir, sorted(self._changed))
            self.run.synced_ns = max(self.run.synced_ns, *self._changed.values())
            self.run.save()
        self._changed.clear()


def _signatures(of: Tree) -> tuple[dict[str, Signature], ...]:
    return of.scripts, of.dependencies, of.resources
