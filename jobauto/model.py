"""The words that everything else speaks: jobs, states, and what was seen on the remote."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache

STAMP = "%Y%m%d_%H%M%S"


def stamp(now: float) -> str:
    """Seconds since 1970 as the date used in every file, in local time."""
    return time.strftime(STAMP, time.localtime(now))


def moment(date: str) -> float:
    """The inverse of `stamp`; ValueError for any other text."""
    return time.mktime(time.strptime(date, STAMP))


@lru_cache(maxsize=4096)
def known(date: str) -> float | None:
    """Seconds since 1970 of a date of the files; None for any other text."""
    try:
        return moment(date)
    except (ValueError, OverflowError):
        return None


def span(begin: float | None, end: float | None) -> float | None:
    """Seconds from one moment to a later one; None if one is not known or the clock was set."""
    if begin is None or end is None or end < begin:
        return None
    return end - begin


@dataclass(frozen=True, slots=True, order=True)
class Job:
    """One `qsub.<id>`: its folder, relative to the run with `/` (empty: the run itself), and id."""

    folder: str
    id: str
    name: str = field(init=False, repr=False, compare=False)  # built once: it is asked for most

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", self._file("qsub."))

    def _file(self, prefix: str) -> str:
        name = f"{prefix}{self.id}"
        return f"{self.folder}/{name}" if self.folder else name

    @property
    def marker(self) -> str:
        return self._file("qsub.finished.")

    @property
    def dependency(self) -> str:
        return self._file("qsub.dependency.")

    @property
    def held(self) -> str:
        """What the dependency file is called while a person holds the job."""
        return self._file("qsub.held.")

    @property
    def resources(self) -> str:
        return self._file("qsub.resources.")

    @property
    def inputs(self) -> str:
        """The file that names what the job's result depends on."""
        return self._file("qsub.inputs.")

    @property
    def outputs(self) -> str:
        """The file that names what the job's result is."""
        return self._file("qsub.outputs.")

    @classmethod
    def from_name(cls, name: str) -> Job:
        """The job called `folder/qsub.<id>`; ValueError for any other text."""
        folder, _, script = name.rpartition("/")
        prefix, _, job_id = script.partition(".")
        if prefix != "qsub" or not job_id or "." in job_id:
            raise ValueError(f"not the name of a job: {name!r}")
        return cls(folder, job_id)


class State(Enum):
    """Where a job is: (order, final, one sentence). Moves go to a higher order, or by `retry`."""

    HELD = (0, False, "on hold: it has no dependency file")
    WAITING = (1, False, "waits for files that other jobs make")
    BLOCKED = (2, False, "can never start: something that it needs failed")
    READY = (3, False, "may start as soon as there is room")
    SUBMITTING = (4, False, "handed to the scheduler, answer not known yet")
    STARTED = (5, False, "in the queue or running")
    UNSURE = (6, True, "it cannot be proven whether it was submitted; a person decides")
    FINISHED = (7, True, "its marker exists")
    SKIPPED = (8, True, "not run, because its result was there already")
    FAILED = (9, True, "left the queue without its marker, or was refused")
    KILLED = (10, True, "killed by a person")

    def __init__(self, order: int, final: bool, sentence: str) -> None:
        self.order, self.final, self.sentence = order, final, sentence

    @property
    def word(self) -> str:
        return self.name.lower()

    @property
    def done(self) -> bool:
        """Dependents may start."""
        return self in (State.FINISHED, State.SKIPPED)

    @property
    def bad(self) -> bool:
        """Ended, and dependents can never start."""
        return self.final and not self.done


class Queued(Enum):
    """What a scheduler says of a job that it still knows; all of them mean "still there"."""

    PENDING = "pending"
    RUNNING = "running"
    HELD = "held"
    SUSPENDED = "suspended"
    ENDING = "ending"
    ERROR = "error"
    UNKNOWN = "unknown"


# A job in one of these waits for a person, most likely.
STRANGE = (Queued.HELD, Queued.SUSPENDED, Queued.ERROR, Queued.UNKNOWN)


@dataclass(frozen=True, slots=True)
class InQueue:
    """One line of the queue. `token` is the submission's token where the scheduler shows it."""

    jobid: str
    state: Queued
    code: str
    reason: str = ""
    token: str = ""

    @property
    def strange(self) -> bool:
        """It waits for a person, most likely."""
        return self.state in STRANGE

    def __str__(self) -> str:
        reason = f": {self.reason}" if self.reason not in ("", "None") else ""
        return f"{self.state.value} as {self.jobid} ({self.code}{reason})"


@dataclass(frozen=True, slots=True)
class Ending:
    """How a job ended, as far as anyone can tell, with the tail of its output.

    `began`: of one that was handed in ahead, whether its guard let it begin; False: it never will.
    """

    exit_code: int | None = None
    reason: str = ""
    tail: str = ""
    began: bool | None = None

    @property
    def bad(self) -> bool:
        """The scheduler itself says that the job did not succeed."""
        return bool(self.exit_code or self.reason)

    @property
    def known(self) -> bool:
        return self.exit_code is not None or bool(self.reason)


@dataclass(frozen=True, slots=True)
class Claim:
    """What lies in the folder that guards one submission on the remote.

    `answered` False: the scheduler's answer is not there; `alive` then says whether the shell
    that is to write it still runs (None: cannot be told). `begun`: the marker of an earlier
    attempt is gone, so a marker that stands now was written by this one.
    """

    begun: bool = False
    answered: bool = False
    exit_code: int = 0
    out: str = ""
    err: str = ""
    alive: bool | None = None

    @property
    def said(self) -> str:
        """All that the scheduler said, complaints first."""
        return self.err + self.out


@dataclass(frozen=True, slots=True)
class Attempt:
    """The n-th submission of a job; its token names it on the remote for ever.

    `after`: tokens of submissions whose jobs the scheduler was told to wait for (--native-deps).
    """

    job: Job
    number: int
    token: str
    after: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Seen:
    """One trustworthy look at the remote: the queue first, the files after it.

    `there` and `missing` divide the files that were asked for. `tokens_known` tells whether
    the absence of a token from the queue proves anything in this look. `early`: only the files
    were looked at, and the queue is as it was.
    """

    queue: Mapping[str, InQueue] = field(default_factory=dict)
    tokens_known: bool = False
    there: frozenset[str] = frozenset()
    missing: frozenset[str] = frozenset()
    claims: Mapping[str, Claim] = field(default_factory=dict)
    endings: Mapping[str, Ending] = field(default_factory=dict)
    text: str = ""
    early: bool = False

    def names(self, jobid: str, token: str) -> bool:
        """Whether the queue names this submission: a JOBID may be given again to another job."""
        line = self.queue.get(jobid)
        return line is not None and line.token in ("", token)

    def runs(self, jobid: str, token: str) -> bool:
        """Whether the queue says that this submission runs."""
        return self.names(jobid, token) and self.queue[jobid].state is Queued.RUNNING

    def by_token(self, token: str) -> str | None:
        """The JOBID of the submission with this token, if the queue names it."""
        return next((q.jobid for q in self.queue.values() if token and q.token == token), None)
