"""Random lives of a ledger: what a monitor does to it, crashes at any write, a person's edits.

The model is a plain dict of what must be true whatever happens. What a call has returned from is
known for ever; a call that a crash interrupted has happened or not. Checked after every step and
every recovery:

- an attempt whose intent was written is in flight, with its token, until its verdict was saved;
- the JOBID of an attempt in flight is known from the moment `accept` returned;
- no number of a job and no token is ever given to two attempts;
- a verdict that was saved stays, until a person takes it away;
- a job that finished while the queue names it is remembered until it left.
"""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from jobauto.ledger import AUTO, Entry, Ledger, attempts, files, quelist
from jobauto.ledger.quelist import MEANING, Word
from jobauto.model import Attempt, Job, State, stamp

JOBS = [Job("a", "0"), Job("a", "1"), Job("b b", "0"), Job("", "top")]
ALL = {job.name for job in JOBS}
some = st.just(ALL) | st.sets(st.sampled_from(sorted(ALL)), min_size=1)
VERDICTS = ["finished", "failed", "killed", "unsure", "putback"]


@pytest.fixture(autouse=True, scope="module")
def quick() -> Iterator[None]:
    """No crash here takes the disk's cache with it."""
    with patch.object(os, "fsync", lambda descriptor: None):
        yield


class Crash(BaseException):
    """The process is gone: nothing catches this but the machine."""


@dataclass
class Known:
    """What must be true of one job."""

    attempt: Attempt | None = None  # in flight, without a verdict that was saved
    jobid: str = ""
    saved: str = ""  # the verdict that must stay
    late: Attempt | None = None  # its verdict is in quelist, and not in qsub.log yet
    numbers: dict[int, str] = field(default_factory=dict)  # of attempts -> token


