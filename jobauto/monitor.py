"""The monitor: one tick is a list of named steps.

begin     once: send what was never sent, find out what is done already
look      one remote command: queue, awaited files, doubts; or the files, as soon as one appears
notice    what a person put into an inbox, changed in the run folder, and ordered
decide    judge every job in flight; what became ready goes to the end of quelist
share     with --task: what others have done, and what we did
reuse     jobs that may start take over the results of earlier ones with the same key
record    quelist, qsub.now, qstat; where only files were looked at, after what follows
submit    one remote command for as many as --maxqsub allows, and record again
fetch     one rsync of what ended, beside the next looks; of an inbox: all, and out of the run
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from jobauto import quoting
from jobauto.around import Inbox
from jobauto.asking import Asking
from jobauto.clock import Clock
from jobauto.errors import Interrupted, RemoteError
from jobauto.fetching import Fetching
from jobauto.graph import Graph
from jobauto.host import Host
from jobauto.judge import Judge, Patience, Verdict
from jobauto.ledger import AUTO, Entry, Ledger, files
from jobauto.ledger.quelist import Word
from jobauto.limits import Limits
from jobauto.looking import Looking
from jobauto.missing import Missing
from jobauto.model import Seen, State
from jobauto.noticing import Noticing
from jobauto.obeying import Obeying
from jobauto.remote.probe import FindMarkers
from jobauto.resources import Resources
from jobauto.run import Run
from jobauto.schedulers import Dialect
from jobauto.states import States
from jobauto.strange import Strange
from jobauto.submitting import Submitting

log = logging.getLogger("jobauto")


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
    patience: Patience = field(default_factory=Patience)
    asking: Asking = field(default_factory=lambda: Asking(Resources()))
    results: list[str] = field(default_factory=list)
    clock: Clock = field(default_factory=Clock)
    interval: float = 10.0  # seconds from one look to the next
    strange: Strange = field(default_factory=Strange)
    guard: Callable[[], None] = lambda: None  # raises if the run is not ours any more
    sent: Callable[[], None] = lambda: None  # what else the remote needs once it has the tree
    ended: Callable[[], None] = lambda: None  # what else is to be done when the run is over
    inbox: Inbox | None = None
    gone: dict[str, Word] = field(default_factory=dict)  # of an inbox: the last that failed
    ticks: int = 0
    begun: bool = False
    _moved: float = field(init=False)  # when a job ended last, as far as this process knows
    looking: Looking = field(init=False)
    fetching: Fetching = field(init=False)
    submitting: Submitting = field(init=False)
    obeying: Obeying = field(init=False)
    standing: States = field(init=False)

    def __post_init__(self) -> None:
        self._moved = self.clock.elapsed()
        parts = (self.run, self.graph, self.ledger, self.host, self.dialect)
        self.looking = Looking(*parts, Missing(), self.clock)
        self.fetching = Fetching(self.run, self.host, self.results, self.clock)
        more = (self.limits, self.noticing)
        self.submitting = Submitting(*parts, *more, self.fetching, self.asking, self.clock)
        self.obeying = Obeying(*parts, *more, self.clock, self.interval)
        self.standing = States(self.graph, self.ledger)

    def tick(self, patience: float = 0.0) -> None:
        """One round, which may wait `patience` seconds for news from the remote.

        RemoteError: nothing was learned this time, and nothing changed.
        """
        self.ticks += 1
        self.guard()
        if not self.begun:
            self.notice()
            self.begin()
        seen = self.looking.look(patience)
        self.notice()
        if not self.begun:
            self.begin()
        self.decide(seen)
        self.share()
        self.reuse()
        self.obeying.end_killed()
        self.submitting.ahead.recall(seen)
        if not seen.early:
            self.record(seen)
        try:
            behind = self.submitting.submit(seen, self.guard, self.looking.awaited_behind)
        except (RemoteError, Interrupted):
            self.save()
            raise
        self.looking.behind = behind
        if behind or seen.early:
            self.save()
        if not seen.early:
            if self.inbox:
                self.inbox.bring_home()
            else:
                self.fetching.go_on()

    def notice(self) -> None:
        """Take over what a person changed in the run folder, or put into an inbox; obey orders."""
        if self.inbox:
            self.inbox.take()
        self.obeying.obey_waiting(self.looking.seen)
        self.queue(self.noticing.look())
        edited = self.ledger.edits()
        for name in sorted(edited):
            log.info("%s: its line in quelist was edited", quoting.shown(name))
            if name in self.graph.needs:
                self.graph.set_needs(name, self.graph.needs[name])
        self.begun = self.begun and not edited

    def save(self) -> None:
        """Write what changed; a look at the queue is followed by no other for an interval."""
        spare = 0.0 if self.looking.seen.early else self.obeying.interval
        self.ledger.save(self.clock.date(), spare)

    def share(self) -> None:
        """Tell others what became of our jobs, and take over what they have done."""
        shared = self.submitting.shared
        for name in shared.reconcile(self.graph.jobs) if shared else ():
            self.queue(self.graph.arrived(self.graph.jobs[name].marker))

    def reuse(self) -> None:
        """Let jobs that may start take over results of earlier ones."""
        reusing = self.submitting.reusing
        if reusing is None:
            return
        reusing.remember()
        while taken := reusing.take_over(list(self.submitting.ready())):
            for name in taken:
                job = self.graph.jobs[name]
                self.fetching.note(job.folder)
                self.queue(self.graph.arrived(job.marker))
            if self.submitting.shared:
                self.submitting.shared.done_here(taken)

    def begin(self) -> None:
        """Send the tree if it was never sent whole, and sort out what is done and what is ready."""
        if not self.run.synced_ns:
            self.host.push(self.run.folder, self.run.rdir)
            self.sent()
            self.run.synced_ns = self.noticing.newest()
            self.run.save()
        if self.ledger.unlisted:
            self.take_as_done(self.host.ask(FindMarkers(self.run.rdir)))
        self.graph.set_done(self.ledger.done())
        for name in self.ledger.entries.keys() & self.graph.jobs.keys():
            if self.graph.satisfied(name) or self.ledger.entries[name].state.final:
                self.graph.released(name)
        self.queue(n for n in self.graph.jobs if not self.graph.held(n) and self.graph.free(n))
        self.begun = True

    def take_as_done(self, markers: set[str]) -> None:
        """Jobs without a line in quelist are done where their marker stands."""
        for name in self.graph.jobs.keys() & self.ledger.unlisted - self.ledger.entries.keys():
            if self.graph.jobs[name].marker in markers:
                word = Word("skipped", self.clock.date(), "marker-found")
                self.ledger.enqueue(self.graph.jobs[name], word)
        self.ledger.unlisted.clear()

    def decide(self, seen: Seen) -> None:
        """Judge what is in flight, and queue what became ready."""
        flying = self.ledger.in_flight()
        ours = {e.job.marker for e in flying}
        if seen.early:  # the files alone say only who finished
            flying = [e for e in flying if e.jobid and e.job.marker in seen.there]
        judge = Judge(self.dialect, self.patience, self.clock.elapsed())
        missing = self.looking.missing
        now_accepted = []
        for entry in flying:
            name = entry.job.name
            verdict = judge.verdict(entry, seen, missing.absences.get(name))
            missing.set(entry, verdict.absence)
            self.strange.tell(entry, seen, not self.graph.satisfied(name))
            if verdict.what == "accepted":
                now_accepted.append((name, verdict.detail))
            elif verdict.what:
                self._settle(entry, verdict, seen)
            elif entry.attempt and not entry.jobid and entry.attempt.token not in seen.claims:
                self.submitting.unclaimed.add(name)
        if not seen.early:
            now_accepted += self.looking.found_late()
            self.ledger.accept(now_accepted, self.clock.date())
            self.ledger.note_running(seen)
            for jobid, attempt in list(self.ledger.lingering.items()):
                if not seen.names(jobid, attempt.token):
                    self.ledger.left(jobid)
        for file in sorted(seen.there - ours):
            self.queue(self.graph.arrived(file))
        for file in seen.missing:
            self.graph.departed(file)
        self.queue(self.graph.freed_by_absence(seen.missing))

    def _settle(self, entry: Entry, verdict: Verdict, seen: Seen) -> None:
        name, date = entry.job.name, self.clock.date()
        assert entry.attempt
        self.submitting.unclaimed.discard(name)
        left = verdict.what == "finished" and not seen.early
        left = left and not seen.names(entry.jobid, entry.attempt.token)
        what, detail = self.obeying.verdict(name, verdict.what, verdict.detail)
        if what == "early":
            self.submitting.ahead.put_back(name, detail, date)
            return
        self.ledger.settle(name, what, date, detail, left)
        if verdict.what == "putback":
            wait = self.limits.hit(self.clock.elapsed())
            log.warning("not taken now, next try in %.0f s: %s", wait, verdict.detail)
            return
        self._moved = self.clock.elapsed()
        self.fetching.note(entry.job.folder)
        ended, failed = what in ("finished", "failed"), what == "failed"
        if ended and self.limits.errors.note(self.clock.now(), failed):
            log.warning("%s", self.limits.errors)
        if verdict.what == "finished":
            log.info("%s finished", quoting.shown(name))
            if not left:
                self.ledger.linger(entry)
            self.queue(self.graph.arrived(entry.job.marker))
            return
        tail = seen.endings[entry.jobid].tail if entry.jobid in seen.endings else ""
        log.warning("%s", f"{quoting.shown(name)} {what}: {detail}\n{tail}".rstrip())
        if tail:
            self.run.keep_tail(entry.attempt, tail)
        if what == "failed" and entry.retries < self.limits.retries:
            self.ledger.say(name, Word("retry", date, AUTO))

    def queue(self, names: Iterable[str]) -> None:
        """Put jobs that may start at the end of quelist, once."""
        for name in names:
            self.graph.released(name)
            if name not in self.ledger.entries:
                self.ledger.enqueue(self.graph.jobs[name])

    def fetch_all(self) -> None:
        """Bring home everything that is asked for, at the end of the run."""
        self.ledger.save(self.clock.date())
        if not self.inbox:
            self.fetching.everything()
        if self.submitting.admitting:
            self.submitting.admitting.release()
        self.ended()

    def record(self, seen: Seen) -> None:
        """Write quelist, qsub.now and qstat."""
        self.save()
        head = f"# {self.clock.date()} {self.dialect.name} on {self.host.name}\n"
        files.replace(self.run.folder / "qstat", head + seen.text, durable=False)

    def over(self) -> bool:
        """Nothing is in the queue, nothing may start, and nothing awaited has appeared."""
        return not self.ledger.lingering and self._nothing_left()

    def rest(self) -> float:
        """Seconds until the scheduler is to be asked again."""
        leaving = bool(self.ledger.lingering) and self._nothing_left()
        return self.looking.rest(self.obeying.interval, leaving)

    def _nothing_left(self) -> bool:
        """As `over`, but that finished jobs may still be leaving the queue."""
        if self.ledger.in_flight() or any(self.submitting.ready()):
            return False
        shared = self.submitting.shared
        if (shared and not shared.settled()) or (self.inbox and self.inbox.waits()):
            return False
        awaited, seen = self.graph.watched(), self.looking.seen
        if not awaited <= seen.there | seen.missing:
            return False
        # what a job wrote at its end may become visible as late as its marker may
        calm = self.clock.elapsed() - self._moved >= self.patience.marker
        return calm or not self.dialect.elsewhere or not awaited & seen.missing

    def states(self) -> dict[str, State]:
        """The state of every job that quelist knows; see actions.status for all others."""
        return {name: entry.state for name, entry in self.ledger.entries.items()}
