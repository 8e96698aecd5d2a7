"""The jobs of a sweep with their numbers: a row for each name in sweep.csv, whatever is missing."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from jobauto.analysis.columns import from_column
from jobauto.analysis.files import Text, Unusable, read
from jobauto.analysis.keys import from_key
from jobauto.analysis.patterns import Pattern
from jobauto.errors import UserError
from jobauto.quoting import shown
from jobauto.sweep import about as abouts
from jobauto.sweep import checking, spec
from jobauto.sweep.about import Abouts
from jobauto.sweep.making import COPY, TABLE
from jobauto.sweep.numbers import Value
from jobauto.sweep.results import Metric, Plot
from jobauto.templates import filled

GOOD, MISSING = ("finished", "skipped"), "missing"
_WHOLE = abouts.About("int")
Finder = Callable[[Text, str], float]


@dataclass(frozen=True, slots=True)
class Row:
    """A job folder. `texts` are the cells of sweep.csv, `numbers` has None where none was found."""

    name: str
    texts: Mapping[str, str]
    values: Mapping[str, Value]
    state: str
    numbers: Mapping[str, float | None] = field(default_factory=dict)
    why: str = ""

    @property
    def good(self) -> bool:
        """Whether the job ended well, so that its numbers count in averages and pictures."""
        return self.state in GOOD

    @property
    def whole(self) -> bool:
        """Whether it ended well and every number was found."""
        return self.good and None not in self.numbers.values()


@dataclass(frozen=True, slots=True)
class Results:
    """All that was found; `plots` are settled, `about` has the variables in order."""

    about: Abouts
    metrics: Mapping[str, Metric]
    plots: Sequence[Plot]
    rows: Sequence[Row]

    @property
    def varied(self) -> list[str]:
        """The variables that vary from point to point."""
        return [name for name, one in self.about.items() if one.varies]

    def counts(self) -> dict[str, int]:
        """How many jobs are in each state, those that ended well first."""
        found = Counter(row.state for row in self.rows)
        return dict(sorted(found.items(), key=lambda one: (one[0] not in GOOD, -one[1], one[0])))

    def missing(self) -> list[Row]:
        """Jobs that did not end well or lack a number."""
        return [row for row in self.rows if not row.whole]


def collect(source: Path, results: Path, states: Mapping[str, str]) -> Results:
    """Read the numbers of all jobs. `source` has sweep.csv, sweep.toml and sweep.json, `results` a
    folder for each name, `states` the state of each. UserError if the sweep itself cannot be read.
    """
    found, text = spec.read(source / COPY)
    about = abouts.read(source / abouts.FILE)
    rows = list(_jobs(source / TABLE, about, states))
    plots = checking.settled(found, about, [r.values for r in rows], source / COPY, text)
    if not found.metrics:
        hint = "add [metrics.NAME] to it: see Results in init_templates/README.md"
        raise UserError("there are no metrics", str(source / COPY), hint)
    finders = {
        name: _finder(metric, spec.where(source / COPY, text, "metrics", name))
        for name, metric in found.metrics.items()
    }
    real = results.resolve()
    whole = [_filled(row, real, found.metrics, finders) for row in rows]
    return Results(about, found.metrics, plots, whole)


def _jobs(file: Path, about: Abouts, states: Mapping[str, str]) -> Iterator[Row]:
    seen = set()
    for where, cells in _table(file, ["name", *about, "repeat"]):
        name = cells["name"]
        if name in ("", ".", "..") or "/" in name or "\0" in name or name in seen:
            raise UserError(f"{shown(repr(name))} names no folder, or twice", where)
        seen.add(name)
        values = {key: abouts.typed(one, cells[key], where) for key, one in about.items()}
        abouts.typed(_WHOLE, cells["repeat"], where)
        yield Row(name, cells, values, states.get(name, MISSING))


def _table(file: Path, columns: list[str]) -> Iterator[tuple[str, dict[str, str]]]:
    try:
        with file.open(encoding="utf-8", newline="") as opened:
            reader = csv.reader(opened)
            if next(reader, []) != columns:
                raise UserError(f"its columns are not {', '.join(columns)}", f"{file}:1")
            rows = [(f"{file}:{reader.line_num}", row) for row in reader if row]
    except (OSError, ValueError, csv.Error) as error:
        said = error.strerror if isinstance(error, OSError) else error
        raise UserError(f"cannot be read: {said}", str(file)) from None
    for where, row in rows:
        if len(row) != len(columns):
            raise UserError(f"{len(row)} cells, not {len(columns)}", where)
        yield where, dict(zip(columns, row, strict=True))


def _finder(metric: Metric, where: str) -> Finder:
    column = metric.column
    if column is not None:
        return lambda text, file: from_column(text, file, column, metric.take)
    if metric.key:
        return lambda text, file: from_key(text, file, metric.key)
    return Pattern(metric.pattern, where).find


def _filled(
    row: Row, results: Path, metrics: Mapping[str, Metric], finders: Mapping[str, Finder]
) -> Row:
    """The row with its numbers. A file that several metrics need is read once."""
    texts: dict[str, Text | str] = {}
    numbers: dict[str, float | None] = {}
    why = {} if row.good else {_said(row.state): None}  # in order, each once
    for name, metric in metrics.items():
        file = filled(metric.file, row.texts)
        if file not in texts:
            texts[file] = _read(results, row.name, file)
        text = texts[file]
        try:
            if isinstance(text, str):
                raise Unusable(text)
            numbers[name] = finders[name](text, file)
            if text.cut:
                why[f"{file}: only its end was read"] = None
        except Unusable as error:
            numbers[name] = None
            why[str(error)] = None
    return Row(row.name, row.texts, row.values, row.state, numbers, shown("; ".join(why)))


def _said(state: str) -> str:
    return "no state is known" if state == MISSING else state


def _read(results: Path, name: str, file: str) -> Text | str:
    try:
        return read(results, name, file)
    except Unusable as error:
        return str(error)
