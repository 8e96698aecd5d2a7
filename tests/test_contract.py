"""What every place must do alike: this machine, and hosts by ssh with Slurm, Grid Engine, none."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from places import Place, alive, newest, wait_for, words
from trees import job, make, sleepers


def ran(place: Place, run: Path) -> dict[str, int]:
    """How often each job really began, counted by the scripts themselves."""
    there = place.there(run)
    return {
        f"{p.parent.relative_to(there)}/qsub.{p.name.removeprefix('ran.')}": len(
            p.read_text().splitlines()
        )
        for p in there.glob("*/ran.*")
    }


OWN_OUTPUT = """#!/bin/sh
#$ -o my.out
#$ -j y
#SBATCH --output=my.out
#PBS -o my.out -j oe
#BSUB -o my.out
#HTCONDOR output = my.out
#HTCONDOR error = my.err
echo run >> ran.0
echo deep trouble >&2
exit 4
"""


def one_of_each(root: Path) -> Path:
    """A chain, a failure with a dependent, a file written in mid-run, odd names, results."""
    return make(
        root,
        {
            "a/qsub.0": job("echo first > out.0"),
            "a/qsub.dependency.0": "",
            "a/qsub.lda": job("cat out.0 > result.txt; echo x > other", "lda"),
            "a/qsub.dependency.lda": "# comment\n\nqsub.finished.0\nout.0\n",
            "b/qsub.0": job("echo about to break >&2; exit 3"),
            "b/qsub.dependency.0": "",
            "b/qsub.1": job("", "1"),
            "b/qsub.dependency.1": "qsub.finished.0\n",
            "d/qsub.0": OWN_OUTPUT,
            "d/qsub.dependency.0": "",
            "c/qsub.0": job("echo > half; while [ ! -f seen ]; do sleep 0.2; done"),
            "c/qsub.dependency.0": "",
            "c/qsub.1": job("echo > seen", "1"),
            "c/qsub.dependency.1": "half\n",
            "it's odd; $(x)/qsub.0": job("echo > a.png"),
            "it's odd; $(x)/qsub.dependency.0": "../a/qsub.finished.lda\nnot ../a/never\n",
        },
    )


def test_a_tree_with_everything_comes_to_its_right_end(place: Place, tmp_path: Path) -> None:
    ldir = tmp_path / "L"
    one_of_each(ldir / "init")
    done = place.jobmon(ldir, "--results", "result.txt", "*.png")
    assert done.returncode == 1, done.stderr
    run = newest(ldir)
    assert words(run) == {
        "a/qsub.0": ["started", "finished"],
        "a/qsub.lda": ["started", "finished"],
        "b/qsub.0": ["started", "failed"],
        "d/qsub.0": ["started", "failed"],
        "c/qsub.0": ["started", "finished"],
        "c/qsub.1": ["started", "finished"],
        "it's odd; $(x)/qsub.0": ["started", "finished"],
    }
    assert set(ran(place, run).values()) == {1}
    assert (run / "a/result.txt").read_text() == "first\n"
    assert (run / "it's odd; $(x)/a.png").exists()
    assert (run / "a/qsub.finished.lda").exists()
    assert (run / "a/other").exists() == (not place.mirrored)
    assert (run / "qsub.now").read_text() == ""
    assert "about to break" in (run / "jobmon.log").read_text()
    why = place.jobauto("why", "b/0", str(run)).stdout.splitlines()
    assert why[0].startswith("b/qsub.0 is failed: exit-3")
    assert "  about to break" in why[1:]
    assert "  deep trouble" in place.jobauto("why", "d/0", str(run)).stdout.splitlines()
    assert "it needs b/qsub.0, which failed" in place.jobauto("why", "b/1", str(run)).stdout


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_monitor_that_ends_leaves_its_jobs_and_restart_goes_on(
    place: Place, tmp_path: Path, how: signal.Signals
) -> None:
    ldir = tmp_path / "L"
    sleepers(ldir / "init", 3, 1)
    monitor = place.start(ldir)
    wait_for(
        lambda: (
            len(
                list(
                    place.folder.glob("*/s*/ran.0") if place.mirrored else ldir.glob("2*/s*/ran.0")
                )
            )
            == 3
        )
    )
    begun = time.monotonic()
    os.kill(monitor.pid, how)
    monitor.wait(30)
    assert how == signal.SIGKILL or time.monotonic() - begun < 5
    assert monitor.returncode == (-9 if how == signal.SIGKILL else 3)
    run = newest(ldir)
    done = place.jobmon(run, new=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert ran(place, run) == {f"s{n}/qsub.{i}": 1 for n in range(3) for i in range(2)}


@pytest.mark.parametrize("dead", [False, True], ids=["monitor alive", "monitor dead"])
def test_kill_ends_monitor_and_jobs(place: Place, tmp_path: Path, dead: bool) -> None:
    ldir = tmp_path / "L"
    asleep = f"471.{os.getpid():07d}"  # seconds; sessions side by side have other ones
    sleepers(ldir / "init", 3, asleep)
    monitor = place.start(ldir)
    wait_for(lambda: len(alive(f"sleep {asleep}")) >= 3)
    run = newest(ldir)
    wait_for(lambda: "started" in (run / "quelist").read_text())
    if dead:
        monitor.kill()
        monitor.wait()
    killed = place.jobauto("kill", str(run)) if dead else place.run_kill(run)
    assert killed.returncode == 0, killed.stderr
    assert "3 job(s) killed" in killed.stdout
    assert monitor.wait(10) == (-9 if dead else 3)
    wait_for(lambda: not alive(f"sleep {asleep}"), 20)
    assert words(run) == {f"s{n}/qsub.0": ["started", "killed"] for n in range(3)}
    assert (run / "qsub.now").read_text() == ""


def test_a_second_monitor_on_the_run_is_refused_and_named(place: Place, tmp_path: Path) -> None:
    ldir = tmp_path / "L"
    sleepers(ldir / "init", 1, 60)
    monitor = place.start(ldir)
    wait_for(lambda: any(ldir.glob("2*/quelist")))
    second = place.jobmon(newest(ldir), new=False)
    assert second.returncode == 2
    assert f"pid {monitor.pid}" in second.stderr
