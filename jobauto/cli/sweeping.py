"""`jobauto sweep`: how many jobs there will be, whether that is wanted, and making them."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from jobauto.cli import show
from jobauto.errors import DONE, Interrupted, UserError
from jobauto.quoting import shown
from jobauto.sweep.making import make, try_one
from jobauto.sweep.naming import shown_keys
from jobauto.sweep.planning import Plan, plan

MANY, LISTED = 1000, 10


def add_arguments(verb: argparse.ArgumentParser) -> None:
    """The arguments of `sweep`."""
    verb.add_argument("spec", type=Path, metavar="SPEC.toml", help="template, variables, values")
    verb.add_argument("--ldir", type=Path, help="the project's folder; init/ is made in it")
    verb.add_argument("--dry-run", action="store_true", help="show the number and some jobs")
    verb.add_argument("--yes", action="store_true", help=f"do not ask above {MANY} jobs")


def sweep(arguments: argparse.Namespace, console: Console) -> int:
    """`jobauto sweep`."""
    if arguments.ldir is None and not arguments.dry_run:
        raise UserError("--ldir is missing", hint="name the project's folder: --ldir DIR")
    found = plan(arguments.spec)
    shared = f", {len(found.shared)} shared folders" if found.shared else ""
    console.print(f"{len(found.folders)} job folders{shared}, {found.jobs} jobs")
    try_one(found)
    if arguments.dry_run:
        _show(found, console)
        return DONE
    if found.jobs > MANY and not arguments.yes:
        _ask(found.jobs, console)
    made = make(found, arguments.ldir)
    console.print(escape(f"{show.short(made.init)}: names and values are in sweep.csv"))
    console.print(escape(f"run it with: jobmon.py --ldir {show.short(arguments.ldir.absolute())}"))
    return DONE


def _ask(jobs: int, console: Console) -> None:
    if not show.person_there():
        raise UserError(f"{jobs} jobs are more than {MANY}", hint="if this is meant: --yes")
    try:
        answer = console.input(f"make {jobs} jobs? [y/N] ", markup=False)
    except (EOFError, KeyboardInterrupt):
        answer = ""
    if answer.strip().lower() not in ("y", "yes"):
        raise Interrupted("nothing was made")


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
