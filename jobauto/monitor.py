"""The monitor: one tick is a list of named steps.

notice    what a person changed in the run folder
observe   one remote command: the queue, the awaited files, what doubt needs
decide    judge() for every job in flight; what became ready goes to the end of quelist
record    quelist, qsub.now
submit    one remote command for as many as --maxqsub allows, and record again
fetch     one rsync of markers and results of what ended
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field

from jobauto import quoting
from jobauto.clock import Clock, growing
from jobauto.graph import Graph
from jobauto.host import Host
from jobauto.judge import Verdict, accepted, judge
from jobauto.ledger import AUTO, Entry, Ledger, files
from jobauto.ledger.quelist import Word
from jobauto.model import Seen, State
from jobauto.noticing import Noticing
from jobauto.remote.observation import Observe, Suspect
from jobauto.remote.submission import Submit
from jobauto.run import Run
from jobauto.schedulers import Dialect

log = logging.getLogger("jobauto")

AUTOPSIES = 20  # a tick; asking how a job ended can be dear for the scheduler
AFTER_LIMIT = (5.0, 300.0)  # seconds: first and longest wait after a refusal for a limit


@dataclass(slots=True)
class Limits:
    """How much may be in the queue, and until when a refusal for a limit keeps us from asking."""

    maxqsub: int
    retries: int = 0
    hits: int = 0
    until: float = 0.0

    def hit(self, elapsed: float) -> float:
        """Note a refusal for a limit; the seconds to wait."""
        wait = growing(self.hits, *AFTER_LIMIT)
        self.hits += 1
        self.until = max(self.until, elapsed + wait)
        return wait


@dataclass(slots=True)
class Monitor:
    """Runs one run to its end. It keeps nothing that cannot be read back from the run folder."""

    run: Run
    graph: Graph
    ledger: Ledger
    host: Host
    dialect: Dialect
    limits: Limits
    noticing: Noticing
    results: list[str] = field(default_factory=list)
    clock: Clock = field(default_factory=Clock)
    seen: Seen = field(default_factory=Seen)  # the last look
    ticks: int = 0
    absences: dict[str, int] = field(default_factory=dict)  # job -> looks without it in a row
    _unclaimed: set[str] = field(default_factory=set)  # open attempts that have to be sent again
    _to_fetch: set[str] = field(default_factory=set)  # folders

    def tick(self) -> None:
        """One round. RemoteError: nothing was learned this time, and nothing changed."""
        self.ticks += 1
        self.queue(self.noticing.look())
        self.seen = self.observe()
        self.decide(self.seen)
        self.record()
        if self.submit():
            self.ledger.save(self.clock.date())  # qstat has not changed
        self.fetch()

    def observe(self) -> Seen:
        """Ask everything that this tick needs to know in one remote command."""
        flying = self.ledger.in_flight()
        gone = [e for e in flying if e.jobid and self.absences.get(e.job.name)]
        watched = self.graph.watched() | {e.job.marker for e in flying}
        return self.host.ask(
            Observe(
                self.dialect,
                self.run.rdir,
                jobids=[e.jobid for e in flying if e.jobid] + list(self.ledger.lingering),
                files=sorted(watched),
                doubtful=[e.attempt for e in flying if not e.jobid and e.attempt],
                suspects=[Suspect(e.attempt, e.jobid) for e in gone[:AUTOPSIES] if e.attempt],
            )
        )

    def decide(self, seen: Seen) -> None:
        """Judge what is in flight, and queue what became ready."""
        for warning in seen.warnings:
            log.warning("%s: %s", self.dialect.name, warning)
        flying = self.ledger.in_flight()
        now_accepted = []
        for entry in flying:
            name = entry.job.name
            verdict = judge(entry, seen, self.dialect, self.absences.pop(name, 0))
            if verdict.what == "accepted":
                now_accepted.append((name, verdict.detail))
            elif verdict.what:
                self._settle(entry, verdict, seen)
            elif verdict.absences:
                self.absences[name] = verdict.absences
            elif entry.attempt and not entry.jobid and entry.attempt.token not in seen.claims:
                self._unclaimed.add(name)
        self.ledger.accept(now_accepted, self.clock.date())
        for jobid in [j for j in self.ledger.lingering if j not in seen.queue]:
            self.ledger.left(jobid)
        for file in sorted(seen.there - {e.job.marker for e in flying}):
            self.queue(self.graph.arrived(file))
        for file in seen.missing:
            self.graph.departed(file)
        self.queue(self.graph.freed_by_absence(seen.missing))

    def _settle(self, entry: Entry, verdict: Verdict, seen: Seen) -> None:
        name, date = entry.job.name, self.clock.date()
        self._unclaimed.discard(name)
        left = verdict.what == "finished" and entry.jobid not in seen.queue
        self.ledger.settle(name, verdict.what, date, verdict.detail, left)
        if verdict.what == "putback":
            wait = self.limits.hit(self.clock.elapsed())
            log.warning("the queue is full, next try in %.0f s: %s", wait, verdict.detail)
            return
        self._to_fetch.add(entry.job.folder)
        if verdict.what == "finished":
            log.info("%s finished", quoting.shown(name))
            if not left:
                self.ledger.linger(entry)
            self.queue(self.graph.arrived(entry.job.marker))
            return
        tail = seen.endings[entry.jobid].tail if entry.jobid in seen.endings else ""
        log.warning("%s %s: %s\n%s", quoting.shown(name), verdict.what, verdict.detail, tail)
        if tail and entry.attempt:
            self.run.keep_tail(entry.attempt, tail)
        if verdict.what == "failed" and entry.retries < self.limits.retries:
            self.ledger.say(name, Word("retry", date, AUTO))

    def queue(self, names: Iterable[str]) -> None:
        """Put jobs that may start at the end of quelist, once."""
        for name in names:
            self.graph.released(name)
            if name not in self.ledger.entries:
                self.ledger.enqueue(self.graph.jobs[name])

    def submit(self) -> bool:
        """Hand in as many as there is room for, in the order of quelist; False if none."""
        names = self._to_submit()
        if not names:
            return False
        self.noticing.push_changed(self.host)
        for name in names:
            self._forget_marker(name)
        attempts = self.ledger.intend(names, self.clock.date())
        claims = self.host.ask(Submit(self.dialect, self.run.rdir, attempts))
        self._unclaimed.clear()
        pairs = []
        for attempt in attempts:
            name, claim = attempt.job.name, claims.get(attempt.token)
            jobid = accepted(claim, self.dialect) if claim else None
            if jobid:
                pairs.append((name, jobid))
                log.info("%s submitted as %s", quoting.shown(name), jobid)
            elif claim is None:
                self._unclaimed.add(name)
            elif claim.answered:
                said = quoting.shown((claim.err + claim.out).strip())
                log.warning("%s not accepted: %s", quoting.shown(name), said)
        if pairs:
            self.limits.hits = 0
        self.ledger.accept(pairs, self.clock.date())
        return True

    def _forget_marker(self, name: str) -> None:
        marker = self.graph.jobs[name].marker
        self.graph.departed(marker)
        if self.run.mirrored:
            (self.run.folder / marker).unlink(missing_ok=True)

    def _to_submit(self) -> list[str]:
        """Open attempts whose claim does not exist, then what is ready, as far as there is room."""
        if self.clock.elapsed() < self.limits.until:
            return []
        flying = self.ledger.in_flight()
        names = [e.job.name for e in flying if e.job.name in self._unclaimed]
        return names + self._ready()[: max(0, self.limits.maxqsub - len(flying))]

    def _ready(self) -> list[str]:
        """Queued jobs that may start now, in the order of quelist."""
        lingering = {attempt.job.name for attempt in self.ledger.lingering.values()}
        return [
            name
            for name in self.ledger.ready()
            if name not in lingering and name in self.graph.jobs and self.graph.satisfied(name)
        ]

    def fetch(self) -> None:
        """Bring home markers and results of the jobs that ended."""
        if self._to_fetch:
            self.host.pull(self.run.rdir, self.run.folder, self.results, sorted(self._to_fetch))
            self._to_fetch.clear()

    def fetch_all(self) -> None:
        """Bring home everything that is asked for, at the end of the run."""
        self.host.pull(self.run.rdir, self.run.folder, self.results, ())

    def record(self) -> None:
        """Write quelist, qsub.now and qstat."""
        date = self.clock.date()
        self.ledger.save(date)
        text = f"# {date} {self.dialect.name} on {self.host.name}\n{self.seen.text}"
        files.replace(self.run.folder / "qstat", text, durable=False)

    def over(self) -> bool:
        """Nothing is in the queue, nothing may start, and nothing awaited has appeared."""
        if self.ledger.in_flight() or self.ledger.lingering or self._ready():
            return False
        return self.graph.watched() <= self.seen.there | self.seen.missing

    def states(self) -> dict[str, State]:
        """The state of every job that quelist knows; see actions.status for all others."""
        return {name: entry.state for name, entry in self.ledger.entries.items()}
