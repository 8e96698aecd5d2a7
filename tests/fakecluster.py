"""The behaviour of a fake cluster: jobs that wait, run and end, in whatever accent they are told.

`FakeCluster` is what a scheduler's programs see (accents/base.py), `Dispatcher` starts and ends
the jobs. They share the books: a database in which each job that was ever taken has its line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Protocol

from accents.base import Job, Refused, Unreachable
from fakebooks import Books, Work

from jobauto.model import Queued

SLOTS = 64  # jobs that run at once
KEPT = 300.0  # seconds for which an ended job can be asked for
GRACE = 2.0  # seconds from TERM to KILL
AT_ONCE = 16  # jobs started in one tick: programs wait meanwhile
TERM, KILL, CONT, STOP = 15, 9, 18, 19

#: what a person at the cluster has set: 'down' (to anything), 'limit' (most jobs in the queue)
Switches = Callable[[str], "str | None"]


class FakeCluster:
    """A cluster as its programs see it, called by `user`; see `Cluster` in accents/base.py."""

    server = "fakeserver"

    def __init__(
        self,
        books: Books,
        user: str,
        clock: Callable[[], float],
        queues: Sequence[str] = ("main", "other"),
        switches: Switches = lambda name: None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.books, self.user, self.clock = books, user, clock
        self.queues, self.switches, self.environment = queues, switches, environment or {}

    @property
    def now(self) -> float:
        return self.clock()

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
        state = Queued.HELD if held else Queued.PENDING
        queue = self._known(queue or self.queues[0])
        work = Work(command, {**self.environment, **(variables or {})}, out, err)
        with self._change():
            limit = self.switches("limit")
            if limit and len(self.books.queue()) >= int(limit):
                raise Refused("limit")
            job = Job(0, name, self.user, queue, folder, self.now, dict(facts or {}), state)
            job.after, job.orphans = list(after), orphans
            return self.books.add(job, work)

    def queue(self) -> list[Job]:
        self._reach()
        return self.books.queue()

    def find(self, number: int) -> Job | None:
        self._reach()
        job = self.books.find(number)
        forgotten = job and job.ended is not None and job.ended < self.now - KEPT
        return None if forgotten else job

    def kill(self, number: int) -> bool:
        with self._one(number) as job:
            if job and job.started is None:
                job.ended, job.why = self.now, "cancelled"
            elif job and job.state is not Queued.ENDING:
                job.state, job.why = Queued.ENDING, "cancelled"
        return job is not None

    def hold(self, number: int) -> bool:
        return self._turn(number, Queued.PENDING, Queued.HELD)

    def release(self, number: int) -> bool:
        return self._turn(number, Queued.HELD, Queued.PENDING)

    def suspend(self, number: int) -> bool:
        """Stop a running job; not every scheduler lets its users do that."""
        return self._turn(number, Queued.RUNNING, Queued.SUSPENDED)

    def resume(self, number: int) -> bool:
        """Let it go on."""
        return self._turn(number, Queued.SUSPENDED, Queued.RUNNING)

    def move(self, number: int, queue: str) -> bool:
        self._known(queue)
        with self._one(number) as job:
            if job:
                job.queue = queue
        return job is not None

    def _turn(self, number: int, old: Queued, new: Queued) -> bool:
        with self._one(number) as job:
            if job and job.state is old:
                job.state = new
        return job is not None

    def _known(self, queue: str) -> str:
        if "*" not in self.queues and queue not in self.queues:
            self._reach()
            raise Refused("queue")
        return queue

    def _reach(self) -> None:
        if self.switches("down") is not None:
            raise Unreachable

    @contextmanager
    def _change(self) -> Iterator[None]:
        self._reach()
        with self.books.change():
            yield

    @contextmanager
    def _one(self, number: int) -> Iterator[Job | None]:
        """A job of the queue, which is written down afterwards; None if it is not there."""
        with self._change():
            job = self.books.find(number)
            job = job if job and job.ended is None else None
            yield job
            if job:
                self.books.put(job)


class Processes(Protocol):
    """The way of starting jobs."""

    def start(self, job: Job, work: Work) -> None:
        """Start it in a session of its own; OSError if it cannot be."""

    def ended(self) -> dict[int, int]:
        """Those that ended since the last call: number to exit status, below 0 for a signal."""

    def signal(self, number: int, which: int) -> None:
        """Send it to all processes of a job."""


class Dispatcher:
    """Starts jobs, ends them, and writes down what became of them.

    `idle`: seconds for which it does not look at the jobs again unless something has happened.
    """

    def __init__(
        self,
        books: Books,
        processes: Processes,
        clock: Callable[[], float],
        switches: Switches = lambda name: None,
        slots: int = SLOTS,
        idle: float = 0.0,
    ) -> None:
        self.books, self.processes, self.clock = books, processes, clock
        self.switches, self.slots, self.idle = switches, slots, idle
        self._seen = 0, 0.0  # version of the books, and when to look again at the latest
        self._stopped: set[int] = set()
        self._ending: dict[int, float] = {}  # when to send KILL

    def changed(self) -> None:
        """The books were changed by whoever shares them in this process."""
        self._seen = 0, 0.0

    def forget_processes(self) -> None:
        """At the start: what an earlier dispatcher left running is lost."""
        with self.books.change():
            for job in self.books.queue():
                if job.started is not None:
                    self.books.put(replace(job, ended=self.clock(), signal=KILL))

    def end_all(self) -> None:
        """At the end: no process of a job outlives the cluster."""
        for job in self.books.queue():
            if job.started is not None:
                self.processes.signal(job.number, KILL)
        self.forget_processes()

    def tick(self) -> None:
        """One look at all jobs, if there may be something to see."""
        ended, version = self.processes.ended(), self.books.version
        if not ended and version == self._seen[0] and self.clock() < self._seen[1]:
            return
        with self.books.change():
            for number, code in ended.items():
                self._note(number, code)
            more = self._look(self.books.queue())
        self._seen = version, self.clock() + (0 if more else self.idle)

    def _look(self, jobs: list[Job]) -> bool:
        """Whether there is more to do at once."""
        begun = [job for job in jobs if job.started is not None]
        for job in begun:
            self._watch(job)
        if self.switches("down") is not None:
            return False
        self._heed(jobs)
        waiting = [j for j in jobs if j.state is Queued.PENDING and not j.after and j.ended is None]
        chosen = waiting[: max(0, self.slots - len(begun))]
        for job in chosen[:AT_ONCE]:
            self._start(job)
        return len(chosen) > AT_ONCE

    def _heed(self, jobs: list[Job]) -> None:
        """See how those ended for which jobs of the queue wait. A job comes after those that it
        waits for, so that one look goes down a whole chain."""
        queue = {job.number for job in jobs}
        for job in jobs:
            over = [] if job.orphan else [n for n in job.after if n not in queue]
            if not over:
                continue
            if all(map(self._well, over)):
                job.after = [n for n in job.after if n in queue]
            else:
                job.orphan = True
            if job.orphan and job.orphans == "cancel":
                job.ended, job.why = self.clock(), "cancelled"
                queue.discard(job.number)
            self.books.put(job)

    def _well(self, number: int) -> bool:
        job = self.books.find(number)
        return job is not None and job.exit_code == 0 and not job.why

    def _note(self, number: int, code: int) -> None:
        job = self.books.find(number)
        assert job
        job.ended = self.clock()
        job.exit_code, job.signal = (code, None) if code >= 0 else (None, -code)
        self.books.put(job)
        self._stopped.discard(number)
        self._ending.pop(number, None)

    def _watch(self, job: Job) -> None:
        number, now = job.number, self.clock()
        assert job.started is not None
        late = now > job.started + float(job.facts.get("walltime") or "inf")
        if late and job.state is not Queued.ENDING:
            job.state, job.why = Queued.ENDING, "walltime"
            self.books.put(job)
        if job.state is Queued.SUSPENDED and number not in self._stopped:
            self._stopped.add(number)
            self.processes.signal(number, STOP)
        elif job.state is not Queued.SUSPENDED and number in self._stopped:
            self._stopped.discard(number)
            self.processes.signal(number, CONT)
        if job.state is Queued.ENDING and number not in self._ending:
            self._ending[number] = now + GRACE
            self.processes.signal(number, TERM)
        elif job.state is Queued.ENDING and now > self._ending[number]:
            self.processes.signal(number, KILL)

    def _start(self, job: Job) -> None:
        job.state, job.started = Queued.RUNNING, self.clock()
        try:
            self.processes.start(job, self.books.work(job.number))
        except OSError as error:  # such as a folder that is gone
            job.ended, job.exit_code, job.facts["trouble"] = self.clock(), 1, str(error)
        self.books.put(job)
