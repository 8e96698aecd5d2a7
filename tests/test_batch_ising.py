"""The whole way of a batch: sixty jobs of a real program through Slurm, and what theory says."""

from __future__ import annotations

import csv
import math
import shutil
from pathlib import Path

import polars
import pytest
from ising_exact import means
from places import ROOT, Place, wait_for
from test_batch import done, note, over, runs

METRICS = ("energy", "magnetisation")


@pytest.mark.parametrize("place", ["slurm"], indirect=True)
def test_sixty_jobs_come_home_as_a_curve_that_agrees_with_theory(
    place: Place, tmp_path: Path
) -> None:
    folder = tmp_path / "P"
    shutil.copytree(ROOT / "tests/ising", folder / "ising")
    shutil.copy(ROOT / "tests/ising.toml", folder)
    settings = [f"hostname = {place.remote!r}", f"rdir = {str(place.folder)!r}", "maxqsub = 30"]
    (folder / "jobmon.toml").write_text("\n".join([*settings, "interval = 1\n"]))

    def batch(*words: str) -> str:
        return done(place.jobauto("batch", "--dir", str(folder), *words))

    before = place.authentications()
    assert "60 jobs" in batch("create", str(folder / "ising.toml"), "-o", "ising")
    assert "this terminal may be closed" in batch("submit", "ising", "--yes")
    (run,) = runs(folder, "ising")
    wait_for(lambda: bool(note(run).get("removed")) and over(run), 180)
    # the monitor went on with the connection of the submission, and that is given up now
    assert place.authentications() == before + 1
    assert not (place.folder / "ising" / run.name).exists()
    received = folder / "output_files/ising" / run.name
    assert len(list(received.glob("*/result.json"))) == len(list(received.glob("*/run.csv"))) == 60
    assert not list(received.glob("*/ising.py")) + list(received.glob("*/out.0"))

    assert "60 jobs: 60 finished" in batch("analyse", "ising")
    analysis = folder / "output_files/ising" / f"analysis-{run.name}"
    check_against_theory(analysis / "summary.csv")
    table = polars.read_parquet(analysis / "table.parquet")
    assert table.height == 60
    assert table["state"].unique().to_list() == ["finished"]
    assert table.equals(polars.read_csv(analysis / "table.csv", schema=table.schema))
    picture = (analysis / "energy.svg").read_text()
    for text in ("energy (J)", "temperature (J/k_B)", "field (J)", "size = 4", "standard error"):
        assert text in picture
    shown = (analysis / "magnetisation-temperature-field.png").read_bytes()
    assert shown.startswith(b"\x89PNG")


def check_against_theory(summary: Path) -> None:
    """Each of the thirty points is within four standard errors of what is exact. Two repeats say
    little of their own error, so that of all points together is taken."""
    with summary.open(newline="") as file:
        points = list(csv.DictReader(file))
    assert len(points) == 30
    for metric in METRICS:
        variance = math.fsum(float(p[f"{metric}.sd"]) ** 2 for p in points) / len(points)
        band = 4 * math.sqrt(variance / 2)
        assert 0.001 < band < 0.03
        for point in points:
            size, temperature, field = (point[k] for k in ("size", "temperature", "field"))
            exact = means(int(size), float(temperature), float(field))[metric]
            found = float(point[f"{metric}.mean"])
            assert abs(found - exact) < band, (metric, point)
            assert point[f"{metric}.used"] == "2"
