"""The same chains by other programs, each in the way that is its own, beside floor and jobmon.

They are installed in an environment of their own below a temporary folder; `idioms/` holds what
each of them is given.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import places
from chains import CHAINS, LENGTH, floor, fresh, jobmon, make, owned, ssh, versions
from outside import Seen, watched
from places import Place
from results import medians, spread, table

HEADING = f"{CHAINS} chains × {LENGTH} jobs that do nothing, by other programs"
LAB = True
LIMIT = 480.0  # seconds for each of them
SLOTS = 64
WORKERS = 8  # of a pilot job: each is a process of Python, and more would wait for the cores
JOBS = CHAINS * LENGTH
PYTHON = "/usr/bin/python3"  # the cluster's user may not be able to read ours
HERE = Path(__file__).resolve().parent
HEAD = ["program", "time", "to the floor", "seen from outside", "how"]


@dataclass
class Rival:
    """`command(place, python)` prepares, and gives the words that run all jobs."""

    name: str
    how: str
    command: Callable[[Place, Path], list[str]]
    waits: bool = True  # its program ends when all jobs have
    times: list[float] = field(default_factory=list)
    seen: Seen = field(default_factory=Seen)
    cannot: str = ""  # why it was not measured to its end


def measure(repeat: int) -> str:
    """The text below the heading."""
    floors: list[float] = []
    ours: list[float] = []
    seen = Seen()
    with environment() as python:
        found = rivals()
        for number in range(repeat):
            with fresh("slurm") as where:
                floors.append(floor(where))
            with fresh("slurm") as where:
                make(where.tmp / "L/init")
                with watched("slurm") as seen:
                    ours.append(jobmon(where))
            print(f"{number + 1}/{repeat}: floor {floors[-1]:.1f} s, jobmon {ours[-1]:.1f} s")
            for rival in found:
                if not rival.cannot:
                    once(rival, python)
                    last = rival.cannot or f"{rival.times[-1]:.1f} s"
                    print(f"{number + 1}/{repeat}: {rival.name} {last} ({rival.seen})", flush=True)
    low = statistics.median(floors)
    rows = [
        ["floor", spread(floors, " s"), "1.00", "", "one ssh session, no monitor"],
        [
            "jobmon",
            spread(ours, " s"),
            f"{statistics.median(ours) / low:.2f}",
            str(seen),
            "over ssh",
        ],
        *(row(rival, low) for rival in found),
    ]
    return f"""{medians(repeat)} {versions("slurm")}.

Same jobs, same cluster: real Slurm with {SLOTS} slots. Each program as it is from PyPI, in the way
of its own manual (`bench/idioms/`), and at most {LIMIT:.0f} s. jobmon: `--maxqsub 64 --interval 1`.
Logins and commands are those that sshd saw; the login that starts a program on the cluster is one.

{table([HEAD, *rows])}"""


def row(rival: Rival, low: float) -> list[str]:
    time, ratio = f"cannot: {rival.cannot}", "-"
    if not rival.cannot:
        time, ratio = spread(rival.times, " s"), f"{statistics.median(rival.times) / low:.2f}"
    return [f"{rival.name} {version(rival.name)}", time, ratio, str(rival.seen), rival.how]


def version(name: str) -> str:
    """What peers.txt wants of it."""
    lines = (HERE / "peers.txt").read_text().split()
    return dict(line.split("==") for line in lines)[name.lower()]


@contextmanager
def environment() -> Iterator[Path]:
    """The Python of a fresh environment with what peers.txt names; all may read it."""
    with tempfile.TemporaryDirectory(prefix="peers-") as folder:
        os.chmod(folder, 0o755)
        subprocess.run([PYTHON, "-m", "venv", "--without-pip", f"{folder}/v"], check=True)
        python = Path(folder, "v/bin/python")
        pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "-qq"]
        subprocess.run([*pip, "-r", str(HERE / "peers.txt")], check=True, stderr=sys.stderr)
        yield python


def once(rival: Rival, python: Path) -> None:
    """One run of it, in fresh folders; what it started does not outlive it."""
    with fresh("slurm") as where:
        make(where.folder / "jobs")
        command = rival.command(where, python)
        owned(where.folder)
        log = where.tmp / "log"
        # what ends it is none of its doing, and not watched
        with open(log, "w") as out, ExitStack() as after, watched("slurm") as rival.seen:
            begun = time.monotonic()
            process = subprocess.Popen(
                command, stdout=out, stderr=out, cwd=where.tmp, start_new_session=True
            )
            after.callback(end, process, where)
            code = wait(process, rival, where)
            taken = time.monotonic() - begun
        ran = markers(where)
        if code == 0 and ran == JOBS:
            rival.times.append(taken)
        elif code is None or taken > LIMIT:
            rival.cannot = f"{ran} of {JOBS} jobs in {LIMIT:.0f} s"
        else:
            said = " ".join(log.read_text(errors="replace").split())[-300:].replace("|", "/")
            rival.cannot = f"exit status {code}, {ran} of {JOBS} jobs: {said}"


def wait(process: subprocess.Popen[bytes], rival: Rival, where: Place) -> int | None:
    """The exit status, when all jobs have ended as well; None: it goes on after the limit."""
    over = time.monotonic() + LIMIT
    while time.monotonic() < over:
        code = process.poll()
        if code or (code == 0 and (rival.waits or markers(where) == JOBS)):
            break
        time.sleep(0.05)
    return process.poll()


def end(process: subprocess.Popen[bytes], where: Place) -> None:
    """The program, then its processes and jobs on the cluster, by the folder where they are."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()
    folder = shlex.quote(str(where.folder))
    text = f"""squeue -h -u hpc -o '%i %Z' | while read -r id at; do
case $at in {folder}*) scancel "$id" ;; esac; done
pause=0
for how in TERM KILL; do
  for p in /proc/[0-9]*; do
    case $(readlink "$p/cwd") in {folder}*) kill -s $how "${{p#/proc/}}" && pause=3 ;; esac
  done
  sleep $pause
done
"""
    words = ssh(where.remote)
    subprocess.run([*words, "sh -s"], input=text, text=True, capture_output=True, timeout=60)


