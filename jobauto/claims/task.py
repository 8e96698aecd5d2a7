"""One shared task as one monitor sees it. Each call is one short transaction.

All may raise DatabaseError. After NoDatabase nobody knows whether the change was made: `mine`
tells, and each call may be made again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import (
    CTE,
    ColumnElement,
    Update,
    and_,
    func,
    literal_column,
    or_,
    select,
    update,
)

from jobauto.claims import changing, dialects, names, tables
from jobauto.claims.changing import NOBODYS, Change, in_task
from jobauto.claims.database import Database
from jobauto.claims.holding import Held, Holder, Lost, Mine, Standing
from jobauto.claims.tables import (
    CLAIMED,
    FAILED,
    FREE,
    HELD,
    KILLED,
    OPEN,
    SKIPPED,
    SUBMITTED,
    SUBMITTING,
    VERDICTS,
    job,
)

CHUNK = 10_000  # jobs that are registered in one transaction
LEASE = 600.0  # seconds


class Task:
    """A task by its name, for one holder; `lease` in seconds."""

    def __init__(self, database: Database, name: str, holder: Holder, lease: float = LEASE) -> None:
        self.database, self.name, self.holder, self.lease = database, name, holder, lease

    def register(self, jobs: Iterable[tuple[str, str]]) -> None:
        """Let the task know of jobs, by name and data set; those that it knows stay as they are.

        UserError for a name that is too long. Many go out in several transactions.
        """
        # sorted: two who register the same jobs at once must not wait for each other
        found = sorted((names.stored(name), dataset) for name, dataset in jobs)
        new = dialects.adding(self.database.dialect, tables.task).values(name=self.name)
        with self.database.transaction() as connection:
            connection.execute(new.on_conflict_do_nothing())
        for start in range(0, len(found), CHUNK):
            self._add(found[start : start + CHUNK])

    def _add(self, found: Sequence[tuple[str, str]]) -> None:
        texts = list(zip(*found, strict=True))
        folders = [name.rpartition("/")[0] for name in texts[0]]
        columns = {"name": texts[0], "dataset": texts[1], "folder": folders}
        given = dialects.rows(self.database.dialect, **columns)
        task = select(tables.task.c.id).where(tables.task.c.name == self.name).scalar_subquery()
        # without a condition SQLite would take ON CONFLICT for that of a join
        which = select(task, *(given.c[name] for name in columns)).where(given.c.place >= 0)
        new = dialects.adding(self.database.dialect, job)
        new = new.from_select(["task_id", *columns], which.order_by(given.c.place))
        with self.database.transaction() as connection:
            connection.execute(new.on_conflict_do_nothing())

    def take(self, number: int, wanted: Sequence[str] | None = None) -> list[Held]:
        """Claim up to `number` jobs: the first of `wanted` that can be had, or else any.

        What is free can be had, and what was claimed by one whose lease has passed, unless another
        run works in its folder: jobs of a folder share files.
        """
        if number <= 0 or (wanted is not None and not wanted):
            return []
        statement = self._taken(self._pick(number, wanted))
        with self.database.transaction() as connection:
            rows = connection.execute(statement).all()
        found = {names.read(row.name): row.token for row in rows}
        order = sorted(found) if wanted is None else dict.fromkeys(wanted)
        return [Held(name, found[name]) for name in order if name in found]

    def _pick(self, number: int, wanted: Sequence[str] | None) -> CTE:
        now = self.database.now()
        which = select(job.c.id).where(in_task(self.name), job.c.free_from <= now)
        which = which.where(func.coalesce(_worker(now), self.holder.run) == self.holder.run)
        if wanted is None:
            which = which.order_by(job.c.free_from, job.c.id)
        else:
            texts = [names.stored(name) for name in dict.fromkeys(wanted)]
            given = dialects.rows(self.database.dialect, name=texts)
            which = which.join_from(job, given, job.c.name == given.c.name)
            which = which.order_by(given.c.place)
        # in a CTE with FOR UPDATE it is looked up once; as a subquery perhaps more than once
        return which.limit(number).with_for_update(of=job, skip_locked=True).cte("picked")

    def _taken(self, picked: CTE) -> Update:
        holder, now = self.holder, self.database.now()
        values = {
            **NOBODYS,
            **{"state": CLAIMED, "free_from": now + self.lease, "taken": now},
            **{"person": holder.person, "site": holder.site, "run": holder.run},
            "token": dialects.new_token(self.database.dialect),
        }
        change = update(job).where(job.c.id == picked.c.id).values(values)
        return change.returning(job.c.name, job.c.token)

    def renew(self, held: Sequence[Held]) -> list[Lost]:
        """The lease of these begins anew; not of others, which we may have forgotten."""
        values = {"free_from": self.database.now() + self.lease}
        return self._make(held, Change((CLAIMED,), values, already=(SUBMITTING, SUBMITTED)))

    def give_back(self, held: Sequence[Held]) -> list[Lost]:
        """Let others have jobs that certainly were not submitted."""
        # its token stays, which is good for nothing in a free job: so a second call is no loss
        values = {key: value for key, value in NOBODYS.items() if key != "token"}
        return self._make(held, Change((CLAIMED, SUBMITTING), values, already=(FREE,)))

    def submitting(self, held: Sequence[Held]) -> list[Lost]:
        """Said before jobs are handed in: from now on no lease ends the claim.

        Those that are lost must not be handed in, nor any if this raises.
        """
        values = {"state": SUBMITTING, "free_from": None, "attempts": job.c.attempts + 1}
        return self._make(held, Change((CLAIMED,), values, already=(SUBMITTING,)))

    def submitted(self, jobids: Mapping[Held, str]) -> list[Lost]:
        """The JOBIDs of jobs that were handed in."""
        values = {"state": SUBMITTED, "submitted": self.database.now()}
        change = Change((SUBMITTING, SUBMITTED), values, jobids=jobids)
        return self._make(list(jobids), change)

    def ended(self, held: Sequence[Held], verdict: str) -> list[Lost]:
        """What became of jobs; `verdict` is one of VERDICTS, ValueError for another word."""
        if verdict not in VERDICTS:
            raise ValueError(f"no verdict: {verdict!r}")
        values = {"state": verdict, "free_from": None, "ended": self.database.now()}
        if verdict == SKIPPED:
            values["run"] = ""  # it was there before, so its folder is nobody's yet
        change = Change(HELD, values, already=(verdict,), note=verdict)
        return self._make(held, change)

    def mine(self) -> list[Mine]:
        """All that our run holds without a verdict, in the order of registration."""
        which = select(job.c.name, job.c.token, job.c.state, job.c.jobid)
        which = which.where(self._mine()).order_by(job.c.id)
        with self.database.transaction(writes=False) as connection:
            rows = connection.execute(which).all()
        return [Mine(Held(names.read(r.name), r.token), r.state, r.jobid) for r in rows]

    def look(self, wanted: Sequence[str]) -> dict[str, Standing]:
        """Who has these jobs, and their states; those that the task knows."""
        if not wanted:
            return {}
        given = dialects.rows(self.database.dialect, name=[names.stored(n) for n in wanted])
        which = select(job.c.name, job.c.state, job.c.person, job.c.site)
        which = which.join_from(job, given, job.c.name == given.c.name)
        with self.database.transaction(writes=False) as connection:
            rows = connection.execute(which.where(in_task(self.name))).all()
        found = [Standing(names.read(r.name), r.state, r.person, r.site) for r in rows]
        return {one.name: one for one in found}

    def release(
        self, person: str, wanted: Sequence[str], tokens: Sequence[str] | None = None
    ) -> list[str]:
        """Free jobs that `person` holds or that were unsure for them; the names of those.

        With `tokens`, one for each of `wanted`, only claims that are still these. If a job is
        still in a queue, it will run twice: only a person can know.
        """
        which = and_(job.c.person == person, job.c.state.in_(HELD))
        return changing.free(self.database, self.name, wanted, which, tokens)

    def again(self, wanted: Sequence[str]) -> list[str]:
        """Let whoever has room try failed and killed jobs again; the names of those."""
        which = job.c.state.in_((FAILED, KILLED))
        return changing.free(self.database, self.name, wanted, which)

    def _make(self, held: Sequence[Held], change: Change) -> list[Lost]:
        return changing.make(self.database, self.name, held, change)

    def _mine(self) -> ColumnElement[bool]:
        return and_(
            in_task(self.name),
            job.c.run == self.holder.run,
            job.c.person == self.holder.person,
            job.c.state.in_([_word(state) for state in OPEN]),
        )


def _worker(now: ColumnElement[float]) -> ColumnElement[str]:
    """The run that works in the folder of a job: that which has the first of its jobs."""
    other = job.alias("other")
    beside = and_(other.c.task_id == job.c.task_id, other.c.folder == job.c.folder)
    had = and_(other.c.run != "", or_(other.c.free_from.is_(None), other.c.free_from > now))
    first = select(other.c.run).where(beside, had).order_by(other.c.id).limit(1)
    return first.correlate(job).scalar_subquery()


def _word(state: str) -> ColumnElement[str]:
    """A state as it stands in the conditions of indexes, which no parameter would fit."""
    return literal_column(f"'{state}'")
