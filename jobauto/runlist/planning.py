"""What a task will make: lists read, outputs looked for, names given; nothing is written."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from jobauto.errors import UserError, raise_all
from jobauto.quoting import shown
from jobauto.runlist import lists, naming
from jobauto.runlist.filling import Scripts, scripts
from jobauto.runlist.lists import Run, RunList
from jobauto.runlist.reducing import Reduce, Source, reduces
from jobauto.runlist.task import Task


@dataclass(frozen=True, slots=True)
class RunJob:
    """A job of one run file; `folder` is below init."""

    folder: str
    runs: RunList
    run: Run
    output: str


@dataclass(frozen=True, slots=True)
class Sum:
    """The jobs that sum the outputs of the list `name`; `folder` is below init."""

    name: str
    folder: str
    jobs: tuple[Reduce, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """A tree that may be made. `skipped` run files have their output already, `unproven` of these
    without a checksum; `looked` says whether outputs could be looked for here.
    """

    task: Task
    scripts: Scripts
    lists: tuple[RunList, ...]
    jobs: tuple[RunJob, ...]
    sums: tuple[Sum, ...]
    skipped: int
    unproven: int
    looked: bool

    @property
    def number(self) -> int:
        """How many jobs it has, sums included."""
        return len(self.jobs) + sum(len(one.jobs) for one in self.sums)

    def command(self, job: RunJob) -> list[str]:
        """What a job runs, word by word, but for the temporary name of the output."""
        task = self.task
        words = [task.program, *task.arguments(job.runs.mc), task.input(job.run.path)]
        return [*words, job.output]


def plan(task: Task) -> Plan:
    """Read the lists of a task; UserError for what is wrong with them, or if there is no job."""
    filled = scripts(task)
    found = lists.find(Path(task.path(task.runlists)), task.dataset, task.mc)
    outdir = task.path(task.outdir)
    jobs = [job for runs in found for job in _jobs(task, runs, f"{outdir}/{runs.name}")]
    _check_outputs(task, found, jobs, outdir)
    here = {runs.name: _names(f"{outdir}/{runs.name}") for runs in found}
    there = [job for job in jobs if _base(job.output) in here[job.runs.name]]
    unproven = sum(f"{_base(job.output)}.sha256" not in here[job.runs.name] for job in there)
    new = jobs if task.overwrite else [j for j in jobs if _base(j.output) not in here[j.runs.name]]
    sums = tuple(_sums(task, jobs, {job.output for job in new}, outdir)) if task.hadd else ()
    if not new and not sums:
        raise _nothing(found, len(there))
    skipped, unproven = (0, 0) if task.overwrite else (len(there), unproven)
    looked = os.path.isdir(outdir)
    return Plan(task, filled, tuple(found), tuple(new), sums, skipped, unproven, looked)


def _nothing(found: list[RunList], there: int) -> UserError:
    where = shown(str(found[0].file)) + (f" and {len(found) - 1} more" if len(found) > 1 else "")
    if there:
        return UserError(f"nothing to do: all {there} outputs are there", where, "replace them: -w")
    return UserError("nothing to do: no run file stands in the list", where)


def _base(path: str) -> str:
    return path.rpartition("/")[2]


def _jobs(task: Task, runs: RunList, out: str) -> Iterator[RunJob]:
    top = naming.list_folder(runs.name)
    for run in runs.runs:
        name = naming.output(run.base, task.suffix)
        yield RunJob(f"{top}/{naming.run_folder(name)}", runs, run, f"{out}/{name}")


def _names(folder: str) -> set[str]:
    try:
        return set(os.listdir(folder))
    except OSError:  # not made yet, or on another machine: the job looks again
        return set()


def _check_outputs(task: Task, found: list[RunList], jobs: list[RunJob], outdir: str) -> None:
    """No two jobs may write the same file, or have the same folder; nor may a file be a folder."""
    taken: dict[str, str] = {}
    folders: dict[str, str] = {}
    problems: list[UserError] = []
    for job in jobs:
        where = job.runs.where(job.run)
        other = taken.setdefault(job.output, where)
        if other != where:
            what = f"two jobs would write {shown(job.output)}"
            problems.append(UserError(what, f"{other} and {where}", "leave one out, or rename it"))
            continue
        other = folders.setdefault(job.folder, where)
        if other != where:
            what = f"two jobs would get the folder {job.folder}"
            problems.append(UserError(what, f"{other} and {where}", "rename one run file"))
    for one in _sums(task, jobs, set(), outdir) if task.hadd else ():
        for reduce in one.jobs:
            if where := taken.get(reduce.output, ""):
                what = f"the sum of the list would be written to {shown(reduce.output)}, too"
                problems.append(UserError(what, where, "leave --hadd or this run file out"))
    for runs in found:
        parts = runs.name.split("/")
        for path in (f"{outdir}/{'/'.join(parts[:n])}" for n in range(1, len(parts) + 1)):
            if where := taken.get(path, ""):
                what = f"an output and the folder of {shown(str(runs.file))} have the same name"
                problems.append(UserError(what, where, "rename the list"))
    raise_all(problems)


def _sums(task: Task, jobs: list[RunJob], new: set[str], outdir: str) -> Iterator[Sum]:
    """The sums of all lists with run files; the jobs that write `new` outputs are waited for."""
    of_list: dict[str, list[RunJob]] = {}
    for job in jobs:
        of_list.setdefault(job.runs.name, []).append(job)
    for name, own in of_list.items():
        sources = [
            Source(job.output, f"../{_base(job.folder)}/qsub.finished.job" * (job.output in new))
            for job in own
        ]
        suffix = naming.suffix_of(own[0].output)
        yield Sum(
            name,
            naming.list_folder(name),
            tuple(reduces(sources, f"{outdir}/{name}", suffix, task.fan_in)),
        )
