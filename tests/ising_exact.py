"""What tests/ising must find: means of the Ising model, exact, as all its states are counted."""

from __future__ import annotations

import math
from collections import Counter
from functools import cache


@cache
def states(size: int) -> Counter[tuple[int, int]]:
    """How many states have this sum of s_i s_j over bonds and this sum of s_i. For L to 4."""
    number = size * size
    first = sum(1 << row * size for row in range(size))  # a bit in the first column of each row
    every = (1 << number) - 1
    found: Counter[tuple[int, int]] = Counter()
    for spins in range(1 << number):
        beside = (spins & ~first) >> 1 | (spins & first) << size - 1
        below = spins >> size | spins << number - size & every
        unequal = (spins ^ beside).bit_count() + (spins ^ below).bit_count()
        found[2 * number - 2 * unequal, 2 * spins.bit_count() - number] += 1
    return found


def means(size: int, temperature: float, field: float) -> dict[str, float]:
    """Energy (in J) and magnetisation per spin, that is |m| without a field; J/k_B and J."""
    number, total = size * size, 0.0
    sums = {"energy": 0.0, "magnetisation": 0.0}
    for (bonds, spins), count in states(size).items():
        energy = -bonds - field * spins
        weight = count * math.exp(-energy / temperature)
        total += weight
        sums["energy"] += weight * energy
        sums["magnetisation"] += weight * (spins if field else abs(spins))
    return {name: value / total / number for name, value in sums.items()}
