"""Exact numbers of a sweep: how they are written, and ranges of them."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Context, Decimal, DecimalException

Value = bool | int | Decimal | str

LARGEST = 100_000  # values of one range, and jobs of one sweep
DIGITS = 12  # of a number that had to be rounded
_EXACT = Context(prec=1000)  # two numbers that `sane` lets pass are added without a loss
_FINE = Context(prec=30)
_ROUND = Context(prec=DIGITS)
_LONGEST, _FARTHEST = 50, 300  # digits; powers of ten, as programs read floating point
_HUGE = 10**50


def sane(number: Decimal | int) -> bool:
    """Whether a number is finite, and neither too long nor too large for exact sums."""
    if isinstance(number, int):
        return abs(number) < _HUGE
    short: bool = number.is_finite() and len(number.as_tuple().digits) <= _LONGEST
    return short and (not number or abs(number.adjusted()) <= _FARTHEST)


def written(value: Value) -> str:
    """A value as it stands in files: numbers as they were given, `true` and `false`."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def shortest(number: Decimal) -> Decimal:
    """At most 12 significant digits, no zeros behind them, and no exponent where it can be."""
    return _bare(_ROUND.plus(number))


def _bare(number: Decimal) -> Decimal:
    bare = number.normalize(_EXACT)
    return Decimal(format(bare, "f")) if -5 <= bare.adjusted() < 16 else bare


def steps(start: Decimal, end: Decimal, step: Decimal) -> int | None:
    """How many numbers `stepped` gives, or None if none or too many. `step` is not 0."""
    try:
        number = int(_EXACT.divide_int(_EXACT.subtract(end, start), step)) + 1
    except DecimalException:
        return None
    leads = (end >= start) == (step > 0) or end == start
    return number if leads and number <= LARGEST else None


def stepped(start: Decimal, step: Decimal, number: int) -> list[Decimal]:
    """`start`, `start + step`, ..., exact, without zeros behind them."""
    return [_bare(_EXACT.add(start, _EXACT.multiply(step, Decimal(n)))) for n in range(number)]


def spread(start: Decimal, end: Decimal, log: bool, number: int) -> list[Decimal]:
    """So many numbers from `start` to `end`, evenly, or evenly in their logarithms."""
    at = along(start, end, log)
    inner = [at(_FINE.divide(Decimal(n), Decimal(number - 1))) for n in range(1, number - 1)]
    return [start, *inner, end] if number > 1 else [start]


def along(start: Decimal, end: Decimal, log: bool) -> Callable[[Decimal], Decimal]:
    """A function from 0..1 to `start`..`end`; a result is rounded and never outside."""
    low, high = (_FINE.ln(start), _FINE.ln(end)) if log else (start, end)
    width = _FINE.subtract(high, low)

    def at(part: Decimal) -> Decimal:
        value = _FINE.add(low, _FINE.multiply(part, width))
        short = shortest(_FINE.exp(value) if log else value)
        return min(max(short, min(start, end)), max(start, end))

    return at
