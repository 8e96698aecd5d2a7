"""What a person wants in mid-run: retry, and what they write into quelist with an editor."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from fake import FakeJob
from test_monitor import CHAIN, World, folders, world

from jobauto import lock, orders
from jobauto.actions.order import Outcome, order
from jobauto.clock import Clock
from jobauto.errors import DONE, SOME_FAILED, UserError
from jobauto.host import Runner
from jobauto.orders import Order

__all__ = ["world"]  # a fixture

DATE = "20261120_231500"


def retry(folder: Path, wanted: list[str], clock: Clock) -> Outcome:
    return order(folder, "retry", wanted, clock, Runner())


def failed_run(world: Callable[..., World], **options: int) -> World:
    """A run that has ended with a/qsub.0 failed, which will succeed the next time."""
    w = world(CHAIN, **options)
    w.cluster.plans["a/qsub.0"] = FakeJob(succeeds=False)
    assert w.finish() == SOME_FAILED
    w.cluster.plans.clear()
    return w


def words(w: World) -> list[str]:
    return [word.split("@")[0] for word in w.quelist()[0].split()[1:]]


def test_retry_without_a_monitor_changes_quelist_and_the_next_one_runs_the_job(
    world: Callable[..., World],
) -> None:
    w = failed_run(world)
    done = retry(w.folder, ["a/0"], w.clock)
    assert (done.jobs, done.monitor) == (["a/qsub.0"], None)
    assert words(w) == ["started", "failed", "retry"]
    assert w.quelist()[0].endswith(f"retry@{w.clock.date()}@{orders.me()}")
    assert w.finish() == DONE
    assert w.cluster.submitted() == ["a/qsub.0", "a/qsub.0", "a/qsub.1", "a/qsub.2"]


def test_retry_with_a_monitor_is_obeyed_in_its_next_tick_and_once(
    world: Callable[..., World],
) -> None:
    w = world(folders(2))
    w.cluster.plans["m000/qsub.0"] = FakeJob(seconds=5, succeeds=False)
    w.cluster.plans["m001/qsub.0"] = FakeJob(seconds=5000)
    monitor = w.monitor()
    for _ in range(4):
        monitor.tick()
        w.clock.sleep(10)
    assert w.last_words()["m000/qsub.0"] == "failed"
    w.cluster.plans.clear()
    with lock.held(w.run.private, DATE):
        assert retry(w.folder, ["failed"], w.clock).monitor is not None
    assert w.last_words()["m000/qsub.0"] == "failed"
    monitor.tick()
    assert w.cluster.submitted().count("m000/qsub.0") == 2
    assert w.last_words()["m000/qsub.0"] == "started"
    assert list((w.run.private / "orders").iterdir()) == []


def test_an_order_is_on_disk_before_it_is_forgotten(world: Callable[..., World]) -> None:
    w = failed_run(world)
    orders.give(w.run.private, Order("retry", ("a/qsub.0",), "me", DATE))
    w.host.faults = ["refuse"]
    with pytest.raises(Exception, match="no link"):
        w.monitor().tick()
    assert words(w) == ["started", "failed", "retry"]
    assert list((w.run.private / "orders").iterdir()) == []


def test_an_order_obeyed_twice_is_obeyed_once(world: Callable[..., World]) -> None:
    w = failed_run(world)
    monitor = w.monitor()
    given = Order("retry", ("a/qsub.0", "b/qsub.7"), "me", DATE)
    assert monitor.obeying.obey(given, monitor.looking.seen) == ["a/qsub.0"]
    assert monitor.obeying.obey(given, monitor.looking.seen) == []


def test_an_order_that_cannot_be_read_is_put_aside(world: Callable[..., World]) -> None:
    w = failed_run(world)
    folder = w.run.private / "orders"
    folder.mkdir()
    (folder / "1-1.json").write_text("{")
    (folder / "2-1.json").write_text(json.dumps({"verb": "retry", "jobs": 3}))
    assert w.finish() == SOME_FAILED
    assert sorted(p.name for p in folder.iterdir()) == ["1-1.unreadable", "2-1.unreadable"]


def test_a_person_who_retries_has_all_retries_anew(world: Callable[..., World]) -> None:
    w = failed_run(world, retries=1)
    assert words(w) == ["started", "failed", "retry", "started", "failed"]
    w.cluster.plans["a/qsub.0"] = FakeJob(succeeds=False)
    retry(w.folder, ["a/qsub.0"], w.clock)
    assert w.finish() == SOME_FAILED
    assert words(w).count("started") == 4


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        ("a/7", "no job a/7"),
        ("a/1", "a/qsub.1 is blocked"),
        ("x*", "no job to retry is like x*"),
    ],
)
def test_what_cannot_be_retried_is_named_and_nothing_changes(
    world: Callable[..., World], wanted: str, says: str
) -> None:
    w = failed_run(world)
    before = w.quelist()
    with pytest.raises(UserError) as error:
        retry(w.folder, ["a/0", wanted], w.clock)
    assert says in str(error.value)
    assert w.quelist() == before


def test_patterns_and_states_choose_jobs(world: Callable[..., World]) -> None:
    w = world(folders(3))
    for n in range(3):
        w.cluster.plans[f"m00{n}/qsub.0"] = FakeJob(succeeds=False)
    w.finish()
    assert retry(w.folder, ["m00[01]/*"], w.clock).jobs == ["m000/qsub.0", "m001/qsub.0"]
    assert retry(w.folder, ["failed"], w.clock).jobs == ["m002/qsub.0"]
    assert retry(w.folder, ["failed"], w.clock).jobs == []


# --- quelist edited while the monitor runs --------------------------------------------------------


@pytest.fixture
def edited(world: Callable[..., World]) -> Callable[[Callable[[str], str]], World]:
    """A run in which m000 failed and m001 runs on; quelist is edited, the run comes to its end."""

    def build(edit: Callable[[str], str]) -> World:
        w = world(folders(2))
        w.cluster.plans["m000/qsub.0"] = FakeJob(seconds=5, succeeds=False)
        w.cluster.plans["m001/qsub.0"] = FakeJob(seconds=500)
        monitor = w.monitor()
        for _ in range(4):
            monitor.tick()
            w.clock.sleep(10)
        w.cluster.plans.clear()
        path = w.folder / "quelist"
        path.write_text(edit(path.read_text()))
        w.finish(monitor)
        return w

    return build


def test_a_verdict_deleted_in_mid_run_has_the_job_run_again(
    edited: Callable[[Callable[[str], str]], World],
) -> None:
    w = edited(lambda text: text.replace(text.splitlines()[0].split()[-1], ""))
    assert w.cluster.submitted().count("m000/qsub.0") == 2
    assert set(w.last_words().values()) == {"finished"}
    assert len(w.last_words()) == 6


def test_a_line_deleted_in_mid_run_has_its_job_start_anew(
    edited: Callable[[Callable[[str], str]], World],
) -> None:
    w = edited(lambda text: text.split("\n", 1)[1])
    assert w.cluster.submitted().count("m000/qsub.0") == 2
    assert set(w.last_words().values()) == {"finished"}


def test_finished_written_by_hand_releases_what_waits_for_it(
    edited: Callable[[Callable[[str], str]], World],
) -> None:
    w = edited(lambda text: text.replace("failed@", "finished@", 1))
    assert w.cluster.submitted().count("m000/qsub.0") == 1
    assert w.cluster.submitted().count("m000/qsub.2") == 1
    assert set(w.last_words().values()) == {"finished"}


def test_the_line_of_a_job_in_the_queue_stays_the_monitors(
    edited: Callable[[Callable[[str], str]], World],
) -> None:
    w = edited(lambda text: text.splitlines()[0] + "\n")
    assert w.cluster.submitted().count("m001/qsub.0") == 1
    assert w.last_words()["m001/qsub.0"] == "finished"


def test_a_line_deleted_of_a_job_whose_marker_stands_does_not_run_it_again(
    world: Callable[..., World],
) -> None:
    w = world(CHAIN)
    w.cluster.plans["a/qsub.1"] = FakeJob(seconds=500)
    monitor = w.monitor()
    for _ in range(4):
        monitor.tick()
        w.clock.sleep(10)
    path = w.folder / "quelist"
    path.write_text(path.read_text().split("\n", 1)[1])
    assert w.finish(monitor) == DONE
    assert w.cluster.submitted() == ["a/qsub.0", "a/qsub.1", "a/qsub.2"]
    assert w.last_words()["a/qsub.0"] == "skipped"


@pytest.mark.parametrize("text", ["m000/qsub.0 finshed@x\n", "m000/qsub.0 fin", "\x00\xff"])
def test_an_edit_that_cannot_be_read_is_kept_aside_named_and_changes_nothing(
    edited: Callable[[Callable[[str], str]], World], text: str, caplog: pytest.LogCaptureFixture
) -> None:
    w = edited(lambda before: text)
    assert (w.folder / "quelist.unreadable").read_text() == text
    assert "quelist:1: " in caplog.text
    assert w.last_words()["m000/qsub.0"] == "failed"
    assert w.last_words()["m001/qsub.2"] == "finished"


def test_a_quelist_deleted_in_mid_run_is_written_anew(
    world: Callable[..., World],
) -> None:
    w = world(CHAIN)
    monitor = w.monitor()
    monitor.tick()
    (w.folder / "quelist").unlink()
    monitor.tick()
    assert w.last_words() == {"a/qsub.0": "started"}
    assert w.finish(monitor) == DONE
    assert len(w.cluster.submitted()) == 3


def test_an_edit_made_between_two_looks_is_not_overwritten(world: Callable[..., World]) -> None:
    w = world(folders(2))
    w.cluster.plans["m000/qsub.0"] = FakeJob(seconds=5, succeeds=False)
    w.cluster.plans["m001/qsub.0"] = FakeJob(seconds=45)
    monitor = w.monitor()
    for _ in range(4):
        monitor.tick()
        w.clock.sleep(10)
    w.cluster.plans.clear()
    path = w.folder / "quelist"

    def in_the_middle(request: object) -> None:
        text = path.read_text()
        if "failed@" in text:
            path.write_text(text.replace("failed@", "finished@"))

    w.host.hook = in_the_middle
    w.clock.sleep(20)  # m001 ends: quelist is going to be written in this very tick
    assert w.finish(monitor) == DONE
    assert w.cluster.submitted().count("m000/qsub.0") == 1
