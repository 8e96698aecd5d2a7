"""Shared tasks for tests: who works on them, and a clock that passes only when told to."""

from __future__ import annotations

import secrets

from databases import let_in

from jobauto.claims import Database, Holder, Task

LEASE = 100.0
# roles are those of a whole server, which other sessions may use as well
TAG = secrets.token_hex(4)
ANN = Holder(f"ann_{TAG}", "cluster-a", "run-1")
BOB = Holder(f"bob_{TAG}", "cluster-b", "run-2")


class Time:
    """Seconds since 1970, as passed to a database.

    They lie in the past: row-level security, which has only its own clock, lets every lease pass.
    """

    def __init__(self) -> None:
        self.seconds = 1_600_000_000.0

    def __call__(self) -> float:
        return self.seconds


class Shared(Database):
    """A database as its owner sees it; in `task`, people whom it has let in come as themselves."""

    def __init__(self, url: str, time: Time | None = None) -> None:
        super().__init__(url, time)
        self.people: dict[str, Database] = {}

    def let_in(self, *holders: Holder) -> None:
        """Give people accounts."""
        url = self.url.render_as_string(hide_password=False)
        for holder in holders:
            self.people[holder.person] = Database(let_in(url, holder.person), self._time)

    def close(self) -> None:
        """Let go of all connections."""
        for database in self.people.values():
            database.close()
        super().close()


def names(number: int, start: int = 0) -> list[str]:
    """Names of jobs in the order in which they are registered."""
    return [f"m{n:07}/qsub.0" for n in range(start, start + number)]


def task(database: Database, holder: Holder = ANN, jobs: int = 0, name: str = "T") -> Task:
    """A task for one holder; with `jobs` it has as many."""
    people = database.people if isinstance(database, Shared) else {}
    made = Task(people.get(holder.person, database), name, holder, LEASE)
    if jobs:
        made.register([(job, "") for job in names(jobs)])
    return made


def several(database: Database, time: Time) -> None:
    """The task T: ann has finished one job of `a`, bob runs one, has failed one and killed one,
    ann was unsure of one of `b`, and one of `c` was claimed longer ago than a lease; two are free.
    """
    ann, bob = task(database, ANN), task(database, BOB)
    ann.register(
        [(f"{name}/{n}/qsub.{n}", name) for name in "abc" for n in range(4 - (name > "a"))]
    )
    (late,) = bob.take(1, ["c/0/qsub.0"])
    time.seconds += LEASE
    for person, name, verdict in (
        (ann, "a/0/qsub.0", "finished"),
        (bob, "a/1/qsub.1", ""),
        (bob, "a/2/qsub.2", "failed"),
        (bob, "a/3/qsub.3", "killed"),
        (ann, "b/0/qsub.0", "unsure"),
    ):
        held = person.take(1, [name])
        assert person.submitting(held) == []
        assert person.submitted(dict.fromkeys(held, f"id-{name[0]}{name[-1]}")) == []
        if verdict:
            assert person.ended(held, verdict) == []
    assert late.name == "c/0/qsub.0"
