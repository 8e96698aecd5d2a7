"""The line of qsub.log that says since when a job runs: the first look that says so."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fake import FakeJob
from test_monitor import CHAIN, World, folders, world

from jobauto.actions.status import status
from jobauto.errors import DONE, SOME_FAILED, RemoteError
from jobauto.ledger import attempts
from jobauto.ledger.tries import logged
from jobauto.model import InQueue, Queued, Seen, moment
from jobauto.monitor import Monitor

__all__ = ["world"]  # a fixture

ONE = {"a/qsub.0": "", "a/qsub.dependency.0": ""}
BEGIN = 1_800_000_000.0


def ticks(w: World, monitor: Monitor, number: int) -> None:
    """So many ticks, ten seconds from one to the next."""
    for _ in range(number):
        monitor.tick()
        w.clock.sleep(10)


def said(w: World) -> list[tuple[str, int, float]]:
    """Job, attempt, and seconds after the begin of the run, of each such line."""
    lines = attempts.lines(w.folder / "qsub.log")
    return [
        (line.name, line.number, moment(date) - BEGIN)
        for date, line in lines
        if line.what == "running"
    ]


def test_the_first_look_that_says_so_counts_and_is_said_once(world: Callable[..., World]) -> None:
    w = world(ONE)
    w.cluster.plans["a/qsub.0"] = FakeJob(seconds=100, waits=35)
    ticks(w, w.monitor(), 4)
    assert said(w) == []
    assert w.finish() == DONE
    assert said(w) == [("a/qsub.0", 1, 40)]
    [line] = [x for x in (w.folder / "qsub.log").read_text().splitlines() if " running " in x]
    assert line.split(" ", 1)[1] == "running a/qsub.0 1"


def test_no_monitor_says_it_again(world: Callable[..., World]) -> None:
    w = world(ONE)
    w.cluster.plans["a/qsub.0"] = FakeJob(seconds=100)
    for _ in range(4):
        ticks(w, w.monitor(), 2)
    assert said(w) == [("a/qsub.0", 1, 10)]


def test_a_job_that_is_queued_again_keeps_its_first_look(world: Callable[..., World]) -> None:
    w = world(ONE)
    w.cluster.plans["a/qsub.0"] = FakeJob(seconds=40, requeued=15)
    assert w.finish() == DONE
    assert [what for _, what, _ in w.cluster.history].count("run") == 2
    assert said(w) == [("a/qsub.0", 1, 10)]


def test_each_attempt_has_its_own(world: Callable[..., World]) -> None:
    w = world(ONE, retries=1)
    w.cluster.plans["a/qsub.0"] = FakeJob(seconds=15, succeeds=False)
    assert w.finish() == SOME_FAILED
    (_, first, at), (_, second, later) = said(w)
    assert (first, second) == (1, 2)
    assert at == 10 < later


def test_of_a_job_that_ran_between_two_looks_nothing_is_said(world: Callable[..., World]) -> None:
    w = world(ONE)
    assert w.finish() == DONE
    assert said(w) == []


def test_a_job_whose_end_the_same_look_shows_ran_between_two_looks(
    world: Callable[..., World],
) -> None:
    w = world(ONE)
    w.cluster.plans["a/qsub.0"] = FakeJob(seconds=5, lingers=100)
    monitor = w.monitor()
    monitor.tick()
    w.cluster.states["1001"] = "RUNNING"
    w.clock.sleep(10)
    ticks(w, monitor, 2)
    assert w.last_words() == {"a/qsub.0": "finished"}
    assert said(w) == []


@pytest.mark.parametrize("code", ["PENDING", "SUSPENDED", "COMPLETING", "STRANGE"])
def test_other_states_do_not_say_it(world: Callable[..., World], code: str) -> None:
    w = world(ONE)
    w.cluster.plans["a/qsub.0"] = FakeJob(seconds=1000)
    w.cluster.states["1001"] = code
    monitor = w.monitor()
    ticks(w, monitor, 3)
    assert said(w) == []
    w.cluster.states.clear()
    ticks(w, monitor, 1)
    assert said(w) == [("a/qsub.0", 1, 30)]


def test_a_jobid_that_another_job_has_says_nothing_of_ours() -> None:
    seen = Seen(queue={"7": InQueue("7", Queued.RUNNING, "R", token="theirs")})
    assert not seen.runs("7", "ours")
    assert seen.runs("7", "theirs")
    assert not seen.runs("8", "theirs")


def test_what_the_queue_shows_of_a_lost_answer_is_said_behind_its_jobid(
    world: Callable[..., World],
) -> None:
    w = world(ONE)
    w.cluster.plans["a/qsub.0"] = FakeJob(seconds=1000)
    monitor = w.monitor()
    w.host.faults = ["", "cut"]
    with pytest.raises(RemoteError):
        monitor.tick()
    w.clock.sleep(10)
    ticks(w, monitor, 1)
    whats = [line.what for _, line in attempts.lines(w.folder / "qsub.log")]
    assert whats == ["intent", "accepted", "running"]
    assert said(w) == [("a/qsub.0", 1, 10)]


def test_hundreds_that_begin_at_once_cost_one_line_each_and_one_write(
    world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    w = world(folders(300), maxqsub=300)
    w.cluster.slots = 300
    for name in folders(300):
        w.cluster.plans[name] = FakeJob(seconds=1000)
    monitor = w.monitor()
    ticks(w, monitor, 1)
    w.host.asked.clear()
    writes, append = [], attempts.append

    def counting(path: object, date: str, lines: list[attempts.Line]) -> None:
        if lines:
            writes.append(len(lines))
        append(path, date, lines)  # type: ignore[arg-type]

    monkeypatch.setattr(attempts, "append", counting)
    ticks(w, monitor, 3)
    assert writes == [300]
    assert w.host.asked == ["Observe"] * 3
    assert len(said(w)) == 300


def test_nothing_is_said_of_an_attempt_that_qsub_log_does_not_know(
    world: Callable[..., World],
) -> None:
    w = world(ONE)
    w.cluster.plans["a/qsub.0"] = FakeJob(seconds=1000)
    ticks(w, w.monitor(), 1)
    (w.folder / "qsub.log").unlink()
    ticks(w, w.monitor(), 3)
    assert w.last_words() == {"a/qsub.0": "started"}
    assert not (w.folder / "qsub.log").exists()


def test_a_run_of_an_older_version_goes_on(world: Callable[..., World]) -> None:
    w = world(CHAIN)
    w.cluster.plans["a/qsub.0"] = FakeJob(seconds=1000)
    ticks(w, w.monitor(), 5)
    log = w.folder / "qsub.log"
    old = [line for line in log.read_text().splitlines(keepends=True) if " running " not in line]
    log.write_text("".join(old))
    assert status(w.folder).counts()
    assert logged(log)["a/qsub.0"][0].verdict == ""
    ticks(w, w.monitor(), 1)
    assert said(w) == [("a/qsub.0", 1, 50)], "since the first look that could say so"
