"""The run folder's own files: what happened to each job, readable by people and after a crash.

Order of writing, on which recovery rests: an intent is in `qsub.log` before anything is sent; an
acceptance is in `qsub.log` before `quelist` says started; a verdict is in `quelist` before
`qsub.log` closes the attempt. So an attempt that `qsub.log` shows open is in flight unless
`quelist` ends it, and where `qsub.log` shows it closed, `quelist` alone decides, as a person may
have edited it (also while the monitor runs).

Writing quelist whole may take a while, so a monitor puts it off where it would take more than a
small part of the time (see pending); what closes attempts in qsub.log waits with it. Until then
an attempt is open on disk: after a crash it is in flight, and the same verdict is found by looking.
What nobody would find again does not wait: words of a job that has no open attempt on disk, what
a person ordered, `killed` and `unsure`. Nor is anything written of a job to qsub.log that would
stand before a verdict on it that waits. Also written at once: at the end of a run, and of a
monitor that is stopped.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from jobauto.clock import Clock
from jobauto.ledger import attempts, qsub_now
from jobauto.ledger.attempts import Line, Tried
from jobauto.ledger.edits import take_over
from jobauto.ledger.entries import AHEAD, AUTO, Entry, ends, late_verdict
from jobauto.ledger.index import Index
from jobauto.ledger.numbering import Numbering
from jobauto.ledger.pending import Pending
from jobauto.ledger.quelist import Word
from jobauto.ledger.quelist_file import QuelistFile
from jobauto.model import Attempt, Job, Seen, State

__all__ = ["AHEAD", "AUTO", "Entry", "Ledger", "ends"]
_NOTHING: Mapping[str, Iterable[str]] = {}


class Ledger:
    """All entries of a run in the order of quelist, and the files that keep them.

    `clock`: of what writing takes; without it nothing is ever put off.
    """

    def __init__(self, folder: Path, run_id: str, clock: Clock | None = None) -> None:
        self.folder = folder
        self.entries: dict[str, Entry] = {}
        self.lingering: dict[str, Attempt] = {}  # JOBID -> finished, but the queue names it yet
        self.unlisted: set[str] = set()  # jobs without a line that may have finished all the same
        self.log = folder / "qsub.log"
        self._file = QuelistFile(folder / "quelist")
        self.numbers = Numbering(run_id)
        self._pending = Pending(clock)
        self._due = self._pending.due  # of qsub.log, for the next `save`
        self._index = Index(self.entries)
        self._followers: list[set[str]] = []
        self._in_flight: dict[str, Entry] = {}
        self._edited: set[str] = set()
        self._doubted: set[str] = set()  # jobs whose last attempt ended as unsure
        self._changed = True

    def recover(self) -> bool:
        """Read what there is; False if there was no quelist (it was renamed, or the run is new).

        Raises UserError if quelist cannot be read.
        """
        tried = attempts.read(self.log)
        words = self._file.read()
        for name, line in (words or {}).items():
            self.entries[name] = Entry(Job.from_name(name), line)
            self.numbers.note(name, sum(word.what == "started" for word in line))
        for name, last in tried.items():
            self.numbers.note(name, last.number)
            self._recover_attempt(name, last)
        for entry in self.entries.values():
            if entry.attempt is None and entry.words and entry.words[-1].what == "started":
                self._believe(entry)
        self.unlisted = tried.keys() - self.entries.keys()
        self._index = Index(self.entries)
        return words is not None

    def edits(self) -> set[str]:
        """Take over what a person changed in quelist while the monitor runs; the jobs concerned.

        A job whose line was deleted is `unlisted`.
        """
        self._look_for_edits()
        found, self._edited = self._edited, set()
        return found

    def _note(self, entry: Entry, shown: bool = True) -> None:
        """An entry is new, has changed, or is gone; `shown`: so has its line in quelist."""
        name = entry.job.name
        self._index.note(name)
        if shown:
            self._file.note(name, entry.place)
            self._changed = True
        for follower in self._followers:
            follower.add(name)

    def follow(self) -> set[str]:
        """The names of all entries, in a set to which those that change or go are added; whoever
        follows takes them out."""
        self._followers.append(set(self.entries))
        return self._followers[-1]

    def _look_for_edits(self) -> None:
        found = self._file.edited()
        if found is None:
            self._changed = self._changed or self._file.lost()
            return
        self.entries, edited = take_over(self.entries, *found)
        self.unlisted |= edited - self.entries.keys()
        self._edited |= edited
        self._changed, self._index = True, Index(self.entries)
        for follower in self._followers:
            follower |= edited

    def _believe(self, entry: Entry) -> None:
        """Take a job as in flight that quelist says started, as qsub.log does not know it."""
        entry.attempt = self.numbers.last(entry.job)
        entry.jobid, entry.open = entry.words[-1].detail, True
        entry.ran = True  # a line about an attempt that qsub.log does not know says nothing
        self._in_flight[entry.job.name] = entry

    def _recover_attempt(self, name: str, last: Tried) -> None:
        attempt = Attempt(Job.from_name(name), last.number, last.token, last.after)
        entry = self.entries.get(name)
        verdict = last.verdict or late_verdict(entry, last)
        if verdict != last.verdict:
            self._due.append(Line(verdict, name, last.number))
        if not verdict:
            entry = self.entries.setdefault(name, Entry(attempt.job))
            entry.jobid, entry.open = last.jobid, True
            self._in_flight[name] = entry
            if last.jobid and (not entry.words or entry.words[-1].detail != last.jobid):
                entry.words.append(Word("started", last.accepted, last.jobid))
        elif verdict == "finished" and last.jobid and not last.left:
            self.lingering[last.jobid] = attempt
        if verdict == "unsure":
            self._doubted.add(name)
        if entry:
            entry.attempt = attempt
            entry.jobid, entry.ran = last.jobid, last.ran

    def enqueue(self, job: Job, *words: Word) -> Entry:
        """Put a job at the end of quelist."""
        if job.name in self.entries:
            return self.entries[job.name]
        entry = self.entries[job.name] = Entry(job, list(words))
        self._pending.urgent |= bool(words)
        self._note(entry)
        return entry

    def ready(self) -> Iterator[str]:
        """Jobs that wait in quelist for room, in its order; not to be changed meanwhile."""
        return self._index.ready()

    def bad(self) -> list[Entry]:
        """Entries that ended badly."""
        return [self.entries[name] for name in self._index.bad]

    def unsure(self) -> list[Entry]:
        """Jobs whose last attempt may yet turn up in the queue."""
        doubted = [entry for entry in map(self.entries.get, self._doubted) if entry]
        return [e for e in doubted if e.state in (State.UNSURE, State.READY)]

    def done(self) -> set[str]:
        """The markers of jobs that are done."""
        return {entry.job.marker for entry in self.entries.values() if entry.state.done}

    def in_flight(self) -> list[Entry]:
        """Jobs that hold a slot: submitted, or perhaps submitted, and without a verdict."""
        return list(self._in_flight.values())

    def intend(
        self, names: Iterable[str], date: str, after: Mapping[str, Iterable[str]] = _NOTHING
    ) -> list[Attempt]:
        """Open an attempt for each job and put the intents on disk. Open ones keep theirs.

        `after`: job to others, of open attempts by then, for which it is to wait in the queue.
        """
        found, lines, names = [], [], list(names)
        self._write_before(names, date)
        for name in names:
            entry = self.entries[name]
            if not entry.open:
                makers = (self.entries[maker].attempt for maker in after.get(name, ()))
                tokens = (attempt.token for attempt in makers if attempt)
                entry.attempt, entry.jobid = self.numbers.next(entry.job, tokens), ""
                entry.open, entry.ran = True, False
                self._in_flight[name] = entry
                self._doubted.discard(name)
                self._note(entry, shown=False)
            assert entry.attempt
            found.append(entry.attempt)
            lines.append(attempts.intent(entry.attempt))
        attempts.append(self.log, date, lines)
        return found

    def accept(self, accepted: Iterable[tuple[str, str]], date: str) -> None:
        """Note (job, JOBID) pairs: first in qsub.log, then as `started`.

        An attempt that was given up as unsure is in flight again.
        """
        lines, accepted = [], list(accepted)
        self._write_before((name for name, _ in accepted), date)
        for name, jobid in accepted:
            entry = self.entries[name]
            assert entry.attempt
            lines.append(Line("accepted", name, entry.attempt.number, (("jobid", jobid),)))
            entry.jobid, entry.open = jobid, True
            self._in_flight[name] = entry
            self._doubted.discard(name)
            entry.words.append(Word("started", date, jobid))
            self._note(entry)
        attempts.append(self.log, date, lines)

    def settle(self, name: str, what: str, date: str, detail: str = "", left: bool = False) -> None:
        """Give the open attempt its verdict, one of attempts.SETTLED; `save` writes it.

        `left`: the queue does not name the job any more.
        """
        entry = self.entries[name]
        assert entry.attempt
        entry.open = False
        self._in_flight.pop(name, None)
        if what == "unsure":
            self._doubted.add(name)
        if what != "putback":
            entry.words.append(Word(what, date, detail))
        self._pending.unsaved.add(name)
        self._pending.urgent |= what in ("killed", "unsure")
        self._note(entry, shown=what != "putback")
        pairs = ((("reason", detail),) if detail else ()) + ((("left", "yes"),) if left else ())
        self._due.append(Line(what, name, entry.attempt.number, pairs))

    def note_running(self, seen: Seen) -> None:
        """Note, once for each attempt in flight, that the queue says it runs; `save` writes it."""
        for entry in self._in_flight.values():
            if entry.attempt and not entry.ran and seen.runs(entry.jobid, entry.attempt.token):
                entry.ran = True
                self._due.append(Line("running", entry.job.name, entry.attempt.number))

    def say(self, name: str, word: Word) -> None:
        """Append a word to the line of a job that is not in flight."""
        entry = self.entries[name]
        entry.words.append(word)
        self._pending.urgent |= name not in self._pending.unsaved
        self._note(entry)

    def forget(self, name: str) -> None:
        """Leave out the line of a job that is over and whose folder is elsewhere by now."""
        entry = self.entries.pop(name, None)
        self._doubted.discard(name)
        self._pending.urgent = True
        if entry:
            self._note(entry)

    def linger(self, entry: Entry) -> None:
        """The marker is there, the queue still names the job: remember the JOBID."""
        if entry.attempt and entry.jobid:
            self.lingering[entry.jobid] = entry.attempt

    def left(self, jobid: str) -> None:
        """The queue no longer names a job that finished earlier."""
        attempt = self.lingering.pop(jobid)
        self._due.append(Line("left", attempt.job.name, attempt.number))

    def save(self, date: str, spare: float = math.inf) -> None:
        """Write quelist and then what is due in qsub.log, and qsub.now, if anything changed.

        `spare`: seconds for which quelist and qsub.log may be put off, until the next `save`.
        """
        self._look_for_edits()
        self._pending.date(date)
        if not self._pending.waits(spare):
            self._write()
        jobs = [(e.job, e.jobid) for e in self._in_flight.values() if e.jobid]
        jobs += [(attempt.job, jobid) for jobid, attempt in self.lingering.items()]
        qsub_now.write(self.folder / "qsub.now", jobs)

    def catch_up(self) -> None:
        """Write what was put off."""
        if self._pending.put_off:
            self._look_for_edits()
            self._write()

    def _write_before(self, names: Iterable[str], date: str) -> None:
        """Write verdicts that wait if there is one on any of these jobs, of which more follows."""
        if not self._pending.unsaved.isdisjoint(names):
            self._pending.date(date)
            self._write()

    def _write(self) -> None:
        with self._pending.writing(self.log):
            if self._changed:
                self._file.write(self.entries)
                self._changed = False
