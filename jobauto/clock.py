"""Time, passed in: dates for files, and seconds that no change of the wall clock disturbs."""

from __future__ import annotations

import time

from jobauto.model import stamp


def growing(times: int, first: float, longest: float) -> float:
    """Seconds to wait after so many failures before this one: doubled each time, up to a limit."""
    return min(longest, first * 2.0 ** min(times, 10))


class Clock:
    """The machine's own clock; tests pass another."""

    def now(self) -> float:
        """Seconds since 1970."""
        return time.time()

    def elapsed(self) -> float:
        """Seconds since some moment; never goes back."""
        return time.monotonic()

    def busy(self) -> float:
        """Seconds of CPU that this thread has used since some moment."""
        return time.thread_time()

    def date(self) -> str:
        """Now, as it is written into every file."""
        return stamp(self.now())

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        time.sleep(seconds)
