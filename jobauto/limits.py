"""What keeps jobs from being submitted for a while: room, a full queue, too many failures."""

from __future__ import annotations

from dataclasses import dataclass, field

from jobauto.clock import growing

AFTER_LIMIT = (5.0, 300.0)  # seconds: first and longest wait after a refusal for a limit
ENOUGH = 5  # fewer ended jobs than this say nothing about a share of failures


@dataclass(slots=True)
class Limits:
    """How much may be in the queue, and until when a refusal for a limit keeps us from asking."""

    maxqsub: int
    retries: int = 0
    hits: int = 0
    until: float = 0.0

    def hit(self, elapsed: float) -> float:
        """Note a refusal for a limit; the seconds to wait."""
        wait = growing(self.hits, *AFTER_LIMIT)
        self.hits += 1
        self.until = max(self.until, elapsed + wait)
        return wait


@dataclass(slots=True)
class ErrorRate:
    """Stops submission when more than `percent` of the jobs that ended lately have failed.

    `window` seconds are looked back; a pause lasts `pause` seconds, and what ended before its end
    is not counted again. Times are seconds since 1970, as they come from quelist, too.
    """

    percent: float | None
    window: float
    pause: float
    until: float = 0.0
    why: str = ""
    _ends: list[tuple[float, bool]] = field(default_factory=list)

    def note(self, when: float, failed: bool) -> bool:
        """Note the end of a job; True if this begins a pause."""
        if self.percent is None or when < self.until:
            return False
        since = when - self.window
        self._ends = [end for end in self._ends if since <= end[0] <= when] + [(when, failed)]
        bad, all_ = sum(failed for _, failed in self._ends), len(self._ends)
        if all_ < ENOUGH or 100 * bad <= self.percent * all_:
            return False
        self.why = f"{bad} of the last {all_} jobs failed"
        self.until = when + self.pause
        self._ends.clear()
        return True

    def paused(self, now: float) -> bool:
        """Whether submission pauses at `now`; a clock that was set back lengthens no pause."""
        self.until = min(self.until, now + self.pause)
        return now < self.until
