"""What a tick costs: what has changed, however many jobs there are; and what may be put off."""

from __future__ import annotations

import random
from collections.abc import Callable
from io import StringIO
from itertools import pairwise
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from fake import FakeHost, FakeJob
from rich.console import Console
from served import CHAIN, Served, World, folders, serve, world
from test_ledger import D0, D1, D2, recovered

from jobauto.cli.screen import Screen
from jobauto.cli.show import summary
from jobauto.clock import Clock
from jobauto.errors import DONE, CouldNotAsk, Interrupted
from jobauto.ledger import Entry, Ledger, attempts, files, quelist
from jobauto.ledger.quelist import Word, parse
from jobauto.ledger.quelist_file import BLOCK
from jobauto.loop import Link, loop
from jobauto.model import Job, State
from jobauto.monitor import Monitor
from jobauto.remote.following import SubmitThenLook
from jobauto.remote.observation import Observe
from jobauto.states import all_states
from jobauto.web.snapshot import Board, Copier

__all__ = ["serve", "world"]

NAMES = [Job("a", str(n)).name for n in range(4)]


class Slow(Clock):
    """A ledger, and its clock: each time that quelist is written takes so many `seconds` of CPU,
    and `waits` so many more for the disk."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder, self.time, self.writes = folder, 0.0, 0
        self.used, self.seconds, self.waits = 0.0, 5.0, 0.0
        real = files.replace

        def replace(path: Path, *rest: Any, **options: Any) -> None:
            real(path, *rest, **options)
            if path.name == "quelist":
                self.used += self.seconds
                self.time += self.seconds + self.waits
                self.writes += 1

        patch.setattr(files, "replace", replace)
        self.ledger = Ledger(folder, "run", self)
        for name in NAMES:
            self.ledger.enqueue(Job.from_name(name))
        self.ledger.intend(NAMES, D0)
        self.ledger.accept([(name, str(n)) for n, name in enumerate(NAMES)], D0)
        self.tick()

    def elapsed(self) -> float:
        return self.time

    def busy(self) -> float:
        return self.used

    def tick(self) -> None:
        self.ledger.save(D1, 10.0)

    def words(self) -> dict[str, list[str]]:
        lines = parse(files.read(self.folder / "quelist"))
        return {name: [word.what for word in line] for name, line in lines.items()}

    def crashed(self) -> Ledger:
        return recovered(self.folder)


@pytest.fixture
def slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Slow:
    return Slow(tmp_path, monkeypatch)


def test_writing_waits_for_its_share_of_the_time_and_its_lines_keep_their_dates(
    slow: Slow,
) -> None:
    slow.ledger.settle(NAMES[0], "finished", D1, left=True)
    slow.tick()
    assert slow.words()[NAMES[0]] == ["started"]
    assert slow.crashed().entries[NAMES[0]].state is State.STARTED, "it is found again by looking"
    slow.time += 489
    slow.ledger.save(D2, 10.0)
    assert slow.writes == 1
    slow.time += 1
    slow.ledger.save(D2, 10.0)
    assert slow.words()[NAMES[0]] == ["started", "finished"]
    assert [date for date, line in attempts.lines(slow.ledger.log) if line.what == "finished"] == [
        D1
    ]


@pytest.mark.parametrize(
    ("seconds", "waits", "later"),
    [(0.02, 0, 20), (0.2, 0, 30), (0.4, 0, 40), (0.001, 0.299, 3), (0.02, 1, 20), (0.02, 3, 30.2)],
)
def test_what_takes_little_time_is_written_within_half_a_minute(
    slow: Slow, seconds: float, waits: float, later: float
) -> None:
    slow.seconds, slow.waits = seconds, waits
    slow.ledger.say(NAMES[0], Word("retry", D1))
    slow.ledger.save(D1)
    writes = slow.writes
    slow.ledger.settle(NAMES[1], "finished", D1)
    slow.time += later - 0.01
    slow.ledger.save(D2, 0.0)
    assert slow.writes == writes
    slow.time += 0.02
    slow.ledger.save(D2, 0.0)
    assert slow.writes == writes + 1


def test_what_is_asked_for_at_once_does_not_wait(slow: Slow) -> None:
    slow.ledger.settle(NAMES[0], "finished", D1, left=True)
    slow.ledger.save(D1)
    assert slow.words()[NAMES[0]] == ["started", "finished"]


def test_catching_up_writes_what_was_put_off_and_nothing_else(slow: Slow) -> None:
    slow.ledger.catch_up()
    assert slow.writes == 1
    slow.ledger.settle(NAMES[0], "finished", D1, left=True)
    slow.tick()
    slow.ledger.catch_up()
    assert slow.crashed().entries[NAMES[0]].state is State.FINISHED
    assert attempts.read(slow.ledger.log)[NAMES[0]].verdict == "finished"


@pytest.mark.parametrize("what", ["killed", "unsure"])
def test_a_verdict_that_nobody_would_find_again_does_not_wait(slow: Slow, what: str) -> None:
    slow.ledger.settle(NAMES[0], what, D1)
    slow.tick()
    assert slow.words()[NAMES[0]] == ["started", what]


def test_a_word_on_a_job_without_an_open_attempt_does_not_wait(slow: Slow) -> None:
    slow.ledger.enqueue(Job("b", "0"))
    slow.tick()
    assert slow.writes == 1
    slow.ledger.say("b/qsub.0", Word("skipped", D1, "same-as:x"))
    slow.tick()
    assert slow.words()["b/qsub.0"] == ["skipped"]


def test_a_job_that_is_enqueued_with_a_word_does_not_wait(slow: Slow) -> None:
    slow.ledger.enqueue(Job("b", "0"), Word("skipped", D1, "marker-found"))
    slow.tick()
    assert slow.words()["b/qsub.0"] == ["skipped"]


def test_a_verdict_is_written_before_the_next_attempt_at_its_job(slow: Slow) -> None:
    slow.ledger.settle(NAMES[0], "failed", D1, "exit-3")
    slow.ledger.say(NAMES[0], Word("retry", D1, "auto"))
    slow.tick()
    assert slow.writes == 1
    slow.ledger.intend([NAMES[0]], D2)
    assert slow.words()[NAMES[0]] == ["started", "failed", "retry"]
    lines = [line.what for _, line in attempts.lines(slow.ledger.log) if line.name == NAMES[0]]
    assert lines == ["intent", "accepted", "failed", "intent"]


def test_a_persons_edit_is_kept_while_writing_waits(slow: Slow) -> None:
    slow.ledger.settle(NAMES[0], "finished", D1, left=True)
    slow.ledger.settle(NAMES[1], "failed", D1, "exit-3")
    slow.ledger.save(D1)
    slow.ledger.settle(NAMES[2], "finished", D1, left=True)
    slow.tick()
    text = files.read(slow.folder / "quelist")
    edited = text.replace(f" failed@{D1}@exit-3", f" skipped@{D2}@by-me")
    (slow.folder / "quelist").write_text(edited)
    slow.tick()
    assert slow.ledger.edits() == {NAMES[1]}
    slow.ledger.save(D2)
    last = {name: words[-1] for name, words in slow.words().items()}
    assert last == dict(zip(NAMES, ["finished", "skipped", "finished", "started"], strict=True))


def test_only_blocks_with_changes_are_formatted_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = Ledger(tmp_path, "run")
    names = [ledger.enqueue(Job("a", str(n))).job.name for n in range(10 * BLOCK)]
    ledger.save(D0)
    lines = []
    real = quelist.format_lines

    def counted(words: dict[str, list[Word]]) -> str:
        lines.append(len(words))
        return real(words)

    monkeypatch.setattr(quelist, "format_lines", counted)
    ledger.save(D0)
    assert lines == []
    ledger.say(names[3], Word("skipped", D1))
    ledger.say(names[5 * BLOCK], Word("skipped", D1))
    ledger.enqueue(Job("b", "0"))
    ledger.save(D1)
    assert sorted(lines) == [1, BLOCK, BLOCK]


@pytest.mark.parametrize("seed", range(20))
def test_the_index_and_the_blocks_are_those_of_a_ledger_that_is_read_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr("jobauto.ledger.quelist_file.BLOCK", 4)
    dice, ledger = random.Random(seed), Ledger(tmp_path, "run")
    for number in range(300):
        names = list(ledger.entries)
        step = dice.choice(["new", "new", "intend", "settle", "settle", "again", "forget", "edit"])
        flying = [entry.job.name for entry in ledger.in_flight()]
        over = [n for n, e in ledger.entries.items() if e.state.final]
        if step == "new":
            ledger.enqueue(Job("a", str(number)))
        elif step == "intend" and (ready := list(ledger.ready())):
            sent = ready[: dice.randint(1, 3)]
            ledger.intend(sent, D0)
            ledger.accept([(name, f"{number}{n}") for n, name in enumerate(sent)], D0)
        elif step == "settle" and flying:
            ledger.settle(dice.choice(flying), dice.choice(["finished", "failed", "unsure"]), D1)
        elif step == "again" and over:
            ledger.say(dice.choice(over), Word("retry", D2))
        elif step == "forget" and over:
            ledger.forget(dice.choice(over))
        elif step == "edit" and names:
            ledger.save(D1)
            lines = files.read(tmp_path / "quelist").splitlines(keepends=True)
            dice.shuffle(lines)
            (tmp_path / "quelist").write_text("".join(lines[: dice.randint(len(lines) - 1, 99)]))
            ledger.edits()
        ready = [n for n, e in ledger.entries.items() if e.state is State.READY]
        assert list(ledger.ready()) == ready
        assert {e.job.name for e in ledger.bad()} == {
            n for n, e in ledger.entries.items() if e.state.bad
        }
        if dice.random() < 0.3:
            ledger.save(D2)
            text = quelist.format_lines({n: e.words for n, e in ledger.entries.items()})
            assert files.read(tmp_path / "quelist") == text


# Whole runs


def test_a_stopped_monitor_writes_what_was_put_off(
    world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    from jobauto import start
    from jobauto.host import Runner

    w = world(CHAIN)
    monkeypatch.setattr(start, "prepare", lambda *_args, **_options: w.monitor())
    runner: Any = Runner(person=False)
    try:
        with start.watching(w.run, w.chosen, w.host, runner, w.clock) as monitor:
            monitor.tick()
            w.clock.sleep(10)
            monitor.ledger._pending._next = 1e12
            monitor.tick()
            assert w.last_words() == {"a/qsub.0": "started"}
            raise Interrupted("by a person")
    except Interrupted:
        pass
    assert w.last_words()["a/qsub.0"] == "finished"


def test_quelist_has_what_was_put_off_before_trouble_is_told(
    world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    w = world(CHAIN)
    monitor = w.monitor()
    monitor.tick()
    w.clock.sleep(10)
    monitor.ledger._pending._next = 1e12
    monitor.tick()
    assert w.last_words() == {"a/qsub.0": "started"}
    told: list[dict[str, str]] = []
    monkeypatch.setattr("jobauto.loop.log.warning", lambda *_: told.append(w.last_words()))
    w.host.faults.append("hang")
    loop(monitor, w.clock.sleep)
    assert told[0]["a/qsub.0"] == "finished"


def test_the_states_that_are_kept_up_are_those_of_all_jobs(world: Callable[..., World]) -> None:
    plans = {f"m{n:03}/qsub.{n % 3}": FakeJob(succeeds=n % 2 > 0) for n in range(0, 30, 4)}
    w = world(folders(30), maxqsub=7, retries=1)
    w.cluster.plans.update(plans)
    monitor = w.monitor()
    seen = monitor.standing.follow()
    before: dict[str, State] = {}
    for number in range(60):
        monitor.tick()
        monitor.standing.update()
        states, culprits = all_states(monitor.graph, monitor.ledger.entries)
        assert monitor.standing.now == states
        assert monitor.standing.culprits == culprits
        assert sum(monitor.standing.counts.values()) == len(states)
        assert {n for n, s in states.items() if before.get(n) is not s} <= seen
        seen.clear()
        before = states
        w.clock.sleep(10)
        if number == 20:
            (w.folder / "m001/qsub.dependency.2").unlink(missing_ok=True)
        for entry in monitor.ledger.bad() if number == 30 else ():
            monitor.ledger.say(entry.job.name, Word("retry", D0, "a-person"))
    assert monitor.over()


def test_what_an_edited_dependency_file_changes_further_down_is_known_at_once(
    world: Callable[..., World],
) -> None:
    w = world(folders(1))
    w.cluster.plans["m000/qsub.0"] = FakeJob(succeeds=False)
    monitor = w.monitor()
    loop(monitor, w.clock.sleep)
    monitor.standing.update()

    def state() -> State:
        return monitor.standing.now["m000/qsub.2"]

    assert state() is State.BLOCKED
    (w.folder / "m000/qsub.dependency.1").write_text("")
    monitor.noticing.soon()
    monitor.tick()
    monitor.standing.update()
    assert state() is State.WAITING


def test_a_run_that_goes_on_is_not_counted_again_and_again(
    world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    w = world(folders(30), maxqsub=7)
    monitor, calls = w.monitor(), []
    real: Any = Entry.__dict__["state"].fget
    monitor.tick()
    monitor.standing.update()

    def state(entry: Entry) -> State:
        calls.append(entry.job.name)
        return real(entry)  # type: ignore[no-any-return]

    monkeypatch.setattr(Entry, "state", property(state))
    w.cluster.plans.clear()
    for job in w.cluster.jobs.values():
        job.starts = -1  # nothing ends
    for _ in range(3):
        calls.clear()
        monitor.tick()
        monitor.over()
        monitor.standing.update()
        assert len(calls) <= 2 * 7


# Readers


def test_while_nobody_reads_nothing_is_copied_and_for_many_once_a_tick(
    serve: Callable[..., Served], monkeypatch: pytest.MonkeyPatch
) -> None:
    s, copies = serve(CHAIN), []
    real = Copier.take

    def take(*given: Any) -> Any:
        copies.append(s.monitor.ticks)
        return real(*given)

    monkeypatch.setattr(Copier, "take", take)
    s.tick()
    s.tick()
    assert copies == []
    threads = [Thread(target=lambda: s.get("/api/status")) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert copies == [2]
    assert s.get("/api/status").data["tick"] == 2


def test_a_snapshot_shares_what_has_not_changed_and_stays_as_it_was(
    world: Callable[..., World],
) -> None:
    w = world(folders(5), maxqsub=1)
    monitor = w.monitor()
    board = Board(monitor)
    monitor.tick()
    board.publish(monitor, Link())
    first = board.now
    kept = {name: state.word for name, state in first.status.states.items()}
    w.clock.sleep(10)
    monitor.tick()
    board.publish(monitor, Link())
    second = board.now
    assert {name: state.word for name, state in first.status.states.items()} == kept
    assert second.status.states == all_states(monitor.graph, monitor.ledger.entries)[0]
    same = [n for n, e in first.status.entries.items() if second.status.entries[n] is e]
    assert len(same) == 3, "one ended, and one began"
    assert second.names is first.names


@pytest.fixture
def kept_out(
    world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> tuple[World, Monitor, Board]:
    """A monitor that is read only while it rests."""
    monkeypatch.setattr("jobauto.web.snapshot.PATIENCE", 0.01)
    w = world(CHAIN)
    monitor = w.monitor()
    board = Board(monitor)
    board.keep_out(monitor)
    return w, monitor, board


def test_in_the_middle_of_a_tick_a_reader_gets_what_was_before_it(
    kept_out: tuple[World, Monitor, Board],
) -> None:
    _, monitor, board = kept_out
    monitor.tick()
    board.publish(monitor, Link())
    assert board.now.tick == 0, "the monitor is at work"
    monitor.tick()
    board.publish(monitor, Link())
    assert board.now.tick == 2, "somebody had asked"
    monitor.tick()
    board.publish(monitor, Link())
    with monitor.looking.resting():
        assert board.now.tick == 3


def test_while_the_monitor_waits_a_reader_gets_what_is(
    kept_out: tuple[World, Monitor, Board],
) -> None:
    w, monitor, board = kept_out
    waited: list[bool] = []

    def hook(request: object) -> None:
        if isinstance(request, Observe):
            is_new = board.now.status.states == all_states(monitor.graph, monitor.ledger.entries)[0]
            assert is_new or not request.wait.seconds
            waited.append(bool(request.wait.seconds))

    w.host.hook = hook
    assert loop(monitor, w.clock.sleep, board.publish) == DONE
    assert {*waited} == {True, False}


@pytest.fixture
def early(world: Callable[..., World]) -> tuple[World, Monitor]:
    """A run in which the next tick is told of a marker before its time is over."""
    w = world(CHAIN)
    w.cluster.plans["a/qsub.0"] = FakeJob(seconds=3)
    monitor = w.monitor()
    monitor.tick()
    return w, monitor


def test_what_a_tick_found_is_written_also_if_nothing_can_be_submitted(
    early: tuple[World, Monitor], monkeypatch: pytest.MonkeyPatch
) -> None:
    w, monitor = early
    ask = FakeHost.ask

    def cut(host: FakeHost, request: Any) -> Any:
        if isinstance(request, SubmitThenLook):
            raise CouldNotAsk("cut")
        return ask(host, request)

    monkeypatch.setattr(FakeHost, "ask", cut)
    with pytest.raises(CouldNotAsk):
        monitor.tick(10)
    assert monitor.looking.seen.early
    assert w.last_words() == {"a/qsub.0": "finished", "a/qsub.1": ""}


def test_each_file_is_written_once_in_a_tick_between_two_looks_at_the_queue(
    early: tuple[World, Monitor], monkeypatch: pytest.MonkeyPatch
) -> None:
    w, monitor = early
    written: list[str] = []
    real = files.replace

    def replace(path: Path, *rest: Any, **options: Any) -> None:
        written.append(path.name)
        real(path, *rest, **options)

    monkeypatch.setattr(files, "replace", replace)
    monitor.tick(10)
    assert monitor.looking.seen.early
    assert sorted(written) == ["qsub.now", "quelist"]
    assert (w.folder / "qsub.now").read_text() == "1 1002 ! a/qsub.1\n0 1001 ! a/qsub.0\n"
    assert w.last_words() == {"a/qsub.0": "finished", "a/qsub.1": "started"}


def test_a_tick_that_submits_nothing_saves_once(
    world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    w = world(CHAIN)
    monitor = w.monitor()
    monitor.tick()
    saves: list[float] = []
    real = Ledger.save

    def save(ledger: Ledger, *rest: Any) -> None:
        saves.append(w.clock.elapsed())
        real(ledger, *rest)

    monkeypatch.setattr(Ledger, "save", save)
    monitor.tick()
    assert not monitor.looking.seen.early
    assert len(saves) == 1


def test_no_two_lines_of_progress_in_a_second_unless_there_is_trouble(
    world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    w = world(folders(4), maxqsub=2)
    w.cluster.plans.update((name, FakeJob(seconds=0.5)) for name in folders(4))
    monitor, screen = w.monitor(), Screen(Console(file=StringIO()))
    said: list[tuple[float, str]] = []
    monkeypatch.setattr(screen, "say", lambda text: said.append((w.clock.elapsed(), text)))
    counts = set()
    while not (monitor.begun and monitor.over()):
        monitor.tick()
        screen.progress(monitor, Link())
        counts.add(summary(monitor.standing.counts))
        w.clock.sleep(0.3)
    times = [time for time, _ in said]
    assert 2 < len(said) < len(counts)
    screen.end()
    assert said[-1][1].endswith("12 finished")
    screen.end()
    assert [text for _, text in said].count(said[-1][1]) == 1
    assert all(after - before >= 1 for before, after in pairwise(times))
    screen.progress(monitor, Link("no answer", "cut", "20261122_120000"))
    assert said[-1][1].endswith("| no answer since 20261122_120000: cut")
