"""In which order folders are done, and on which model: as few steps as can be; pure.

Going from a folder to the next costs the steps whose keys differ. Folders are put in one row,
sorted by their keys (for plain chains no row is cheaper), which is then bettered by moving and
reversing pieces; the row is cut into one piece a model where that costs least.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from jobauto.steps.cutting import cuts

SLACK = 1.25  # no model has more than this times its share
_EXACT = 200  # of more places than this, pieces are moved only within a window
_WINDOW = 30
Keys = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """A folder as far as order goes: the keys of the steps that leave something in the service, and
    what is to be done there in any case."""

    keys: Keys
    always: int


def spread(places: Sequence[Place], costs: Sequence[int], models: int) -> list[list[int]]:
    """Numbers of places for each model, in order; `costs` of the steps whose keys they have.

    No model has more than `SLACK` times its share of what is to be done, or as little more as can
    be.
    """

    def between(a: int, b: int) -> int:
        return apart(places[a].keys, places[b].keys, costs)

    row = _unfolded(places, costs)
    start = sum(costs)
    steps = [between(a, b) for a, b in pairwise(row)]
    always = [places[number].always for number in row]
    whole = sum(steps) + sum(always) + start * models
    limit = math.ceil(whole / models * SLACK) if models > 1 else whole
    limit = max(limit, start + max(always))
    found = None
    while found is None:
        found = cuts(steps, always, start, models, limit)
        limit = math.ceil(limit * 1.1)
    parts = [row[a:b] for a, b in pairwise([0, *found, len(row)])]
    return parts + [[] for _ in range(models - len(parts))]


def apart(a: Keys, b: Keys, costs: Sequence[int]) -> int:
    """What it costs to go from one folder to another."""
    return sum(cost for one, other, cost in zip(a, b, costs, strict=True) if one != other)


def _unfolded(places: Sequence[Place], costs: Sequence[int]) -> list[int]:
    """A cheap row of all places; those with the same keys stand together, as they were given."""
    same: dict[Keys, list[int]] = {}
    for number, place in enumerate(places):
        same.setdefault(place.keys, []).append(number)
    row = cheapest(list(same), costs)
    return [number for keys in row for number in same[keys]]


def cheapest(nodes: Sequence[Keys], costs: Sequence[int]) -> list[Keys]:
    """A row of these, near the cheapest; the cheapest one if they are those of a plain chain."""
    first = {keys: number for number, keys in enumerate(nodes)}
    columns = range(len(costs))
    rank = [_ranks(nodes, column) for column in columns]
    rows = []
    for lead in columns:
        order = [lead, *(column for column in columns if column != lead)]
        rows.append(
            sorted(first, key=lambda keys: [rank[column][keys[column]] for column in order])
        )
    if len(nodes) <= _EXACT:
        rows.append(_nearest(list(first), costs))

    def length(row: Sequence[Keys]) -> int:
        return sum(apart(a, b, costs) for a, b in pairwise(row))

    rows.sort(key=length)
    better = [_bettered(row, costs) for row in rows[:3]]
    return min(better, key=length)


def _ranks(nodes: Sequence[Keys], column: int) -> dict[str, int]:
    found: dict[str, int] = {}
    for keys in nodes:
        found.setdefault(keys[column], len(found))
    return found


def _nearest(nodes: list[Keys], costs: Sequence[int]) -> list[Keys]:
    """Each time the nearest one of those left, the first of several."""
    row, left = [nodes[0]], nodes[1:]
    while left:
        nearest = min(range(len(left)), key=lambda n: apart(row[-1], left[n], costs))
        row.append(left.pop(nearest))
    return row


def _bettered(row: list[Keys], costs: Sequence[int]) -> list[Keys]:
    """The row, as long as to reverse a piece or to move one elsewhere makes it cheaper."""
    memory: dict[tuple[Keys, Keys], int] = {}

    def far(a: int, b: int) -> int:
        if a < 0 or b >= len(row):
            return 0
        pair = (row[a], row[b])
        if pair not in memory:
            memory[pair] = apart(*pair, costs)
        return memory[pair]

    window = len(row) if len(row) <= _EXACT else _WINDOW
    while _reverse(row, far, window) or _move(row, far, window):
        pass
    return row


Far = Callable[[int, int], int]


def _reverse(row: list[Keys], far: Far, window: int) -> bool:
    """Reverse pieces of the row where that makes it cheaper; whether any did."""
    done = False
    for i in range(len(row)):
        for j in range(i + 1, min(len(row), i + window)):
            if far(i - 1, j) + far(i, j + 1) < far(i - 1, i) + far(j, j + 1):
                row[i : j + 1] = row[i : j + 1][::-1]
                done = True
    return done


def _move(row: list[Keys], far: Far, window: int) -> bool:
    """Move pieces of up to three elsewhere where that makes the row cheaper; whether any was."""
    done = False
    for size in (1, 2, 3):
        for i in range(len(row) - size + 1):
            place = _elsewhere(len(row), i, i + size - 1, far, window)
            if place is not None:
                _put(row, i, size, *place)
                done = True
    return done


def _elsewhere(
    number: int, first: int, last: int, far: Far, window: int
) -> tuple[int, bool] | None:
    """Behind which one a piece is better put, and whether turned; None if it stands well."""
    saved = far(first - 1, first) + far(last, last + 1)
    if first and last + 1 < number:
        saved -= far(first - 1, last + 1)
    if saved <= 0:
        return None
    for gap in range(max(-1, first - window), min(number, last + window)):
        if first - 1 <= gap <= last:
            continue
        opened = far(gap, gap + 1) if gap >= 0 else 0
        for head, tail in ((first, last), (last, first)):
            if far(gap, head) + far(tail, gap + 1) - opened < saved:
                return gap, head > tail
    return None


def _put(row: list[Keys], i: int, size: int, gap: int, turned: bool) -> None:
    piece = row[i : i + size]
    if turned:
        piece.reverse()
    del row[i : i + size]
    at = gap + 1 if gap < i else gap + 1 - size
    row[at:at] = piece
