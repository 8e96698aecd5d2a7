"""bench/RESULTS.md: each program replaces its own section and leaves the others alone."""

from __future__ import annotations

import os
import platform
import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

RESULTS = Path(__file__).resolve().parent / "RESULTS.md"
HEAD = "# Measured\n\n"
CELLS = ["what", "floor", "figure", "ratio", "aim", "met", "beside it"]


@dataclass
class Figure:
    """What was measured in each run, and what was aimed at.

    With `floors` (of runs taken in turn) the aim is for the ratio to them; without, for the figure
    itself, and the ratio is that to the aim.
    """

    what: str
    aim: float
    figures: list[float] = field(default_factory=list)
    floors: list[float] = field(default_factory=list)
    unit: str = " s"
    beside: str = ""

    @property
    def ratio(self) -> float:
        """Of the medians."""
        return statistics.median(self.figures) / (
            statistics.median(self.floors) if self.floors else self.aim
        )

    @property
    def met(self) -> bool:
        return self.ratio <= (self.aim if self.floors else 1)

    def cells(self) -> list[str]:
        """A row below CELLS."""
        aim = f"≤ {self.aim:g}{' ×' if self.floors else self.unit}"
        floor = spread(self.floors, self.unit) if self.floors else "-"
        met = "yes" if self.met else "**no**"
        figure = spread(self.figures, self.unit)
        return [self.what, floor, figure, f"{self.ratio:.2f}", aim, met, self.beside]


def spread(figures: Sequence[float], unit: str) -> str:
    """The median, and between which ends it lies."""
    ends = statistics.median(figures), min(figures), max(figures)
    middle, low, high = (f"{end:.2f}" for end in ends)
    return f"{middle}{unit}" if low == high else f"{middle}{unit} ({low}–{high})"


def figures_table(figures: Sequence[Figure]) -> str:
    """All of them, each in its row."""
    return table([CELLS, *(one.cells() for one in figures)])


def origin(command: str) -> str:
    """How, when and on what something was measured."""
    machine = f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"
    return f"`{command}`, {date.today()}, {machine}."


def medians(repeat: int) -> str:
    """What the figures of so many runs are."""
    return f"Medians of {repeat} runs, taken in turn." if repeat > 1 else "A single run."


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows as a table; the first is its head."""
    ruled = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
    return "\n".join(" | ".join(["", *row, ""]).strip() for row in ruled)


def put(heading: str, text: str, path: Path = RESULTS) -> None:
    """Replace the section below `## heading`, or add it at the end."""
    before = path.read_text() if path.exists() else HEAD
    section = f"## {heading}\n\n{text.strip()}\n"
    old = re.compile(rf"^## {re.escape(heading)}\n.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)
    if old.search(before):
        after = old.sub(lambda _: section + "\n", before)
    else:
        after = f"{before.rstrip()}\n\n{section}"
    path.write_text(after.rstrip() + "\n")
    print(section)
