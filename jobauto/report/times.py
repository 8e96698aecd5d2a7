"""Moments and durations, and how they are written."""

from __future__ import annotations

import time
from datetime import UTC, datetime

_STEPS = [
    *(1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 10800, 21600, 43200),
    *(86400, 172800, 345600, 604800, 1209600, 2592000, 7776000, 31536000),
]
MINUTE, HOUR, DAY = 60, 3600, 86400


def iso(at: float | None) -> str:
    """Local time for programs, `2026-11-20T23:15:00`; '' if it is not known."""
    return "" if at is None else time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(at))


def utc(at: float | None) -> str:
    """The same in the time of all sites, `2026-11-20T22:15:00+00:00`."""
    return "" if at is None else datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")


def clock(at: float | None) -> str:
    """Local time for people; in words if it is not known."""
    return iso(at).replace("T", " ") or "not known"


def duration(seconds: float | None) -> str:
    """Two units at most: `45 s`, `12 min`, `3 h 5 min`, `2 d 4 h`; a dash if it is not known."""
    if seconds is None:
        return "–"
    units = [("d", DAY), ("h", HOUR), ("min", MINUTE), ("s", 1)]
    rest = round(seconds)
    for number, (unit, size) in enumerate(units):
        if rest >= size:
            first, rest = divmod(rest, size)
            small, small_size = units[min(number + 1, 3)]
            second = rest // small_size if number < 3 else 0
            return f"{first} {unit}" + (f" {second} {small}" if second else "")
    return "0 s"


def ticks(length: float, most: int = 8) -> list[float]:
    """Round numbers of seconds from 0 to `length`, at most `most` and one more."""
    step = next((step for step in _STEPS if length / step <= most), length / most)
    return [number * step for number in range(int(length / step) + 1)]
