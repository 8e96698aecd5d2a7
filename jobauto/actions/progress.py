"""How far a run is, how fast it goes, and when it may be over."""

from __future__ import annotations

from dataclasses import dataclass

from jobauto.actions.status import Status
from jobauto.ledger import ends
from jobauto.model import State, stamp

RECENT = 100  # ends of jobs that tell the rate
ENOUGH = 3  # fewer tell nothing
_STUCK = (State.BLOCKED, State.HELD)


@dataclass(frozen=True, slots=True)
class Progress:
    """`done` of `total` jobs have ended, of which `left` can still run. `rate`: jobs an hour;
    `end`: the date at which the last may end at this rate. None where nobody can tell."""

    total: int
    done: int
    left: int
    rate: float | None = None
    end: str | None = None

    def __str__(self) -> str:
        figure = "" if self.rate is None else f"{self.rate:,.{0 if self.rate >= 10 else 1}f}"
        rate = f", {figure} jobs an hour" if figure else ""
        return f"{self.done} of {self.total} jobs{rate}{f', until {self.end}' if self.end else ''}"


def progress(status: Status, now: float) -> Progress:
    """The progress of a run at `now` (seconds since 1970)."""
    states = status.states.values()
    total, done = len(states), sum(state.final for state in states)
    left = total - done - sum(state in _STUCK for state in states)
    lately = [when for when, _ in ends(status.entries.values(), RECENT)]
    if len(lately) < ENOUGH or now <= lately[0]:
        return Progress(total, done, left)
    rate = 3600 * len(lately) / (now - lately[0])
    end = stamp(now + 3600 * left / rate) if left and status.monitor else None
    return Progress(total, done, left, rate, end)
