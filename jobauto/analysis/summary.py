"""Averages of the jobs that ended well: by point, and by the value of one variable. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from jobauto.analysis.collecting import Results, Row
from jobauto.analysis.numbers import mean

Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Average:
    """Numbers of one metric: how many were `used`, their mean, and the standard deviation of the
    sample (n - 1), which is None of fewer than two. Not finite if one of them is not.
    """

    used: int
    mean: float | None = None
    sd: float | None = None

    @property
    def se(self) -> float | None:
        """The standard error of the mean."""
        return None if self.sd is None else self.sd / math.sqrt(self.used)


@dataclass(frozen=True, slots=True)
class Line:
    """Jobs with equal values of some variables; an average for each metric."""

    key: Key
    jobs: int
    averages: dict[str, Average]


def average(values: Sequence[float]) -> Average:
    """Mean and spread of these numbers."""
    if not values:
        return Average(0)
    middle = mean(values)
    if len(values) < 2:
        return Average(1, middle)
    if not math.isfinite(middle):
        return Average(len(values), middle, math.nan)
    biggest = max(abs(value - middle) for value in values) or 1.0  # so that no square overflows
    squares = math.fsum(((value - middle) / biggest) ** 2 for value in values)
    return Average(len(values), middle, biggest * math.sqrt(squares / (len(values) - 1)))


def used(rows: Iterable[Row], metric: str) -> list[float]:
    """The numbers that count: of jobs that ended well."""
    found = (row.numbers[metric] for row in rows if row.good)
    return [value for value in found if value is not None]


def grouped(rows: Iterable[Row], names: Sequence[str]) -> dict[Key, list[Row]]:
    """Rows with equal values of these variables, in order."""
    groups: dict[Key, list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row.texts[name] for name in names), []).append(row)
    return groups


def by_point(results: Results) -> list[Line]:
    """A line for each point: what repeats have in common."""
    return [
        Line(key, len(rows), {name: average(used(rows, name)) for name in results.metrics})
        for key, rows in grouped(results.rows, results.varied).items()
    ]


def by_variable(results: Results, variable: str) -> list[Line]:
    """A line for each value of one variable: the mean of all its jobs, and the standard deviation
    of repeats, pooled over the points, so that other variables add nothing to it.
    """
    return [
        Line(key, len(rows), {name: _pooled(rows, results, name) for name in results.metrics})
        for key, rows in grouped(results.rows, [variable]).items()
    ]


def _pooled(rows: Sequence[Row], results: Results, metric: str) -> Average:
    whole = average(used(rows, metric))
    points = [average(used(some, metric)) for some in grouped(rows, results.varied).values()]
    freedom = sum(max(point.used - 1, 0) for point in points)
    if not freedom:
        return Average(whole.used, whole.mean)
    spreads = [(point.used - 1, point.sd) for point in points if point.sd is not None]
    biggest = max(sd for _, sd in spreads) or 1.0
    squares = math.fsum(n * (sd / biggest) ** 2 for n, sd in spreads) / freedom
    return Average(whole.used, whole.mean, biggest * math.sqrt(squares))


def strange(results: Results) -> dict[str, int]:
    """Numbers that count and are not finite, by metric, where there are any."""
    found = {name: used(results.rows, name) for name in results.metrics}
    counts = {name: sum(not math.isfinite(v) for v in values) for name, values in found.items()}
    return {name: number for name, number in counts.items() if number}
