"""`task export`: a row a job, written while it is read, however many there are."""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
from collections.abc import Callable, Iterable
from io import TextIOWrapper
from pathlib import Path
from typing import TextIO

from rich.console import Console
from rich.markup import escape

from jobauto.analysis import writing
from jobauto.claims import Record, records
from jobauto.cli import opening, show, tasklists
from jobauto.errors import DONE, UserError
from jobauto.report.times import utc

COLUMNS = "name dataset state person site run jobid attempts taken submitted ended".split()
ODD = "surrogateescape"  # bytes of names that are no text come out as they are
_TIMES = ("taken", "submitted", "ended")


def export(arguments: argparse.Namespace, console: Console) -> int:
    """`task export`."""
    write = as_csv if arguments.output == "-" else _KINDS.get(Path(arguments.output).suffix)
    if write is None:
        raise UserError("-o: what is to be made?", arguments.output, "a name in .csv or .json")
    database = opening.existing(arguments)
    name = tasklists.named(database, arguments.name)
    found = records(database, name)
    if arguments.output == "-":
        return _to_screen(found)
    number = 0

    def to_file(beside: Path) -> None:
        nonlocal number
        with open(beside, "x", encoding="utf-8", errors=ODD, newline="") as file:
            number = write(file, found)

    path = Path(arguments.output)
    writing.replace(path, to_file)
    console.print(escape(f"{show.short(path.absolute())}: {number} jobs"))
    return DONE


def as_csv(file: TextIO, found: Iterable[Record]) -> int:
    """Write a line of names, then a line a job; how many jobs."""
    writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
    writer.writeheader()
    number = 0
    for one in found:
        writer.writerow(_columns(one))
        number += 1
    return number


def as_json(file: TextIO, found: Iterable[Record]) -> int:
    """Write a list with an object a job; how many."""
    number = 0
    for number, one in enumerate(found, 1):
        file.write(("[\n" if number == 1 else ",\n") + json.dumps(_columns(one)))
    file.write("\n]\n" if number else "[]\n")
    return number


_KINDS: dict[str, Callable[[TextIO, Iterable[Record]], int]] = {".csv": as_csv, ".json": as_json}


def _columns(one: Record) -> dict[str, object]:
    found = {name: getattr(one, name) for name in COLUMNS}
    return found | {name: utc(found[name]) for name in _TIMES}


def _to_screen(found: Iterable[Record]) -> int:
    out = TextIOWrapper(sys.stdout.buffer, "utf-8", ODD, newline="")
    try:
        as_csv(out, found)
        out.flush()
    except BrokenPipeError:  # nobody reads any more (`| head`)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    finally:
        out.detach()
    return DONE
