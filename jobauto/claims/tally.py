"""How far a task is: counts of jobs. All jobs are read: this is for people, not for each tick."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sqlalchemy import func, select

from jobauto.claims.changing import in_task
from jobauto.claims.database import Database
from jobauto.claims.tables import CLAIMED, FREE, KILLED, OPEN, UNSURE, job, task


@dataclass(frozen=True, slots=True)
class Tally:
    """How many jobs of a data set are in a state, at a site, by a person ('': nobody yet)."""

    dataset: str
    site: str
    person: str
    state: str
    jobs: int


@dataclass(slots=True)
class Share:
    """The jobs of a data set, a site or a person in words for people: what is claimed is running,
    what was killed has failed."""

    name: str
    jobs: int = 0
    done: int = 0
    running: int = 0
    failed: int = 0
    unsure: int = 0
    free: int = 0

    @property
    def bad(self) -> int:
        """Jobs that need a person."""
        return self.failed + self.unsure

    @property
    def per_cent(self) -> int:
        """How much of it is done, rounded down: 100 is all."""
        return 100 * self.done // self.jobs if self.jobs else 100

    def add(self, state: str, number: int) -> None:
        """Count some more jobs in this state of the database."""
        word = _WORDS.get(state, state)
        found = word if word in ("running", "failed", "unsure", "free") else "done"
        setattr(self, found, getattr(self, found) + number)
        self.jobs += number


@dataclass(frozen=True, slots=True)
class Summary:
    """A task in one line; `changed`: when a job was last taken, handed in or ended, in seconds
    since 1970, None if none was."""

    share: Share
    changed: float | None


@dataclass(frozen=True, slots=True)
class Overview:
    """A task by data set, site and person; `late`: claims older than their lease, which whoever
    has room will take."""

    total: Share
    datasets: list[Share]
    sites: list[Share]
    persons: list[Share]
    late: int


_WORDS = {**dict.fromkeys(OPEN, "running"), KILLED: "failed", UNSURE: UNSURE, FREE: FREE}


def progress(database: Database, name: str) -> list[Tally]:
    """Counts of the jobs of the task with this name; none if there is no such. DatabaseError."""
    columns = (job.c.dataset, job.c.site, job.c.person, job.c.state)
    which = select(*columns, func.count()).join(task, task.c.id == job.c.task_id)
    which = which.where(task.c.name == name).group_by(*columns).order_by(*columns)
    with database.transaction(writes=False) as connection:
        return [Tally(*row) for row in connection.execute(which)]


def known(database: Database) -> list[str]:
    """The names of all tasks of a database, in their order; no jobs are read. DatabaseError."""
    with database.transaction(writes=False) as connection:
        return sorted(connection.scalars(select(task.c.name)))


def summaries(database: Database) -> list[Summary]:
    """All tasks of a database in order of name, those without jobs, too. DatabaseError."""
    times = [func.max(column) for column in (job.c.taken, job.c.submitted, job.c.ended)]
    which = select(task.c.name, job.c.state, func.count(job.c.id), *times)
    which = which.join_from(task, job, task.c.id == job.c.task_id, isouter=True)
    which = which.group_by(task.c.name, job.c.state)
    with database.transaction(writes=False) as connection:
        rows = connection.execute(which).all()
    shares, changed = dict[str, Share](), dict[str, float]()
    for name, state, number, *moments in rows:
        shares.setdefault(name, Share(name)).add(state or FREE, number)
        changed[name] = max([changed.get(name, 0.0), *(m for m in moments if m)])
    return [Summary(shares[name], changed[name] or None) for name in sorted(shares)]


def overview(database: Database, name: str) -> Overview:
    """How far the task with this name is; without jobs if there is no such. DatabaseError."""
    found = progress(database, name)
    total = Share(name)
    for one in found:
        total.add(one.state, one.jobs)
    taken = [one for one in found if one.person]
    return Overview(
        total,
        shares(found, lambda one: one.dataset),
        shares(taken, lambda one: one.site),
        shares(taken, lambda one: one.person),
        _late(database, name),
    )


def shares(found: Iterable[Tally], key: Callable[[Tally], str]) -> list[Share]:
    """The counts put together by what `key` gives, in order of that."""
    made: dict[str, Share] = {}
    for one in found:
        name = key(one)
        made.setdefault(name, Share(name)).add(one.state, one.jobs)
    return [made[name] for name in sorted(made)]


def worst_first(found: Iterable[Share]) -> list[Share]:
    """First what failed, then what is far from its end; what is done comes last."""
    return sorted(found, key=lambda one: (-one.bad, one.done / one.jobs if one.jobs else 1.0))


def _late(database: Database, name: str) -> int:
    which = select(func.count()).select_from(job).where(in_task(name), job.c.state == CLAIMED)
    with database.transaction(writes=False) as connection:
        return connection.scalar(which.where(job.c.free_from <= database.now())) or 0
