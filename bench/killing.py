"""`kill` of a run with 1,000 jobs in the queue, its monitor at work."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import psutil
from chains import fresh, make
from cluster import wait_until_empty
from outside import Seen, watched
from places import Place, newest, wait_for
from results import Figure, figures_table, medians

HEADING = "`kill` of 1,000 queued jobs over ssh"
LAB = True
FOLDERS, EACH = 100, 10
JOBS = FOLDERS * EACH
AIM = 3.0
# an hour off, so that all of them wait in the queue; or as many run as there are slots (set -e: the
# signal may reach sleep before its shell)
KINDS = {
    "all wait": "#!/bin/sh\n#SBATCH --begin=now+1hour\ntouch qsub.finished.{}\n",
    "64 of them run": "#!/bin/sh\nset -e\nsleep 3600\ntouch qsub.finished.{}\n",
}


def measure(repeat: int) -> str:
    """The text below the heading."""
    rows = [row for kind in KINDS for row in of(kind, repeat)]
    return f"""{medians(repeat)}

{FOLDERS} folders × {EACH} jobs, `--maxqsub {JOBS}`, on Slurm. When all are in the queue, `./kill`
of the run is called, the whole program: its monitor ends, then the jobs. Processes are counted
when Slurm's queue is empty; one that is left is Slurm's own miss: in the lab it finds a job's
processes by their parents (`proctrack/linuxproc`), and not one whose parent has just ended.

{figures_table(rows)}"""


def of(kind: str, repeat: int) -> list[Figure]:
    """Time and remote commands of one kind of jobs."""
    taken = Figure(f"{kind}: time of `kill`", AIM)
    commands = Figure(f"{kind}: remote commands", 1, unit="")
    left = []
    for number in range(repeat):
        with fresh("slurm") as where:
            make(where.tmp / "L/init", FOLDERS, EACH, lambda _, id: KINDS[kind].format(id), False)
            seconds, seen = once(where)
            left.append(len(processes(where)))
        taken.figures.append(seconds)
        taken.beside = f"last run: {seen}"
        commands.beside = f"processes of the jobs a minute later: {', '.join(map(str, left))}"
        commands.figures.append(seen.commands)
        print(f"kill, {kind}, {number + 1}/{repeat}: {seconds:.1f} s ({seen})", flush=True)
    return [taken, commands]


def once(where: Place) -> tuple[float, Seen]:
    """Submit all, kill all."""
    ldir = where.tmp / "L"
    where.start(ldir, "--maxqsub", str(JOBS), "--interval", "1")
    wait_for(lambda: any(ldir.glob("2*/quelist")), 60)
    run = newest(ldir)
    wait_for(lambda: submitted(run) == JOBS, 300)
    with watched("slurm") as seen:
        begun = time.monotonic()
        done = where.run_kill(run)
        seconds = time.monotonic() - begun
    if done.returncode or f"{JOBS} job(s) killed" not in done.stdout:
        sys.exit(f"kill failed:\n{done.stdout[-500:]}\n{done.stderr}")
    return seconds, seen


def processes(where: Place) -> list[int]:
    """Those in the folders of the jobs: none, or what is left a minute after the queue is empty."""
    wait_until_empty(where.scheduler)
    end = time.monotonic() + 60
    while True:
        inside = (p for p in psutil.process_iter(["cwd"]) if p.info["cwd"])
        found = [p.pid for p in inside if where.folder in Path(p.info["cwd"]).parents]
        if not found or time.monotonic() > end:
            return found
        time.sleep(0.5)


def submitted(run: Path) -> int:
    """How many jobs have been accepted, by the run's own list."""
    return (run / "quelist").read_text().count(" started@")
