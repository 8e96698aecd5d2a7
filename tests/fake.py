"""A cluster that exists only in memory: injected time, Slurm's accent, and faults on request.

FakeHost understands the same requests as a real host and answers them in the same text, so that
everything from the framing to the dialect is the real thing.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jobauto.clock import Clock
from jobauto.errors import CouldNotAsk, NoConnection
from jobauto.model import Attempt
from jobauto.remote.framing import Answer
from jobauto.remote.killing import Kill
from jobauto.remote.observation import Observe
from jobauto.remote.probe import FindMarkers, Probe
from jobauto.remote.submission import REFUSALS, Submit


class FakeClock(Clock):
    """Time that passes only when told to."""

    def __init__(self) -> None:
        self.time = 1_800_000_000.0

    def now(self) -> float:
        return self.time

    def elapsed(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


@dataclass
class FakeJob:
    """What a job does: `writes` maps seconds after its start to a file of its folder."""

    seconds: float = 5.0
    succeeds: bool = True
    writes: dict[float, str] = field(default_factory=dict)
    refuse: str = ""  # what sbatch says instead of a JOBID


@dataclass
class Submitted:
    jobid: str
    name: str
    token: str
    plan: FakeJob
    started: float | None = None
    ended: float | None = None


class FakeCluster:
    """Slots, a queue, files; `plans` maps job names to what they do (default: succeed in 5 s)."""

    def __init__(self, clock: FakeClock, slots: int = 100, limit: int | None = None) -> None:
        self.clock, self.slots, self.limit = clock, slots, limit
        self.plans: dict[str, FakeJob] = {}
        self.jobs: dict[str, Submitted] = {}
        self.files: set[str] = set()
        self.states: dict[str, str] = {}  # JOBID -> what squeue says of it, if not the usual
        self.claims: dict[str, tuple[int, str, str] | None] = {}
        self.history: list[tuple[float, str, str]] = []  # (time, what, job)

    def advance(self) -> None:
        """Let everything happen that is due by now, in order of time."""
        while self._step():
            pass

    def _step(self) -> bool:
        now = self.clock.now()
        running = [j for j in self.jobs.values() if j.started is not None and j.ended is None]
        due = [j for j in running if (j.started or 0) + j.plan.seconds <= now]
        for job in running:
            for after, file in job.plan.writes.items():
                if (job.started or 0) + after <= now:
                    self.files.add(posixpath.join(posixpath.dirname(job.name), file))
        if due:
            self._end(min(due, key=lambda j: (j.started or 0) + j.plan.seconds))
            return True
        waiting = [j for j in self.jobs.values() if j.started is None and j.ended is None]
        if waiting and len(running) < self.slots:
            waiting[0].started = now
            self.history.append((now, "run", waiting[0].name))
            return True
        return False

    def _end(self, job: Submitted) -> None:
        job.ended = (job.started or 0) + job.plan.seconds
        folder, script = posixpath.split(job.name)
        if job.plan.succeeds:
            self.files.add(posixpath.join(folder, script.replace("qsub.", "qsub.finished.", 1)))
        self.history.append((job.ended, "done" if job.plan.succeeds else "died", job.name))

    def state(self, job: Submitted) -> str:
        """What squeue says of a job."""
        usual = "PENDING" if job.started is None else "RUNNING"
        return self.states.get(job.jobid, usual)

    def queue(self) -> list[Submitted]:
        return [j for j in self.jobs.values() if j.ended is None]

    def submit(self, attempt: Attempt) -> tuple[int, str, str]:
        """What sbatch does: exit status, stdout, stderr."""
        name = attempt.job.name
        plan = self.plans.get(name, FakeJob())
        if plan.refuse:
            return 1, "", plan.refuse
        if self.limit is not None and len(self.queue()) >= self.limit:
            return 1, "", "sbatch: error: AssocMaxSubmitJobLimit\n"
        jobid = str(1001 + len(self.jobs))
        self.jobs[jobid] = Submitted(jobid, name, attempt.token, plan)
        self.history.append((self.clock.now(), "submit", name))
        self.advance()
        return 0, f"{jobid}\n", ""

    def submitted(self) -> list[str]:
        """Job names in the order of submission."""
        return [name for _, what, name in self.history if what == "submit"]


class FakeHost:
    """Answers requests from a FakeCluster. `faults` holds what is to go wrong, first one next:
    'refuse' (no link), 'cut' (all done, answer lost in the middle), 'broken' (scheduler down)."""

    name = "fake"

    def __init__(self, cluster: FakeCluster, mirrored: bool = False) -> None:
        self.cluster, self.mirrored = cluster, mirrored
        self.faults: list[str] = []
        self.asked: list[str] = []
        self.pulled: list[tuple[str, ...]] = []
        self.pushed: list[tuple[str, ...]] = []
        self.opened = 0
        self.hook: Callable[[Any], None] = lambda request: None

    def open(self) -> None:
        self.opened += 1

    def connected(self) -> bool:
        return False

    def login(self) -> None:
        pass

    def close(self) -> None:
        pass

    def check_tools(self) -> None:
        pass

    def push(self, run: Path, folder: str, only: Sequence[str] = ()) -> None:
        self.pushed.append(tuple(only))

    def pull(self, folder: str, run: Path, patterns: Sequence[str], only: Sequence[str]) -> None:
        self.pulled.append(tuple(only))

    def ask(self, request: Any) -> Any:
        self.asked.append(type(request).__name__)
        self.hook(request)
        self.cluster.advance()
        fault = self.faults.pop(0) if self.faults else ""
        if fault == "refuse":
            raise NoConnection("no link to fake")
        if fault == "hang":
            raise CouldNotAsk("no answer in time")
        body = getattr(self, "_" + type(request).__name__.lower())(request, fault)
        nonce = request.frame.nonce
        text = f"banner of the day\nbegin {nonce}\n{body}end {nonce}\n"
        if fault == "cut":
            text = text[: text.index(f"end {nonce}") - 3]
        return request.read(Answer(0, text, ""))

    def _probe(self, request: Probe, fault: str) -> str:
        return f"@has slurm\n@has rsync\n@host\no fake\nr 0\n@folder\no {request.folder}\nr 0\n"

    def _findmarkers(self, request: FindMarkers, fault: str) -> str:
        found = sorted(f for f in self.cluster.files if "qsub.finished." in f)
        return "@markers\n" + "".join(f"o ./{f}\n" for f in found) + "r 0\n"

    def _observe(self, request: Observe, fault: str) -> str:
        lines = self._queue(fault)
        for number, name in enumerate(request.files):
            if name in self.cluster.files:
                lines.append(f"@t {number}")
        for attempt in request.doubtful:
            lines += self._report(attempt.token)
        for suspect in request.suspects:
            job = self.cluster.jobs[suspect.jobid]
            code = 0 if job.plan.succeeds else 3
            state = "COMPLETED" if job.plan.succeeds else "FAILED"
            lines += [f"@ending {suspect.jobid}", f"o JobState={state} ExitCode={code}:0", "r 0"]
            lines += [f"@tail {suspect.jobid}", "o it broke", "r 0"]
        return "".join(f"{line}\n" for line in lines)

    def _queue(self, fault: str) -> list[str]:
        if fault == "broken":
            return ["@queue", "e slurm_load_jobs error: Unable to contact slurm controller", "r 1"]
        words = [
            f"o {j.jobid}|{self.cluster.state(j)}|{j.token}|None" for j in self.cluster.queue()
        ]
        return ["@queue", *words, "", "e ", "r 0"]

    def _submit(self, request: Submit, fault: str) -> str:
        lines, refused = [], 0
        for attempt in request.attempts:
            if attempt.token not in self.cluster.claims and refused < REFUSALS:
                folder, script = posixpath.split(attempt.job.name)
                marker = script.replace("qsub.", "qsub.finished.", 1)
                self.cluster.files.discard(posixpath.join(folder, marker))
                answer = self.cluster.submit(attempt)
                self.cluster.claims[attempt.token] = answer
                refused = refused + 1 if answer[0] else 0
            lines += self._report(attempt.token)
        return "".join(f"{line}\n" for line in lines)

    def _report(self, token: str) -> list[str]:
        if token not in self.cluster.claims:
            return [f"@noclaim {token}"]
        lines = [f"@claim {token}"]
        answer = self.cluster.claims[token]
        if answer is not None:
            code, out, err = answer
            lines += [f"o {line}" for line in out.splitlines()]
            lines += [f"e {line}" for line in err.splitlines()] + [f"r {code}"]
        return [*lines, f"@begun {token}", f"@dead {token}"]

    def _kill(self, request: Kill, fault: str) -> str:
        lines = []
        for attempt in request.doubtful:
            self.cluster.claims.setdefault(
                attempt.token, (1, "", "killed before it was submitted\n")
            )
            lines += self._report(attempt.token)
        lines.append("@kill")
        for jobid in request.jobids:
            job = self.cluster.jobs[jobid]
            if job.ended is None:
                job.ended = self.cluster.clock.now()
                self.cluster.history.append((job.ended, "kill", job.name))
        lines += self._queue(fault)
        lines += [f"@t {n}" for n, f in enumerate(request.markers) if f in self.cluster.files]
        return "".join(f"{line}\n" for line in lines)
