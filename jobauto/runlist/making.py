"""The tree of a task: all of it is made, or nothing."""

from __future__ import annotations

import csv
import json
import tomllib
from collections.abc import Mapping
from pathlib import Path

from jobauto import templates
from jobauto.errors import UserError
from jobauto.quoting import shown
from jobauto.runlist.filling import HADD, JOB, PUBLISH
from jobauto.runlist.planning import Plan, RunJob, Sum
from jobauto.runlist.reducing import Reduce
from jobauto.settings import FILE
from jobauto.templates import Instantiated

TABLE = "runlist.csv"


def make(plan: Plan) -> Instantiated:
    """Make LDIR/init; UserError, and nothing is made, if any of its names is there already."""
    ldir = plan.task.project
    with templates.building(plan.scripts.template, ldir) as built:
        (built / PUBLISH).write_text(plan.scripts.texts[PUBLISH], encoding="utf-8")
        jobs = {job.folder.rpartition("/")[0] for job in plan.jobs}
        for top in jobs | {one.folder for one in plan.sums}:
            (built / top).mkdir(parents=True, exist_ok=True)
        for job in plan.jobs:
            _write(plan, built / job.folder, JOB, run_script(plan, job), "")
        for one in plan.sums:
            for reduce in one.jobs:
                needs = "".join(f"{need}\n" for need in reduce.needs)
                script = sum_script(plan, one, reduce)
                _write(plan, built / one.folder / reduce.name, HADD, script, needs)
        _write_table(plan, built / TABLE)
        init = ldir / "init"
        return Instantiated(init, templates.place(built, init), plan.number)


def run_script(plan: Plan, job: RunJob) -> str:
    """The script of a job for one run file."""
    task = plan.task
    values = {
        **{"exe": task.program, "arguments": task.arguments(job.runs.mc)},
        **{"run": task.input(job.run.path), "output": job.output},
        **_common(plan, job.folder, job.runs.name),
    }
    return plan.scripts.filled(JOB, values)


def sum_script(plan: Plan, one: Sum, reduce: Reduce) -> str:
    """The script of a job that sums."""
    inputs = [source.output for source in reduce.sources]
    common = _common(plan, f"{one.folder}/{reduce.name}", one.name)
    return plan.scripts.filled(HADD, {"inputs": inputs, "output": reduce.output, **common})


def _common(plan: Plan, folder: str, name: str) -> dict[str, str | list[str]]:
    return {
        **{"task": plan.task.task, "list": name, "env": plan.task.environment},
        **{"replace": "yes" * plan.task.overwrite, "top": "../" * folder.count("/") + ".."},
    }


def _write(plan: Plan, folder: Path, script: str, text: str, needs: str) -> None:
    folder.mkdir()
    files = {
        script: text,
        script.replace("qsub.", "qsub.dependency."): needs,
        **plan.scripts.beside(script),
    }
    for name, content in files.items():
        (folder / name).write_text(content, encoding="utf-8")


def _write_table(plan: Plan, file: Path) -> None:
    with file.open("x", encoding="utf-8", newline="") as opened:
        table = csv.writer(opened, lineterminator="\n")
        table.writerow(["name", "list", "line", "run", "output"])
        for job in plan.jobs:
            table.writerow([job.folder, job.runs.name, job.run.line, job.run.path, job.output])


def settle(plan: Plan) -> str:
    """Write --queue and --maxjobs to LDIR/jobmon.toml; if there is one, what is to be added."""
    wanted: dict[str, str | int] = {}
    if plan.task.queue:
        wanted["queue"] = plan.task.queue
    if plan.task.maxjobs:
        wanted["maxqsub"] = plan.task.maxjobs
    text = "".join(f"{key} = {json.dumps(value)}\n" for key, value in wanted.items())
    file = plan.task.project / FILE
    if not wanted or wanted.items() <= _there(file).items():
        return ""
    try:
        with file.open("x", encoding="utf-8") as opened:
            opened.write(text)
    except FileExistsError:
        return f"{shown(str(file))} is there and was left as it is; add to it:\n{text}"
    except OSError as error:
        raise UserError(f"cannot be written: {error.strerror}", shown(str(file)), text) from None
    return ""


def _there(file: Path) -> Mapping[str, object]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # none, or a person's mistake, which jobmon.py will name
        return {}
