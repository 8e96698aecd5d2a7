"""The run's folder on the remote: moved away in mid-run, and on a disk that is full."""

from __future__ import annotations

import contextlib
import re
import subprocess
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import cluster
import pytest
from cluster import fails_again, log_of, looks, ran
from places import Place, cannot, newest, wait_for
from trees import make, sleepers

pytestmark = pytest.mark.usefixtures("lab")
schedulers = pytest.mark.parametrize("place", ["slurm", "sge"], indirect=True)


@schedulers
def test_a_run_folder_that_is_away_for_a_while_changes_no_verdict(
    place: Place, tmp_path: Path
) -> None:
    ldir = tmp_path / "L"
    sleepers(ldir / "init", 2, 2)
    monitor = place.start(ldir)
    wait_for(lambda: len(list(place.folder.glob("*/s*/ran.0"))) == 2)
    run = newest(ldir)
    looks(run, 1)
    there = place.there(run)
    away = there.with_name("away")
    there.rename(away)
    wait_for(lambda: "is not there" in log_of(run))
    before = (run / "quelist").read_text()
    wait_for(lambda: len(list(away.glob("s*/qsub.finished.0"))) == 2)
    fails_again(run)
    assert (run / "quelist").read_text() == before
    away.rename(there)
    assert monitor.wait(60) == 0
    assert ran(place, run) == {f"s{n}/qsub.{i}": 1 for n in range(2) for i in range(2)}
    assert f"the run folder {there} is not there" in log_of(run)


# a job that waits for room, as everything that it says goes to a file there
PATIENT = """#!/bin/sh
#$ -o /dev/null -j y
#SBATCH --output=/dev/null
until echo run >> ran.0 && [ -s ran.0 ]; do sleep 0.2; done
until date > qsub.finished.0; do sleep 0.2; done
"""
KEEPER = """#!/bin/sh
#$ -o /dev/null -j y
#SBATCH --output=/dev/null
while [ ! -e ../stop ]; do sleep 0.2; done
echo run >> ran.0
date > qsub.finished.0
"""


@pytest.fixture
def small_disk(place: Place) -> Iterator[Path]:
    """A disk of 1 MB where the run will be."""
    place.folder.mkdir(parents=True, exist_ok=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m,mode=777", "tmpfs", str(place.folder)],
        capture_output=True,
        text=True,
    )
    if mounted.returncode != 0:
        cannot(f"may not mount here: {mounted.stderr.strip()}")
    try:
        yield place.folder
    finally:
        place.tidy()
        subprocess.run(["umount", "-l", str(place.folder)], check=True)


def fill(disk: Path, pages_left: int) -> Path:
    """Use all room up but for some pages; removing the file gives it back."""
    filler = disk / "filler"
    with contextlib.suppress(OSError), open(filler, "wb", buffering=0) as file:
        while file.write(b"x" * 4096) == 4096:
            pass
    with open(filler, "ab") as file:
        file.truncate((file.tell() // 4096 - pages_left) * 4096)
    return filler


@schedulers
def test_a_full_disk_there_only_delays(small_disk: Path, place: Place, tmp_path: Path) -> None:
    """With room for none, or only the first, of the files that a submission writes."""
    steps = range(4)
    files = {f"s{n}/qsub.0": PATIENT for n in steps}
    files |= {f"s{n}/qsub.dependency.0": f"../go.{n}\n" for n in steps}
    files |= {"keeper/qsub.0": KEEPER, "keeper/qsub.dependency.0": ""}
    ldir = tmp_path / "L"
    make(ldir / "init", files)
    first = cluster.next_number(place.scheduler)
    monitor = place.start(ldir)
    wait_for(lambda: any(ldir.glob("2*/qstat")))
    run = newest(ldir)
    there = place.there(run)
    looks(run, 2)
    for pages in steps:
        filler = fill(small_disk, pages)
        (there / f"go.{pages}").touch()
        wait_for(partial(_intends, run, f"s{pages}/qsub.0"))
        time.sleep(2)
        assert monitor.poll() is None
        filler.unlink()
        wait_for((there / f"s{pages}/qsub.finished.0").exists, 90)
    (there / "stop").touch()
    assert monitor.wait(120) == 0, log_of(run)
    assert ran(place, run) == {f"s{n}/qsub.0": 1 for n in steps} | {"keeper/qsub.0": 1}
    cluster.wait_until_empty(place.scheduler)
    numbers = cluster.numbers_between(first, cluster.next_number(place.scheduler))
    assert numbers == len(steps) + 1


def _intends(run: Path, name: str) -> bool:
    return f" intent {name}" in re.sub(" +", " ", (run / "qsub.log").read_text())
