"""A cluster that exists only in memory: injected time, any accent, and faults on request.

FakeHost lets a Shell walk the real script of each request, and what it printed is read by the
real code: everything from the quoting to the dialect is the real thing.
"""

from __future__ import annotations

import heapq
import posixpath
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from pulls import FakePull
from shell import Claim, Reply, Shell, Steps
from speech import speech

from jobauto.clock import Clock
from jobauto.errors import CouldNotAsk, NoConnection
from jobauto.host import Pull
from jobauto.model import Attempt, Job, Queued
from jobauto.remote.framing import Answer
from jobauto.remote.observation import Observe


class FakeClock(Clock):
    """Time that passes only when told to. `skew`: how wrong the wall clock is."""

    def __init__(self) -> None:
        self.time = 1_800_000_000.0
        self.skew = 0.0

    def now(self) -> float:
        return self.time + self.skew

    def elapsed(self) -> float:
        return self.time

    def busy(self) -> float:
        return 0.0

    def sleep(self, seconds: float) -> None:
        self.time += seconds


@dataclass
class FakeJob:
    """What a job does: `writes` maps seconds after its start to a file of its folder."""

    seconds: float = 5.0
    succeeds: bool = True
    writes: dict[float, str] = field(default_factory=dict)
    refuse: str = ""  # what the scheduler says instead of a JOBID
    waits: float = 0.0  # in the queue before it may start
    lingers: float = 0.0  # in the queue after its marker
    requeued: float | None = None  # seconds after its first start at which it goes back
    silent: bool = False  # if it fails, its exit status does not tell


#: what a job waits for in the queue: JOBIDs, and the files that its guard looks for
Held = tuple[tuple[str, ...], tuple[str, ...]]
FREE: Held = ((), ())
#: what becomes of a job when one that it waits for has failed, where it does not simply run
ORPHANS = {"slurm": "cancelled", "pbs": "cancelled", "lsf": "waits for ever"}
GUARD = (0.0, 1.0, 5.0)  # seconds after its start at which the guard looks


@dataclass
class Submitted:
    jobid: str
    name: str
    token: str
    plan: FakeJob
    taken: float  # when it entered the queue
    started: float | None = None
    ended: float | None = None
    earliest: float = 0.0  # when it may start
    marked: bool = False
    starts: int = 0
    held: Held = FREE

    @property
    def well(self) -> bool:
        """Whether it ended with a status that tells of no failure."""
        return self.marked or (self.plan.silent and self.starts > 0)

    @property
    def state(self) -> Queued:
        if self.marked:
            return Queued.ENDING
        return Queued.RUNNING if self.started is not None else Queued.PENDING


