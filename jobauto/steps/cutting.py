"""Where a row of folders is cut into a piece for each model; pure."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence


def cuts(
    steps: Sequence[int], always: Sequence[int], start: int, pieces: int, limit: int
) -> list[int] | None:
    """Where to cut a row into at most so many pieces, none dearer than `limit`, for the least sum;
    None if that cannot be. A cut costs a start, and saves the step that it cuts through."""
    number = len(always)
    to = [0] * (number + 1)  # cost of the first n of the row, without a start
    for n in range(number):
        to[n + 1] = to[n] + always[n] + (steps[n - 1] if n else 0)
    into = [steps[n - 1] if n else 0 for n in range(number)]
    best: list[float] = [0.0] + [math.inf] * number
    backs: list[list[int]] = []
    for _ in range(min(pieces, number)):
        best, back = _one_more(best, to, into, start, limit)
        backs.append(back)
    if best[number] == math.inf:
        return None
    found, at = [], number
    for back in reversed(backs):
        at = back[at]
        found.append(at)
    return sorted({cut for cut in found if 0 < cut < number})


def _one_more(
    best: list[float], to: list[int], into: list[int], start: int, limit: int
) -> tuple[list[float], list[int]]:
    """The least cost of the first n of a row with one piece more, and where that piece begins."""
    number = len(into)
    found, back = [math.inf] * (number + 1), [0] * (number + 1)
    begins: deque[tuple[float, int]] = deque()  # growing costs of what a piece may begin with
    for end in range(1, number + 1):
        begin = end - 1
        cost = best[begin] + start - to[begin] - into[begin]
        while begins and begins[-1][0] >= cost:
            begins.pop()
        begins.append((cost, begin))
        while begins and start + to[end] - to[begins[0][1]] - into[begins[0][1]] > limit:
            begins.popleft()
        if begins:
            found[end], back[end] = begins[0][0] + to[end], begins[0][1]
    return found, back
