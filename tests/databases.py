"""The PostgreSQL that `make lab` starts: a fresh database and a role of its own for each test."""

from __future__ import annotations

import os
import re
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from places import LAB, ROOT
from psycopg import sql

from jobauto.claims import Database, accounts

SOCKET = LAB / "postgresql" / "socket"
SETTINGS = LAB / "postgresql" / "data" / "postgresql.conf"


def port() -> int:
    """Where the lab's server listens on 127.0.0.1; OSError if the lab has none."""
    found = re.search(r"^port = (\d+)$", SETTINGS.read_text(), re.MULTILINE)
    assert found, f"{SETTINGS} names no port"
    return int(found[1])


def postgresql_is_up() -> bool:
    """Whether root may enter the lab's server."""
    if os.geteuid() != 0 or not SETTINGS.is_file():
        return False
    return Path(SOCKET, f".s.PGSQL.{port()}").is_socket() and _answers()


def _answers() -> bool:
    try:
        as_superuser(sql.SQL("SELECT 1"))
    except psycopg.OperationalError:
        return False
    return True


def as_superuser(*statements: sql.SQL | sql.Composed, database: str = "postgres") -> list[Any]:
    """Run each by itself; the rows of the last one, if it has any."""
    with psycopg.connect(
        host=str(SOCKET), port=port(), user="postgres", dbname=database, autocommit=True
    ) as connection:
        for statement in statements:
            cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


@contextmanager
def fresh() -> Iterator[str]:
    """The URL of a new, empty database, whose owner is a new role that may make others.

    In the end all are gone, the people who were let in, too.
    """
    name, password = f"t_{secrets.token_hex(6)}", secrets.token_hex(12)
    role = sql.Identifier(name)
    making = "CREATE ROLE {} LOGIN CREATEROLE PASSWORD {}"
    as_superuser(
        sql.SQL(making).format(role, sql.Literal(password)),
        sql.SQL("CREATE DATABASE {} OWNER {}").format(role, role),
    )
    try:
        yield f"postgresql+psycopg://{name}:{password}@127.0.0.1:{port()}/{name}"
    finally:
        as_superuser(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(role))
        group = sql.Identifier(f"jobauto_{name}")
        for person in [*map(sql.Identifier, _people(name)), group, role]:
            as_superuser(sql.SQL("DROP ROLE IF EXISTS {}").format(person))


def _people(database: str) -> list[str]:
    mark = sql.Literal(f"a person of the jobauto database {database}")
    which = "SELECT rolname FROM pg_roles WHERE shobj_description(oid, 'pg_authid') = {}"
    return [row[0] for row in as_superuser(sql.SQL(which).format(mark))]


def let_in(url: str, person: str) -> str:
    """The URL with which a new person comes into the database that somebody else's URL names."""
    owner = Database(url)
    made = accounts.add(owner, person)
    owner.close()
    found = owner.url.set(username=person, password=made.password)
    return found.render_as_string(hide_password=False)


@contextmanager
def stopped() -> Iterator[None]:
    """The lab's server is down meanwhile, for everybody."""
    _server("stop")
    try:
        yield
    finally:
        _server("start")


def _server(what: str) -> None:
    subprocess.run([ROOT / "lab/postgresql.sh", what], check=True, stdout=subprocess.DEVNULL)
