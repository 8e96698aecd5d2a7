"""Kills the monitor again and again, and counts what the scheduler took against the jobs.

Trees of chained jobs run over ssh on the lab's schedulers. In each round a monitor is started and
killed with -9 at a random moment; in half of them the ssh connection dies as well. With
`--lies` the scheduler's programs fail, hang and lie meanwhile, with `--native-deps` jobs wait for
one another in the queue. When a tree is done the next one begins. A last monitor finishes; then
the schedulers' own lists are counted. Writes its section of bench/RESULTS.md.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import shlex
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

import cluster  # noqa: E402
import psutil  # noqa: E402
import results  # noqa: E402
from filelock import FileLock  # noqa: E402
from places import LAB, Place, alive, lab_is_up, newest, place, words  # noqa: E402
from trees import make  # noqa: E402

from jobauto import lock, run  # noqa: E402
from jobauto.ledger import attempts  # noqa: E402

HEAD = [
    "scheduler",
    "rounds",
    "connection killed",
    "between intent and acceptance",
    "jobs",
    "scripts ran",
    "accounted by the scheduler",
    "doubled",
    "lost",
    "unsure",
    "logins on the host",
    "wall time",
]
SCRIPT = """#!/bin/sh
#$ -o /dev/null -j y
#SBATCH --output=/dev/null
set -e
echo run >>ran.{id}
{check}
sleep {seconds}
date >qsub.finished.{id}
"""
CUTS = 0.7  # of the rounds; in some of them there is no connection yet
CHECK = "[ -f qsub.finished.{before} ] || echo {id} >>too-early"


@dataclass
class Tally:
    """What was seen on one scheduler."""

    scheduler: str
    rounds: int = 0
    cuts: int = 0
    between: int = 0
    jobs: int = 0
    runs: Counter[str] = field(default_factory=Counter)  # job -> how often its script began
    states: Counter[str] = field(default_factory=Counter)
    accounted: int = 0
    too_early: int = 0
    logins: int = 0
    seconds: float = 0.0
    told: str = ""

    @property
    def ran(self) -> int:
        return sum(self.runs.values())

    def row(self) -> list[str]:
        doubled = self.ran - len(self.runs) + max(0, self.accounted - self.ran)
        # a job that is said to be finished and never ran, or that never came to an end
        lost = self.jobs - sum(self.states.values())
        lost += max(0, self.states["finished"] + self.states["failed"] - len(self.runs))
        numbers = [self.rounds, self.cuts, self.between, self.jobs, self.ran, self.accounted]
        numbers += [doubled, lost, self.states["unsure"], self.logins]
        return [self.scheduler, *map(str, numbers), f"{self.seconds:.0f} s"]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=200, help="per scheduler (default 200)")
    options.add_argument("--folders", type=int, default=100, help="of three chained jobs each")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--lies", action="store_true", help="the scheduler's programs lie")
    options.add_argument(
        "--native-deps",
        action="store_true",
        help="the monitors look ahead: dependents are handed in while what they need still runs, "
        "and so the monitor dies while jobs wait in the queue, too",
    )
    options.add_argument("--schedulers", nargs="+", default=["slurm", "sge"])
    chosen = options.parse_args()
    if not lab_is_up():
        sys.exit("the lab is down; start it with: make lab")
    lies = _lies(chosen) if chosen.lies else contextlib.nullcontext()
    # nobody else may use the lab meanwhile
    with FileLock(LAB / "tests.lock", timeout=3600), lies, ThreadPoolExecutor() as pool:
        tallies = list(pool.map(lambda name: measure(name, chosen), chosen.schedulers))
    write(tallies, chosen)
    if any(row[7:9] != ["0", "0"] for row in (t.row() for t in tallies)):
        sys.exit("jobs were doubled or lost")


def _lies(chosen: argparse.Namespace) -> contextlib.AbstractContextManager[None]:
    plan: dict[str, list[str]] = {}
    for name in chosen.schedulers:
        plan |= cluster.lies(name, chosen.seed, 20000)
    return cluster.lying(plan)


def measure(scheduler: str, chosen: argparse.Namespace) -> Tally:
    """All rounds on one scheduler, then the counting."""
    tally, dice = Tally(scheduler), random.Random(f"{chosen.seed} {scheduler}")
    tag = f"r{random.SystemRandom().randrange(16**8):08x}x"
    begun, number = time.monotonic(), 0
    with tempfile.TemporaryDirectory() as folder, place(scheduler, Path(folder)) as where:
        tally.logins = -where.authentications()
        while tally.rounds < chosen.rounds:
            ldir = where.tmp / f"L{number}"
            plant(ldir / "init", f"{tag}{number}x", chosen.folders, dice)
            more = ["--native-deps"] if chosen.native_deps else []
            rounds(where, ldir, chosen.rounds, tally, dice, more)
            finish(where, ldir, tally, more)
            number += 1
        tally.logins += where.authentications()
        with contextlib.suppress(AssertionError):
            cluster.wait_until_empty(scheduler)
        tally.accounted = cluster.accounted(scheduler, tag)
    tally.seconds = time.monotonic() - begun
    return tally


def plant(root: Path, tag: str, folders: int, dice: random.Random) -> None:
    """Folders with three chained jobs whose ids no other run has."""
    files, before = {}, ""
    for id in (f"{tag}{n}" for n in range(3)):
        for number in range(folders):
            check = CHECK.format(before=before, id=id) if before else ":"
            text = SCRIPT.format(id=id, check=check, seconds=round(dice.uniform(0.5, 2), 2))
            files[f"m{number}/qsub.{id}"] = text
            files[f"m{number}/qsub.dependency.{id}"] = f"qsub.finished.{before}\n" if before else ""
        before = id
    make(root, files)


def options_of(ldir: Path) -> tuple[Path, bool]:
    """The folder for --ldir, and whether that begins a new run."""
    runs = run.runs_in(ldir)
    return (runs[-1], False) if runs else (ldir, True)


def start(where: Place, ldir: Path, more: list[str]) -> psutil.Popen:
    folder, new = options_of(ldir)
    with open(where.tmp / "monitor.out", "ab") as out:
        words = where.options(folder) if new else ["--ldir", str(folder), "--interval", "0.5"]
        words += ["--maxqsub", "12", "--retries", "20", *more]
        return psutil.Popen(
            [sys.executable, str(ROOT / "jobmon.py"), *words],
            env=where.environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )


def rounds(
    where: Place, ldir: Path, most: int, tally: Tally, dice: random.Random, more: list[str]
) -> None:
    """Start and kill until the tree is done or there were enough rounds."""
    while tally.rounds < most:
        cut = dice.random() < CUTS
        moment, cut_at = dice.uniform(0.1, 3), dice.uniform(0.1, 3)
        process = start(where, ldir, more)
        killed: list[int] = []
        cutter = threading.Timer(min(cut_at, moment), cut_connection, (ldir, killed))
        if cut:
            cutter.start()
        try:
            code = process.wait(moment)
        except psutil.TimeoutExpired:
            process.kill()
            process.wait()
            code = -9
        if cut:
            cutter.join()
        if cut and cut_at > moment:
            cut_connection(ldir, killed)
        tally.rounds += 1
        tally.cuts += bool(killed)
        tally.between += between(ldir)
        if tally.rounds % 10 == 0:
            print(f"{tally.scheduler} round {tally.rounds}", flush=True)
        if code in (0, 1):
            return
        if code not in (-9, 4):
            raise RuntimeError(f"the monitor ended with {code}; see {where.tmp}/monitor.out")


def cut_connection(ldir: Path, killed: list[int]) -> None:
    """End the run's ssh master, known by the path of its socket, and note its pid."""
    for folder in run.runs_in(ldir):
        socket = str(lock.socket_folder() / run.open_run(folder).id)
        for process in alive(socket):
            with contextlib.suppress(psutil.Error):
                if "-oControlMaster=yes" in process.cmdline():
                    process.kill()
                    killed.append(process.pid)


