"""The ledger: what a run folder tells after a crash at any moment, and how it is written."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from trees import make

from jobauto.errors import UserError
from jobauto.ledger import AUTO, Entry, Ledger, attempts, files
from jobauto.ledger.quelist import Word, parse
from jobauto.model import Attempt, Job, State, stamp
from jobauto.quoting import words

D0, D1, D2, D3 = (stamp(1e9 + n) for n in range(4))
JOB = Job("a b", "0")
NAME = JOB.name
Q = f"'{NAME}'"

INTENT = f"{D0} intent {Q} 1 token=t1\n"
ACCEPTED = f"{D1} accepted {Q} 1 jobid=71\n"


def recovered(folder: Path) -> Ledger:
    """A ledger that knows only what the files in `folder` say."""
    ledger = Ledger(folder, "run")
    ledger.recover()
    return ledger


def told(folder: Path, quelist: str | None, log: str | None) -> Entry:
    """What these texts of quelist and qsub.log tell of the one job in them."""
    texts = {"quelist": quelist, "qsub.log": log}
    make(folder, {name: text for name, text in texts.items() if text is not None})
    [entry] = recovered(folder).entries.values()
    return entry


def flying(ledger: Ledger) -> dict[str, str]:
    """Job to JOBID ('' if not known) of what may be in the queue."""
    return {e.job.name: e.jobid for e in ledger.in_flight()}


# The rules of recovery


def test_a_new_run_has_neither_quelist_nor_jobs(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, "run")
    assert ledger.recover() is False
    assert ledger.entries == {}


def test_a_job_in_quelist_without_a_word_is_ready(tmp_path: Path) -> None:
    assert told(tmp_path, f"{Q}\n", None).state is State.READY


def test_an_open_attempt_without_a_jobid_is_in_doubt_and_keeps_its_token(tmp_path: Path) -> None:
    entry = told(tmp_path, f"{Q}\n", INTENT)
    assert entry.state is State.SUBMITTING
    assert entry.attempt == Attempt(JOB, 1, "t1")
    ledger = recovered(tmp_path)
    assert list(ledger.ready()) == []
    assert flying(ledger) == {NAME: ""}
    assert [a.token for a in ledger.intend([NAME], D2)] == ["t1"], "sent again, as the same one"


def test_an_open_attempt_with_a_jobid_is_in_the_queue_whatever_quelist_lacks(
    tmp_path: Path,
) -> None:
    entry = told(tmp_path, f"{Q}\n", INTENT + ACCEPTED)
    assert (entry.state, entry.jobid) == (State.STARTED, "71")
    assert entry.words == [Word("started", D1, "71")]


def test_a_job_that_quelist_does_not_know_is_in_flight_if_its_attempt_is_open(
    tmp_path: Path,
) -> None:
    entry = told(tmp_path, "", INTENT + ACCEPTED)
    assert (entry.state, entry.jobid) == (State.STARTED, "71")


def test_started_is_not_said_twice(tmp_path: Path) -> None:
    entry = told(tmp_path, f"{Q} started@{D1}@71\n", INTENT + ACCEPTED)
    assert entry.words == [Word("started", D1, "71")]


@pytest.mark.parametrize("word", ["finished", "failed", "killed", "unsure"])
def test_a_verdict_in_quelist_ends_an_attempt_that_the_log_shows_open(
    tmp_path: Path, word: str
) -> None:
    entry = told(tmp_path, f"{Q} started@{D1}@71 {word}@{D2}@x\n", INTENT + ACCEPTED)
    assert entry.state.word == word
    ledger = recovered(tmp_path)
    assert flying(ledger) == {}
    ledger.save(D3)
    assert attempts.read(ledger.log)[NAME].verdict == word, "the log gets it late"


def test_a_job_that_finished_just_before_a_crash_stays_in_qsub_now(tmp_path: Path) -> None:
    told(tmp_path, f"{Q} started@{D1}@71 finished@{D2}\n", INTENT + ACCEPTED)
    ledger = recovered(tmp_path)
    assert set(ledger.lingering) == {"71"}
    ledger.save(D3)
    assert files.read(tmp_path / "qsub.now") == f"0 71 ! {Q}\n"


def test_a_verdict_on_an_earlier_attempt_does_not_end_the_last_one(tmp_path: Path) -> None:
    quelist = f"{Q} started@{D0}@70 failed@{D0}@x retry@{D0}@auto\n"
    log = (
        f"{D0} intent {Q} 1 token=t1\n{D0} accepted {Q} 1 jobid=70\n{D0} failed {Q} 1\n"
        f"{D1} intent {Q} 2 token=t2\n{D1} accepted {Q} 2 jobid=71\n"
    )
    entry = told(tmp_path, quelist, log)
    assert (entry.state, entry.jobid) == (State.STARTED, "71")
    assert entry.words[-1] == Word("started", D1, "71")


def test_a_jobid_that_the_scheduler_gave_before_does_not_end_the_last_attempt(
    tmp_path: Path,
) -> None:
    quelist = f"{Q} started@{D0}@71 failed@{D0}@x retry@{D0}@auto\n"
    log = (
        f"{D0} intent {Q} 1 token=t1\n{D0} accepted {Q} 1 jobid=71\n{D0} failed {Q} 1\n"
        f"{D1} intent {Q} 2 token=t2\n{D1} accepted {Q} 2 jobid=71\n"
    )
    assert told(tmp_path, quelist, log).state is State.STARTED


def test_a_verdict_without_a_jobid_is_looked_into_again(tmp_path: Path) -> None:
    entry = told(tmp_path, f"{Q} failed@{D1}@refused\n", INTENT)
    assert entry.state is State.SUBMITTING, "quelist cannot tell which attempt was refused"


def test_where_the_log_is_closed_quelist_decides(tmp_path: Path) -> None:
    log = INTENT + ACCEPTED + f"{D2} failed {Q} 1\n"
    line = f"{Q} started@{D1}@71 failed@{D2}@x"
    assert told(tmp_path, f"{line}\n", log).state is State.FAILED
    assert told(tmp_path, f"{line} retry@{D3}\n", log).state is State.READY


@pytest.mark.parametrize("left", ["", " started@{D1}@71"])
def test_a_person_who_deletes_the_word_failed_gets_another_attempt(
    tmp_path: Path, left: str
) -> None:
    log = INTENT + ACCEPTED + f"{D2} failed {Q} 1\n"
    assert told(tmp_path, f"{Q}{left.format(D1=D1)}\n", log).state is State.READY
    ledger = recovered(tmp_path)
    assert list(ledger.ready()) == [NAME]
    [attempt] = ledger.intend([NAME], D3)
    assert attempt.number == 2


def test_a_person_who_deletes_the_line_of_a_running_job_does_not_start_it_twice(
    tmp_path: Path,
) -> None:
    make(tmp_path, {"quelist": "", "qsub.log": INTENT + ACCEPTED})
    assert flying(recovered(tmp_path)) == {NAME: "71"}


def test_without_a_log_quelist_is_believed(tmp_path: Path) -> None:
    entry = told(tmp_path, f"{Q} started@{D1}@71\n", None)
    assert (entry.state, entry.jobid) == (State.STARTED, "71")
    assert flying(recovered(tmp_path)) == {NAME: "71"}


def test_a_renamed_quelist_is_noticed_and_what_flies_is_adopted(tmp_path: Path) -> None:
    log = INTENT + ACCEPTED
    log += f"{D0} intent b/qsub.0 1 token=u1\n"
    log += f"{D0} intent c/qsub.0 1 token=v1\n{D1} accepted c/qsub.0 1 jobid=73\n"
    log += f"{D2} failed c/qsub.0 1\n"
    make(tmp_path, {"qsub.log": log, "quelist.old": f"{Q} started@{D1}@71\nc/qsub.0\n"})
    ledger = Ledger(tmp_path, "run")
    assert ledger.recover() is False
    assert flying(ledger) == {NAME: "71", "b/qsub.0": ""}
    assert "c/qsub.0" not in ledger.entries, "it starts anew"


def test_a_job_that_starts_anew_goes_on_counting_its_attempts(tmp_path: Path) -> None:
    make(tmp_path, {"qsub.log": INTENT + ACCEPTED + f"{D2} failed {Q} 1\n"})
    ledger = recovered(tmp_path)
    ledger.enqueue(JOB)
    [attempt] = ledger.intend([NAME], D3)
    assert attempt.number == 2
    assert attempt.token != "t1"


def test_a_finished_job_lingers_until_the_log_says_that_it_left(tmp_path: Path) -> None:
    log = INTENT + ACCEPTED + f"{D2} finished {Q} 1\n"
    make(tmp_path, {"quelist": f"{Q} started@{D1}@71 finished@{D2}\n", "qsub.log": log})
    assert set(recovered(tmp_path).lingering) == {"71"}
    make(tmp_path, {"qsub.log": log + f"{D3} left {Q} 1\n"})
    assert recovered(tmp_path).lingering == {}


def test_a_quelist_that_cannot_be_read_is_an_error_and_not_an_empty_one(tmp_path: Path) -> None:
    make(tmp_path, {"quelist": f"{Q} finnished@{D1}\n"})
    with pytest.raises(UserError, match="unknown word 'finnished'") as error:
        Ledger(tmp_path, "run").recover()
    assert error.value.where == f"{tmp_path}/quelist:1"


def test_recovery_writes_nothing(tmp_path: Path) -> None:
    make(tmp_path, {"quelist": f"{Q} started@{D1}@71 failed@{D2}\n", "qsub.log": INTENT + ACCEPTED})
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    recovered(tmp_path)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


# Attempts


def test_tokens_differ_by_run_job_and_attempt(tmp_path: Path) -> None:
    tokens: set[str] = set()
    for number, run_id in enumerate(["aa", "bb"]):
        folder = tmp_path / str(number)
        folder.mkdir()
        ledger = Ledger(folder, run_id)
        for job in (JOB, Job("c", "0")):
            ledger.enqueue(job)
            for _ in range(2):
                tokens.update(a.token for a in ledger.intend([job.name], D0))
                ledger.settle(job.name, "putback", D1)
    assert len(tokens) == 8
    assert all(t.replace("-", "").isalnum() and t.startswith("ja") for t in tokens)


def test_a_put_back_job_is_ready_and_nothing_is_said_in_quelist(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, "run")
    ledger.enqueue(JOB)
    ledger.intend([NAME], D0)
    ledger.settle(NAME, "putback", D1, "limit")
    ledger.save(D1)
    assert files.read(ledger.folder / "quelist") == f"{Q}\n"
    again = recovered(tmp_path)
    assert list(again.ready()) == [NAME]
    assert flying(again) == {}


def test_a_job_is_queued_once(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, "run")
    ledger.enqueue(JOB, Word("skipped", D0, "marker-found"))
    ledger.enqueue(JOB)
    ledger.enqueue(Job("0", "0"))
    ledger.save(D0)
    text = files.read(ledger.folder / "quelist")
    assert text == f"{Q} skipped@{D0}@marker-found\n0/qsub.0\n", "in the order of queueing"


def test_retries_of_the_monitor_are_counted_since_a_person_last_said_so() -> None:
    failed, auto = Word("failed", D0, "x"), Word("retry", D0, AUTO)
    person = Word("retry", D0)
    words = [failed, auto, failed, auto, failed]
    assert Entry(JOB).retries == 0
    assert Entry(JOB, [failed]).retries == 0
    assert Entry(JOB, words).retries == 2
    assert Entry(JOB, [*words, person]).retries == 0
    assert Entry(JOB, [*words, person, failed, auto]).retries == 1


# qsub.now


def test_qsub_now_lists_what_is_in_the_queue_and_nothing_else(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, "run")
    now = tmp_path / "qsub.now"
    others = [Job("mp-149", "lda"), Job("c", "1")]
    for job in (JOB, *others):
        ledger.enqueue(job)
    ledger.save(D0)
    assert files.read(now) == ""
    ledger.intend([NAME, "mp-149/qsub.lda", "c/qsub.1"], D0)
    ledger.accept([(NAME, "71"), ("mp-149/qsub.lda", "72.host")], D1)
    ledger.save(D1)
    assert files.read(now) == f"0 71 ! {Q}\nlda 72.host ! mp-149/qsub.lda\n"
    ledger.settle(NAME, "finished", D2)
    ledger.linger(ledger.entries[NAME])
    ledger.settle("mp-149/qsub.lda", "failed", D2)
    ledger.save(D2)
    assert files.read(now) == f"0 71 ! {Q}\n", "finished, but the queue still names it"
    ledger.left("71")
    ledger.save(D3)
    assert files.read(now) == ""


def test_odd_names_are_words_in_qsub_now(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, "run")
    job = Job("it's", "x y")
    ledger.enqueue(job)
    ledger.intend([job.name], D0)
    ledger.accept([(job.name, "71")], D0)
    ledger.save(D0)
    assert words(files.read(tmp_path / "qsub.now")) == ["x y", "71", "!", "it's/qsub.x y"]


def test_a_deleted_qsub_now_comes_back(tmp_path: Path) -> None:
    make(tmp_path, {"quelist": f"{Q}\n", "qsub.log": INTENT + ACCEPTED})
    ledger = recovered(tmp_path)
    ledger.save(D2)
    (tmp_path / "qsub.now").unlink()
    ledger.save(D3)
    assert files.read(tmp_path / "qsub.now") == f"0 71 ! {Q}\n"


def test_an_unchanged_quelist_is_not_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = Ledger(tmp_path, "run")
    ledger.enqueue(JOB)
    ledger.save(D0)
    written = []
    monkeypatch.setattr(files, "replace", lambda path, *_, **__: written.append(path.name))
    ledger.save(D1)
    assert written == []
    ledger.say(NAME, Word("killed", D1))
    ledger.save(D1)
    assert written == ["quelist"]


# quelist is never half written


def watch(monkeypatch: pytest.MonkeyPatch, look: Callable[[], None]) -> None:
    """Call `look` before and after each step of writing a file."""
    for step in ("fsync", "chmod", "replace", "open"):
        real = getattr(os, step)

        def looking(*args: Any, real: Callable[..., Any] = real, **kwargs: Any) -> Any:
            look()
            try:
                return real(*args, **kwargs)
            finally:
                look()

        monkeypatch.setattr(os, step, looking)


def test_a_reader_sees_the_old_or_the_new_quelist_at_every_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = Ledger(tmp_path, "run")
    for number in range(500):
        ledger.enqueue(Job(f"material-{number}", "0"))
    ledger.save(D0)
    old = (ledger.folder / "quelist").read_bytes()
    seen: list[bytes] = []
    with monkeypatch.context() as watched:
        watch(watched, lambda: seen.append((ledger.folder / "quelist").read_bytes()))
        for name in ledger.entries:
            ledger.say(name, Word("finished", D1))
        ledger.save(D1)
    new = (ledger.folder / "quelist").read_bytes()
    assert old != new
    assert set(seen) == {old, new}
    assert len(seen) >= 6


@pytest.mark.parametrize("step", ["fsync", "chmod", "replace"])
def test_a_disk_that_fails_while_quelist_is_written_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    ledger = Ledger(tmp_path, "run")
    ledger.enqueue(JOB)
    ledger.save(D0)
    ledger.say(NAME, Word("finished", D1))
    with monkeypatch.context() as broken:
        broken.setattr(os, step, full)
        with pytest.raises(OSError, match="No space"):
            ledger.save(D1)
    assert files.read(ledger.folder / "quelist") == f"{Q}\n"
    ledger.save(D2)
    assert files.read(ledger.folder / "quelist") == f"{Q} finished@{D1}\n"


# A crash after each single write


@dataclass
class Truth:
    """What really happened so far, as the scripted history tells it."""

    sent: dict[str, str] = field(default_factory=dict)  # job -> JOBID or '', not settled yet
    accepted: dict[str, str] = field(default_factory=dict)  # job -> JOBID, noted, not settled


def history(folder: Path, truth: Truth) -> Iterator[str]:
    """Five jobs with every kind of end; `truth` is brought up to date before each write."""
    names = [f"{folder_}/qsub.0" for folder_ in ("a b", "b", "c", "d", "e")]
    a, b, c, d, e = names
    ledger = Ledger(folder, "run")

    def settle(name: str, what: str, detail: str = "") -> None:
        truth.sent.pop(name, None)
        truth.accepted.pop(name, None)
        ledger.settle(name, what, D2, detail)

    def submit(*jobs: str) -> None:
        truth.sent.update(dict.fromkeys(jobs, ""))
        ledger.intend(jobs, D0)

    def accept(date: str = D1, **jobids: str) -> None:
        pairs = [(name, jobids[name[0]]) for name in names if name[0] in jobids]
        ledger.accept(pairs, date)
        truth.accepted.update(pairs)

    for name in names:
        ledger.enqueue(Job.from_name(name))
    ledger.save(D0)
    yield "queued"
    submit(a, b, c)
    yield "sent"
    accept(a="71", b="72")
    yield "two of three accepted"
    ledger.save(D1)
    yield "saved"
    accept(c="73")
    settle(a, "finished")
    ledger.linger(ledger.entries[a])
    settle(b, "failed", "exit-1")
    ledger.say(b, Word("retry", D2, AUTO))
    ledger.save(D2)
    yield "one finished, one failed and retried"
    submit(b, d)
    yield "the retry is sent"
    accept(D2, b="72", d="74")
    yield "the retry is accepted, with the same JOBID"
    ledger.save(D2)
    ledger.left("71")
    settle(c, "killed")
    submit(e)
    ledger.save(D2)
    yield "one killed"
    settle(e, "putback", "limit")
    ledger.save(D3)
    submit(e)
    settle(b, "failed", "exit-1")
    ledger.say(b, Word("retry", D3, AUTO))
    ledger.save(D3)
    submit(b)
    accept(D3, b="76")
    settle(e, "failed", "refused")
    ledger.save(D3)
    yield "one refused"
    settle(b, "unsure", "x")
    settle(d, "finished")
    ledger.save(D3)
    yield "the end"


def torn(whole: bytes, before: bytes) -> Iterator[bytes]:
    """All states of a file to which something is appended, and which a crash may leave."""
    yield whole
    for length in range(len(before), len(whole), 4):
        yield whole[:length]


def half(text: str | list[bytes]) -> bytes:
    """What a crash may leave of a text that is being written."""
    data = text.encode() if isinstance(text, str) else b"".join(text)
    return data[: len(data) // 2]


Crashed = tuple[str, dict[str, bytes], Truth]  # the last step, the files, and the truth


def crashes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[Crashed]:
    """Every state of the run folder that a crash during the history may leave behind."""
    truth, last = Truth(), "begin"
    found: list[Crashed] = []
    replace, append = files.replace, attempts.append

    def disk() -> dict[str, bytes]:
        return {p.name: p.read_bytes() for p in folder.iterdir()}

    def keep(state: dict[str, bytes]) -> None:
        found.append((last, state, Truth(dict(truth.sent), dict(truth.accepted))))

    def replacing(path: Path, text: str | list[bytes], *rest: Any, **options: Any) -> None:
        keep({**disk(), f".{path.name}.new": half(text)})
        replace(path, text, *rest, **options)
        keep(disk())

    def appending(path: Path, *rest: Any) -> None:
        before = disk()
        append(path, *rest)
        after = disk()
        old = before.get("qsub.log", b"")
        for data in torn(after.get("qsub.log", b""), old):
            keep({**after, "qsub.log": data})

    monkeypatch.setattr(files, "replace", replacing)
    monkeypatch.setattr(attempts, "append", appending)
    monkeypatch.setattr(os, "fsync", lambda _: None)
    for step in history(folder, truth):
        last = step
    monkeypatch.undo()
    return found


@pytest.fixture
def left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[str, Path, Truth]]:
    """Each state after a crash in turn: the last step, the folder, and the truth."""

    def each() -> Iterator[tuple[str, Path, Truth]]:
        (tmp_path / "lived").mkdir()
        for number, (step, state, truth) in enumerate(crashes(tmp_path / "lived", monkeypatch)):
            folder = tmp_path / str(number)
            folder.mkdir()
            for name, data in state.items():
                (folder / name).write_bytes(data)
            yield f"crash {number} after {step!r}", folder, truth

    return each()


def test_after_a_crash_no_accepted_jobid_is_lost_and_no_open_attempt_is_ready(
    left_behind: Iterator[tuple[str, Path, Truth]],
) -> None:
    seen = 0
    for label, folder, truth in left_behind:
        seen += 1
        ledger = recovered(folder)
        held = flying(ledger)
        for name, jobid in truth.accepted.items():
            assert held.get(name) == jobid, label
        tried = attempts.read(folder / "qsub.log")
        for name in truth.sent:
            attempt = tried.get(name)
            written = attempt is not None and not attempt.verdict
            if written:
                assert name in held, label
                assert ledger.entries[name].state in (State.STARTED, State.SUBMITTING), label
        assert not set(ledger.ready()) & set(held), label
    assert seen > 200


def test_after_a_crash_with_quelist_gone_nothing_in_flight_is_lost(
    left_behind: Iterator[tuple[str, Path, Truth]],
) -> None:
    for label, folder, truth in left_behind:
        (folder / "quelist").unlink(missing_ok=True)
        held = flying(recovered(folder))
        for name, jobid in truth.accepted.items():
            assert held.get(name) == jobid, label


def test_recovery_from_a_crash_comes_to_rest(
    left_behind: Iterator[tuple[str, Path, Truth]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, (label, folder, _) in enumerate(left_behind):
        if number % 3:
            continue
        first = recovered(folder)
        first.save(D3)
        second = recovered(folder)
        assert flying(second) == flying(first), label
        assert {n: e.words for n, e in second.entries.items()} == {
            n: e.words for n, e in first.entries.items()
        }, label
        assert second.lingering == first.lingering, label
        now = [line.split()[1] for line in files.read(folder / "qsub.now").splitlines()]
        assert sorted(now) == sorted([*filter(None, flying(first).values()), *first.lingering])


# Random lives with crashes, against a scheduler that counts


class Crash(Exception):
    """The power is cut."""


@dataclass
class Scheduler:
    """Takes each token once (the claim), and knows what runs."""

    dice: random.Random
    claims: dict[str, str] = field(default_factory=dict)  # token -> JOBID, '' if refused
    running: dict[str, str] = field(default_factory=dict)  # JOBID -> job
    ended: dict[str, str] = field(default_factory=dict)  # JOBID -> finished or failed

    def submit(self, attempt: Attempt) -> None:
        if attempt.token in self.claims:
            return
        assert attempt.job.name not in self.running.values(), "submitted twice"
        jobid = "" if self.dice.random() < 0.2 else str(1000 + len(self.claims))
        self.claims[attempt.token] = jobid
        if jobid:
            self.running[jobid] = attempt.job.name

    def work(self) -> None:
        for jobid in list(self.running):
            if self.dice.random() < 0.4:
                del self.running[jobid]
                self.ended[jobid] = self.dice.choice(["finished", "failed"])


def token(entry: Entry) -> str:
    assert entry.attempt
    return entry.attempt.token


def one_tick(ledger: Ledger, scheduler: Scheduler, date: str) -> None:
    """What the monitor does, in its order."""
    adopted = []
    for entry in ledger.in_flight():
        name, claim = entry.job.name, scheduler.claims.get(token(entry))
        if entry.jobid:
            assert claim == entry.jobid
            if entry.jobid in scheduler.ended:
                what = scheduler.ended[entry.jobid]
                ledger.settle(name, what, date)
                if what == "finished":
                    ledger.linger(entry)
                elif entry.retries < 3:
                    ledger.say(name, Word("retry", date, AUTO))
        elif claim:
            adopted.append((name, claim))
        elif claim == "":
            ledger.settle(name, scheduler.dice.choice(["failed", "putback"]), date, "refused")
            if ledger.entries[name].state is State.FAILED and ledger.entries[name].retries < 3:
                ledger.say(name, Word("retry", date, AUTO))
    ledger.accept(adopted, date)
    for jobid in list(ledger.lingering):
        if scheduler.dice.random() < 0.5:
            ledger.left(jobid)
    ledger.save(date)
    again = [e.job.name for e in ledger.in_flight() if token(e) not in scheduler.claims]
    lingering = {a.job.name for a in ledger.lingering.values()}
    ready = [name for name in ledger.ready() if name not in lingering]
    sent = ledger.intend(again + ready[:2], date)
    for attempt in sent:
        scheduler.submit(attempt)
    heard = [a for a in sent if scheduler.claims[a.token] and scheduler.dice.random() < 0.7]
    ledger.accept([(a.job.name, scheduler.claims[a.token]) for a in heard], date)
    ledger.save(date)


def unreliable(
    monkeypatch: pytest.MonkeyPatch, dice: random.Random, chance: Callable[[], float]
) -> None:
    """Cut the power now and then: before a write, in the middle of it, or right after it."""
    replace, append = files.replace, attempts.append

    def cut(write: Callable[[], None], half: Callable[[], object]) -> None:
        if dice.random() >= chance():
            write()
            return
        how: list[Callable[[], object]] = [write, half, lambda: None]
        dice.choice(how)()
        raise Crash

    def replacing(path: Path, text: str | list[bytes], *rest: Any, **options: Any) -> None:
        beside = path.with_name(f".{path.name}.new")
        cut(
            lambda: replace(path, text, *rest, **options),
            lambda: beside.write_bytes(half(text)),
        )

    def appending(path: Path, *rest: Any) -> None:
        def half() -> None:
            before = path.stat().st_size if path.exists() else 0
            append(path, *rest)
            if path.exists():
                os.truncate(path, dice.randint(before, path.stat().st_size))

        cut(lambda: append(path, *rest), half)

    monkeypatch.setattr(files, "replace", replacing)
    monkeypatch.setattr(attempts, "append", appending)
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.mark.parametrize("seed", range(30))
def test_no_job_is_submitted_twice_or_lost_however_often_the_power_is_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    dice = random.Random(seed)
    scheduler = Scheduler(dice)
    crashed = 0
    unreliable(monkeypatch, dice, lambda: 0.15 if crashed < 15 else 0.0)
    ledger = Ledger(tmp_path, "run")
    jobs = [Job("a b", str(n)) for n in range(5)]
    for tick in range(300):
        over = False
        try:
            for job in jobs:
                ledger.enqueue(job)
            one_tick(ledger, scheduler, stamp(1e9 + tick))
            over = not (ledger.in_flight() or any(ledger.ready()) or ledger.lingering)
        except Crash:
            crashed += 1
            if (ledger.folder / "quelist").exists() and dice.random() < 0.1:
                (ledger.folder / "quelist").rename(tmp_path / "quelist.old")
            ledger = recovered(tmp_path)
        if over:
            break
        scheduler.work()
    assert over
    assert crashed > 0
    assert len(ledger.entries) == len(jobs)
    assert {e.state for e in ledger.entries.values()} <= {State.FINISHED, State.FAILED}
    assert scheduler.running == {}
    log = files.read(ledger.log)
    assert [j for j in scheduler.ended if f"jobid={j}\n" not in log] == []
    assert files.read(tmp_path / "qsub.now") == ""
    parse(files.read(ledger.folder / "quelist"))


def test_an_edit_of_one_line_does_not_take_back_a_verdict_on_another(tmp_path: Path) -> None:
    """A person saves the file between the monitor's look at it and its next writing."""
    ledger = recovered(tmp_path)
    for number in "01":
        ledger.enqueue(Job("a", number))
    ledger.intend(["a/qsub.0"], D0)
    ledger.accept([("a/qsub.0", "11")], D0)
    ledger.save(D0)
    text = files.read(tmp_path / "quelist")
    ledger.settle("a/qsub.0", "finished", D1, left=True)
    ledger.enqueue(Job("a", "2"))
    (tmp_path / "quelist").write_text(text.replace("a/qsub.1\n", f"a/qsub.1 skipped@{D1}\n"))
    ledger.save(D1)
    states = {name: entry.state for name, entry in ledger.entries.items()}
    assert states == {
        "a/qsub.0": State.FINISHED,
        "a/qsub.1": State.SKIPPED,
        "a/qsub.2": State.READY,
    }
    assert f"a/qsub.0 started@{D0}@11 finished@{D1}\n" in files.read(tmp_path / "quelist")
