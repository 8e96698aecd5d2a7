"""What SQLite and PostgreSQL say in different words."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Table,
    Text,
    cast,
    func,
    literal,
    literal_column,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL

# seconds of the database's clock; the same for all rows of a statement
_NOW = {
    "sqlite": "((julianday('now') - 2440587.5) * 86400.0)",
    "postgresql": "CAST(extract(epoch FROM now()) AS double precision)",
}
KNOWN = tuple(_NOW)
# Nobody waits for ever for a server that does not answer (in seconds, and the last in ms).
_POSTGRESQL = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "tcp_user_timeout": 30_000,
    "application_name": "jobauto",
    "options": "-c statement_timeout=60000 -c lock_timeout=20000 -c client_min_messages=error",
}
_SQLITE = {"timeout": 30.0}  # seconds for which a write waits for another's


def arguments(url: URL) -> dict[str, Any]:
    """What the driver is given besides the URL, which may overrule it."""
    given = _SQLITE if url.get_backend_name() == "sqlite" else _POSTGRESQL
    return {key: value for key, value in given.items() if key not in url.query}


def adding(dialect: str, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An INSERT that can be told what to do about rows that are there."""
    return sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)


def now(dialect: str) -> ColumnElement[float]:
    """The database's time, in seconds since 1970."""
    return literal_column(_NOW[dialect])


def new_token(dialect: str) -> ColumnElement[str]:
    """A word that was never given before, another one for each row."""
    if dialect == "sqlite":
        return func.lower(func.hex(func.randomblob(16)))
    return func.replace(cast(func.gen_random_uuid(), Text), "-", "")


def rows(dialect: str, **columns: Sequence[str]) -> FromClause:
    """A table of these columns, each with as many texts, and of `place`, the number of the row.

    One parameter a column or one in all, as databases take only so many.
    """
    if dialect == "sqlite":
        packed = json.dumps(list(zip(*columns.values(), strict=True)))
        each = func.json_each(packed).table_valued("key", "value")
        texts = [
            func.json_extract(each.c.value, f"$[{number}]").label(name)
            for number, name in enumerate(columns)
        ]
        return select(*texts, each.c.key.label("place")).subquery("given")
    array = postgresql.ARRAY(Text)
    lists = [cast(literal(list(texts), array), array) for texts in columns.values()]
    found = func.unnest(*lists).table_valued(*columns, with_ordinality="place", name="given")
    return found.render_derived()
