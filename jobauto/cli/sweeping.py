"""`jobauto sweep`: how many jobs there will be, whether that is wanted, and making them."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from jobauto.batches.batch import SHELF, new
from jobauto.cli import batching, show
from jobauto.errors import DONE, UserError
from jobauto.quoting import shown
from jobauto.sweep.making import make, try_one
from jobauto.sweep.naming import shown_keys
from jobauto.sweep.planning import Plan, plan

LISTED = 10


def add_arguments(verb: argparse.ArgumentParser) -> None:
    """The arguments of `sweep`."""
    verb.add_argument("spec", type=Path, metavar="SPEC.toml", help="template, variables, values")
    verb.add_argument("--ldir", type=Path, help="the project's folder; init/ is made in it")
    text = f"keep the jobs as a batch instead, {SHELF}/NAME.zip (jobauto batch --help)"
    verb.add_argument("-o", dest="name", metavar="NAME", help=text)
    verb.add_argument("--dry-run", action="store_true", help="show the number and some jobs")
    verb.add_argument("--yes", action="store_true", help=f"do not ask above {show.MANY} jobs")


def sweep(arguments: argparse.Namespace, console: Console) -> int:
    """`jobauto sweep`."""
    if arguments.ldir is None and arguments.name is None and not arguments.dry_run:
        hint = "name the project's folder: --ldir DIR, or a batch: -o NAME"
        raise UserError("--ldir is missing", hint=hint)
    if arguments.ldir is not None and arguments.name is not None:
        raise UserError("--ldir and -o are two places", hint="leave one of them out")
    found = plan(arguments.spec)
    shared = f", {len(found.shared)} shared folders" if found.shared else ""
    console.print(f"{len(found.folders)} job folders{shared}, {found.jobs} jobs")
    try_one(found)
    if arguments.dry_run:
        _show(found, console)
        return DONE
    show.confirm_jobs(found.jobs, arguments.yes, console)
    if arguments.name is not None:
        return batching.keep(new(Path(SHELF), arguments.name), found, console)
    made = make(found, arguments.ldir)
    console.print(escape(f"{show.short(made.init)}: names and values are in sweep.csv"))
    console.print(escape(f"run it with: jobmon.py --ldir {show.short(arguments.ldir.absolute())}"))
    return DONE


def _show(found: Plan, console: Console) -> None:
    keys = shown_keys(found.spec)
    for key in keys:
        if key in found.variables and found.variables[key].help:
            console.print(escape(f"{key}: {shown(found.variables[key].help)}"))
    units = {one.name: f"/{one.unit}" for one in found.variables.values() if one.unit}
    heads = [key + units.get(key, "") for key in keys]
    columns = [Column(head, overflow="fold") for head in ["name", *map(escape, heads)]]
    table = Table(*columns, box=None, pad_edge=False)
    for name, point in list(found.folders.items())[:LISTED]:
        texts = point.texts()
        table.add_row(*map(escape, [name, *(texts[key] for key in keys)]))
    console.print(table)
    if len(found.folders) > LISTED:
        console.print(f"... and {len(found.folders) - LISTED} more")
