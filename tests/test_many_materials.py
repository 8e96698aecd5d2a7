"""The main job: 168 materials in three chained jobs each, over ssh, on real schedulers."""

from __future__ import annotations

import re
import shutil
from itertools import pairwise
from pathlib import Path

import pytest
from cluster import SUBMITS
from materials import STANDINS, poscars
from places import SCHEDULERS, Place, newest, scheduler_calls, words

from jobauto.templates import instantiate

pytestmark = pytest.mark.usefixtures("lab")
IDS = ["0", "1", "band"]
# host to the programs that a look calls
ASKS = {
    "slurm": ["squeue"],
    "sge": ["qstat"],
    "pbs": ["qselect", "qstat"],
    "torque": ["qselect", "qstat"],
    "lsf": ["bjobs"],
    "htcondor": ["condor_q"],
}
TWICE = ["bjobs"]  # its version first


def materials(place: Place, tmp_path: Path) -> tuple[Path, list[str]]:
    """The project of all materials, and the options to run it at this place."""
    binpath = place.folder / "standins"
    shutil.copytree(STANDINS, binpath)
    shutil.chown(place.folder, "hpc")
    ldir = tmp_path / "L"
    instantiate("ecalj", ldir, poscars(tmp_path / "poscars"), {"iterations": "1"})
    options = ["--maxqsub", "64", "--interval", "1", "--maxcore", "1", "--binpath", str(binpath)]
    return ldir, [*options, "--pythonpath", "/usr/bin/python3", "--results", "bandplot*"]


def order(run: Path) -> dict[str, list[str]]:
    """Job to the dates of its words in quelist."""
    lines = [line.split() for line in (run / "quelist").read_text().splitlines()]
    return {name: [word.split("@")[1] for word in rest] for name, *rest in lines}


@pytest.mark.parametrize("place", SCHEDULERS, indirect=True)
def test_504_jobs_with_one_login_and_few_questions(place: Place, tmp_path: Path) -> None:
    ldir, options = materials(place, tmp_path)
    logins, calls = place.authentications(), scheduler_calls()
    done = place.jobmon(ldir, *options)
    assert done.returncode == 0, done.stdout[-2000:]
    run = newest(ldir)
    assert len(words(run)) == 504
    assert all(w == ["started", "finished"] for w in words(run).values())
    _in_order(run)
    assert place.authentications() == logins + 1
    counted = scheduler_calls() - calls
    ticks, ssh, rsync = map(int, re.findall(r"\d+", _last_line(run / "jobmon.log", "looked ")))
    # LSF is known by the version of its bsub
    assert counted[SUBMITS[place.name]] == 504 + (place.name == "lsf")
    for program in ASKS[place.name]:
        # auto-detection asks qstat for its help and for its version
        assert counted[program] <= ticks * (2 if program in TWICE else 1) + 2
    assert set(counted) == {SUBMITS[place.name], *ASKS[place.name]}
    assert ssh <= 2 * ticks
    assert rsync <= ticks + 1
    plots = [p.parent.name for p in run.glob("*/bandplot*")]
    assert len(set(plots)) == 168
    assert not list(run.glob("*/llmf"))


def _last_line(file: Path, sign: str) -> str:
    lines = [line for line in file.read_text().splitlines() if sign in line]
    return lines[-1].partition(sign)[2]


def _in_order(run: Path) -> None:
    dates = order(run)
    for folder in {name.split("/")[0] for name in dates}:
        moments = [dates[f"{folder}/qsub.{i}"] for i in IDS]
        for (_, ended), (began, _) in pairwise(moments):
            assert ended <= began


@pytest.mark.parametrize("place", ["slurm", "sge"], indirect=True)
def test_three_materials_that_fail_stop_nothing_else(place: Place, tmp_path: Path) -> None:
    ldir, options = materials(place, tmp_path)
    broken = sorted(p.name for p in (ldir / "init").iterdir())[10:130:50]
    for name in broken:
        (ldir / "init" / name / "fail.gwsc").touch()
    done = place.jobmon(ldir, *options)
    assert done.returncode == 1, done.stderr
    found = words(newest(ldir))
    assert {n for n, w in found.items() if w[-1] == "failed"} == {f"{n}/qsub.1" for n in broken}
    assert sum(w == ["started", "finished"] for w in found.values()) == 504 - 6
    assert not any(f"{name}/qsub.band" in found for name in broken)
    status = place.jobauto("status", str(newest(ldir)))
    assert status.returncode == 1
    assert re.search(r"^blocked +3 ", status.stdout, re.MULTILINE)
    assert "exit-3" in status.stdout