class FakeCluster:
    """Slots, a queue, files; `plans` maps job names to what they do (default: succeed in 5 s).

    `files` are the files of the run on the remote, and `root` its folder (None: any will do).
    `scripts`: the jobs whose scripts are there (None: all).
    """

    def __init__(
        self, clock: FakeClock, slots: int = 100, limit: int | None = None, accent: str = "slurm"
    ) -> None:
        self.clock, self.slots, self.limit = clock, slots, limit
        self.speech = speech(accent)
        self.now = clock.time  # goes from event to event up to the clock's time
        self.root: str | None = None
        self.scripts: set[str] | None = None
        self.plans: dict[str, FakeJob] = {}
        self.jobs: dict[str, Submitted] = {}
        self.files: set[str] = set()
        self.states: dict[str, str] = {}  # JOBID -> the code of its state, if not the usual
        self.claims: dict[str, Claim] = {}
        self.held = FREE  # what the job that is just handed in waits for
        self.broken = False
        self.history: list[tuple[float, str, str]] = []  # (time, what, job)
        self._events: list[tuple[float, int, Callable[[], object]]] = []
        self._numbers = count()
        self._advancing = False

    def at(self, time: float, action: Callable[[], object]) -> None:
        """Let something happen at its time."""
        heapq.heappush(self._events, (time, next(self._numbers), action))

    def advance(self) -> None:
        """Let everything happen that is due by now, in order of time."""
        self._advancing = True
        while self._events and self._events[0][0] <= self.clock.time:
            time, _, action = heapq.heappop(self._events)
            self.now = max(self.now, time)
            action()
        self._advancing = False
        self.now = self.clock.time

    def note(self, what: str, name: str) -> None:
        """Remember what really happened."""
        self.history.append((self.now, what, name))

    def exists(self, path: str) -> bool:
        return path in self.files

    def remove(self, path: str) -> None:
        self.files.discard(path)

    def is_folder(self, path: str) -> bool:
        folders = {Job.from_name(name).folder or "." for name in self.scripts or ()}
        return self.scripts is None or path in folders

    def is_alive(self, pid: int, node: str) -> bool | None:
        """Whether a shell of an earlier request still runs; None: cannot be told from `node`."""
        return False

    def disk_is_full(self, token: str = "") -> bool:
        """Whether a small file cannot be written (the answer on `token`, if given)."""
        return False

    def queue(self) -> list[Submitted]:
        return [j for j in self.jobs.values() if j.ended is None]

    def take(self, name: str, token: str, held: Held = FREE) -> str:
        """A job enters the queue; its JOBID."""
        self.now = self.now if self._advancing else self.clock.time
        jobid = self.speech.jobid(1001 + len(self.jobs))
        plan = self.plans.get(name, FakeJob())
        job = self.jobs[jobid] = Submitted(jobid, name, token, plan, self.now, held=held)
        job.earliest = self.now + plan.waits
        self.note("submit", name)
        self.at(job.earliest, self._start_waiting)
        self._start_waiting()
        return jobid

    def _start_waiting(self) -> None:
        queue = self.queue()
        free = self.slots - sum(j.started is not None for j in queue)
        for job in queue:
            if free > 0 and job.started is None and job.earliest <= self.now and self._let(job):
                self._start(job)
                free -= 1

    def _let(self, job: Submitted) -> bool:
        """Whether those for which a job waits let it run."""
        others = [self.jobs[jobid] for jobid in job.held[0] if jobid in self.jobs]
        if any(other.ended is None for other in others):
            return False
        orphans = ORPHANS.get(self.speech.dialect.name)
        if orphans is None or all(other.well for other in others):
            return True
        if orphans == "cancelled":
            job.ended = self.now
            self.note("cancelled", job.name)
        return False

    def _start(self, job: Submitted) -> None:
        job.started, job.starts = self.now, job.starts + 1
        self._guard(job, job.starts, 0)

    def _guard(self, job: Submitted, number: int, looks: int) -> None:
        """The guard looks for what the job needs, and lets it begin, or looks again, or not."""
        if job.starts != number or job.ended is not None:
            return
        if all(map(self.exists, job.held[1])):
            if self.decide(job.token, begins=True):
                self._begin(job)
            else:
                self._turn_back(job)
        elif looks + 1 < len(GUARD):
            pause = GUARD[looks + 1] - GUARD[looks]
            self.at(self.now + pause, lambda: self._guard(job, number, looks + 1))
        else:
            self.decide(job.token, begins=False)
            self._turn_back(job)

    def decide(self, token: str, begins: bool) -> bool:
        """Whoever comes first decides whether a job that was handed in ahead may begin."""
        claim = self.claims.get(token)
        if claim is None:
            return begins
        if claim.fate is None:
            claim.fate = begins
        return claim.fate

    def _turn_back(self, job: Submitted) -> None:
        job.ended = self.now
        self.note("turned back", job.name)
        self._start_waiting()

    def _begin(self, job: Submitted) -> None:
        self.note("run", job.name)
        number, plan = job.starts, job.plan

        def later(seconds: float, action: Callable[[Submitted], None]) -> None:
            def now_or_never() -> None:
                if job.starts == number and not job.ended:  # it may have been started again
                    action(job)

            self.at(self.now + seconds, now_or_never)

        if plan.requeued is not None and number == 1:
            later(min(plan.requeued, plan.seconds), self._requeue)
            return
        for seconds, file in plan.writes.items():
            path = posixpath.join(posixpath.dirname(job.name), file)
            later(seconds, lambda _job, path=path: self.write(path))  # type: ignore[misc]
        if plan.succeeds:
            later(plan.seconds, self._mark)
        later(plan.seconds + plan.lingers, self._end)

    def _requeue(self, job: Submitted) -> None:
        job.started, job.earliest = None, self.now + 1
        self.at(job.earliest, self._start_waiting)

    def write(self, path: str) -> None:
        """A job writes a file."""
        self.files.add(path)

    def _mark(self, job: Submitted) -> None:
        job.marked = True
        self.write(Job.from_name(job.name).marker)

    def _end(self, job: Submitted) -> None:
        job.ended = self.now
        self.note("done" if job.plan.succeeds else "died", job.name)
        self._start_waiting()

    def hand_in(
        self, name: str, token: str, limited: bool = True, held: Held = FREE
    ) -> Steps[Reply]:
        """Hand in a job; `limited`: a hanging program is ended after a minute."""
        yield from ()
        if self.scripts is not None and name not in self.scripts:
            return Reply(1, "", f"Unable to open file {name}\n")
        self.held = held
        return self.submit(Attempt(Job.from_name(name), 0, token))

    def submit(self, attempt: Attempt) -> Reply:
        """What a submission answers."""
        name = attempt.job.name
        plan = self.plans.get(name, FakeJob())
        if plan.refuse:
            return Reply(1, "", plan.refuse)
        if self.limit is not None and len(self.queue()) >= self.limit:
            return self.speech.limits[0]
        return self.speech.taken(self.take(name, attempt.token, self.held))

    def look(self, tokens: bool, limited: bool = True) -> Steps[Reply]:
        """The queue, or (where it does not show them) its tokens."""
        yield from ()
        if self.broken:
            return self.speech.down[0]
        return self.listing(self.queue(), tokens)

    def listing(self, jobs: Sequence[Submitted], tokens: bool = False) -> Reply:
        """What the scheduler says of these jobs."""
        lines = [(j.jobid, self.states.get(j.jobid) or self.speech.code(j.state), j.token)
                 for j in jobs]  # fmt: skip
        return self.speech.tokens(lines) if tokens else self.speech.queue(lines)

    def autopsy(self, jobid: str) -> Steps[Reply]:
        """How a job ended."""
        yield from ()
        job = self.jobs.get(jobid)
        return self.speech.ended(jobid, None if job is None else job.plan.succeeds)

    def end(self, jobids: Sequence[str]) -> Steps[Reply]:
        """Kill jobs."""
        yield from ()
        for jobid in jobids:
            job = self.jobs[jobid]
            if job.ended is None:
                job.ended = self.now
                self.note("kill", job.name)
        self._start_waiting()
        return Reply()

    def submitted(self) -> list[str]:
        """Job names in the order of submission."""
        return [name for _, what, name in self.history if what == "submit"]


