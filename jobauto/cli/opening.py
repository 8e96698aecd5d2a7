"""The database of shared tasks that a verb is to work on."""

from __future__ import annotations

import argparse

from jobauto import registry, sources
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
    given = {"ldir": "."}  # which settings want; no file of a project is read
    given |= {"db": arguments.db} if arguments.db else {}
    return Database(sources.load(given, None, {}).db or registry.tasks())
