"""Jobs with all that is known of them: for tables that people keep, and for what is released."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import Row, Select, select

from jobauto.claims import names
from jobauto.claims.changing import in_task
from jobauto.claims.database import Database
from jobauto.claims.holding import Record
from jobauto.claims.tables import HELD, job

PAGE = 2000  # jobs that are read in one transaction
_COLUMNS = [job.c[name] for name in Record.__dataclass_fields__]


def records(database: Database, task: str) -> Iterator[Record]:
    """All jobs of a task in the order of the database, a page of them in memory. DatabaseError.

    Each page is a transaction of its own, so that nobody waits for a long table: a job is as it
    was when its page was read.
    """
    after = ""
    while page := _page(database, _all(task).where(job.c.name > after).limit(PAGE)):
        yield from map(_record, page)
        after = page[-1].name


def held(database: Database, task: str, person: str = "") -> list[Record]:
    """Jobs that somebody holds, or that are unsure; with `person` only theirs. DatabaseError."""
    which = _all(task).where(job.c.state.in_(HELD))
    if person:
        which = which.where(job.c.person == person)
    return [_record(row) for row in _page(database, which)]


def _all(task: str) -> Select[tuple[str]]:
    return select(*_COLUMNS).where(in_task(task)).order_by(job.c.name)


def _page(database: Database, which: Select[tuple[str]]) -> Sequence[Row[tuple[str]]]:
    with database.transaction(writes=False) as connection:
        return connection.execute(which).all()


def _record(row: Row[tuple[str]]) -> Record:
    values = row._asdict()
    return Record(**{**values, "name": names.read(row.name)})
