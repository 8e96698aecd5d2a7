"""How many jobs were in the queue and how many had ended, over time, from the words of quelist."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from jobauto.ledger import Entry
from jobauto.ledger.quelist import MEANING
from jobauto.model import known
from jobauto.web.snapshot import Snapshot

POINTS = 400

Numbers = tuple[int, int, int]  # in the queue, done, bad
_NOTHING = (0, 0, 0)


def history(at: Snapshot) -> dict[str, Any]:
    """At most POINTS moments, each [seconds since 1970, in the queue, done, bad], oldest first."""
    moves: dict[float, Numbers] = {}
    for entry in at.status.entries.values():
        for when, move in _moves(entry):
            moves[when] = _sum(moves.get(when, _NOTHING), move)
    points, total = [], _NOTHING
    for when in sorted(moves):
        total = _sum(total, moves[when])
        points.append([when, *total])
    return {"points": _thinned(points)}


def _moves(entry: Entry) -> Iterator[tuple[float, Numbers]]:
    """When the words of one job change the numbers, and by what."""
    before = _NOTHING
    for word in entry.words:
        state, when = MEANING[word.what], known(word.date)
        after = int(word.what == "started"), int(state.done), int(state.bad)
        if when is not None and after != before:
            yield when, (after[0] - before[0], after[1] - before[1], after[2] - before[2])
            before = after


def _sum(one: Numbers, other: Numbers) -> Numbers:
    return one[0] + other[0], one[1] + other[1], one[2] + other[2]


def _thinned(points: list[list[float]]) -> list[list[float]]:
    """As many points as can be drawn, the last among them."""
    step = -(-len(points) // POINTS) or 1
    return points[::-1][::step][::-1]
