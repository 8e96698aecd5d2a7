"""Times runs of very many jobs against a cluster in memory: what a tick and what a job cost.

Chains of ten jobs. The cluster answers each request at once, from a table: no ssh, no shell, no
text. The clock is the real one and jumps over all waiting. Looking at the job folders is left out
(it has its own share of the time), and so are the folders. Each run is a process of its own.
Writes its section of bench/RESULTS.md.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import logging
import math
import pstats
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from heapq import heappop, heappush
from pathlib import Path
from typing import Any

import results

from jobauto.clock import Clock
from jobauto.graph import Graph
from jobauto.host import Over
from jobauto.ledger import Ledger
from jobauto.limits import ErrorRate, Limits
from jobauto.loop import Link, loop
from jobauto.model import Claim, InQueue, Job, Queued, Seen
from jobauto.monitor import Monitor
from jobauto.needs import Need
from jobauto.noticing import Noticing
from jobauto.remote.following import Submitted, SubmitThenLook
from jobauto.remote.observation import Observe
from jobauto.run import PRIVATE, Run
from jobauto.schedulers import DIALECTS
from jobauto.tree import Tree

CHAIN = 10
IN_QUEUE = 1000
ACTIVE = 64  # jobs in the queue while nothing ends
TICKS = 50
SIZES = (10_000, 100_000, 1_000_000)
IDLE = (1_000, 10_000, 100_000)
FLAT, QUICK, ALIKE = 1.5, 10.0, 2.0  # aims: ratio of a job, ms of an idle tick, ratio of it


Figures = dict[str, float]


class JumpingClock(Clock):
    """Real time, and what was skipped."""

    def __init__(self) -> None:
        self.skipped = 0.0

    def now(self) -> float:
        return super().now() + self.skipped

    def elapsed(self) -> float:
        return super().elapsed() + self.skipped

    def sleep(self, seconds: float) -> None:
        self.skipped += seconds


class Cluster:
    """A host whose scheduler runs each job for about `seconds`."""

    name, mirrored = "memory", False

    def __init__(self, clock: Clock, seconds: float) -> None:
        self.clock, self.seconds = clock, seconds
        self.queue: dict[str, InQueue] = {}
        self.markers: set[str] = set()
        self._ends: list[tuple[float, str, Job]] = []
        self._taken = 0
        self.dice = random.Random(1)

    def ask(self, request: Any) -> Any:
        """The answer to a look or to a submission."""
        early = isinstance(request, Observe) and self._wait(request)
        now = self.clock.elapsed()
        while self._ends and self._ends[0][0] <= now:
            _, jobid, job = heappop(self._ends)
            del self.queue[jobid]
            self.markers.add(job.marker)
        if isinstance(request, Observe):
            there = self.markers.intersection(request.files)
            missing = frozenset(request.files) - there
            if early:
                return Seen(there=frozenset(there), missing=missing, early=True)
            return Seen(dict(self.queue), True, frozenset(there), missing)
        assert isinstance(request, SubmitThenLook)
        attempts, files = request.submit.attempts, frozenset(request.files)
        claims = {a.token: self._take(a.job, a.token) for a in attempts}
        there = self.markers & files
        return Submitted(claims, Seen(there=frozenset(there), missing=files - there, early=True))

    def _wait(self, request: Observe) -> bool:
        """Let time pass until a glance shows that a job has ended; whether one did."""
        now, seconds = self.clock.elapsed(), request.wait.seconds
        pauses = request.wait.pauses(len(request.files))
        if not pauses:
            return False
        pause = float(pauses[0])
        first = self._ends[0][0] - now if self._ends else math.inf
        glance = pause * max(1, math.ceil(first / pause)) if first < seconds else seconds
        self.clock.sleep(min(glance, seconds))
        return first <= glance <= seconds

    def _take(self, job: Job, token: str) -> Claim:
        self._taken += 1
        jobid = str(self._taken)
        self.queue[jobid] = InQueue(jobid, Queued.RUNNING, "R", token=token)
        seconds = self.dice.uniform(0.5, 1.5) * self.seconds
        heappush(self._ends, (self.clock.elapsed() + seconds, jobid, job))
        return Claim(True, True, 0, f"{jobid}\n")

    def open(self) -> None:
        """Nothing is to be done here, nor in the other two."""

    def connected(self) -> bool:
        """Always."""
        return True

    def pull(self, *_: object) -> Over:
        """The run folder is the remote's."""
        return Over()


