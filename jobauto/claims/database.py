"""The database: how it is opened, one short transaction at a time, and whether it speaks to us."""

from __future__ import annotations

import os
import pwd
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    create_engine,
    event,
    exc,
    func,
    literal,
    select,
)
from sqlalchemy.engine import URL, make_url

from jobauto import quoting
from jobauto.claims import dialects, faults, tables, versions
from jobauto.errors import DatabaseError, DatabaseRefused, UserError

OLDEST_SQLITE = (3, 35, 0)  # RETURNING


class Database:
    """A shared database by its URL. UserError if the URL cannot be used; nobody is asked yet.

    `time`: seconds since 1970, for tests; without it the database's own clock counts.
    """

    def __init__(self, url: str, time: Callable[[], float] | None = None) -> None:
        self.url = _parsed(url)
        self.dialect = self.url.get_backend_name()
        self._time = time
        self._engine = _engine(self.url)

    def __repr__(self) -> str:
        return f"Database({faults.shown(self.url)!r})"

    def __str__(self) -> str:
        return faults.shown(self.url)

    @property
    def person(self) -> str:
        """As whom we come in: the role that the URL names, or PGUSER, or our login here."""
        login = pwd.getpwuid(os.geteuid()).pw_name
        if self.dialect == "sqlite":
            return login
        named = self.url.username or self.url.query.get("user")
        return str(named or os.environ.get("PGUSER") or login)

    def now(self) -> ColumnElement[float]:
        """The time, as a part of a statement."""
        return literal(self._time()) if self._time else dialects.now(self.dialect)

    @contextmanager
    def transaction(self, writes: bool = True) -> Iterator[Connection]:
        """A connection whose statements happen together or not at all. DatabaseError."""
        with self._told(), self._engine.connect() as raw:
            connection = raw.execution_options(jobauto_writes=writes)
            with connection.begin():
                self._check(connection)
                yield connection

    def prepare(self) -> None:
        """See that it can be used; a file of SQLite without tables gets them. DatabaseError."""
        self._make_folder()
        with self._told(), self._engine.connect() as raw:
            connection = raw.execution_options(jobauto_writes=False)
            with connection.begin():
                if self.dialect == "postgresql" or versions.found(connection):
                    self._check(connection)
                    self._check_person(connection)
                    return
        self.upgrade()

    def upgrade(self) -> str | None:
        """Bring the tables to our version; that which was found, None if there were no tables.

        DatabaseError, also if they are newer than ours, or others.
        """
        self._make_folder()
        with self._told(), self._engine.connect() as raw:
            connection = raw.execution_options(jobauto_writes=True)
            with connection.begin():
                return versions.upgrade(connection, str(self))

    def close(self) -> None:
        """Let go of all connections; the next transaction makes another."""
        self._engine.dispose()

    def _make_folder(self) -> None:
        if self.dialect == "sqlite" and self.url.database:
            Path(self.url.database).parent.mkdir(parents=True, exist_ok=True)

    def _check(self, connection: Connection) -> None:
        version = connection.scalar(select(tables.version.c.version_num))
        versions.check(version, str(self))

    def _check_person(self, connection: Connection) -> None:
        if self.dialect != "postgresql":
            return
        known = connection.scalar(select(func.session_user()))
        if known != self.person:
            what = (
                f"it knows you as {quoting.shown(str(known))}, not as {quoting.shown(self.person)}"
            )
            hint = "name yourself in --db: postgresql://me@host/name"
            raise DatabaseRefused(what, str(self), hint)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Errors as ours. Theirs, with the URL in their frames, are not passed on."""
        try:
            yield
        except exc.SQLAlchemyError as error:
            found: DatabaseError = faults.ours(error, self.url)
        else:
            return
        raise found from None


def _parsed(text: str) -> URL:
    try:
        url = make_url(text)
    except (exc.ArgumentError, ValueError):
        url = None
    if url is None or url.get_backend_name() not in dialects.KNOWN:
        raise UserError(
            "--db: not the URL of a database",
            hint="sqlite:////folder/file.db, or postgresql://person@host/database",
        )
    if url.get_backend_name() == "postgresql":
        return url.set(drivername="postgresql+psycopg")
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        raise DatabaseRefused(f"SQLite {sqlite3.sqlite_version} is too old", hint="3.35 is needed")
    return url


def _engine(url: URL) -> Engine:
    try:
        engine = create_engine(
            url,
            connect_args=dialects.arguments(url),
            pool_pre_ping=url.get_backend_name() != "sqlite",
            hide_parameters=True,
        )
    except ImportError:
        raise UserError(
            "--db: psycopg is not installed", hint="pip install 'jobauto[db]'"
        ) from None
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _own_transactions)
        event.listen(engine, "begin", _begin)
    return engine


def _own_transactions(connection: Any, record: Any) -> None:
    """The driver would begin transactions late, at the first change."""
    connection.isolation_level = None
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = FULL")


def _begin(connection: Connection) -> None:
    """Whoever means to write waits for others at the beginning, not in the middle."""
    writes = connection.get_execution_options().get("jobauto_writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
