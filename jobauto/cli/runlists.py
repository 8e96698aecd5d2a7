"""`jobauto runlist`: how many jobs there will be, the first commands, and making them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from jobauto import quoting
from jobauto.cli import show
from jobauto.errors import DONE
from jobauto.quoting import shown
from jobauto.runlist import taskfile
from jobauto.runlist.filling import copy_template
from jobauto.runlist.making import make, settle
from jobauto.runlist.planning import Plan, plan
from jobauto.runlist.task import ALSO, REPLACED, SHORT, Task, checked

LISTED = 10
_EXAMPLES = """\
examples:
  jobauto runlist -T test -e bin/NtpMaker -i /eos/ams/Data/pass6 -o out -d ISS.B950/testpass6_500
  jobauto runlist task.toml -t          the same options under their long names in a file
  jobauto runlist task.toml --hadd      and the sum of each list
  jobauto runlist --copy-template mine  scripts to be edited, for: --template mine
"""


def add_arguments(verb: argparse.ArgumentParser) -> None:
    """The arguments of `runlist`; what is not given stays out of the namespace."""
    verb.epilog = _EXAMPLES
    text = "options under their long names, in .toml or .yaml, with $VARIABLES"
    verb.add_argument("file", nargs="?", type=Path, metavar="TASKFILE", help=text)
    for key, field in Task.model_fields.items():
        also = [f"--{name}" for name, meant in ALSO.items() if meant == key]
        names = [*([SHORT[key]] if key in SHORT else []), f"--{key.replace('_', '-')}", *also]
        text = (field.description or "").replace("%", "%%")
        kind = _kind(field.annotation, key)
        verb.add_argument(*names, dest=key, default=argparse.SUPPRESS, help=text, **kind)
    text = "show the number of jobs and the first commands; make nothing"
    verb.add_argument("-t", "--test", "--dry-run", dest="dry_run", action="store_true", help=text)
    verb.add_argument("--yes", action="store_true", help=f"do not ask above {show.MANY} jobs")
    text = "copy the scripts to DIR, to be edited there for --template"
    verb.add_argument("--copy-template", type=Path, metavar="DIR", help=text)
    for key, (short, _) in REPLACED.items():
        bare = 0 if key in ("background", "debug") else "?"
        options: dict[str, Any] = {"nargs": bare, "help": argparse.SUPPRESS}
        verb.add_argument(short, dest=key, default=argparse.SUPPRESS, action=_Noted, **options)


def _kind(annotation: Any, key: str) -> dict[str, Any]:
    if annotation is bool:
        return {"action": "store_true"}
    name = key.upper().replace("_", "-")
    if annotation in (int, int | None):
        return {"type": int, "metavar": "N"}
    if annotation is str:
        return {"metavar": "PATTERN" if key == "mc" else name}
    number = "+" if key == "dataset" else "*"
    return {"nargs": number, "action": "extend", "metavar": "WORD"}


class _Noted(argparse.Action):
    """That an option was given; its value, perhaps a password, is forgotten."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        setattr(namespace, self.dest, True)


def runlist(arguments: argparse.Namespace, console: Console) -> int:
    """`jobauto runlist`."""
    if arguments.copy_template is not None:
        copy_template(arguments.copy_template)
        where = show.short(arguments.copy_template.absolute())
        console.print(escape(shown(f"{where}: edit qsub.job, then use --template {where}")))
        return DONE
    found = plan(_task(arguments))
    _count(found, console)
    if arguments.dry_run:
        _show(found, console)
        return DONE
    show.confirm_jobs(found.number, arguments.yes, console)
    made, ldir = make(found), found.task.project
    console.print(escape(f"{shown(show.short(made.init))}: what each job does is in runlist.csv"))
    if more := settle(found):
        console.print(escape(more.rstrip()))
    console.print(escape(f"run it with: jobmon.py --ldir {quoting.word(show.short(ldir))}"))
    return DONE


def _task(arguments: argparse.Namespace) -> Task:
    """The command line over the task file."""
    file = taskfile.read(arguments.file) if arguments.file else {}
    typed = {k: v for k, v in vars(arguments).items() if k in Task.model_fields or k in REPLACED}
    places = {key: where for key, (_, where) in file.items() if key not in typed}
    return checked({key: value for key, (value, _) in file.items()} | typed, places)


def _count(found: Plan, console: Console) -> None:
    sums = sum(len(one.jobs) for one in found.sums)
    mc = sum(one.mc for one in found.lists)
    lists = f"{len(found.lists)} run lists" + (f" ({mc} of Monte Carlo)" if mc else "")
    said = [lists, f"{len(found.jobs)} jobs", *([f"{sums} sums"] if sums else [])]
    if found.skipped:
        said.append(f"{found.skipped} skipped, as their output is there")
    console.print(escape(", ".join(said)))
    if found.unproven:
        text = f"{found.unproven} of these outputs have no checksum (.sha256): half ones, perhaps"
        console.print(escape(text))
    for one in found.lists:
        if not one.runs:
            console.print(escape(f"{shown(str(one.file))} names no run file"))
    if not found.looked:
        outdir = shown(found.task.path(found.task.outdir))
        console.print(escape(f"{outdir} is not here: each job looks for its output itself"))


def _show(found: Plan, console: Console) -> None:
    for job in found.jobs[:LISTED]:
        command = " ".join(map(quoting.word, found.command(job)))
        console.print(escape(f"{job.folder}/qsub.job: {command}"))
    if len(found.jobs) > LISTED:
        console.print(f"... and {len(found.jobs) - LISTED} more")
    for one in found.sums[:LISTED]:
        last = one.jobs[-1]
        text = f"{len(last.sources)} files to {shown(last.output)}"
        console.print(escape(f"{one.folder}/{last.name}/qsub.hadd: {text}"))
