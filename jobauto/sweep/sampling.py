"""Points in the unit cube, the same ones for the same seed."""

from __future__ import annotations

import random

from jobauto.errors import UserError


def rows(sample: str, number: int, variables: int, seed: int) -> list[tuple[float, ...]]:
    """`number` points with a part from 0 to below 1 for each variable; `latin` or `random`."""
    if sample == "latin":
        return _latin(number, variables, seed)
    dice = random.Random(seed)
    return [tuple(dice.random() for _ in range(variables)) for _ in range(number)]


def _latin(number: int, variables: int, seed: int) -> list[tuple[float, ...]]:
    try:
        from scipy.stats import qmc  # an extra, and an import that takes a moment
    except ImportError:
        hint = "pip install 'jobauto[sweep]'"
        raise UserError('sample = "latin": scipy is not installed', hint=hint) from None
    cube = qmc.LatinHypercube(variables, rng=seed).random(number)
    return [tuple(min(float(part), 1 - 2**-53) for part in row) for row in cube]
