"""What is known of one job that became runnable, and when jobs have ended."""

from __future__ import annotations

import contextlib
import heapq
from collections.abc import Iterable
from dataclasses import dataclass, field

from jobauto.ledger.attempts import Tried
from jobauto.ledger.quelist import MEANING, Word
from jobauto.model import Attempt, Job, State, moment

AUTO, AHEAD = "auto", "ahead"  # who tries again, and what did not begin: the details of `retry`


@dataclass(slots=True)
class Entry:
    """A job that became runnable: its words in quelist, and its last attempt."""

    job: Job
    words: list[Word] = field(default_factory=list)
    attempt: Attempt | None = None
    jobid: str = ""
    open: bool = False  # the attempt has no verdict yet: the job may be in the queue
    ran: bool = False  # qsub.log has, or will get, the line that says since when it runs
    place: int = field(default=-1, compare=False)  # grows from line to line of quelist

    @property
    def state(self) -> State:
        if self.open:
            return State.STARTED if self.jobid else State.SUBMITTING
        return MEANING[self.words[-1].what] if self.words else State.READY

    @property
    def retries(self) -> int:
        """How often the monitor itself has tried the job again since a person last said so."""
        count = 0
        for word in self.words:
            if word.what == "retry":
                count = count + 1 if word.detail == AUTO else 0
        return count


def ends(entries: Iterable[Entry], last: int | None = None) -> list[tuple[float, bool]]:
    """When jobs that ran have ended (seconds since 1970), and whether they failed; oldest first.

    With `last` only so many of the newest; dates sort as they are written.
    """
    words = (word for entry in entries for word in entry.words)
    dates = ((w.date, w.what == "failed") for w in words if w.what in ("finished", "failed"))
    found = []
    for date, failed in heapq.nlargest(last, dates) if last else dates:
        with contextlib.suppress(ValueError):  # a date such as 20269999_000000, by hand
            found.append((moment(date), failed))
    return sorted(found)


def late_verdict(entry: Entry | None, last: Tried) -> str:
    """The verdict of quelist on an attempt that qsub.log did not get in time, or ''.

    Only what follows its own `started` counts: a verdict before that is of an earlier attempt.
    """
    begin = Word("started", last.accepted, last.jobid)
    if entry is None or not last.jobid or begin not in entry.words:
        return ""
    since = entry.words[entry.words.index(begin) :]
    return next((word.what for word in since if MEANING[word.what].final), "")
