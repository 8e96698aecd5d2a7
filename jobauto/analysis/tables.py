"""The table of all jobs and the summary, as CSV and Parquet."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobauto.analysis import writing
from jobauto.analysis.collecting import Results
from jobauto.analysis.summary import by_point
from jobauto.errors import UserError
from jobauto.sweep.numbers import Value

if TYPE_CHECKING:
    from polars import DataFrame

TABLE, PARQUET, SUMMARY = "table.csv", "table.parquet", "summary.csv"
_LARGEST = 2**63

_PARTS = {"used": "Int64", "mean": "Float64", "sd": "Float64", "se": "Float64"}  # of an average


def write(results: Results, out: Path) -> list[Path]:
    """Write table.csv, table.parquet and summary.csv into a folder; their paths."""
    written, exact = table(results, written=True), table(results)
    points = summary(results)
    return [
        writing.replace(out / TABLE, written.write_csv),
        writing.replace(out / PARQUET, exact.write_parquet),
        writing.replace(out / SUMMARY, points.write_csv),
    ]


def table(results: Results, written: bool = False) -> DataFrame:
    """A row for each job. The variables are of their types, or texts as they were `written`."""
    rows = results.rows
    columns: dict[str, list[Any]] = {"name": [row.name for row in rows]}
    kinds = {"name": "String"}
    for name, one in results.about.items():
        kinds[name] = "String"
        columns[name] = [row.texts[name] for row in rows]
        if not written:
            kinds[name], columns[name] = _typed(one.type, [row.values[name] for row in rows])
    kinds["repeat"], columns["repeat"] = "Int64", [int(row.texts["repeat"]) for row in rows]
    kinds["state"], columns["state"] = "String", [row.state for row in rows]
    for name in results.metrics:
        kinds[name], columns[name] = "Float64", [row.numbers[name] for row in rows]
    kinds["why"], columns["why"] = "String", [row.why or None for row in rows]
    return _frame(columns, kinds)


def summary(results: Results) -> DataFrame:
    """A row for each point: its values as written, its jobs, and four columns for each metric."""
    lines = by_point(results)
    columns: dict[str, list[Any]] = {
        name: [line.key[at] for line in lines] for at, name in enumerate(results.varied)
    }
    kinds = dict.fromkeys(columns, "String")
    kinds["jobs"], columns["jobs"] = "Int64", [line.jobs for line in lines]
    for name in results.metrics:
        for part, kind in _PARTS.items():
            kinds[f"{name}.{part}"] = kind
            columns[f"{name}.{part}"] = [getattr(line.averages[name], part) for line in lines]
    return _frame(columns, kinds)


def _typed(kind: str, values: Sequence[Value]) -> tuple[str, list[Any]]:
    if kind == "float":
        return "Float64", [float(value) for value in values]
    if kind == "bool":
        return "Boolean", list(values)
    if kind == "int" and all(-_LARGEST <= int(value) < _LARGEST for value in values):
        return "Int64", list(values)
    return "String", [str(value) for value in values]


def _frame(columns: Mapping[str, Sequence[Any]], kinds: Mapping[str, str]) -> DataFrame:
    try:
        import polars  # an extra, and an import that takes a moment
    except ImportError:
        hint = "pip install 'jobauto[analyse]'"
        raise UserError("polars is not installed", hint=hint) from None
    return polars.DataFrame(columns, {name: getattr(polars, kind) for name, kind in kinds.items()})


def as_data(results: Results) -> Iterator[dict[str, Any]]:
    """The summary for programs, a point at a time."""
    for line in by_point(results):
        values = dict(zip(results.varied, line.key, strict=True))
        averages = {
            name: {part: _plain(getattr(one, part)) for part in _PARTS}
            for name, one in line.averages.items()
        }
        yield {"point": values, "jobs": line.jobs, "metrics": averages}


def _plain(value: float | None) -> float | str | None:
    """JSON has no nan and no inf: these become texts."""
    return value if value is None or math.isfinite(value) else str(value)
