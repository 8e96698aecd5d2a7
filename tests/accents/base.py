"""A fake cluster has two halves: its behaviour (states, slots, limits, time, faults), which is one
for all, and an accent for each scheduler: what its programs take and print.

An accent is text in, text out, like a dialect, and knows as little of behaviour as it can. It is
written from the scheduler's documentation, not from the dialect that is to be tried on it: two
readings of one manual find each other's mistakes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from jobauto.model import Queued


@dataclass
class Job:
    """A job as a cluster knows it; times in seconds since 1970.

    `state` is PENDING, RUNNING, HELD, SUSPENDED, ENDING or ERROR until it ended. How it ended:
    `exit_code`, or the `signal` that ended it, and `why`: 'walltime', 'memory', 'cancelled' or ''.
    `facts`: whatever else the accent wants back (a description, a context, variables).
    `after`: jobs that have to end well before it may start; those that did are left out.
    `orphan`: one of them did not, so that it never may.
    """

    number: int
    name: str
    user: str
    queue: str
    folder: str
    submitted: float
    facts: dict[str, str]
    state: Queued = Queued.PENDING
    started: float | None = None
    ended: float | None = None
    exit_code: int | None = None
    signal: int | None = None
    why: str = ""
    after: list[int] = field(default_factory=list)
    orphans: str = "pend"
    orphan: bool = False


@dataclass(frozen=True)
class Said:
    """What a program leaves behind: exit status, stdout, stderr."""

    code: int = 0
    out: str = ""
    err: str = ""


class Refused(Exception):
    """The cluster does not take a job; `kind`: 'limit' (not now) or 'queue' (no such queue)."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


class Unreachable(Exception):
    """The scheduler's server is down: raised by any call on a Cluster."""


class Cluster(Protocol):
    """The behaviour, as an accent sees it. Each call may raise Unreachable."""

    user: str
    server: str  # a host name

    @property
    def now(self) -> float:
        """Seconds since 1970."""

    def submit(
        self,
        command: str,
        *,
        name: str,
        folder: str,
        out: str,
        err: str,
        queue: str = "",
        held: bool = False,
        variables: Mapping[str, str] | None = None,
        facts: Mapping[str, str] | None = None,
        after: Sequence[int] = (),
        orphans: str = "pend",
    ) -> Job:
        """Take a job; Refused if not. `command`: text for /bin/sh, run in `folder` with the
        caller's environment and `variables`, in which `$FAKE_JOB` is the job's number. `out` and
        `err`: files, where `%J` stands for the number. `queue` '': the default queue. It
        starts when all those in `after` have ended well, with exit status 0. If one did not, or
        there never was such a job, `orphans` says what becomes of it: 'cancel' or 'pend'."""

    def queue(self) -> list[Job]:
        """The jobs that have not ended, oldest first."""

    def find(self, number: int) -> Job | None:
        """A job, also one that ended; None if there never was such a job."""

    def kill(self, number: int) -> bool:
        """End a job; False if there is no such job in the queue. So with the others."""

    def hold(self, number: int) -> bool: ...

    def release(self, number: int) -> bool: ...

    def move(self, number: int, queue: str) -> bool:
        """Put a job into another queue; Refused('queue') if there is none of this name."""


class Accent(ABC):
    """One scheduler's programs."""

    name: str
    #: the programs that are put on PATH
    programs: tuple[str, ...]

    @abstractmethod
    def call(
        self,
        argv: Sequence[str],
        stdin: str,
        environment: Mapping[str, str],
        folder: str,
        cluster: Cluster,
    ) -> Said:
        """What the program `argv[0]` (a name without folder) says, called in `folder`."""

    @abstractmethod
    def unreachable(self, program: str) -> Said:
        """What it says when the server is down."""
