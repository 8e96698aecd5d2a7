"""A run folder: starting a new one from the init tree, and opening one that exists."""

from __future__ import annotations

import json
import os
import secrets
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from jobauto import copying, tree
from jobauto.asking import Asking
from jobauto.conditions import Condition
from jobauto.copying import Filler
from jobauto.errors import UserError, raise_all
from jobauto.graph import Graph
from jobauto.ledger import files
from jobauto.model import Attempt, Job, stamp
from jobauto.needs import Need, parse_needs
from jobauto.quoting import decoded, shown, word
from jobauto.reuse.keys import keys
from jobauto.schedulers import DIALECTS, Dialect
from jobauto.settings import OF_THE_CALL, SECRET, Settings
from jobauto.tree import Tree

PRIVATE = ".jobauto"
_MEMORY = "run.json"
_KILL = """#!/bin/sh
# Stops the monitor of this run, then ends all jobs that qsub.now names.
PYTHONPATH={library}${{PYTHONPATH:+:$PYTHONPATH}}
export PYTHONPATH
exec {python} -m jobauto kill "$(dirname "$0")" "$@"
"""


@dataclass(slots=True)
class Run:
    """A dated folder and what is remembered of it in `.jobauto/run.json`.

    `rdir` is the run's folder on the remote, absolute; equal to `folder` when nothing is
    mirrored. `synced_ns`: the newest change of a script that the remote has (ctime in ns); 0 until
    the whole tree was sent once. What a person ordered and still holds: `stopped` (who, and when:
    nothing is submitted), `moved` (job, or '' for all, to its queue), `killed` (job to who).
    """

    folder: Path
    id: str
    settings: dict[str, Any]
    scheduler: str = ""
    rdir: str = ""
    remote_host: str = ""
    synced_ns: int = 0
    stopped: tuple[str, str] | None = None
    moved: dict[str, str] = field(default_factory=dict)
    killed: dict[str, str] = field(default_factory=dict)

    @property
    def private(self) -> Path:
        return self.folder / PRIVATE

    @property
    def mirrored(self) -> bool:
        return self.rdir != str(self.folder)

    @property
    def remote(self) -> str:
        return str(self.settings.get("remote", "local"))

    def conditions(self) -> list[Condition]:
        """That a person stopped it, if so."""
        if not self.stopped:
            return []
        who, date = self.stopped
        return [Condition("stopped", f"by {who}; to go on: jobauto resume", date, "")]

    def save(self) -> None:
        """Remember the run; whole or not at all."""
        kept = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "folder"}
        files.replace(self.private / _MEMORY, json.dumps(kept, indent=1, default=str) + "\n")

    def keep_tail(self, attempt: Attempt, tail: str) -> None:
        """Keep the end of a failed job's output, for `jobauto why`."""
        folder = self.private / "tails"
        folder.mkdir(exist_ok=True)
        files.replace(folder / attempt.token, tail, durable=False)

    def tail(self, attempt: Attempt) -> str:
        """What `keep_tail` kept, or nothing."""
        path = self.private / "tails" / attempt.token
        return files.read(path) if path.is_file() else ""

    @property
    def chosen(self) -> Settings:
        """The options that are remembered, as they stand in the file; the default of all others."""
        return Settings.model_construct(**self.settings)

    def filler(self) -> Filler:
        """What is put into scripts that a person adds while the run goes on."""
        return filler(self.chosen, self.rdir, self.folder.name, DIALECTS.get(self.scheduler))

    def asking(self) -> Asking:
        """What its jobs ask of the scheduler."""
        dialect = DIALECTS.get(self.scheduler)
        return Asking(self.chosen.asked, dialect, moved=self.moved, limits=self.chosen.tokens)


def is_run(folder: Path) -> bool:
    """Whether `folder` is a dated folder that jobmon made."""
    return (folder / PRIVATE / _MEMORY).is_file()


def open_run(folder: Path) -> Run:
    """The run in `folder`; UserError if there is none or its memory cannot be read."""
    path = folder / PRIVATE / _MEMORY
    if not is_run(folder):
        raise UserError(
            "not a run folder", str(folder), "name LDIR/<date>, as jobmon.py printed it"
        )
    try:
        kept = json.loads(files.read(path))
        Run(folder, **kept)  # a field that nobody knows is a TypeError
        run = TypeAdapter(Run).validate_python({**kept, "folder": folder.resolve()})
        _check_kinds(run.settings)
        return run
    except (ValueError, TypeError, RecursionError) as error:
        hint = "restore it, or start a new run; what ran is in quelist and qsub.log"
        raise UserError(f"cannot be read: {error}", str(path), hint) from None


def _check_kinds(settings: Mapping[str, Any]) -> None:
    for name in settings.keys() & Settings.model_fields.keys():
        default = Settings.model_fields[name].get_default(call_default_factory=True)
        if isinstance(default, dict | list) and not isinstance(settings[name], type(default)):
            raise ValueError(f"settings: {name} is not a {type(default).__name__}")


def runs_in(ldir: Path) -> list[Path]:
    """The run folders below a project, oldest first."""
    if not ldir.is_dir():
        return []
    children = (child for child in ldir.iterdir() if not child.name.startswith("."))
    return sorted(child for child in children if is_run(child))


