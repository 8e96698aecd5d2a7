"""A small cluster in memory for trying accents, where jobs do only what a test tells them to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from accents.base import Job, Refused, Unreachable

from jobauto.model import Queued


class SmallCluster:
    """Jobs are numbered from `first`. `queues`: their names, first the default; empty: any will do.

    See `Cluster` in accents/base.py for what is not told here.
    """

    server = "fakeserver"

    def __init__(self, user: str = "me", first: int = 1, queues: tuple[str, ...] = ()) -> None:
        self.user, self.first, self.queues = user, first, queues
        self.now = 1_800_000_000.0
        self.jobs: dict[int, Job] = {}
        self.commands: dict[int, tuple[str, str, str]] = {}  # command, out, err
        self.down, self.limit = False, 1000

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
        if len(self.queue()) >= self.limit:
            raise Refused("limit")
        queue = self._known(queue or next(iter(self.queues), "main"))
        number, state = self.first + len(self.jobs), Queued.HELD if held else Queued.PENDING
        job = Job(number, name, self.user, queue, folder, self.now, dict(facts or {}), state)
        job.after, job.orphans = list(after), orphans
        self.jobs[number], self.commands[number] = job, (command, out, err)
        return job

    def queue(self) -> list[Job]:
        self._reach()
        return [job for job in self.jobs.values() if job.ended is None]

    def find(self, number: int) -> Job | None:
        self._reach()
        return self.jobs.get(number)

    def kill(self, number: int) -> bool:
        return self.change(number, ended=self.now, why="cancelled")

    def hold(self, number: int) -> bool:
        return self.change(number, state=Queued.HELD)

    def release(self, number: int) -> bool:
        return self.change(number, state=Queued.PENDING)

    def move(self, number: int, queue: str) -> bool:
        return self.change(number, queue=self._known(queue))

    def start(self, number: int) -> bool:
        """A job begins to run."""
        return self.change(number, state=Queued.RUNNING, started=self.now)

    def end(self, number: int, **how: Any) -> bool:
        """A job ends: `exit_code`, `signal` or `why`."""
        return self.change(number, ended=self.now, **how)

    def change(self, number: int, **what: Any) -> bool:
        """Something becomes of a job; False if it is not in the queue."""
        if all(job.number != number for job in self.queue()):
            return False
        for key, value in what.items():
            setattr(self.jobs[number], key, value)
        return True

    def _known(self, queue: str) -> str:
        if queue == "none" or (self.queues and queue not in self.queues):
            raise Refused("queue")
        return queue

    def _reach(self) -> None:
        if self.down:
            raise Unreachable
