"""Changes of rows that name their claim's token, and what is written down of claims that end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import CTE, ColumnElement, Connection, FromClause, and_, literal, select, update

from jobauto.claims import dialects, names, tables
from jobauto.claims.database import Database
from jobauto.claims.holding import Held, Lost
from jobauto.claims.tables import SUBMITTED, SUBMITTING, UNSURE, attempt, job

#: the row of a job that nobody holds
NOBODYS: dict[str, Any] = {
    **{"state": tables.FREE, "free_from": 0.0},
    **{"token": "", "person": "", "site": "", "run": "", "jobid": ""},
    **{"taken": None, "submitted": None, "ended": None},
}


@dataclass(frozen=True, slots=True)
class Change:
    """The columns that get new values, and the states from which that is allowed.

    `already`: states in which an earlier call has left a job, which is no loss. `note`: what
    becomes of the claim, if it ends by this.
    """

    states: Sequence[str]
    values: Mapping[str, Any]
    already: Sequence[str] = ()
    note: str = ""
    jobids: Mapping[Held, str] = field(default_factory=dict)


def in_task(task: str) -> ColumnElement[bool]:
    """The jobs of the task with this name."""
    which = select(tables.task.c.id).where(tables.task.c.name == task)
    return job.c.task_id == which.scalar_subquery()


def make(database: Database, task: str, held: Sequence[Held], change: Change) -> list[Lost]:
    """Change the jobs whose token is still this one; those for which that did not happen."""
    if not held:
        return []
    given = _found(_given(database, held, change.jobids), task, len(held))
    ours = and_(job.c.id == given.c.id, job.c.token == given.c.token)
    which = and_(ours, job.c.state.in_(change.states))
    more = {"jobid": given.c.jobid} if change.jobids else {}
    statement = update(job).where(which).values({**change.values, **more})
    with database.transaction() as connection:
        if change.note:
            note(database, connection, given, which, change.note)
        rows = connection.execute(statement.returning(job.c.name, job.c.token))
        # by token, too: a run that forgot a claim may hold a newer one of the same job
        done = {Held(names.read(row.name), row.token) for row in rows}
        rest = [one for one in held if one not in done]
        return _lost(database, connection, task, rest, change.already) if rest else []


def free(
    database: Database,
    task: str,
    wanted: Sequence[str],
    which: ColumnElement[bool],
    tokens: Sequence[str] | None = None,
) -> list[str]:
    """Make jobs of these names nobody's, where `which` holds, and their tokens are still these if
    there are any; the names of those."""
    columns = {"name": [names.stored(name) for name in wanted]}
    if tokens is not None:
        columns["token"] = list(tokens)
    rows = _found(dialects.rows(database.dialect, **columns), task, len(wanted))
    which = and_(job.c.id == rows.c.id, which)
    if tokens is not None:
        which = and_(which, job.c.token == rows.c.token)
    statement = update(job).where(which).values(NOBODYS).returning(job.c.name)
    with database.transaction() as connection:
        note(database, connection, rows, which, "released")
        return sorted(names.read(name) for name in connection.scalars(statement))


def note(
    database: Database,
    connection: Connection,
    given: FromClause,
    which: ColumnElement[bool],
    verdict: str,
) -> None:
    """Write down what becomes of claims that may have been submitted, before their rows change."""
    kept = [job.c[name] for name in ("token", "person", "site", "run", "jobid", "taken")]
    new = {
        "job_id": job.c.id,
        "number": job.c.attempts,
        "state": literal(verdict),
        "ended": database.now(),
    }
    was = select(*new.values(), *kept, job.c.submitted).join_from(job, given, which)
    was = was.where(job.c.state.in_((SUBMITTING, SUBMITTED, UNSURE))).with_for_update(of=job)
    columns = [*new, *(column.name for column in kept), "submitted"]
    adding = dialects.adding(database.dialect, attempt).from_select(columns, was)
    later = {name: adding.excluded[name] for name in ("state", "ended")}
    connection.execute(adding.on_conflict_do_update(index_elements=["token"], set_=later))


def _found(given: FromClause, task: str, number: int) -> CTE:
    """The rows that are given, with the `id` of their jobs.

    The limit cuts nothing off; with the order it has SQLite look each up, not read the whole task.
    """
    which = select(job.c.id, *given.c).join_from(given, job, job.c.name == given.c.name)
    return which.where(in_task(task)).order_by(given.c.place).limit(number).cte("found")


def _given(database: Database, held: Sequence[Held], jobids: Mapping[Held, str]) -> FromClause:
    columns = {
        "name": [names.stored(one.name) for one in held],
        "token": [one.token for one in held],
    }
    if jobids:
        columns["jobid"] = [jobids[one] for one in held]
    return dialects.rows(database.dialect, **columns)


def _lost(
    database: Database,
    connection: Connection,
    task: str,
    rest: Sequence[Held],
    already: Sequence[str],
) -> list[Lost]:
    given = _given(database, rest, {})
    which = select(job.c.name, job.c.state, job.c.person, job.c.site, job.c.token)
    which = which.join_from(job, given, job.c.name == given.c.name).where(in_task(task))
    now = {names.read(row.name): row for row in connection.execute(which)}
    lost = []
    for one in rest:
        row = now.get(one.name)
        if row is None:
            lost.append(Lost(one.name, token=one.token))
        elif row.token != one.token or row.state not in already:
            lost.append(Lost(one.name, row.state, row.person, row.site, one.token))
    return lost