class FakeHost:
    """Answers requests from a FakeCluster. `faults` holds what is to go wrong, first one next:
    'refuse' (no link), 'hang' (no answer, nothing done), 'cut' (all done, answer lost in the
    middle), 'broken' (scheduler down). A pull is over after `slow` looks."""

    name = "fake"

    def __init__(self, cluster: FakeCluster, mirrored: bool = False) -> None:
        self.cluster, self.mirrored = cluster, mirrored
        self.faults: list[str] = []
        self.asked: list[str] = []
        self.pulled: list[tuple[str, ...]] = []
        self.pushed: list[tuple[str, ...]] = []
        self.opened = self.slow = 0
        self.coming: list[FakePull] = []  # those that go on
        self.hook: Callable[[Any], None] = lambda request: None

    def knock(self) -> None:
        pass

    def open(self) -> None:
        self.opened += 1

    def connected(self) -> bool:
        return False

    def login(self) -> None:
        pass

    def close(self) -> None:
        self.coming.clear()

    def check_tools(self, has_sums: bool) -> None:
        pass

    def push(self, run: Path, folder: str, only: Sequence[str] = ()) -> None:
        self.pushed.append(tuple(only))

    def pull(self, folder: str, run: Path, patterns: Sequence[str], only: Sequence[str]) -> Pull:
        self.pulled.append(tuple(only))
        return self.on_its_way(lambda: None)

    def on_its_way(self, what: Callable[[], None]) -> Pull:
        """A pull that goes on."""
        return FakePull(self.coming, self.slow, what)

    def fetch(self, file: str, target: Path) -> None:
        pass

    def ask(self, request: Any) -> Any:
        self.asked.append(type(request).__name__)
        self.hook(request)
        self.looked(request)
        self.cluster.advance()
        fault = self.faults.pop(0) if self.faults else ""
        if fault == "refuse":
            raise NoConnection("no link to fake")
        if fault == "hang":
            raise CouldNotAsk("no answer in time")
        self.cluster.broken = fault == "broken"
        shell = Shell(self.cluster, request.script())
        for seconds in shell.steps:
            self.clock_on(seconds)
        text = f"banner of the day\n{shell.text}"
        if fault == "cut":
            text = text[: text.rindex("end ") - 3]
        return request.read(Answer(0, text, ""))

    def looked(self, request: Any) -> None:
        """What is on its way goes on with each look."""
        for pull in list(self.coming) if isinstance(request, Observe) else ():
            pull.arrive()

    def clock_on(self, seconds: float) -> None:
        """Time passes on the remote."""
        self.cluster.clock.sleep(seconds)
        self.cluster.advance()
