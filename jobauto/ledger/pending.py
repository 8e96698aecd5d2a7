"""What closes attempts in qsub.log, and waits for quelist to be written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from operator import itemgetter
from pathlib import Path

from jobauto.clock import Clock
from jobauto.ledger import attempts
from jobauto.ledger.attempts import Line

# Of the CPU, writing usually takes such a part of the time, and never more than one AT_MOST; in
# between as much as it takes to be no more than LATE seconds behind. With the wait for a slow disk
# it takes no more than one in ALL.
USUALLY, AT_MOST, LATE = 1000, 100, 30.0
ALL = 10


class Pending:
    """Lines for qsub.log, and when they and quelist are written. `due`: those of now; `unsaved`:
    jobs with a verdict that waits; `urgent`: there is something that must not wait; `put_off`:
    something waits already. Without a clock nothing is ever put off."""

    def __init__(self, clock: Clock | None) -> None:
        self.due: list[Line] = []
        self.unsaved: set[str] = set()
        self.urgent = self.put_off = False
        self._late: list[tuple[str, Line]] = []  # with their dates
        self._clock = clock
        self._next = 0.0  # before this, writing would take more than its share

    def waits(self, spare: float) -> bool:
        """Put writing off, if that is for `spare` seconds, or not."""
        self.put_off = not self.urgent and self._spent()[0] + spare < self._next
        return self.put_off

    def date(self, date: str) -> None:
        """What is due gets its date."""
        self._late += [(date, line) for line in self.due]
        self.due.clear()

    @contextmanager
    def writing(self, log: Path) -> Iterator[None]:
        """Write quelist in this block; then the lines follow."""
        begun, used = self._spent()
        yield
        for date, some in groupby(self._late[:], itemgetter(0)):
            lines = [line for _, line in some]
            attempts.append(log, date, lines)
            del self._late[: len(lines)]
        self.unsaved.clear()
        self.urgent = self.put_off = False
        now, busy = self._spent()
        busy -= used
        self._next = now + max(AT_MOST * busy, min(USUALLY * busy, LATE), ALL * (now - begun))

    def _spent(self) -> tuple[float, float]:
        """The seconds until now: all of them, and those of CPU."""
        return (self._clock.elapsed(), self._clock.busy()) if self._clock else (0.0, 0.0)
