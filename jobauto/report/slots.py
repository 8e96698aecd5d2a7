"""How many slots of --maxqsub were in use, over time."""

from __future__ import annotations

import itertools

from jobauto.report.gather import Report


def steps(report: Report) -> list[tuple[float, int]]:
    """(moment, slots in use from then on), in order of time, each moment once.

    A submission holds a slot from before it is sent until its verdict.
    """
    changes: dict[float, int] = {}
    for row in report.rows:
        for one in row.tries:
            end = one.ended if one.verdict else report.as_of
            if one.begin is not None and end is not None and end > one.begin:
                changes[one.begin] = changes.get(one.begin, 0) + 1
                changes[end] = changes.get(end, 0) - 1
    used, found = 0, []
    for at in sorted(changes):
        used += changes[at]
        found.append((at, used))
    return found


def peak(report: Report) -> int:
    """The most slots that were in use at a time."""
    return max((used for _, used in steps(report)), default=0)


def total(report: Report) -> float:
    """Slots times seconds."""
    found = steps(report)
    return sum(used * (end - begin) for (begin, used), (end, _) in itertools.pairwise(found))
