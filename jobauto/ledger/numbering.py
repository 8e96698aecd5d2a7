"""The numbers of attempts, and the tokens that come of them."""

from __future__ import annotations

from collections.abc import Iterable

from jobauto.ledger import attempts
from jobauto.model import Attempt, Job


class Numbering:
    """Counts the attempts at each job of a run."""

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id
        self._last: dict[str, int] = {}  # by job

    def note(self, name: str, number: int) -> None:
        """There was an attempt of this number."""
        self._last[name] = max(number, self._last.get(name, 0))

    def tried(self, name: str) -> bool:
        """Whether there was any attempt at a job."""
        return self._last.get(name, 0) > 0

    def last(self, job: Job) -> Attempt:
        """The last attempt at a job."""
        number = self._last[job.name]
        return Attempt(job, number, attempts.token(self._run_id, job, number))

    def next(self, job: Job, after: Iterable[str] = ()) -> Attempt:
        """One more, which is to wait for the jobs of the attempts with these tokens."""
        number = self._last[job.name] = self._last.get(job.name, 0) + 1
        return Attempt(job, number, attempts.token(self._run_id, job, number), tuple(after))
