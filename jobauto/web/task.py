"""How far the shared task of a run is, as its database says.

It is asked when somebody looks, seldom, and in a thread of its own: neither a tick nor a reader
waits for a database.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import asdict
from typing import Any

from jobauto.claims import Overview, Task, overview, worst_first
from jobauto.clock import Clock
from jobauto.conditions import Condition
from jobauto.errors import DatabaseError

log = logging.getLogger("jobauto")

PACE = 30.0  # seconds from one asking to the next
PATIENCE = 5.0  # seconds after which readers are told that there is no answer

Data = dict[str, Any]


class Asked:
    """What is known of a task, and since when the database does not answer."""

    def __init__(self, task: Task, clock: Clock) -> None:
        self._task, self._clock = task, clock
        self._lock = threading.Lock()
        self._found: Overview | None = None
        self._date = ""  # of what was found
        self._begun: float | None = None  # when it was asked last
        self._asked = ""  # the date of that
        self._busy = False
        self._trouble: Condition | None = None

    @property
    def name(self) -> str:
        """Of the task."""
        return self._task.name

    def now(self) -> Data:
        """What is known, at once; the database is asked meanwhile if that is too old."""
        with self._lock:
            since = None if self._begun is None else self._clock.elapsed() - self._begun
            if not self._busy and (since is None or since >= PACE):
                self._busy, since = True, 0.0
                self._begun, self._asked = self._clock.elapsed(), self._clock.date()
                threading.Thread(target=self._ask, name="task", daemon=True).start()
            return self._told(since or 0.0)

    def _told(self, since: float) -> Data:
        trouble = self._trouble
        if trouble is None and self._busy and since > PATIENCE:
            trouble = _no_answer("it is slow", self._asked)
        holder = self._task.holder
        return {
            "name": self.name,
            "person": holder.person,
            "site": holder.site,
            "date": self._date,
            "asking": self._busy,
            "conditions": [asdict(trouble)] if trouble else [],
            "found": _as_data(self._found) if self._found else None,
        }

    def _ask(self) -> None:
        found, why = None, "a fault of ours, see the log"
        try:
            found = overview(self._task.database, self.name)
        except DatabaseError as error:
            why = error.what
        except Exception:
            log.exception("HTTP: how far is the task?")
        with self._lock:
            self._busy = False
            if found:
                self._found, self._date, self._trouble = found, self._clock.date(), None
            elif self._trouble is None:
                self._trouble = _no_answer(why, self._asked)


def _no_answer(why: str, since: str) -> Condition:
    return Condition("no answer of the database", why, since, "")


def _as_data(found: Overview) -> Data:
    data = asdict(found)
    data["datasets"] = [asdict(one) for one in worst_first(found.datasets)]
    return data