def between(ldir: Path) -> bool:
    """Is there an attempt whose intent is on disk, and no acceptance?"""
    return any(
        not last.jobid and not last.verdict
        for folder in run.runs_in(ldir)
        for last in attempts.read(folder / "qsub.log").values()
    )


def finish(where: Place, ldir: Path, tally: Tally, more: list[str]) -> None:
    """A last monitor ends the run; what happened to each job is added up."""
    code = start(where, ldir, more).wait(1800)
    if code not in (0, 1):
        raise RuntimeError(f"the last monitor ended with {code}")
    cut_connection(ldir, [])  # a login that was under way when its monitor was killed
    folder = newest(ldir)
    there = where.there(folder)
    tally.jobs += sum(p.name.count(".") == 1 for p in (ldir / "init").glob("*/qsub.*"))
    tally.too_early += len(list(there.glob("*/too-early")))
    found = words(folder)
    tally.states.update(w[-1] for w in found.values())
    blocked = sum(p.name.count(".") == 1 for p in folder.glob("*/qsub.*")) - len(found)
    tally.states["blocked"] += blocked
    for path in there.glob("*/ran.*"):
        tally.runs[f"{folder.name}/{path.parent.name}/{path.name}"] = path.read_text().count("run")


def write(tallies: list[Tally], chosen: argparse.Namespace) -> None:
    """The section of bench/RESULTS.md."""
    lies = ", with programs that lie" if chosen.lies else ""
    ahead = ", with look-ahead" if chosen.native_deps else ""
    option = " --native-deps" if chosen.native_deps else ""
    asked = shlex.join(sys.argv[1:])
    command = "make rounds" + (f" ROUNDS='{asked}'" if asked else "")
    early = sum(t.too_early for t in tallies)
    states = "; ".join(
        f"{t.scheduler}: " + ", ".join(f"{n} {s}" for s, n in t.states.items() if n)
        for t in tallies
    )
    results.put(
        f"The monitor killed with -9 at random moments{lies}{ahead}",
        f"""{results.origin(command)} Seed {chosen.seed}.

Trees of {chosen.folders} folders × 3 chained jobs of 0.5 to 2 s over ssh, `--maxqsub 12 --interval
0.5{option}`. Each round starts a monitor and kills it 0.1 to 3 s later; in about half of them the
ssh connection is killed too, at the same or another moment (counted where there was one). Lost:
jobs that never came to an end, or ended without having run. States at the end: {states}. Started
before what they need: {early}.

{results.table([HEAD, *(t.row() for t in tallies)])}
""",
    )


if __name__ == "__main__":
    main()
