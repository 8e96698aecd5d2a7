"""A sweep of a small real program finds what is known exactly: energy and magnetisation."""

from __future__ import annotations

import csv
import json
import math
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from ising_exact import means, states
from places import ROOT, Place, newest, words

from jobauto.cli.main import main

SPEC = ROOT / "tests" / "ising.toml"
POINTS = [  # size, temperature, field, repeat
    *(("3", "1.5", "0", "1"), ("3", "2.5", "0.5", "2"), ("3", "3.5", "0.2", "1")),
    *(("4", "1.5", "0.2", "1"), ("4", "2.5", "0", "2"), ("4", "3", "0.5", "1")),
]
Row = dict[str, str]


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The init tree of the whole sweep."""
    ldir = tmp_path_factory.mktemp("ising")
    assert main(["sweep", str(SPEC), "--ldir", str(ldir)]) == 0
    return ldir / "init"


def row_of(init: Path, point: tuple[str, ...]) -> Row:
    with (init / "sweep.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    keys = ("size", "temperature", "field", "repeat")
    (row,) = [row for row in rows if tuple(row[key] for key in keys) == point]
    return row


def deviations(folder: Path, row: Row) -> dict[str, float]:
    """Run the program in `folder`; how far it is from the exact means, in its standard errors."""
    subprocess.run([sys.executable, "ising.py", "input.json"], cwd=folder, check=True, timeout=60)
    found = json.loads((folder / "result.json").read_text())
    exact = means(int(row["size"]), float(row["temperature"]), float(row["field"]))
    assert found.keys() == exact.keys()
    assert all(found[name]["error"] > 0 for name in exact), found
    return {name: (found[name]["mean"] - exact[name]) / found[name]["error"] for name in exact}


def test_the_sweep_is_sixty_jobs(swept: Path) -> None:
    assert len(list(swept.glob("*/qsub.0"))) == 60


@pytest.mark.parametrize("point", POINTS, ids="-".join)
def test_the_program_finds_the_exact_means(swept: Path, point: tuple[str, ...]) -> None:
    row = row_of(swept, point)
    folder = swept / row["name"]
    away = deviations(folder, row)
    assert max(map(abs, away.values())) < 4, away
    with (folder / "run.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert [int(line["sweep"]) for line in table] == list(range(750, 30001, 750))
    for name, one in json.loads((folder / "result.json").read_text()).items():
        values = [float(line[name]) for line in table]
        assert one["error"] < 0.012
        assert one["mean"] == pytest.approx(math.fsum(values) / len(values))


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("2 * s * (n + field)", "2 * s * (n - field)"),
        ("2 * self.field * sum(spins)", "-2 * self.field * sum(spins)"),
        ("-self.beta * rise", "-2 * self.beta * rise"),
        ("if rise <= 0 else math.exp", "if rise < 4 else math.exp"),
        ("-bonds - self.field * total", "-bonds + self.field * total"),
    ],
)
def test_a_fault_in_the_program_would_be_seen(
    swept: Path, tmp_path: Path, right: str, wrong: str
) -> None:
    row = row_of(swept, ("3", "3", "0.2", "1"))
    text = (swept / row["name"] / "ising.py").read_text()
    assert right in text
    (tmp_path / "ising.py").write_text(text.replace(right, wrong))
    (tmp_path / "input.json").write_text((swept / row["name"] / "input.json").read_text())
    assert max(map(abs, deviations(tmp_path, row).values())) > 4


@pytest.mark.parametrize("place", ["local"], indirect=True)
def test_jobmon_runs_it(place: Place, tmp_path: Path) -> None:
    text = (
        'template = "ising"\nvariables = { sweeps = { default = 400 } }\n[[vary]]\nfield = [0, 1]\n'
    )
    (tmp_path / "ising").symlink_to(ROOT / "tests" / "ising")
    (tmp_path / "few.toml").write_text(text)
    assert main(["sweep", str(tmp_path / "few.toml"), "--ldir", str(tmp_path / "L")]) == 0
    done = place.jobmon(tmp_path / "L", "--no-http")
    assert done.returncode == 0, done.stdout + done.stderr
    folder = newest(tmp_path / "L")
    assert list(words(folder).values()) == [["started", "finished"]] * 2
    found = json.loads((folder / "f1/result.json").read_text())
    assert found["magnetisation"]["mean"] > 0.8
    assert len((folder / "f0/run.csv").read_text().splitlines()) == 41


# --- what is exact


def test_states_of_two_by_two_are_as_counted_by_hand() -> None:
    """Neighbours have two bonds: all equal 8, one turned 0, two beside 0, two crossed -8."""
    assert states(2) == {
        **{(8, 4): 1, (8, -4): 1, (0, 2): 4, (0, -2): 4},
        **{(0, 0): 4, (-8, 0): 2},
    }


def test_states_of_four_by_four_are_those_of_the_textbooks() -> None:
    levels: Counter[int] = Counter()
    for (bonds, _), number in states(4).items():
        levels[-bonds] += number
    half = {-32: 2, -24: 32, -20: 64, -16: 424, -12: 1728, -8: 6688, -4: 13568}
    assert levels == {**half, **{-level: number for level, number in half.items()}, 0: 20524}


def test_means_of_two_by_two_are_those_of_its_partition_function() -> None:
    temperature, field = 2.5, 0.3
    warm, turned = math.exp(8 / temperature), math.exp(2 * field / temperature)
    up, down = warm * turned**2, warm / turned**2
    total = up + down + 4 * turned + 4 / turned + 4 + 2 / warm
    spins = (4 * (up - down) + 2 * 4 * (turned - 1 / turned)) / total
    bonds = (8 * (up + down) - 8 * 2 / warm) / total
    found = means(2, temperature, field)
    assert found["magnetisation"] == pytest.approx(spins / 4)
    assert found["energy"] == pytest.approx((-bonds - field * spins) / 4)
    bare = means(2, temperature, 0)
    total = 2 * warm + 12 + 2 / warm
    assert bare["energy"] == pytest.approx(-16 * (warm - 1 / warm) / total / 4)
    assert bare["magnetisation"] == pytest.approx((2 * 4 * warm + 8 * 2) / total / 4)
