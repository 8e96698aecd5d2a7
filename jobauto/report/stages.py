"""The stages (ids) of a run in numbers: how long their jobs waited, and how long they ran."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

from jobauto.model import State
from jobauto.report.gather import Report, Row
from jobauto.report.layers import stage_depths


@dataclass(frozen=True, slots=True)
class Spread:
    """Of how many jobs a time is known, its median and its longest."""

    number: int
    middle: float | None
    longest: float | None

    @classmethod
    def of(cls, many: Iterable[float | None]) -> Spread:
        """Of seconds, of which None is not counted."""
        seconds = [one for one in many if one is not None]
        if not seconds:
            return cls(0, None, None)
        return cls(len(seconds), median(seconds), max(seconds))


@dataclass(frozen=True, slots=True)
class Stage:
    """All jobs with one id."""

    id: str
    counts: Counter[State]
    attempts: int
    before: Spread
    waited: Spread
    ran: Spread
    in_queue: Spread


def stages(report: Report) -> list[Stage]:
    """Each id, in the order in which they depend on one another."""
    depth = stage_depths(report)
    rows: dict[str, list[Row]] = {}
    for row in report.rows:
        rows.setdefault(row.job.id, []).append(row)
    return [_stage(id, rows[id]) for id in sorted(rows, key=lambda s: (depth[s], s))]


def _stage(id: str, rows: list[Row]) -> Stage:
    return Stage(
        id,
        Counter(row.state for row in rows),
        sum(len(row.tries) for row in rows),
        Spread.of(row.before for row in rows),
        Spread.of(row.waited for row in rows),
        Spread.of(row.ran for row in rows),
        Spread.of(row.in_queue for row in rows),
    )
