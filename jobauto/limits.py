"""What keeps jobs from being submitted for a while: room, a full queue, too many failures."""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

from jobauto.clock import growing
from jobauto.conditions import Condition
from jobauto.ledger import Ledger, ends
from jobauto.model import stamp
from jobauto.settings import Settings

log = logging.getLogger("jobauto")

AFTER_LIMIT = (5.0, 300.0)  # seconds: first and longest wait after a refusal for a limit
ENOUGH = 5  # fewer ended jobs than this say nothing about a share of failures


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
    _ends: deque[tuple[float, bool]] = field(default_factory=deque)  # by time
    _bad: int = 0  # of them

    def __str__(self) -> str:
        return f"{self.why}: nothing is submitted until {stamp(self.until)}"

    def note(self, when: float, failed: bool) -> bool:
        """Note the end of a job; True if this begins a pause."""
        if self.percent is None or when < self.until:
            return False
        while self._ends and self._ends[0][0] < when - self.window:
            self._bad -= self._ends.popleft()[1]
        while self._ends and self._ends[-1][0] > when:  # the clock was set back
            self._bad -= self._ends.pop()[1]
        self._ends.append((when, failed))
        self._bad += failed
        bad, all_ = self._bad, len(self._ends)
        if all_ < ENOUGH or 100 * bad <= self.percent * all_:
            return False
        self.why = f"{bad} of the last {all_} jobs failed"
        self.until = when + self.pause
        self._ends.clear()
        self._bad = 0
        return True

    def paused(self, now: float) -> bool:
        """Whether submission pauses at `now`; a clock that was set back lengthens no pause."""
        self.until = min(self.until, now + self.pause)
        return now < self.until

    def condition(self, now: float) -> list[Condition]:
        """The pause, for everybody to read, if there is one at `now`."""
        if not self.paused(now):
            return []
        return [Condition("paused", self.why, stamp(self.until - self.pause), stamp(self.until))]


@dataclass(slots=True)
class Limits:
    """How many jobs may be in the queue and how often they are tried, and what stands in the way:
    a refusal for a limit (`until`: seconds of `Clock.elapsed`), failures, a disk on the remote, a
    lock file that somebody made. `delay`: seconds from one submission to the next."""

    maxqsub: int
    errors: ErrorRate
    retries: int = 0
    maxpending: int | None = None
    hits: int = 0
    until: float = 0.0
    delay: float = 0.0
    lock_file: Path | None = None
    _next: float = 0.0  # not before this is anything submitted, for the delay
    _locked: str = ""  # since when the lock file is there
    _trouble: list[Condition] = field(default_factory=list)  # with the disk of the remote

    def room(self, flying: int, pending: int) -> int:
        """How many more may be submitted, with so many in the queue, so many of them waiting."""
        room = self.maxqsub - flying
        if self.maxpending is not None:
            room = min(room, self.maxpending - pending)
        return max(0, min(room, 1) if self.delay else room)

    def waits(self, elapsed: float) -> bool:
        """Whether nothing is to be submitted yet: after a refusal, for the delay, for a lock."""
        return elapsed < max(self.until, self._next) or self.locked()

    def locked(self) -> bool:
        """Whether the lock file is there."""
        return self.lock_file is not None and self.lock_file.exists()

    def handed_in(self, elapsed: float) -> None:
        """Note a submission."""
        self._next = elapsed + self.delay

    def hit(self, elapsed: float) -> float:
        """Note a refusal for a limit; the seconds to wait. Several at a time count as one."""
        if elapsed < self.until:
            return self.until - elapsed
        wait = growing(self.hits, *AFTER_LIMIT)
        self.hits += 1
        self.until = elapsed + wait
        return wait

    def writable(self, folder: str, works: bool, date: str) -> None:
        """Note whether claims could be made in a folder of the remote."""
        if works:
            self._trouble = []
        elif not self._trouble:
            why = f"nothing can be written in {folder}: full, or read-only?"
            self._trouble = [Condition("trouble on the remote", why, date, "next tick")]
            log.error("%s", why)

    def conditions(self, now: float) -> list[Condition]:
        """What keeps jobs from being submitted that could be."""
        self._locked = (self._locked or stamp(now)) if self.locked() else ""
        lock = [Condition("paused", f"{self.lock_file} is there", self._locked, "")]
        return self.errors.condition(now) + self._trouble + (lock if self._locked else [])


def limits_of(chosen: Settings, ledger: Ledger) -> Limits:
    """What the settings allow, with the jobs that ended before: a pause outlives the monitor."""
    errors = ErrorRate(chosen.max_error_percent, chosen.error_window, chosen.error_pause)
    entries = ledger.entries.values() if errors.percent is not None else ()
    for when, failed in ends(entries):
        errors.note(when, failed)
    return Limits(
        chosen.maxqsub,
        errors,
        chosen.retries,
        chosen.maxpending,
        delay=chosen.delay,
        lock_file=chosen.lock_file,
    )
