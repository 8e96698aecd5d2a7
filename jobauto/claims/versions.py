"""Versions of the tables: which one a database has, and how it gets the newest."""

from __future__ import annotations

from sqlalchemy import Connection, func, inspect, select

from jobauto.claims import tables
from jobauto.errors import UserError, WrongVersion

OWNER = "who made it brings it up to date with: jobauto db init"
_LOCK = 0x6A6F6261  # any number that nobody else locks


def found(connection: Connection) -> str | None:
    """The version of the tables; None if there are none."""
    if not inspect(connection).has_table(tables.version.name):
        return None
    return str(connection.scalar(select(tables.version.c.version_num)))


def check(version: str | None, where: str) -> None:
    """WrongVersion if the tables are not just those that we know."""
    ours = tables.VERSION
    if version == str(ours):
        return
    if version and version.isdecimal() and int(version) > ours:
        what = f"its tables are of version {version}, this jobauto knows {ours}"
        raise WrongVersion(what, where, "get a newer jobauto")
    raise WrongVersion(f"its tables are of version {version}, not {ours}", where, OWNER)


def lock(connection: Connection) -> None:
    """Wait for others who change tables or accounts; until the end of the transaction."""
    if connection.dialect.name == "postgresql":  # SQLite has locked the file already
        connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))


def upgrade(connection: Connection, where: str) -> str | None:
    """Bring the tables to our version, in the open transaction; the version that was found.

    WrongVersion if they are newer, or not known to be ours.
    """
    lock(connection)
    version = found(connection)
    if version is None:
        _refuse_others(connection, where)
    elif version not in map(str, range(1, tables.VERSION)):
        check(version, where)
        return version
    _to_head(connection)
    return version


def _refuse_others(connection: Connection, where: str) -> None:
    there = sorted(tables.metadata.tables.keys() & set(inspect(connection).get_table_names()))
    if there:
        what = f"it has tables of the same names that are not ours: {', '.join(there)}"
        raise WrongVersion(what, where, "use a database of its own")


def _to_head(connection: Connection) -> None:
    try:  # an import that takes a moment
        from alembic import command
        from alembic.config import Config
    except ImportError:
        raise UserError(
            "--db: alembic is not installed", hint="pip install 'jobauto[db]'"
        ) from None
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", "jobauto.claims:migrations")
    command.upgrade(config, "head")
