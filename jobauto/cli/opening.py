"""The database of shared tasks that a verb is to work on."""

from __future__ import annotations

import argparse
from pathlib import Path

from jobauto import registry, sources
from jobauto.claims import Database
from jobauto.errors import UserError


def add_option(verb: argparse.ArgumentParser) -> None:
    """`--db`, with the same meaning and the same default as in jobmon.py."""
    text = (
        "postgresql://me@host/name (password in ~/.pgpass or PGPASSWORD); "
        "default: as in your jobmon.toml, or a file of SQLite in your own folder"
    )
    verb.add_argument("--db", metavar="URL", help=text)


def database(arguments: argparse.Namespace) -> Database:
    """The database that `--db` names, or else the person's settings. UserError."""
    # settings want a project, though no file of it is read here
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
