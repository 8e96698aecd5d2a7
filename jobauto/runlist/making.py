"""The tree of a task: all of it is made, or nothing."""

from __future__ import annotations

import csv
from pathlib import Path

from jobauto import sources, templates
from jobauto.runlist.filling import HADD, JOB, PUBLISH
from jobauto.runlist.planning import Plan, RunJob, Sum
from jobauto.runlist.reducing import Reduce
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
    wanted = {"queue": plan.task.queue, "maxqsub": plan.task.maxjobs}
    given = {name: value for name, value in wanted.items() if value}
    return sources.settle(plan.task.project, given)
