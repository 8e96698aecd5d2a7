"""Look-ahead (--native-deps) on real clusters, and on the fake ones: jobs wait in the queue."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import cluster
import pytest
from places import FAKES, Place, newest, wait_for, words
from trees import job, make

pytestmark = pytest.mark.parametrize(
    "place", ["slurm", "sge", "pbs", "torque", "lsf"], indirect=True
)
AHEAD = ("--native-deps", "--maxqsub", "40", "--grace", "3")


def chain(folder: str, length: int, seconds: float = 0.2, first: str = "") -> dict[str, str]:
    """Jobs in a row, each of which complains if it begins before the one that it needs has ended;
    `first`: what the first one does instead."""
    files = {}
    for n in range(length):
        check = f"[ -f qsub.finished.{n - 1} ] || echo {n} >> early\n" if n else ""
        files[f"{folder}/qsub.{n}"] = job(f"{check}sleep {seconds}", str(n))
        files[f"{folder}/qsub.dependency.{n}"] = f"qsub.finished.{n - 1}\n" if n else ""
    if first:
        files[f"{folder}/qsub.0"] = f"#!/bin/sh\necho run >> ran.0\n{first}\n"
    return files


def ran(place: Place, run: Path) -> dict[str, int]:
    """How often each script began, by itself. None began too early."""
    there = place.there(run)
    assert list(there.glob("*/early")) == []
    found = (p for p in there.glob("*/ran.*"))
    return {f"{p.parent.name}/{p.suffix[1:]}": p.read_text().count("run") for p in found}


def lines(run: Path, what: str) -> list[list[str]]:
    """The lines of qsub.log of one kind, as words."""
    found = (line.split() for line in (run / "qsub.log").read_text().splitlines())
    return [line for line in found if line[1] == what]


def ahead(run: Path) -> list[str]:
    """The jobs that were handed in ahead, as often as they were."""
    return [line[2] for line in lines(run, "intent") if "after=" in line[-1]]


def queued(place: Place, run: Path) -> set[str]:
    """Which of a run's jobs are in the queue, by the scheduler's own numbers."""
    jobids = [line[-1].removeprefix("jobid=") for line in lines(run, "accepted")]
    ours = {re.split(r"[.+]", jobid)[0] for jobid in jobids}
    said = cluster.queue(place.name)
    listed = said.split() if place.name in FAKES else [s.split()[0] for s in said.splitlines()]
    return ours & set(listed)


def test_chains_go_in_at_once_and_each_script_runs_once_in_its_order(
    place: Place, tmp_path: Path
) -> None:
    make(tmp_path / "L/init", {k: v for n in range(6) for k, v in chain(f"c{n}", 3).items()})
    done = place.jobmon(tmp_path / "L", *AHEAD)
    assert done.returncode == 0, done.stdout + done.stderr
    run = newest(tmp_path / "L")
    assert ran(place, run) == {f"c{n}/{i}": 1 for n in range(6) for i in range(3)}
    assert sorted(ahead(run)) == [f"c{n}/qsub.{i}" for n in range(6) for i in (1, 2)]
    intents = lines(run, "intent")
    assert (len(intents), len({date for date, *_ in intents})) == (18, 1)
    assert queued(place, run) == set()


def test_dependents_of_a_failure_leave_the_queue_and_run_once_it_is_mended(
    place: Place, tmp_path: Path
) -> None:
    broken = {"f": "exit 1", "n": "exit 0"}  # the second leaves no marker
    trees = [chain(folder, 3, first=first) for folder, first in broken.items()]
    make(tmp_path / "L/init", trees[0] | trees[1])
    done = place.jobmon(tmp_path / "L", *AHEAD)
    assert done.returncode == 1, done.stdout + done.stderr
    run = newest(tmp_path / "L")
    assert ran(place, run) == {"f/0": 1, "n/0": 1}
    assert sorted(ahead(run)) == [f"{folder}/qsub.{n}" for folder in "fn" for n in (1, 2)]
    assert queued(place, run) == set()
    jobs = json.loads(place.jobauto("status", "--json", str(run)).stdout)["jobs"]
    states = {name: about["state"] for name, about in jobs.items()}
    expected = {f"{f}/qsub.{n}": "blocked" if n else "failed" for f in "fn" for n in range(3)}
    assert states == expected
    for folder in "fn":
        (run / folder / "qsub.0").write_text(job("sleep 0.2"))
    again = place.jobauto("retry", "f/0", "n/0", str(run))
    assert again.returncode == 0, again.stderr
    done = place.jobmon(run, new=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert ran(place, run) == {f"{f}/{n}": 1 if n else 2 for f in "fn" for n in range(3)}


def test_a_monitor_that_is_killed_while_jobs_wait_loses_and_doubles_none(
    place: Place, tmp_path: Path
) -> None:
    files = {k: v for n in range(4) for k, v in chain(f"c{n}", 3, seconds=1).items()}
    ldir = make(tmp_path / "L/init", files).parent
    moments: list[Callable[[Path], object]] = [
        ahead,  # in the middle of the submission
        lambda run: len(lines(run, "accepted")) == len(files) // 2,
        lambda run: lines(run, "finished"),
    ]
    for n, moment in enumerate(moments):
        monitor = place.start(newest(ldir) if n else ldir, *([] if n else AHEAD), new=not n)
        wait_for(lambda: any(ldir.glob("2*/qsub.log")))
        run = newest(ldir)
        wait_for(lambda moment=moment, run=run: bool(moment(run)))  # type: ignore[misc]
        monitor.kill()
        monitor.wait(10)
    done = place.jobmon(run, new=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert ran(place, run) == {f"c{n}/{i}": 1 for n in range(4) for i in range(3)}
    assert queued(place, run) == set()


def test_a_kill_ends_what_waits_in_the_queue(place: Place, tmp_path: Path) -> None:
    asleep = float(f"472.{os.getpid():07d}")
    ldir = make(tmp_path / "L/init", chain("c", 3, asleep)).parent
    monitor = place.start(ldir, *AHEAD)
    wait_for(lambda: any(ldir.glob("2*/qsub.log")))
    run = newest(ldir)
    wait_for(lambda: len(queued(place, run)) == 3 and bool(ran(place, run)))
    killed = place.run_kill(run)
    assert killed.returncode == 0, killed.stderr
    assert monitor.wait(10) == 3
    wait_for(lambda: queued(place, run) == set(), 20)
    assert {name: word[-1] for name, word in words(run).items()} == {
        f"c/qsub.{n}": "killed" for n in range(3)
    }
    assert ran(place, run) == {"c/0": 1}
