"""Jobs that the scheduler holds, suspends, finds in error, or in a state that nobody knows."""

from __future__ import annotations

import logging

from jobauto.ledger import Entry
from jobauto.model import InQueue, Queued, Seen
from jobauto.quoting import shown

log = logging.getLogger("jobauto")


def strange(line: InQueue, waits: bool) -> bool:
    """Whether a job waits for a person, most likely. One that `waits` for other jobs in the queue
    may be called held there."""
    return line.strange and not (waits and line.state is Queued.HELD)


class Strange:
    """Tells of each such job once, and once more when the queue moves it again."""

    def __init__(self) -> None:
        self._told: dict[str, str] = {}  # job -> what was said

    def tell(self, entry: Entry, seen: Seen, waits: bool = False) -> None:
        """Compare a job in flight, which may wait for others there, with what was said of it."""
        name, line = entry.job.name, seen.queue.get(entry.jobid)
        now = str(line) if line and strange(line, waits) else ""
        if now != self._told.get(name, ""):
            self._told[name] = now
            log.warning("%s: %s", shown(name), now or "the queue moves it again")
