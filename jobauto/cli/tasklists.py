"""`task list` and `task status`: counts, for people and as JSON."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from jobauto.claims import Database, Overview, Share, known, overview, summaries, worst_first
from jobauto.cli import opening, show
from jobauto.errors import DONE, SOME_FAILED, UserError, near
from jobauto.quoting import shown
from jobauto.report.times import clock, utc

_NUMBERS = ("done", "running", "failed", "unsure")


def named(database: Database, name: str | None) -> str:
    """A task by its name, or the only one of the database; UserError if there is no such one."""
    names = known(database)
    if name in names:
        return str(name)
    if not names:
        raise UserError("this database has no tasks", hint="jobmon.py --task NAME makes one")
    if name is not None:
        raise UserError(f"no task {shown(name)}", hint=shown(near(name, names)))
    if len(names) > 1:
        raise UserError("which task?", hint=shown(near("", names)))
    return names[0]


def list_all(arguments: argparse.Namespace, console: Console) -> int:
    """`task list`."""
    found = summaries(opening.existing(arguments))
    if arguments.json:
        print(json.dumps([asdict(one.share) | {"changed": utc(one.changed)} for one in found]))
        return DONE
    if not found:
        console.print("no tasks here; jobmon.py --task NAME makes one")
        return DONE
    table = _table("task", "jobs", *_NUMBERS)
    table.add_column("last change", overflow="fold")
    for one in found:
        when = "-" if one.changed is None else clock(one.changed)
        table.add_row(*_cells(one.share, "jobs", *_NUMBERS), when)
    console.print(table)
    return DONE


def status(arguments: argparse.Namespace, console: Console) -> int:
    """`task status`: 1 if something failed."""
    database = opening.existing(arguments)
    name = named(database, arguments.name)
    found = overview(database, name)
    if arguments.json:
        print(json.dumps(asdict(found), indent=1))
    else:
        _print(found, console, arguments.all)
    return SOME_FAILED if found.total.bad else DONE


def _print(found: Overview, console: Console, every: bool) -> None:
    total = found.total
    counts = f"{total.done} done ({total.per_cent} %)"
    for word in ("running", "failed", "unsure", "free"):
        counts += f", {getattr(total, word)} {word}" if getattr(total, word) else ""
    console.print(escape(f"task {shown(total.name)}: {total.jobs} jobs, {counts}"))
    if found.late:
        text = "whoever has room takes them"
        console.print(f"{found.late} claim(s) are older than their lease: {text}")
    many = len(found.datasets) > show.LISTED and not every
    datasets = worst_first(found.datasets)[: show.LISTED] if many else found.datasets
    _section("data set", datasets, (*_NUMBERS, "free"), console)
    if many:
        rest = len(found.datasets) - show.LISTED
        console.print(f"... and {rest} more; see: jobauto task status --all")
    _section("site", found.sites, _NUMBERS, console)
    _section("person", found.persons, _NUMBERS, console)


def _section(head: str, found: Sequence[Share], words: Sequence[str], console: Console) -> None:
    if not found:
        return
    table = _table(head, "%", *words)
    for one in found:
        table.add_row(*_cells(one, "per_cent", *words))
    console.print()
    console.print(table)


def _table(*heads: str) -> Table:
    numbers = [Column(head, justify="right", no_wrap=True) for head in heads[1:]]
    return Table(Column(heads[0], overflow="fold"), *numbers, box=None, pad_edge=False)


def _cells(one: Share, *words: str) -> list[str]:
    return [escape(shown(one.name)) or "-", *(str(getattr(one, word)) for word in words)]
