"""Sweeps with results for tests of their analysis."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from pathlib import Path

from sweeps import DECLARED, planned
from trees import make

from jobauto.analysis.collecting import Results, collect
from jobauto.sweep.making import make as made

METRIC = '[metrics.energy]\nfile = "run.csv"\ncolumn = "energy"\nunit = "eV"\n'
Texts = Mapping[str, str]


def sweep(folder: Path, text: str, declared: str = DECLARED) -> Path:
    """The init tree of a sweep with this text: also a place for its results."""
    return made(planned(folder, declared + text), folder / "L").init


def jobs(init: Path) -> list[dict[str, str]]:
    """The rows of sweep.csv."""
    with (init / "sweep.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def fill(init: Path, file: str, text: Callable[[Texts], str | None]) -> None:
    """Write this file of each job, but where the text is None."""
    texts = {f"{row['name']}/{file}": text(row) for row in jobs(init)}
    make(init, {path: text for path, text in texts.items() if text is not None})


def energies(init: Path, energy: Callable[[Texts], object]) -> None:
    """Write run.csv of each job, but where the energy is None."""
    fill(init, "run.csv", lambda row: None if (e := energy(row)) is None else f"energy,x\n{e},0\n")


def collected(init: Path, states: Mapping[str, str] | None = None) -> Results:
    """What is found there; all jobs have finished, if no states are given."""
    if states is None:
        states = {row["name"]: "finished" for row in jobs(init)}
    return collect(init, init, states)
