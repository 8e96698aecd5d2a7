"""Numbers as programs write them, and what is taken of several. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence

from jobauto.analysis.files import Unusable
from jobauto.quoting import shown

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eEdD][+-]?\d+)?", re.ASCII)  # D: of Fortran
_SPECIAL = re.compile(r"[+-]?(nan|inf|infinity)", re.IGNORECASE)
_LONGEST = 40


def number(text: str) -> float | None:
    """A text as a number, `nan` and `inf` too; None if it is none."""
    bare = text.strip()
    if _NUMBER.fullmatch(bare):
        return float(bare.replace("d", "e").replace("D", "e"))
    return float(bare) if _SPECIAL.fullmatch(bare) else None


def sure(text: str, where: str) -> float:
    """A text as a number; Unusable if it is none."""
    found = number(text)
    if found is None:
        raise Unusable(f"{where}: {quoted(text)} is not a number")
    return found


def quoted(text: str) -> str:
    """A short text as people should see it."""
    whole = shown(text)
    return repr(whole if len(whole) <= _LONGEST else f"{whole[:_LONGEST]}...")


def mean(values: Sequence[float]) -> float:
    """The mean, never outside of them; not finite if one of them is not."""
    if not all(map(math.isfinite, values)):
        return sum(values) / len(values)
    try:
        middle = math.fsum(values) / len(values)
    except OverflowError:
        middle = math.fsum(value / len(values) for value in values)
    return min(max(middle, min(values)), max(values))  # equal numbers differ by no rounding


def _extreme(best: Callable[[Sequence[float]], float]) -> Callable[[Sequence[float]], float]:
    return lambda values: math.nan if any(map(math.isnan, values)) else best(values)


TAKE: dict[str, Callable[[Sequence[float]], float]] = {
    "last": lambda values: values[-1],
    "first": lambda values: values[0],
    "mean": mean,
    "min": _extreme(min),
    "max": _extreme(max),
}
