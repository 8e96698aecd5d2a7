"""What closes attempts in qsub.log, and waits for quelist to be written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import groupby
from operator import itemgetter
from pathlib import Path

from jobauto.ledger import attempts
from jobauto.ledger.attempts import Line

SHARE = 100  # writing may take one such part of the time


class Pending:
    """Lines for qsub.log, and when they and quelist are written. `due`: those of now; `unsaved`:
    jobs with a verdict that waits; `urgent`: there is something that must not wait; `put_off`:
    something waits already."""

    def __init__(self, elapsed: Callable[[], float]) -> None:
        self.due: list[Line] = []
        self.unsaved: set[str] = set()
        self.urgent = self.put_off = False
        self._late: list[tuple[str, Line]] = []  # with their dates
        self._elapsed = elapsed
        self._next = 0.0  # before this, writing would take more than its share

    def waits(self, spare: float) -> bool:
        """Put writing off, if that is for `spare` seconds, or not."""
        self.put_off = not self.urgent and self._elapsed() + spare < self._next
        return self.put_off

    def date(self, date: str) -> None:
        """What is due gets its date."""
        self._late += [(date, line) for line in self.due]
        self.due.clear()

    @contextmanager
    def writing(self, log: Path) -> Iterator[None]:
        """Write quelist in this block; then the lines follow."""
        begun = self._elapsed()
        yield
        for date, some in groupby(self._late[:], itemgetter(0)):
            lines = [line for _, line in some]
            attempts.append(log, date, lines)
            del self._late[: len(lines)]
        self.unsaved.clear()
        self.urgent = self.put_off = False
        self._next = self._elapsed() + SHARE * (self._elapsed() - begun)
