"""The database of shared tasks that a verb is to work on."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from jobauto import registry, sources
from jobauto.errors import UserError

if TYPE_CHECKING:  # it is an extra, and an import that takes a moment
    from jobauto.claims import Database


def add_option(verb: argparse.ArgumentParser) -> None:
    """`--db`, with the same meaning and the same default as in jobmon.py."""
    text = (
        "postgresql://me@host/name (password in ~/.pgpass or PGPASSWORD); "
        "default: as in your jobmon.toml, or a file of SQLite in your own folder"
    )
    verb.add_argument("--db", metavar="URL", help=text)


def database(arguments: argparse.Namespace) -> Database:
    """The database that `--db` names, or else the person's settings. UserError."""
    from jobauto.claims import Database

    given = {"ldir": Path(".")} | ({"db": arguments.db} if arguments.db else {})
    return Database(sources.load(given, None, {}).db or registry.tasks())


def existing(arguments: argparse.Namespace) -> Database:
    """The same; UserError if it would be a new file, which looking is not to make."""
    found = database(arguments)
    place = found.url.database if found.dialect == "sqlite" else None
    if place and not Path(place).is_file():
        hint = "jobmon.py --task NAME makes it; another one: --db URL"
        raise UserError("there is no database of tasks", place, hint)
    return found