def filler(settings: Settings, cwd: str, run_name: str, dialect: Dialect | None = None) -> Filler:
    """The values of all placeholders but those of a single job."""
    common = {"maxcore": str(settings.maxcore), **settings.set}
    if settings.binpath is not None:
        common["binpath"] = settings.binpath
    if settings.pythonpath is not None:
        common["pythonpath"] = settings.pythonpath
    text = None
    if settings.qsubheader is not None:
        try:
            text = files.read(Path(settings.qsubheader).expanduser()).rstrip("\n")
        except OSError as error:
            raise UserError(f"--qsubheader: {error.strerror}", str(settings.qsubheader)) from None
    header = Asking(settings.asked, dialect, text).header
    return Filler(common, cwd, tuple(settings.keep), run_name, header)


def survey(root: Path) -> tuple[Tree, Graph, list[UserError]]:
    """Find the jobs below `root` and what they need. Problems are collected, not raised."""
    found = tree.scan(root)
    problems = list(found.problems)
    graph = Graph(found.jobs.values())
    for marker in found.markers:
        graph.present.add(marker)
    for name in sorted(found.dependencies.keys() & found.jobs.keys()):
        needs, wrong = read_needs(root, graph, name)
        problems += wrong
        for need in needs or []:
            if need.file not in graph.makers and os.path.exists(f"{root}/{need.file}"):
                graph.present.add(need.file)
        graph.set_needs(name, needs)
    return found, graph, problems


def read_needs(root: Path, graph: Graph, name: str) -> tuple[list[Need] | None, list[UserError]]:
    """The needs of one job as its dependency file says now; None without one."""
    job = graph.jobs[name]
    try:
        text = decoded(copying.read(f"{root}/{job.dependency}"))
    except OSError:
        return None, []
    return parse_needs(job, text)


def check(init: Path, new: bool = True) -> tuple[Tree, Graph, list[str]]:
    """Survey an init tree and raise all that is wrong with it; warnings are returned.

    With `new` False it is a run folder, which has the monitor's own files.
    """
    if not init.is_dir():
        raise UserError("there is no such folder", str(init), "put the job folders into LDIR/init/")
    found, graph, problems = survey(init)
    problems += tree.check_reserved(init) if new else []
    if not found.jobs and not problems:
        raise UserError("no job: no file called qsub.<id>", str(init), "see jobauto init --help")
    raise_all(problems + graph.cycles())
    raise_all(keys(init, graph, lambda _job: "").problems)
    return found, graph, [_unknown(job.dependency, need) for job, need in graph.unknown()]


def _unknown(dependency: str, need: Need) -> str:
    file = shown(need.file)
    return f"{shown(dependency)}:{need.line}: {file} does not exist, and is no job's marker"


def plan(settings: Settings, folder: Path) -> Run:
    """A run that does not exist yet: what it is to remember."""
    kept = {
        name: value
        for name, value in settings.model_dump(mode="json").items()
        if name not in OF_THE_CALL | SECRET
    }
    return Run(folder, secrets.token_hex(4), kept)


def check_scripts(init: Path, found: Tree, fill: Filler) -> None:
    """Raise every placeholder that would be left over, before anything is made or sent."""
    raise_all([p for job in found.jobs.values() for p in fill.text(init, job)[1]])


def check_asked(root: Path, found: Tree, asking: Asking) -> None:
    """Raise all that is asked for and cannot be had, before anything is made or sent."""
    # those without a file of their own ask for the same, so one of them tells of all
    same = sorted(found.jobs.keys() - found.resources.keys())[:1]
    jobs = [found.jobs[name] for name in (*found.resources, *same) if name in found.jobs]
    raise_all(asking.problems(root, jobs))


def name_problems(jobs: Iterable[Job], dialect: Dialect, rdir: str) -> list[UserError]:
    """Names that the scheduler would refuse."""
    reasons = {job.name: dialect.bad_name(f"{rdir}/{job.folder}", job.id) for job in jobs}
    hint = "choose another name"
    return [UserError(why, shown(name), hint) for name, why in reasons.items() if why]


def check_names(found: Tree, dialect: Dialect, rdir: str) -> None:
    """Raise every name that the scheduler would refuse, before anything is made or sent."""
    raise_all(name_problems(found.jobs.values(), dialect, rdir))


def new_folder(ldir: Path, now: float) -> Path:
    """A dated name that is free in `ldir`."""
    while (folder := ldir / stamp(now)).exists() or copying.partial(folder).exists():
        now += 1
    return folder


def create(settings: Settings, run: Run, found: Tree) -> None:
    """Make the run of its copy (`copying.copied`), with placeholders replaced; it appears whole."""
    fill, init, partial = run.filler(), settings.ldir / "init", copying.partial(run.folder)
    with copying.making(run.folder):
        raise_all([p for job in found.jobs.values() for p in fill.fill(partial, job, init)])
        for job in map(found.jobs.__getitem__, found.dependencies):
            if job.folder in found.linked:
                copying.own_dependency(partial, job, init)
        (partial / PRIVATE).mkdir(mode=0o700)
        replace(run, folder=partial).save()
        files.replace(partial / "kill", kill_script(), 0o755)
        # a dependency file that a power cut left empty would say: start at once
        os.sync()
        partial.rename(run.folder)
        files.flush_folder(run.folder.parent)


def kill_script() -> str:
    """The text of the file `kill` in a run folder."""
    library = Path(__file__).resolve().parent.parent
    return _KILL.format(python=word(sys.executable), library=word(str(library)))


def remembered(run: Run, given: Mapping[str, Any]) -> dict[str, Any]:
    """The run's settings, for `sources.load`, which lets the given ones win."""
    return {k: v for k, v in run.settings.items() if k in Settings.model_fields and k not in given}
