"""Every submission of every job, from `qsub.log`; where that knows none, from `quelist`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from jobauto.ledger.attempts import SETTLED, lines
from jobauto.ledger.entries import Entry
from jobauto.model import known, span

_PROVEN = ("finished", "failed", "killed")  # verdicts that say when it left the queue


@dataclass(slots=True)
class Try:
    """One submission: when it was sent, taken by the scheduler, first seen to run, and over, as far
    as it is known.

    `verdict` is one of attempts.SETTLED, or '' while it is in flight.
    """

    number: int
    token: str = ""
    jobid: str = ""
    sent: float | None = None
    taken: float | None = None
    running: float | None = None
    ended: float | None = None
    verdict: str = ""
    reason: str = ""

    @property
    def begin(self) -> float | None:
        """Since when it holds a slot of --maxqsub."""
        return self.taken if self.sent is None else self.sent

    @property
    def waited(self) -> float | None:
        """Seconds in the queue before it was seen to run."""
        return span(self.taken, self.running)

    @property
    def ran(self) -> float | None:
        """Seconds from when it was seen to run until its end was seen."""
        return span(self.running, self.ended) if self.verdict in _PROVEN else None

    @property
    def in_queue(self) -> float | None:
        """Seconds from when it was taken until its end was seen: waiting and running."""
        return span(self.taken, self.ended) if self.verdict in _PROVEN else None

    def end(self, at: float | None, verdict: str, reason: str) -> None:
        """Note how it ended."""
        self.ended, self.verdict, self.reason = at, verdict, reason


class Log:
    """A qsub.log that is read on as it grows. `tries`: job to its submissions, by number."""

    def __init__(self, path: Path) -> None:
        self.tries: dict[str, dict[int, Try]] = {}
        self._path, self._size = path, 0

    def read(self) -> set[str]:
        """Take in what was added since; the jobs of which there is news."""
        size = self._path.stat().st_size if self._path.exists() else 0
        begin = self._size if self._size <= size else 0  # it was taken away, and begun anew
        news = set()
        for date, line in lines(self._path, begin) if size > begin else ():
            of_job = self.tries.setdefault(line.name, {})
            _note(of_job, known(date), line.what, line.number, dict(line.pairs))
            news.add(line.name)
        self._size = size
        return news


def logged(path: Path) -> dict[str, list[Try]]:
    """What qsub.log tells, by job."""
    log = Log(path)
    log.read()
    return {name: list(numbered.values()) for name, numbered in log.tries.items() if numbered}


def _note(
    tries: dict[int, Try], at: float | None, what: str, number: int, values: dict[str, str]
) -> None:
    if what == "intent":
        tries.setdefault(number, Try(number, values.get("token", ""), sent=at))
    elif number not in tries:
        return
    elif what == "accepted":  # perhaps late, after it was given up as unsure
        tries[number].taken, tries[number].jobid = at, values.get("jobid", "")
        tries[number].end(None, "", "")
    elif what == "running":
        if tries[number].running is None:  # a full disk may have it said twice
            tries[number].running = at
    elif what in SETTLED:
        tries[number].end(at, what, values.get("reason", ""))


def listed(entry: Entry) -> list[Try]:
    """What the words of quelist tell of the submissions of a job."""
    tries: list[Try] = []
    for word in entry.words:
        if word.what == "started":
            tries.append(Try(len(tries) + 1, jobid=word.detail, taken=known(word.date)))
        elif word.what in SETTLED and tries and not tries[-1].verdict:
            tries[-1].end(known(word.date), word.what, word.detail)
    return tries


def tries_of(entry: Entry | None, in_log: list[Try] | None) -> list[Try]:
    """The submissions of a job. A verdict that a crash kept from qsub.log stands in quelist."""
    tries = in_log or (listed(entry) if entry else [])
    if tries and not tries[-1].verdict and entry and not entry.open and entry.words:
        word = entry.words[-1]
        if word.what in SETTLED:
            tries[-1].end(known(word.date), word.what, word.detail)
    return tries
