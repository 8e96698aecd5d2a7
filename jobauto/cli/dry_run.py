"""`--dry-run`: everything that would be sent and submitted, and nothing sent."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jobauto import quoting, run
from jobauto.asking import Asking
from jobauto.clock import Clock
from jobauto.errors import DONE
from jobauto.host import Runner
from jobauto.host.transfer import push_command
from jobauto.meeting import open_host
from jobauto.model import Job
from jobauto.remote import probe
from jobauto.schedulers import DIALECTS, Dialect
from jobauto.settings import Settings
from jobauto.start import read_options


def dry_run(given: dict[str, Any]) -> int:
    """Print per job the final script and the submit command, then the rsync line."""
    chosen, old = read_options(given)
    root = old.folder if old else chosen.ldir / "init"
    found, graph, warnings = run.check(root, new=old is None)
    folder = old.folder if old else run.new_folder(chosen.ldir, Clock().now())
    there = old.rdir if old else f"{chosen.rdir}/{folder.name}" if chosen.rdir else str(folder)
    run.check_scripts(root, found, run.filler(chosen, there, folder.name))
    dialect = DIALECTS[old.scheduler] if old else _dialect(chosen, folder)
    asking = Asking(chosen.asked, dialect, limits=chosen.tokens)
    run.check_names(found, dialect, there)
    run.check_asked(root, found, asking)
    fill = run.filler(chosen, there, folder.name, dialect)
    for _, job in sorted(found.jobs.items()):
        script = fill.text(root, job)[0]
        _show_job(job, script, there, dialect, asking.options(root, job, script))
    for warning in warnings:
        print(f"warning: {warning}")
    if there != str(folder):
        target = there if chosen.remote == "local" else f"{chosen.remote}:{there}"
        print("--> " + shlex.join(push_command(folder, target, (), ())))
    ready = sum(map(graph.satisfied, graph.jobs))
    print(f"{len(found.jobs)} jobs, {ready} of them at once, at most {chosen.maxqsub} in the queue")
    print("nothing was sent")
    return DONE


def _show_job(job: Job, script: str, there: str, dialect: Dialect, options: Sequence[str]) -> None:
    asked = " ".join(map(quoting.word, options))
    command = " ".join(dialect.submit("{script}", "TOKEN", asked).replace("$limit ", "").split())
    command = command.replace("{script}", quoting.word(f"qsub.{job.id}"))
    print(f"==> {quoting.shown(job.name)}\n{quoting.shown_lines(script)}")
    print(f"--> in {quoting.word(quoting.shown(f'{there}/{job.folder}'))}: {command}")


def _dialect(chosen: Settings, folder: Path) -> Dialect:
    """The scheduler; with `auto` the remote is asked which it has (and changed in no way)."""
    if chosen.scheduler != "auto":
        return DIALECTS[chosen.scheduler]
    plan = run.plan(chosen, folder)
    host = open_host(plan, Runner(), mirrored=chosen.rdir is not None)
    try:
        found = host.ask(probe.Probe(".", make=False))
    finally:
        host.close()
    return probe.choose(chosen.scheduler, found, host.name)
