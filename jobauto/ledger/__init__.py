"""The run folder's own files: what happened to each job, readable by people and after a crash.

Order of writing, on which recovery rests: an intent is in `qsub.log` before anything is sent; an
acceptance is in `qsub.log` before `quelist` says started; a verdict is in `quelist` before
`qsub.log` closes the attempt. So an attempt that `qsub.log` shows open is in flight unless
`quelist` ends it, and where `qsub.log` shows it closed, `quelist` alone decides, as a person may
have edited it (also while the monitor runs).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from jobauto import quoting
from jobauto.ledger import attempts, files
from jobauto.ledger.attempts import Line, Tried
from jobauto.ledger.entries import AUTO, Entry, ends
from jobauto.ledger.quelist import MEANING, Word
from jobauto.ledger.quelist_file import QuelistFile, Words
from jobauto.model import Attempt, Job, Seen, State

__all__ = ["AUTO", "Entry", "Ledger", "ends"]


class Ledger:
    """All entries of a run in the order of quelist, and the files that keep them."""

    def __init__(self, folder: Path, run_id: str) -> None:
        self.folder = folder
        self.run_id = run_id
        self.entries: dict[str, Entry] = {}
        self.lingering: dict[str, Attempt] = {}  # JOBID -> finished, but the queue names it yet
        self.unlisted: set[str] = set()  # jobs without a line that may have finished all the same
        self.log = folder / "qsub.log"
        self._file = QuelistFile(folder / "quelist")
        self._numbers: dict[str, int] = {}  # job -> number of its last attempt
        self._due: list[Line] = []  # of qsub.log, for the next `save`
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
            self._numbers[name] = sum(word.what == "started" for word in line)
        for name, last in tried.items():
            self._numbers[name] = max(last.number, self._numbers.get(name, 0))
            self._recover_attempt(name, last)
        for entry in self.entries.values():
            if entry.attempt is None and entry.words and entry.words[-1].what == "started":
                self._believe(entry)
        self.unlisted = tried.keys() - self.entries.keys()
        return words is not None

    def edits(self) -> set[str]:
        """Take over what a person changed in quelist while the monitor runs; the jobs concerned.

        Lines of jobs in flight stay as they are, and so do those to which something was added
        since. A job whose line was deleted is `unlisted`.
        """
        self._look_for_edits()
        found, self._edited = self._edited, set()
        return found

    def _look_for_edits(self) -> None:
        base = self._file.base
        words = self._file.edited()
        if words is None:
            self._changed = self._changed or self._file.lost()
            return
        self._changed = True
        for name in base.keys() | words.keys():
            entry = self.entries.get(name)
            ours = entry.words if entry and not entry.open else None
            if words.get(name) != base.get(name) and ours == base.get(name):
                self._take_edit(name, words)
        order = {name: number for number, name in enumerate(words)}
        last = len(order)
        self.entries = dict(sorted(self.entries.items(), key=lambda e: order.get(e[0], last)))

    def _take_edit(self, name: str, words: Words) -> None:
        self._edited.add(name)
        if name in words:
            entry = self.entries.setdefault(name, Entry(Job.from_name(name)))
            entry.words = words[name]
        else:
            del self.entries[name]
            self.unlisted.add(name)

    def _believe(self, entry: Entry) -> None:
        """Take a job as in flight that quelist says started, as qsub.log does not know it."""
        entry.attempt = self._attempt(entry.job, self._numbers[entry.job.name])
        entry.jobid, entry.open = entry.words[-1].detail, True
        entry.ran = True  # a line about an attempt that qsub.log does not know says nothing
        self._in_flight[entry.job.name] = entry

    def _attempt(self, job: Job, number: int) -> Attempt:
        return Attempt(job, number, f"ja{self.run_id}-{_digest(job.name)}-{number}")

    def _recover_attempt(self, name: str, last: Tried) -> None:
        attempt = Attempt(Job.from_name(name), last.number, last.token)
        entry = self.entries.get(name)
        verdict = last.verdict or self._late_verdict(entry, last)
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

    @staticmethod
    def _late_verdict(entry: Entry | None, last: Tried) -> str:
        """The verdict of quelist on an attempt that qsub.log did not get in time, or ''.

        Only what follows its own `started` counts: a verdict before that is of an earlier attempt.
        """
        begin = Word("started", last.accepted, last.jobid)
        if entry is None or not last.jobid or begin not in entry.words:
            return ""
        since = entry.words[entry.words.index(begin) :]
        return next((word.what for word in since if MEANING[word.what].final), "")

    def enqueue(self, job: Job, *words: Word) -> Entry:
        """Put a job at the end of quelist."""
        self._changed = True
        return self.entries.setdefault(job.name, Entry(job, list(words)))

    def ready(self) -> list[str]:
        """Jobs that wait in quelist for room, in its order."""
        return [name for name, entry in self.entries.items() if entry.state is State.READY]

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

    def intend(self, names: Iterable[str], date: str) -> list[Attempt]:
        """Open an attempt for each job and put the intents on disk. Open ones keep theirs."""
        found, lines = [], []
        for name in names:
            entry = self.entries[name]
            if not entry.open:
                self._numbers[name] = self._numbers.get(name, 0) + 1
                entry.attempt, entry.jobid = self._attempt(entry.job, self._numbers[name]), ""
                entry.open, entry.ran = True, False
                self._in_flight[name] = entry
                self._doubted.discard(name)
            assert entry.attempt
            found.append(entry.attempt)
            pairs = (("token", entry.attempt.token),)
            lines.append(Line("intent", name, entry.attempt.number, pairs))
        attempts.append(self.log, date, lines)
        return found

    def accept(self, accepted: Iterable[tuple[str, str]], date: str) -> None:
        """Note (job, JOBID) pairs: first in qsub.log, then as `started`.

        An attempt that was given up as unsure is in flight again.
        """
        lines = []
        for name, jobid in accepted:
            entry = self.entries[name]
            assert entry.attempt
            lines.append(Line("accepted", name, entry.attempt.number, (("jobid", jobid),)))
            entry.jobid, entry.open = jobid, True
            self._in_flight[name] = entry
            self._doubted.discard(name)
            entry.words.append(Word("started", date, jobid))
            self._changed = True
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
            self._changed = True
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
        self.entries[name].words.append(word)
        self._changed = True

    def forget(self, name: str) -> None:
        """Leave out the line of a job that is over and whose folder is elsewhere by now."""
        self.entries.pop(name, None)
        self._doubted.discard(name)
        self._changed = True

    def linger(self, entry: Entry) -> None:
        """The marker is there, the queue still names the job: remember the JOBID."""
        if entry.attempt and entry.jobid:
            self.lingering[entry.jobid] = entry.attempt

    def left(self, jobid: str) -> None:
        """The queue no longer names a job that finished earlier."""
        attempt = self.lingering.pop(jobid)
        self._due.append(Line("left", attempt.job.name, attempt.number))

    def save(self, date: str) -> None:
        """Write quelist and qsub.now if anything changed, then what is due in qsub.log."""
        self._look_for_edits()
        if self._changed:
            self._file.write({name: e.words for name, e in self.entries.items()})
            self._changed = False
        now = self._now()
        path = self.folder / "qsub.now"
        if not path.exists() or files.read(path) != now:
            files.replace(path, now, durable=False)
        attempts.append(self.log, date, self._due)
        self._due.clear()

    def _now(self) -> str:
        ids = [(e.job, e.jobid) for e in self._in_flight.values() if e.jobid]
        ids += [(attempt.job, jobid) for jobid, attempt in self.lingering.items()]
        return "".join(f"{quoting.word(j.id)} {i} ! {quoting.word(j.name)}\n" for j, i in ids)


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:10]
