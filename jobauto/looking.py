"""One look at the remote for each tick, and how long it may wait there for news.

The scheduler is asked once an interval. Between that, a look waits on the remote until a file that
somebody needs appears or goes (`early`), so that a marker is not found out an interval late. What a
submission saw behind itself is such a look, if there is news in it: jobs that may start by that go
first, though the scheduler is due, for another interval at most.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace

from jobauto import quoting
from jobauto.clock import Clock, growing
from jobauto.graph import Graph
from jobauto.host import Host
from jobauto.ledger import Entry, Ledger
from jobauto.missing import Missing
from jobauto.model import Seen, State
from jobauto.remote.observation import Observe, Wait
from jobauto.run import Run
from jobauto.schedulers import Dialect

log = logging.getLogger("jobauto")

LEAVING = 0.25  # seconds, then growing: until it is asked whether finished jobs have left


@dataclass(slots=True)
class Looking:
    """Looks. `seen` is the last look, with the queue as the scheduler told it last.

    `resting` is entered while time passes: others may read what the monitor knows then.
    """

    run: Run
    graph: Graph
    ledger: Ledger
    host: Host
    dialect: Dialect
    missing: Missing
    clock: Clock
    seen: Seen = field(default_factory=Seen)
    behind: Seen | None = None  # the files, as the last submission saw them
    resting: Callable[[], AbstractContextManager[None]] = nullcontext
    _asked: float | None = None  # when the scheduler answered last
    _latest: float = 0.0  # when it is asked again, whatever news there is of files
    _leaving: int = 0  # looks in a row that wait for nothing but this
    _gap: bool = True  # the last look failed, or there was none

    def rest(self, interval: float, leaving: bool) -> float:
        """Seconds until the scheduler is to be asked again: `interval` after its last answer, or
        soon if it is only to say that finished jobs are `leaving`, as then the run is over."""
        self._leaving = self._leaving + 1 if leaving else 0
        if self._asked is None:
            return 0.0
        self._latest = self._asked + 2 * interval
        if leaving:
            interval = growing(self._leaving - 1, min(LEAVING, interval), interval)
        return max(0.0, self._asked + interval - self.clock.elapsed())

    def may_wait(self) -> bool:
        """Whether there is anything to wait for on the remote, and the last look was whole."""
        return not self._gap and bool(self.ledger.in_flight() or self.graph.watched())

    def look(self, patience: float = 0.0) -> Seen:
        """Ask everything that this tick needs to know in one remote command; it may wait `patience`
        seconds for news. RemoteError: nothing is known."""
        flying = self.ledger.in_flight()
        # somebody wants a job again that is unsure: the last chance to find it in the queue
        wanted = any(e.state is State.READY for e in self.ledger.unsure())
        verify, self._gap = (self._gap and bool(flying)) or wanted, True
        behind, self.behind = self.behind, None
        in_time = patience or self.clock.elapsed() < self._latest
        if behind and in_time and not verify and self._is_news(behind):
            found = behind
        else:
            request = Observe(
                self.dialect,
                self.run.rdir,
                jobids=[e.jobid for e in flying if e.jobid] + list(self.ledger.lingering),
                files=self._awaited(flying),
                doubtful=[e.attempt for e in flying if not e.jobid and e.attempt],
                suspects=self.missing.suspects(flying),
                verify=verify,
                wait=Wait(patience, self.dialect.elsewhere, self.seen.there),
            )
            with self.resting() if patience else nullcontext():
                found = self.host.ask(request)
        self._gap = False
        if found.early:
            self.seen = replace(found, queue=self.seen.queue, text=self.seen.text)
        else:
            self._asked = self.clock.elapsed()
            self.seen = self.missing.learn(found)
        return self.seen

    def awaited_behind(self) -> list[str]:
        """The files that a submission looks for. On this machine none: a round trip is nothing, and
        jobs that end at once would each be a tick of their own."""
        return self._awaited(self.ledger.in_flight()) if self.dialect.elsewhere else []

    def _awaited(self, flying: Iterable[Entry]) -> list[str]:
        """The files that a look looks for: those that somebody needs, and markers to come."""
        return sorted(self.graph.watched() | {e.job.marker for e in flying})

    def _is_news(self, found: Seen) -> bool:
        """Whether files have come or gone since the last look."""
        return bool(found.there - self.seen.there or self.seen.there & found.missing)

    def found_late(self) -> list[tuple[str, str]]:
        """Jobs given up as unsure that the queue names after all, with their JOBIDs."""
        found = []
        for entry in self.ledger.unsure():
            if entry.attempt and (jobid := self.seen.by_token(entry.attempt.token)):
                found.append((entry.job.name, jobid))
                log.warning("%s was submitted after all: %s", quoting.shown(entry.job.name), jobid)
        return found
