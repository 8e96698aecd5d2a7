"""The schedulers of the lab seen from their own side: what they took, and programs that lie."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import lies as say
from fakecluster import FakeCluster
from fakeserver import open_cluster
from places import FAKES, LAB, ROOT, Place, wait_for

from jobauto import conditions

SGE = {"SGE_ROOT": "/var/lib/gridengine", "SGE_CELL": "default"}
ACCOUNTING = Path(SGE["SGE_ROOT"]) / "default/common/accounting"
JOBCOMP = LAB / "log/jobcomp.log"
FAULTS = LAB / "faults"
# host of the lab to programs, or kinds of their use
SUBMITS = {
    "slurm": "sbatch",
    "sge": "qsub",
    "pbs": "qsub",
    "torque": "qsub",
    "lsf": "bsub",
    "htcondor": "condor_submit",
}
ASKS = {
    "slurm": ["squeue"],
    "sge": ["qstat", "qstat-j"],
    "pbs": ["qselect", "qstat"],
    "torque": ["qselect", "qstat"],
    "lsf": ["bjobs"],
    "htcondor": ["condor_q"],
}

#: fates and how often, in a hundred; the rest is let pass
SUBMIT_LIES = {
    "took-lost": 8,
    "took-silent": 8,
    "took-banner": 8,
    "unreachable": 2,
    "nonsense": 4,
    "limit": 2,
    "silent": 2,
    "hang": 2,
}
ASK_LIES = {"unasked": 10, "half": 10, "noise": 8, "empty": 12, "hang": 4}
APART = 3  # honest answers between two empty ones, which together would be a proof


def real(*command: str) -> str:
    """What a program of a scheduler really says to the lab's user, whatever lies before it."""
    words = ["runuser", "-u", "hpc", "--", *command]
    done = subprocess.run(
        words, env=os.environ | SGE, cwd="/home/hpc", capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def fake(host: str) -> FakeCluster:
    """The fake cluster of a host, as its user's programs see it."""
    return open_cluster(LAB / "fake" / host, "hpc")


def taken(host: str, folder: Path) -> Counter[str]:
    """How often the books of a fake cluster have each job below `folder`."""
    jobs = ((Path(job.folder), job.name) for job in fake(host).books.all())
    return Counter(f"{at.relative_to(folder)}/{name}" for at, name in jobs if folder in at.parents)


def next_number(scheduler: str) -> int:
    """Takes and gives the number of one small job: jobs are numbered one by one."""
    if scheduler in FAKES:
        job = fake(scheduler).submit(
            "true", name="true", folder="/", out="/dev/null", err="/dev/null"
        )
        return job.number
    if scheduler == "slurm":
        return int(real("/usr/bin/sbatch", "--parsable", "-o", "/dev/null", "--wrap", "true"))
    quiet = ["-o", "/dev/null", "-j", "y", "-b", "y"]
    return int(real("/usr/bin/qsub", "-terse", *quiet, "/bin/true"))


def numbers_between(first: int, last: int) -> int:
    """How many jobs were taken between two sentinels."""
    return last - first - 1


def accounted(scheduler: str, tag: str) -> int:
    """How many jobs whose script's id begins with `tag` the scheduler says have ended."""
    if scheduler in FAKES:
        ended = (job for job in fake(scheduler).books.all() if job.ended is not None)
        return sum(job.name.startswith(f"qsub.{tag}") for job in ended)
    if scheduler == "slurm":
        lines = (line.split() for line in JOBCOMP.read_text(errors="replace").splitlines())
        return len({w[0] for w in lines if w[3].startswith(f"Name=qsub.{tag}")})
    lines = (line.split(":") for line in ACCOUNTING.read_text(errors="replace").splitlines())
    return len({w[5] for w in lines if len(w) > 5 and w[4].startswith(f"qsub.{tag}")})


def queue(scheduler: str) -> str:
    """What is in the queue of the lab's user; empty when nothing is."""
    if scheduler in FAKES:
        return " ".join(str(job.number) for job in fake(scheduler).queue())
    if scheduler == "slurm":
        return real("/usr/bin/squeue", "-h", "-u", "hpc").strip()
    return real("/usr/bin/qstat", "-u", "hpc").strip()


def wait_until_empty(scheduler: str, seconds: float = 60.0) -> None:
    wait_for(lambda: not queue(scheduler), seconds)


def fates(dice: random.Random, lies: Mapping[str, int], number: int) -> list[str]:
    """A word a call; no two that are empty near one another."""
    words = dice.choices([*lies, "pass"], [*lies.values(), 100 - sum(lies.values())], k=number)
    honest = APART
    for n, word in enumerate(words):
        if word == "empty" and honest < APART:
            words[n] = "pass"
        honest = 0 if words[n] == "empty" else honest + (words[n] in ("pass", "hang"))
    return words


@contextmanager
def lying(plan: Mapping[str, Sequence[str]]) -> Iterator[None]:
    """Programs of the scheduler meet the fates of `plan` (kind to words) until the end."""
    state = FAULTS / "state"
    shutil.rmtree(FAULTS, ignore_errors=True)
    state.mkdir(parents=True)
    (state / "told").touch(mode=0o666)
    state.chmod(0o777)
    (state / "told").chmod(0o666)
    for kind, words in plan.items():
        (FAULTS / f"{kind}.fates").write_text("".join(f"{word}\n" for word in words))
    try:
        (FAULTS / "words").write_text(json.dumps({host: say.words(host) for host in say.SAID}))
        for program in {kind.removesuffix("-j") for kind in plan}:
            copy = FAULTS / f"{program}.new"
            shutil.copy(ROOT / "tests/liar.py", copy)
            copy.chmod(0o755)
            copy.rename(FAULTS / program)
        yield
    finally:
        shutil.rmtree(FAULTS, ignore_errors=True)


@contextmanager
def switched(host: str, name: str, value: str = "") -> Iterator[None]:
    """A fake cluster that is `down`, or takes no more jobs than its `limit`."""
    switch = LAB / "fake" / host / name
    switch.write_text(value)
    try:
        yield
    finally:
        switch.unlink()


def lies(scheduler: str, seed: int, number: int = 3000) -> dict[str, list[str]]:
    """A plan for all programs of a scheduler."""
    dice = random.Random(seed)
    # with a silent refusal the job is unsure, which is said only after a minute
    often = {f: n for f, n in SUBMIT_LIES.items() if f != "silent" or scheduler not in FAKES}
    plan = {SUBMITS[scheduler]: fates(dice, often, number)}
    return plan | {kind: fates(dice, ASK_LIES, number) for kind in ASKS[scheduler]}


def told() -> list[tuple[str, str, str]]:
    """(kind, fate, folder/last argument) of each call so far."""
    lines = (FAULTS / "state/told").read_text(errors="replace").splitlines()
    return [(kind, fate, rest) for kind, fate, rest in (line.split(" ", 2) for line in lines)]


def how_often() -> Counter[str]:
    """Fate to number of calls, without those that were let pass."""
    return Counter(fate for _kind, fate, _rest in told() if fate != "pass")


def ran(place: Place, run: Path) -> dict[str, int]:
    """How often each script began, by its own count."""
    there = place.there(run)
    found = {}
    for path in there.glob("*/ran.*"):
        name = f"{path.parent.relative_to(there)}/qsub.{path.name.removeprefix('ran.')}"
        found[name] = path.read_text().count("run\n")
    return found


def log_of(run: Path) -> str:
    return (run / "jobmon.log").read_text()


def fails_again(run: Path) -> None:
    """Wait for a further look that is not answered: each tells when the next will be."""
    before = conditions.read(run / ".jobauto")
    wait_for(lambda: conditions.read(run / ".jobauto") not in ([], before))


def looks(run: Path, number: int) -> None:
    """Wait for so many further looks that were answered: each writes `qstat` anew."""
    for _ in range(number):
        before = signature(run / "qstat")
        wait_for(partial(differs, run / "qstat", before))


def signature(path: Path) -> tuple[int, int]:
    """What changes with each writing."""
    status = path.stat()
    return status.st_ino, status.st_mtime_ns


def differs(path: Path, before: tuple[int, int]) -> bool:
    return signature(path) != before
