"""The templates netmc and triangle_raft, swept and run with stand-ins of their programs."""

from __future__ import annotations

import csv
import shutil
import sys
from pathlib import Path

import pytest
from places import ROOT, Place, newest, words

from jobauto.sweep.making import make
from jobauto.sweep.planning import plan

STANDINS = ROOT / "tests" / "standins"
here = pytest.mark.parametrize("place", ["local"], indirect=True)


def swept(ldir: Path, text: str) -> dict[str, dict[str, str]]:
    """Make this sweep in `ldir`; its table, by the names of the folders."""
    ldir.mkdir()
    (ldir / "sweep.toml").write_text(text)
    made = make(plan(ldir / "sweep.toml"), ldir)
    with (made.init / "sweep.csv").open(newline="") as file:
        return {row["name"]: row for row in csv.DictReader(file)}


def run(place: Place, ldir: Path, programs: Path) -> Path:
    """Run it to its end; the run's folder."""
    options = ["--binpath", str(programs), "--pythonpath", sys.executable, "--no-http"]
    done = place.jobmon(ldir, *options)
    assert done.returncode == 0, done.stdout + done.stderr
    return newest(ldir)


@here
def test_netmc_reads_what_was_varied(place: Place, tmp_path: Path) -> None:
    text = """template = "netmc"
[[vary]]
start_temperature = { start = -3, end = -2, step = 0.5 }
[[vary]]
lattice = ["hexagonal", "square"]
rings = [100, 400]
[repeat]
number = 2
variable = "seed"
"""
    table = swept(tmp_path / "L", text)
    assert len(table) == 12
    folder = run(place, tmp_path / "L", STANDINS)
    for name, row in table.items():
        assert (folder / name / "out/net.analysis").read_text().splitlines() == [
            f"rings {row['rings']}",
            f"lattice {row['lattice']}",
            f"seed {row['seed']}",
            f"start {row['start_temperature']}",
            "structure_every 0",
        ]


@here
def test_triangle_raft_makes_each_seed_once(place: Place, tmp_path: Path) -> None:
    text = """template = "triangle_raft"
[[vary]]
temperature = { start = 1e-5, end = 1e-3, number = 3, scale = "log" }
[[vary]]
seed_size = [6, 25]
"""
    programs = Path(shutil.copytree(STANDINS, tmp_path / "bin"))
    table = swept(tmp_path / "L", text)
    assert [row["temperature"] for row in table.values()] == [
        *("0.00001", "0.00001", "0.0001", "0.0001", "0.001", "0.001")
    ]
    folder = run(place, tmp_path / "L", programs)
    assert sum(line == ["started", "finished"] for line in words(folder).values()) == 6 + 2
    for name, row in table.items():
        assert (folder / name / "out_analysis.out").read_text().splitlines() == [
            f"seed of {row['seed_size']}",  # one line: it was made once
            "limits 4 10",
            f"temperature {row['temperature']}",
            "constraint 10.0 20.0",
        ]


@here
def test_a_seed_that_is_there_is_not_made_again(place: Place, tmp_path: Path) -> None:
    table = swept(tmp_path / "L", 'template = "triangle_raft"\n[[vary]]\nseed_size = [6]\n')
    (tmp_path / "L/init/seed-6/6_atoms.out").write_text("my own\n")
    folder = run(place, tmp_path / "L", STANDINS)
    (name,) = table
    assert (folder / name / "out_analysis.out").read_text().startswith("my own\n")
    assert (folder / "seed-6/6_atoms.out").read_text() == "my own\n"