def world(folder: Path, jobs: int, maxqsub: int, seconds: float) -> Monitor:
    """A monitor for so many jobs in chains, before its first tick."""
    (folder / PRIVATE).mkdir()
    run = Run(folder, "5eed", {}, "slurm", "/there", synced_ns=1)
    graph = Graph(Job(f"m{n // CHAIN:06}", str(n % CHAIN)) for n in range(jobs))
    for name, job in graph.jobs.items():
        number = int(job.id)
        needs = [Need(Job(job.folder, str(number - 1)).marker, 1)] if number else []
        graph.set_needs(name, needs)
    clock = JumpingClock()
    ledger = Ledger(folder, run.id, clock)
    noticing = Noticing(run, graph, lambda _name: False, clock.elapsed, Tree())
    noticing.look = list  # type: ignore[method-assign]
    limits = Limits(maxqsub, ErrorRate(None, 600, 600))
    host: Any = Cluster(clock, seconds)  # as much of a Host as a monitor uses
    return Monitor(run, graph, ledger, host, DIALECTS["slurm"], limits, noticing, clock=clock)


def idle(jobs: int, profile: bool = False) -> Figures:
    """CPU of a tick in which nothing happens, in ms."""
    with tempfile.TemporaryDirectory() as folder:
        monitor = world(Path(folder), jobs, ACTIVE, 1e9)
        for _ in range(3):
            monitor.tick()
        watch = cProfile.Profile()
        taken = []
        for _ in range(TICKS):
            monitor.clock.sleep(10)
            begun = time.process_time()
            if profile:
                watch.enable()
            monitor.tick()
            monitor.over()
            see(monitor, Link())
            watch.disable()
            taken.append(time.process_time() - begun)
        if profile:
            pstats.Stats(watch).sort_stats("cumtime").print_stats(25)
        return {"ms": 1000 * statistics.median(taken)}


def whole(jobs: int, profile: bool = False) -> Figures:
    """CPU and memory of a whole run."""
    with tempfile.TemporaryDirectory() as folder:
        monitor = world(Path(folder), jobs, IN_QUEUE, 15)
        watch = cProfile.Profile()
        begun, at = time.process_time(), time.monotonic()
        if profile:
            watch.enable()
        code = loop(monitor, monitor.clock.sleep, see)
        watch.disable()
        if code:
            sys.exit(f"{jobs} jobs: exit code {code}")
        cpu, wall = time.process_time() - begun, time.monotonic() - at
        if profile:
            pstats.Stats(watch).sort_stats("tottime").print_stats(25)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        return {"cpu": cpu, "wall": wall, "ticks": monitor.ticks, "rss": memory}


def see(monitor: Monitor, _link: Link) -> None:
    """What the live line needs after each tick."""
    monitor.standing.update()
    assert monitor.standing.counts


def apart(*words: str) -> Figures:
    """Figures of a process of its own."""
    done = subprocess.run([sys.executable, __file__, *words], check=True, capture_output=True)
    found: Figures = json.loads(done.stdout)
    return found


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--idle", type=int, help="only this: ticks of so many jobs")
    options.add_argument("--whole", type=int, help="only this: a run of so many jobs")
    options.add_argument("--profile", action="store_true")
    options.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    chosen = options.parse_args()
    logging.getLogger("jobauto").addHandler(logging.NullHandler())
    if chosen.idle:
        print(json.dumps(idle(chosen.idle, chosen.profile)))
    elif chosen.whole:
        print(json.dumps(whole(chosen.whole, chosen.profile)))
    else:
        write(
            {jobs: apart("--idle", str(jobs)) for jobs in IDLE},
            {jobs: apart("--whole", str(jobs)) for jobs in chosen.sizes},
        )


def write(idles: dict[int, Figures], wholes: dict[int, Figures]) -> None:
    """The section of bench/RESULTS.md."""
    least, first = idles[min(idles)]["ms"], min(wholes)
    rows = [["what", "jobs", "figure", "ratio to the fewest", "aim", "memory"]]
    for jobs, found in idles.items():
        ms, ratio = found["ms"], found["ms"] / least
        aim = f"≤ {QUICK:.0f} ms, ratio ≤ {ALIKE:.0f}"
        rows.append(["CPU of an idle tick", f"{jobs:,}", f"{ms:.2f} ms", f"{ratio:.2f}", aim, ""])
    for jobs, found in wholes.items():
        cpu = found["cpu"] / jobs
        rows.append(
            [
                f"CPU of a job, {found['ticks']:,.0f} ticks",
                f"{jobs:,}",
                f"{1000 * cpu:.3f} ms",
                f"{cpu / (wholes[first]['cpu'] / first):.2f}",
                f"ratio ≤ {FLAT}",
                f"{found['rss']:.0f} MiB, {1024 * found['rss'] / jobs:.1f} KiB a job",
            ]
        )
    results.put(
        "Very many jobs against a cluster in memory",
        f"""{results.origin("make bench-simulated")}

Chains of {CHAIN} jobs; the cluster answers from a table, and the clock jumps over all waiting. An
idle tick has {ACTIVE} jobs in the queue, and none ends; whole runs have `--maxqsub {IN_QUEUE}`.
Looking at the job folders is left out, and so are ssh, rsync and scripts. Each size is a process of
its own; memory is the most that it ever had.

{results.table(rows)}
""",
    )


if __name__ == "__main__":
    main()
