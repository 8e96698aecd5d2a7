"""What monitors and the database tell one another about claims."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Holder:
    """Who takes jobs: a person, the site where they run, and the one run that does it."""

    person: str
    site: str
    run: str


@dataclass(frozen=True, slots=True)
class Held:
    """A job that is ours as long as nobody has another token for it."""

    name: str
    token: str


@dataclass(frozen=True, slots=True)
class Lost:
    """A job that is not ours any more, so nothing was changed: its state, and whose it is.

    `person` is empty if it is free; all is empty if the task knows no such job.
    """

    name: str
    state: str = ""
    person: str = ""
    site: str = ""
    token: str = field(default="", compare=False)  # ours, which is good for nothing now


@dataclass(frozen=True, slots=True)
class Standing:
    """The state of a job, and whose it is; `person` is empty if it is free."""

    name: str
    state: str
    person: str
    site: str


@dataclass(frozen=True, slots=True)
class Record(Standing):
    """All that the database has of a job; times in seconds since 1970, None for what was not.

    `attempts`: how often it was handed in, released claims among them.
    """

    dataset: str
    run: str
    jobid: str
    attempts: int
    taken: float | None
    submitted: float | None
    ended: float | None
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Mine:
    """A job that the database says is ours, without a verdict."""

    held: Held
    state: str
    jobid: str
