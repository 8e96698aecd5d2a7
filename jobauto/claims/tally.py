"""How far a task is: counts of jobs."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select

from jobauto.claims.database import Database
from jobauto.claims.tables import job, task


@dataclass(frozen=True, slots=True)
class Tally:
    """How many jobs of a data set are in a state, at a site, by a person ('': nobody yet)."""

    dataset: str
    site: str
    person: str
    state: str
    jobs: int


def progress(database: Database, name: str) -> list[Tally]:
    """Counts of the jobs of the task called `name`; none if there is no such task. DatabaseError.

    All its jobs are read: this is for people, not for each tick.
    """
    columns = (job.c.dataset, job.c.site, job.c.person, job.c.state)
    which = select(*columns, func.count()).join(task, task.c.id == job.c.task_id)
    which = which.where(task.c.name == name).group_by(*columns).order_by(*columns)
    with database.transaction(writes=False) as connection:
        return [Tally(*row) for row in connection.execute(which)]