def markers(where: Place) -> int:
    """How many jobs have run, wherever the program put their folders."""
    return sum(len(list(at.rglob("qsub.finished.*"))) for at in (where.folder, where.tmp / "jobs"))


def rivals() -> list[Rival]:
    """All of them, in the order of the table."""
    cluster = "runs on the cluster"
    return [
        Rival("MyQueue", f"{cluster}; the scheduler's own dependencies", myqueue, waits=False),
        Rival("dpdispatcher", "over ssh; no chains: all jobs at once; looks every second", dpd),
        Rival("Snakemake", f"{cluster}; plugin for Slurm, asks squeue", snakemake),
        Rival("Parsl", f"{cluster}; one pilot job of {WORKERS} workers, no job a task", parsl),
        Rival("HyperQueue", f"one machine, {SLOTS} slots, no scheduler", hyperqueue),
    ]


def there(where: Place, python: Path, *words: object) -> list[str]:
    """Run this in the folder of the jobs on the cluster, with the programs of that environment."""
    line = f"HOME={where.folder} TMPDIR={where.folder} PATH={python.parent}:$PATH"
    line += "; export HOME TMPDIR PATH"
    return [*ssh(where.remote), f"{line}; cd ~/jobs && {shlex.join(map(str, words))}"]


def myqueue(where: Place, python: Path) -> list[str]:
    home = where.folder / "jobs/.myqueue"
    home.mkdir()
    config = {"scheduler": "slurm", "nodes": [("debug", {"cores": SLOTS})], "use_mpi": False}
    (home / "config.py").write_text(f"config = {config}\n")
    idiom(where, "for_myqueue.py")
    folders = sorted(path.name for path in (where.folder / "jobs").glob("c*"))
    return there(where, python, "mq", "workflow", "for_myqueue.py", *folders)


def dpd(where: Place, python: Path) -> list[str]:
    known = (places.LAB / "ssh_config").read_text()
    found = re.search(r"^Host lab-slurm\n\s*Port (\d+)", known, re.MULTILINE)
    assert found, "the lab's ssh_config has no lab-slurm"
    local = where.tmp / "jobs"  # it sends the files itself
    shutil.move(where.folder / "jobs", local)
    key = str(places.LAB / "keys/user")
    script = str(HERE / "idioms/for_dpdispatcher.py")
    return [str(python), script, str(local), str(where.folder), found[1], key]


def snakemake(where: Place, python: Path) -> list[str]:
    idiom(where, "Snakefile")
    words = ["--executor", "slurm", "--jobs", str(SLOTS), "--slurm-status-command", "squeue"]
    words += ["--seconds-between-status-checks", "1", "--max-jobs-per-second", "1000"]
    words += ["--slurm-init-seconds-before-status-checks", "1"]
    words += ["--default-resources", "slurm_partition=debug", "mem_mb=10", "runtime=10"]
    return there(where, python, "snakemake", *words)


def parsl(where: Place, python: Path) -> list[str]:
    return there(where, python, "python", idiom(where, "for_parsl.py"), WORKERS)


def hyperqueue(where: Place, python: Path) -> list[str]:
    return there(where, python, "python", idiom(where, "for_hyperqueue.py"), SLOTS)


def idiom(where: Place, name: str) -> str:
    """Put a file of `idioms/` among the jobs."""
    shutil.copy(HERE / "idioms" / name, where.folder / "jobs")
    return name
