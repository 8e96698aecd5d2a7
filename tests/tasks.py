"""Shared tasks for tests: who works on them, and a clock that passes only when told to."""

from __future__ import annotations

from jobauto.claims import Database, Holder, Task

LEASE = 100.0
ANN = Holder("ann", "cluster-a", "run-1")
BOB = Holder("bob", "cluster-b", "run-2")


class Time:
    """Seconds since 1970, as passed to a database."""

    def __init__(self) -> None:
        self.seconds = 1_800_000_000.0

    def __call__(self) -> float:
        return self.seconds


def names(number: int, start: int = 0) -> list[str]:
    """Names of jobs in the order in which they are registered."""
    return [f"m{n:07}/qsub.0" for n in range(start, start + number)]


def task(database: Database, holder: Holder = ANN, jobs: int = 0, name: str = "T") -> Task:
    """A task for one holder; with `jobs` it has as many."""
    made = Task(database, name, holder, LEASE)
    if jobs:
        made.register([(job, "") for job in names(jobs)])
    return made


def several(database: Database, time: Time) -> None:
    """The task T: ann has finished one job of `a`, bob runs one, has failed one and killed one,
    ann was unsure of one of `b`, and one of `c` was claimed longer ago than a lease; two are free.
    """
    ann, bob = task(database, ANN), task(database, BOB)
    ann.register([(f"{name}/qsub.{n}", name) for name in "abc" for n in range(4 - (name > "a"))])
    (late,) = bob.take(1, ["c/qsub.0"])
    time.seconds += LEASE
    for person, name, verdict in (
        (ann, "a/qsub.0", "finished"),
        (bob, "a/qsub.1", ""),
        (bob, "a/qsub.2", "failed"),
        (bob, "a/qsub.3", "killed"),
        (ann, "b/qsub.0", "unsure"),
    ):
        held = person.take(1, [name])
        assert person.submitting(held) == []
        assert person.submitted(dict.fromkeys(held, f"id-{name[0]}{name[-1]}")) == []
        if verdict:
            assert person.ended(held, verdict) == []
    assert late.name == "c/qsub.0"