class Life(RuleBasedStateMachine):
    """One run folder, a ledger that is replaced by a new one at each crash, and the model."""

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.time = itertools.count(1e9)
        self.jobids = itertools.count(1001)
        self.known = {job.name: Known() for job in JOBS}
        self.unsaved: dict[str, str] = {}  # job -> verdict that no file has yet
        self.lingering: dict[str, str] = {}  # JOBID -> job, saved
        self.ledger = Ledger(self.folder, "run")
        self.ledger.recover()
        self.fill()

    def teardown(self) -> None:
        shutil.rmtree(self.folder)

    def date(self) -> str:
        return stamp(next(self.time))

    def flying(self) -> dict[str, Entry]:
        return {entry.job.name: entry for entry in self.ledger.in_flight()}

    # What a monitor does

    def fill(self) -> None:
        """All jobs may run: they stand in quelist, as after each start of a monitor."""
        for job in JOBS:
            if job.name not in self.ledger.entries:
                self.ledger.enqueue(job)

    @precondition(lambda self: self.to_send(ALL))
    @rule(names=some)
    def intend(self, names: set[str]) -> None:
        """Ready jobs get a new attempt; those in doubt are sent again as the same one."""
        before = {name: entry.attempt for name, entry in self.flying().items()}
        for attempt in self.ledger.intend(self.to_send(names), self.date()):
            name = attempt.job.name
            assert before.get(name, attempt) == attempt
            self.opened(attempt, new=name not in before)

    def to_send(self, names: set[str]) -> list[str]:
        lingering = {attempt.job.name for attempt in self.ledger.lingering.values()}
        ready = [name for name in self.ledger.ready() if name in names - lingering]
        return ready + [n for n, e in self.flying().items() if n in names and not e.jobid]

    def opened(self, attempt: Attempt, new: bool) -> None:
        known = self.known[attempt.job.name]
        if new:
            assert attempt.number > max(known.numbers, default=0), "a number used twice"
            known.numbers[attempt.number] = attempt.token
            known.jobid = ""
        tokens = [token for k in self.known.values() for token in k.numbers.values()]
        assert len(tokens) == len(set(tokens)), "a token used twice"
        known.attempt, known.saved = attempt, ""
        self.unsaved.pop(attempt.job.name, None)

    def doubtful(self) -> list[str]:
        return [name for name, entry in self.flying().items() if not entry.jobid]

    @precondition(lambda self: self.doubtful())
    @rule(number=st.integers(1, 4))
    def accept(self, number: int) -> None:
        pairs = [(name, str(next(self.jobids))) for name in self.doubtful()[:number]]
        self.ledger.accept(pairs, self.date())
        for name, jobid in pairs:
            self.known[name].jobid = jobid

    @precondition(lambda self: self.flying())
    @rule(data=st.data(), what=st.sampled_from(VERDICTS), left=st.booleans())
    def settle(self, data: st.DataObject, what: str, left: bool) -> None:
        name, entry = data.draw(st.sampled_from(sorted(self.flying().items())))
        if what == "putback" and entry.jobid:
            return
        left = left and what == "finished" and bool(entry.jobid)
        self.ledger.settle(name, what, self.date(), "it's so" if what == "failed" else "", left)
        if what == "finished" and not left:
            self.ledger.linger(entry)
        self.unsaved[name] = what

    @precondition(lambda self: self.ledger.lingering)
    @rule()
    def the_queue_drops_what_lingers(self) -> None:
        for jobid in list(self.ledger.lingering):
            self.ledger.left(jobid)
            self.lingering.pop(jobid, None)

    @precondition(lambda self: any(e.state.bad for e in self.ledger.entries.values()))
    @rule(job=st.sampled_from(JOBS), detail=st.sampled_from([AUTO, ""]))
    def retry(self, job: Job, detail: str) -> None:
        entry = self.ledger.entries.get(job.name)
        if entry and entry.state.bad:
            self.ledger.say(job.name, Word("retry", self.date(), detail))
            self.known[job.name].saved = ""

    @rule()
    def save(self) -> None:
        self.ledger.save(self.date())
        for name in self.unsaved:
            self.closed(name)
        self.unsaved.clear()
        for known in self.known.values():
            known.late = None
        self.lingering = {j: a.job.name for j, a in self.ledger.lingering.items()}

    def closed(self, name: str) -> None:
        """The verdict on an attempt is in the files."""
        known, what = self.known[name], self.unsaved[name]
        last = self.ledger.entries[name].words[-1:]
        known.late, known.attempt = known.attempt, None
        known.saved = what if last and last[0].what == what else ""

    # What goes wrong

    @rule(
        what=st.sampled_from(["intend", "accept", "save"]),
        after=st.integers(0, 2),
        written=st.booleans(),
        data=st.data(),
    )
    def crash_in_the_middle(
        self, what: str, after: int, written: bool, data: st.DataObject
    ) -> None:
        """The n-th write of a call is the last thing that happens, or the first that does not."""
        calls: dict[str, Callable[[], object]] = {
            "intend": lambda: self.intend(data.draw(some)),
            "accept": lambda: self.accept(data.draw(st.integers(1, 4))),
            "save": self.save,
        }
        count, whole = itertools.count(), set[str]()

        def dying(real: Callable[..., object]) -> Callable[..., object]:
            def write(*args: object, **options: object) -> object:
                last = next(count) == after
                if last and not written:
                    raise Crash
                real(*args, **options)
                whole.add(Path(str(args[0])).name)
                if last:
                    raise Crash
                return None

            return write

        with (
            patch.object(files, "replace", dying(files.replace)),
            patch.object(attempts, "append", dying(attempts.append)),
            suppress(Crash),
        ):
            calls[what]()
        if "quelist" in whole:  # then it decides, but for what never had a JOBID
            for name in [n for n in self.unsaved if self.known[n].jobid]:
                self.closed(name)
        self.restart()

    @rule()
    def restart(self) -> None:
        """A new process knows only what the files say."""
        self.ledger = Ledger(self.folder, "run")
        self.ledger.recover()
        self.learn()
        self.fill()

    def learn(self) -> None:
        """Take over what an interrupted call may have done or not; check what it must not."""
        flying = self.flying()
        for name, known in self.known.items():
            entry = flying.get(name)
            if entry is None:
                # a verdict reached the files before the crash; it was meant to
                assert known.attempt is None or name in self.unsaved, f"{name} is forgotten"
                if known.attempt is not None:
                    known.attempt, known.saved = None, ""
                continue
            assert entry.attempt
            if known.late == entry.attempt and not known.saved:  # a person took the verdict away
                known.attempt = known.late
            if known.attempt is None or known.attempt.number < entry.attempt.number:
                assert entry.attempt.number not in known.numbers, "it was closed"
                self.opened(entry.attempt, new=True)
            assert entry.jobid or not known.jobid, f"the JOBID of {name} is lost"
            known.jobid = known.jobid or entry.jobid
        self.unsaved.clear()

    # What a person does while no monitor runs

    @rule(at=st.integers(0, 9), what=st.sampled_from(["last word", "line"]))
    def a_person_deletes_in_quelist(self, at: int, what: str) -> None:
        if self.edit(at, what):
            self.restart()

    @rule(at=st.integers(0, 9), what=st.sampled_from(["last word", "line"]))
    def a_person_edits_quelist_while_the_monitor_runs(self, at: int, what: str) -> None:
        saved = {name: known.saved for name, known in self.known.items()}
        if self.edit(at, what):
            for name in self.unsaved:  # the monitor knows more by now: its own line stays
                self.known[name].saved = saved[name]
            self.ledger.edits()
            self.fill()

    def edit(self, at: int, what: str) -> bool:
        """Delete something in quelist; False if there is nothing."""
        path = self.folder / "quelist"
        lines = path.read_text().splitlines(keepends=True) if path.exists() else []
        if not lines:
            return False
        at %= len(lines)
        [(name, words)] = quelist.parse(lines[at]).items()
        lines[at] = quelist.format_lines({name: words[:-1]}) if what == "last word" else ""
        path.write_text("".join(lines))
        self.known[name].saved = ""
        return True

    @rule(rename=st.booleans())
    def a_person_takes_quelist_away(self, rename: bool) -> None:
        path = self.folder / "quelist"
        if path.exists():
            os.replace(path, self.folder / "old") if rename else path.unlink()
        for known in self.known.values():
            known.saved = ""
        self.restart()

    # What must be true

    @invariant()
    def nothing_in_flight_is_forgotten(self) -> None:
        flying = self.flying()
        for name, known in self.known.items():
            if known.attempt and name not in self.unsaved:
                assert flying[name].attempt == known.attempt
                assert flying[name].jobid == known.jobid
                assert self.ledger.entries[name].state in (State.SUBMITTING, State.STARTED)
                assert name not in self.ledger.ready()
        assert flying.keys() <= {name for name, known in self.known.items() if known.attempt}

    @invariant()
    def what_was_saved_stays(self) -> None:
        for name, known in self.known.items():
            if known.saved and not known.attempt:
                assert self.ledger.entries[name].state is MEANING[known.saved]

    @invariant()
    def what_lingers_is_known(self) -> None:
        assert self.lingering.keys() <= self.ledger.lingering.keys()


Life.TestCase.settings = settings(max_examples=150, stateful_step_count=40)
TestLife = Life.TestCase
