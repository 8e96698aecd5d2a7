"""What the monitor of an inbox does more in each tick: folders are let in and out."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import networkx as nx

from jobauto.errors import CouldNotAsk
from jobauto.inbox.completed import Completed
from jobauto.inbox.ending import Completing, note, tail_of
from jobauto.inbox.places import OUTPUT, Places, job_of
from jobauto.inbox.taking import Taking
from jobauto.inbox.ways import Ways
from jobauto.ledger import Entry
from jobauto.ledger.quelist import Word
from jobauto.model import State
from jobauto.monitor import Monitor
from jobauto.needs import Need
from jobauto.quoting import shown, shown_lines, slug
from jobauto.remote.clearing import Clear, Gone

log = logging.getLogger("jobauto")

ALL = ("*",)  # patterns of what is brought home
REMEMBERED = 100  # failures


@dataclass(slots=True)
class Inbox:
    """The part around a monitor. `last`: the run ends when nothing more can be taken (--once)."""

    monitor: Monitor
    places: Places
    ways: Ways
    taking: Taking
    keep: bool = False  # folders on the remote
    last: bool = False
    done: int = 0
    failed: int = 0
    completing: Completing = field(init=False)
    completed: Completed = field(init=False)
    _noted: set[str] = field(init=False)
    _told: set[str] = field(default_factory=set)
    _begun: bool = False

    def __post_init__(self) -> None:
        self.completing = Completing(self.places, self.ways)
        self.completed = Completed(self.places.completed)
        self._noted = set(self.completing.noted())

    def take(self) -> None:
        """Let folders in, as many as there is room for; what needs others hears of them."""
        monitor = self.monitor
        self._complete()
        if not self._begun:
            self._forget_lines()
        self.taking.look(monitor.clock.elapsed())
        self._notice()
        self._begun = True
        while not self._paused():
            room = monitor.submitting.room(monitor.looking.seen) - len(
                list(monitor.submitting.ready())
            )
            if room <= 0 or not self.taking.take(room):
                break
            monitor.noticing.soon()
            self._notice()

    def _notice(self) -> None:
        """Take over what is new in pending/, then what is known of others."""
        known = len(self.monitor.graph.jobs)
        self.monitor.queue(self.monitor.noticing.look())
        if not self._begun or len(self.monitor.graph.jobs) > known:
            self._untie()
        while self._needs():
            self._complete()

    def _untie(self) -> None:
        """End jobs that wait for one another."""
        graph = self.monitor.graph
        for knot in list(nx.strongly_connected_components(graph.edges)):
            if len(knot) > 1 or any(graph.edges.has_edge(name, name) for name in knot):
                names = sorted(graph.jobs[name].folder for name in knot)
                why = f"{' and '.join(map(shown, names))} need one another"
                for name in names:
                    self._fail(name, why)

    def _paused(self) -> bool:
        monitor, clock = self.monitor, self.monitor.clock
        if monitor.run.stopped or monitor.limits.waits(clock.elapsed()):
            return True
        return monitor.limits.errors.paused(clock.now())

    def _forget_lines(self) -> None:
        """Leave lines out whose folder went to completed/ just before a crash, or was removed."""
        ledger = self.monitor.ledger
        for name, entry in list(ledger.entries.items()):
            if not entry.open and not (self.places.pending / entry.job.folder).is_dir():
                ledger.forget(name)
        ledger.unlisted &= self.monitor.graph.jobs.keys()

    def _needs(self) -> bool:
        """Tell the graph of folders in completed/ that others need; True if a job ended, as what
        it needs has failed."""
        graph, ended = self.monitor.graph, False
        for name, job in list(graph.jobs.items()):
            entry = self.monitor.ledger.entries.get(name)
            if entry and (entry.open or entry.state.final):
                continue
            for need in graph.needs.get(name, ()):
                if need.absent or need.file in graph.present:
                    continue
                if why := self._need(job.folder, need):
                    self._fail(job.folder, why)
                    ended = True
                    break
        return ended

    def _need(self, folder: str, need: Need) -> str:
        """Look for one file; why it never comes, if so."""
        other, _, file = need.file.partition("/")
        if not file or other == folder or other in self.taking.names:
            return ""
        if (self.places.pending / other).is_dir() and other not in self._noted:
            return ""
        found = self.completed.newest(other)
        if found is None:
            return ""
        where, how = found
        if file == job_of("").marker:
            there, why = how.done, f"needs {shown(other)}, which failed"
        else:
            there = self.completed.holds(where, file)
            why = f"needs {shown(file)} of {shown(other)}, which is over and has none"
        if there:
            self.monitor.queue(self.monitor.graph.arrived(need.file))
        return "" if there else why

    def bring_home(self) -> None:
        """Let folders out whose jobs are over."""
        self.monitor.fetching.due.clear()  # all of them come, when they are over
        found = self._over()
        for entry in self._pull(found):
            word = entry.words[-1]
            self._end(entry.job.folder, word, self._error(entry, word))
        self._complete()
        while self._needs():
            self._complete()

    def _over(self) -> list[Entry]:
        """Jobs with a verdict that may go; one that others need stays until these are over."""
        ledger = self.monitor.ledger
        lingering = {attempt.job.name for attempt in ledger.lingering.values()}
        found = [
            entry
            for name, entry in ledger.entries.items()
            if entry.state.final
            and entry.state is not State.UNSURE
            and name not in lingering
            and entry.job.folder not in self._noted
        ]
        if any(entry.state.done for entry in found):
            needed = self._needed() | self.taking.wanted()
            found = [e for e in found if e.state.bad or e.job.folder not in needed]
        return found

    def _needed(self) -> set[str]:
        """Folders that jobs need which are not over."""
        graph, entries = self.monitor.graph, self.monitor.ledger.entries
        found: set[str] = set()
        for name, job in graph.jobs.items():
            if name not in entries or not entries[name].state.final:
                needs = graph.needs.get(name, ())
                found |= {need.file.partition("/")[0] for need in needs} - {job.folder}
        return found

    def _pull(self, found: Sequence[Entry]) -> list[Entry]:
        """Bring all that they hold home; those for which that was possible."""
        sent = [entry for entry in found if entry.attempt]
        try:
            self._pull_all(sent)
            return list(found)
        except CouldNotAsk:
            if len(sent) < 2:
                raise
        whole = [entry for entry in found if not entry.attempt]
        for entry in sent:
            try:
                self._pull_all([entry])
                whole.append(entry)
            except CouldNotAsk as error:
                self._tell(entry.job.folder, f"cannot be brought home: {error}")
        return whole

    def _pull_all(self, entries: Sequence[Entry]) -> None:
        run, folders = self.monitor.run, [entry.job.folder for entry in entries]
        if folders:
            self.monitor.host.pull(run.rdir, run.folder, ALL, folders).finish()

    def _error(self, entry: Entry, word: Word) -> str:
        """The text of job_error.txt: the verdict, the submission, the end of the output."""
        run = self.monitor.run
        head = f"{word.what}: {word.detail or 'nothing more is known'}\n"
        jobid = f" as {entry.jobid}" if entry.jobid else ""
        head += f"{word.date}, submitted to {run.scheduler} on {self.monitor.host.name}{jobid}\n"
        tail = run.tail(entry.attempt) if entry.attempt else ""
        output = tail_of(self.places.pending / entry.job.folder / OUTPUT)
        parts = [tail, f"==> {OUTPUT}\n{output}" if output else ""]
        return head + "".join(f"\n{shown_lines(part)}\n" for part in parts if part)

    def _fail(self, name: str, why: str) -> None:
        """End a job that never may start."""
        self._end(name, Word("failed", self.monitor.clock.date(), slug(why)), f"failed: {why}\n")

    def _end(self, name: str, word: Word, error: str) -> None:
        """Note how a job ended; from now on it is no job any more."""
        monitor, job = self.monitor, job_of(name)
        if word.what == "failed":
            self._remember(job.name, word)
        try:
            note(self.places.pending / name, word, error)
            self._noted.add(name)
        except FileNotFoundError:
            log.warning("pending/%s was removed", shown(name))
            monitor.ledger.forget(job.name)
        if job.name in monitor.graph.jobs:
            monitor.graph.remove(job.name)
        monitor.noticing.forget(job)

    def _remember(self, name: str, word: Word) -> None:
        """Keep a failure for those who tell people of it, after the tick."""
        gone = self.monitor.gone
        gone.pop(name, None)
        gone[name] = word
        while len(gone) > REMEMBERED:
            del gone[next(iter(gone))]

    def _complete(self) -> None:
        """Bring what has ended to completed/; RemoteError if the remote cannot be told."""
        if not self._noted:
            return
        monitor = self.monitor
        for name in sorted(self._noted - self._clear(sorted(self._noted))):
            try:
                done = self.completing.complete(name, monitor.clock.now())
            except OSError as error:
                self._tell(name, str(error))
                continue
            self.done, self.failed = self.done + done, self.failed + (not done)
            self._noted.discard(name)
            self._forget(name)
        monitor.ledger.save(monitor.clock.date())

    def _clear(self, names: Iterable[str]) -> frozenset[str]:
        """Take the folders from the remote; those that are still there."""
        monitor = self.monitor
        mirrored = monitor.run.mirrored
        if mirrored and not monitor.run.synced_ns:  # nothing is there yet
            return frozenset()
        gone = []
        for name in names:
            entry = monitor.ledger.entries.get(job_of(name).name)
            token = entry.attempt.token if entry and entry.attempt else ""
            gone.append(Gone(name if mirrored else "", token.rpartition("-")[0]))
        found = monitor.host.ask(Clear(monitor.run.rdir, gone, self.keep))
        for name in found.kept if not self.keep else ():
            text = "%s: has symbolic links; it stays on the remote in .jobauto/kept, too"
            log.warning(text, shown(name))
        for name in found.stay:
            self._tell(name, "cannot be moved on the remote")
        return found.stay

    def _forget(self, name: str) -> None:
        monitor, job = self.monitor, job_of(name)
        entry = monitor.ledger.entries.get(job.name)
        if entry and entry.attempt:
            (monitor.run.private / "tails" / entry.attempt.token).unlink(missing_ok=True)
        monitor.ledger.forget(job.name)
        if monitor.run.moved.pop(job.name, None) or monitor.run.killed.pop(job.name, None):
            monitor.run.save()

    def waits(self) -> bool:
        """Whether the run goes on though nothing is in the queue."""
        return not self.last or bool(self._noted) or bool(self.taking.soon)

    def _tell(self, name: str, why: str) -> None:
        if (text := f"{name}: {why}") not in self._told:
            self._told.add(text)
            log.warning("pending/%s", shown(text))
