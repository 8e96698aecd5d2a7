"""Who may come in: each person is a role of PostgreSQL, and all of a database are in one group.

The group has rights to the tables; of these, row-level security leaves a person what is theirs.
All functions may raise DatabaseError; those that change something raise UserError on SQLite.
"""

from __future__ import annotations

import re
import secrets
import string
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from sqlalchemy import Connection, func, select, text

from jobauto import quoting
from jobauto.claims import roles, versions
from jobauto.claims.database import Database
from jobauto.claims.tables import OPEN, job
from jobauto.errors import DatabaseRefused, UserError

LENGTH = 28  # characters of a password that we make
SHORTEST = 10  # of one that a person makes up
_NAME = re.compile(r"(?!pg_)[A-Za-z_][A-Za-z0-9_.-]{0,62}")


@dataclass(frozen=True, slots=True)
class Account:
    """A person's way in, with what a line of ~/.pgpass holds."""

    host: str
    port: int
    database: str
    person: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Revoked:
    """Sessions that were ended, and jobs that stay claimed."""

    sessions: int
    claims: int


def new_password() -> str:
    """A random one, of letters and digits, which mean nothing else to any file or shell."""
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(LENGTH))


def people(database: Database) -> list[str]:
    """Who may come in, in the order of the alphabet; nobody on SQLite."""
    if database.dialect != "postgresql":
        return []
    with database.transaction(writes=False) as connection:
        return roles.people(connection)


def renew_rights(database: Database) -> None:
    """Give the people of a database their rights to the tables as they are now, if it has any."""
    if database.dialect == "postgresql":
        with database.transaction() as connection:
            versions.lock(connection)
            if roles.look(connection, roles.group(connection)):
                roles.grant(connection)


def add(database: Database, name: str) -> Account:
    """Let a person in, with a random password; one who was revoked comes back with another.

    UserError if the name will not do, DatabaseRefused if we may not make roles.
    """
    with _making_roles(database, name) as connection:
        roles.make_group(connection)
        role = roles.look(connection, name)
        if role is None:
            roles.make(connection, name)
        elif role.active:
            hint = f"for a new password: jobauto db passwd {name}"
            raise UserError(f"{name} is a person of this database already", hint=hint)
        elif not role.ours:
            hint = "take another name; roles are those of all databases of the server"
            raise UserError(f"there is a role {name}, which is not of this database", hint=hint)
        roles.let_in(connection, name)
        return _with_password(connection, name, new_password())


def reset(database: Database, name: str) -> Account:
    """Give a person a new random password. UserError if they are none of this database."""
    with _making_roles(database, name) as connection:
        role = roles.look(connection, name)
        if role is None or not role.active:
            raise _nobody(connection, name)
        return _with_password(connection, name, new_password())


def change(database: Database, password: str) -> tuple[Account, str]:
    """Set our own password; our account with it, and the password with which we came in.

    UserError if it is too short.
    """
    _check_dialect(database)
    if len(password) < SHORTEST:
        raise UserError(f"a password has at least {SHORTEST} characters")
    with database.transaction() as connection:
        name = str(connection.scalar(select(func.current_user())))
        used = roles.driver(connection).pgconn.password
        return _with_password(connection, name, password), used.decode()


def revoke(database: Database, name: str) -> Revoked:
    """Let a person in no more, and end their sessions. Their role and their rows stay.

    UserError for oneself, and for who is none of this database.
    """
    with _making_roles(database, name) as connection:
        role = roles.look(connection, name)
        if name == connection.scalar(select(func.current_user())):
            raise UserError("nobody can revoke themselves")
        if role is None or not role.ours:
            raise _nobody(connection, name)
        roles.shut_out(connection, name)
    with database.transaction() as connection:  # from here on no session is new
        claims = select(func.count()).where(job.c.person == name, job.c.state.in_(OPEN))
        ended = roles.end_sessions(connection, name)
        return Revoked(ended, int(connection.scalar(claims) or 0))


@contextmanager
def _making_roles(database: Database, name: str) -> Iterator[Connection]:
    """A transaction of one who may make and change roles, and is the only one at it."""
    _check_dialect(database)
    if not _NAME.fullmatch(name) or name in ("public", "none"):
        hint = "letters, digits, _ . - and at most 63 of them; the first a letter or _"
        raise UserError(f"no name for a person: {quoting.shown(name[:80])}", hint=hint)
    may = text("SELECT rolcreaterole OR rolsuper FROM pg_roles WHERE rolname = current_user")
    with database.transaction() as connection:
        if not connection.scalar(may):
            hint = "its owner may, if an administrator of the server said: ALTER ROLE … CREATEROLE"
            what = "you may not make or change accounts"
            raise DatabaseRefused(what, str(database), hint)
        versions.lock(connection)
        yield connection


def _with_password(connection: Connection, name: str, password: str) -> Account:
    roles.set_password(connection, name, password)
    found = roles.driver(connection).info
    # a socket's folder here is nothing to people elsewhere
    host = "localhost" if found.host.startswith("/") else found.host
    return Account(host, found.port, found.dbname, name, password)


def _check_dialect(database: Database) -> None:
    if database.dialect != "postgresql":
        hint = "a file of SQLite has none; name a database: --db postgresql://me@host/name"
        raise UserError("accounts need PostgreSQL", str(database), hint)


def _nobody(connection: Connection, name: str) -> UserError:
    known = ", ".join(roles.people(connection)) or "nobody"
    return UserError(f"{name} is no person of this database", hint=f"its people: {known}")
