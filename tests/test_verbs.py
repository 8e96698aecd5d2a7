"""Verbs for a run that goes on, and for one that nobody watches: told, obeyed once, kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fake import FakeJob
from test_monitor import CHAIN, World, folders, world

from jobauto import lock, orders
from jobauto.actions import order as ordering
from jobauto.actions.order import order
from jobauto.actions.status import status
from jobauto.actions.why import why
from jobauto.errors import DONE, SOME_FAILED, NoConnection, UserError
from jobauto.host import Runner
from jobauto.loop import Link, what_is_wrong
from jobauto.model import State
from jobauto.monitor import Monitor
from jobauto.orders import Order
from jobauto.remote.steering import Steer

__all__ = ["world"]  # a fixture

DATE = "20261120_231500"


@pytest.fixture(autouse=True)
def to_the_cluster_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a monitor a verb opens a host of its own: here the fake one, kept by the test."""
    monkeypatch.setattr(ordering, "host_of", lambda run, runner, mirrored: runner)
    monkeypatch.setattr(ordering, "let_in", lambda host, runner: host.open())


def tell(w: World, verb: str, *jobs: str, **values: str) -> ordering.Outcome:
    """The verb as a door calls it, while a monitor runs."""
    with lock.held(w.run.private, DATE):
        return order(w.folder, verb, jobs, w.clock, Runner(), values)


def do(w: World, verb: str, *jobs: str, **values: str) -> ordering.Outcome:
    """The verb as a door calls it, when no monitor runs."""
    return order(w.folder, verb, jobs, w.clock, w.host, values)  # type: ignore[arg-type]


def ticks(w: World, monitor: Monitor, number: int) -> None:
    for _ in range(number):
        monitor.tick()
        w.clock.sleep(10)


def states(w: World) -> dict[str, State]:
    return status(w.folder).states


# --- the run --------------------------------------------------------------------------------------


def test_stop_ends_submission_only_and_resume_goes_on(world: Callable[..., World]) -> None:
    w = world(CHAIN)
    monitor = w.monitor()
    monitor.tick()
    assert tell(w, "stop").monitor
    ticks(w, monitor, 5)
    assert w.last_words() == {"a/qsub.0": "finished", "a/qsub.1": ""}
    assert not monitor.over()
    [condition] = what_is_wrong(monitor, Link())
    assert condition.what == "stopped"
    assert w.monitor().run.stopped, "it outlives the monitor"
    tell(w, "resume")
    assert w.finish(monitor) == DONE
    assert len(w.cluster.submitted()) == 3


def test_stop_without_a_monitor_holds_for_the_next_one(world: Callable[..., World]) -> None:
    w = world(CHAIN)
    assert do(w, "stop").monitor is None
    ticks(w, w.monitor(), 3)
    assert w.cluster.submitted() == []
    do(w, "resume")
    assert w.finish() == DONE


def test_what_needs_no_remote_is_done_while_it_is_down(
    world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    w, _ = running(world)

    def down(*_: object) -> None:
        raise NoConnection("the network is down")

    monkeypatch.setattr(ordering, "let_in", down)
    do(w, "stop")
    do(w, "limit", maxqsub="7")
    do(w, "hold", "m000/1")
    with pytest.raises(NoConnection):
        do(w, "kill", "m000/0")
    assert w.monitor().run.killed == {}


def test_an_order_that_no_verb_of_ours_wrote_is_told_and_dropped(
    world: Callable[..., World], caplog: pytest.LogCaptureFixture
) -> None:
    w = world(CHAIN)
    for verb in ("limit", "switchq"):
        orders.give(w.run.private, Order(verb, (), "me", DATE, {"maxqsub": "many"}))
    assert w.finish() == DONE
    assert caplog.text.count("cannot be obeyed") == 2


def test_a_killed_job_of_a_quelist_that_was_renamed_is_forgotten(
    world: Callable[..., World],
) -> None:
    w, _ = running(world)
    w.run.killed["gone/qsub.0"] = "me"
    w.run.save()
    w.monitor().tick()


def test_limits_change_at_once_and_are_remembered(world: Callable[..., World]) -> None:
    w = world(folders(9), maxqsub=2)
    w.cluster.plans = {f"m00{n}/qsub.0": FakeJob(seconds=1000) for n in range(9)}
    monitor = w.monitor()
    monitor.tick()
    assert len(w.cluster.submitted()) == 2
    tell(w, "limit", maxqsub="5", interval="60")
    monitor.tick()
    assert len(w.cluster.submitted()) == 5
    assert monitor.obeying.interval == 60.0
    kept = w.monitor().run.settings
    assert (kept["maxqsub"], kept["interval"]) == (5, 60.0)


@pytest.mark.parametrize(
    ("values", "says"),
    [({"maxqsub": "0"}, "--maxqsub: "), ({"maxqsub": "many"}, "--maxqsub: "),
     ({"interval": "-1"}, "--interval: "), ({"maxq": "3"}, "--maxq: "), ({}, "say what")],
)  # fmt: skip
def test_a_limit_that_is_none_is_refused_and_nothing_is_told(
    world: Callable[..., World], values: dict[str, str], says: str
) -> None:
    w = world(CHAIN)
    with pytest.raises(UserError, match=says):
        tell(w, "limit", **values)
    assert not (w.run.private / "orders").exists()


def test_check_is_obeyed_by_the_look_that_follows(world: Callable[..., World]) -> None:
    w = world(CHAIN)
    tell(w, "check")
    w.monitor().tick()
    assert list((w.run.private / "orders").iterdir()) == []


# --- jobs that wait -------------------------------------------------------------------------------


@pytest.mark.parametrize("watched", [True, False])
def test_a_held_job_does_not_start_until_it_is_released(
    world: Callable[..., World], watched: bool
) -> None:
    w = world(CHAIN)
    say = tell if watched else do
    monitor = w.monitor()
    assert say(w, "hold", "a/1").jobs == ["a/qsub.1"]
    ticks(w, monitor, 4)
    assert w.cluster.submitted() == ["a/qsub.0"]
    assert states(w)["a/qsub.1"] is State.HELD
    assert (w.folder / "a/qsub.held.1").exists()
    assert say(w, "release", "held").jobs == ["a/qsub.1"]
    assert w.finish() == DONE
    assert w.cluster.submitted() == ["a/qsub.0", "a/qsub.1", "a/qsub.2"]


def test_a_job_that_never_had_needs_starts_when_it_is_released(
    world: Callable[..., World],
) -> None:
    w = world({"a/qsub.0": ""})
    assert w.finish() == SOME_FAILED
    do(w, "release", "all")
    assert w.finish() == DONE


@pytest.mark.parametrize("watched", [True, False])
def test_a_job_killed_before_it_began_never_runs_and_blocks_its_dependents(
    world: Callable[..., World], watched: bool
) -> None:
    w = world(CHAIN)
    (tell if watched else do)(w, "kill", "a/1")
    assert w.finish() == SOME_FAILED
    assert w.cluster.submitted() == ["a/qsub.0"]
    assert states(w)["a/qsub.1"] is State.KILLED
    assert states(w)["a/qsub.2"] is State.BLOCKED
    do(w, "retry", "a/1")
    assert w.finish() == DONE


# --- jobs in the queue ----------------------------------------------------------------------------


def running(world: Callable[..., World], **options: Any) -> tuple[World, Monitor]:
    """A run of two chains whose first jobs are in the queue for a long time."""
    w = world(folders(2), **options)
    w.cluster.plans = {f"m00{n}/qsub.0": FakeJob(seconds=1000) for n in range(2)}
    monitor = w.monitor()
    monitor.tick()
    return w, monitor


@pytest.mark.parametrize("watched", [True, False])
def test_one_job_is_killed_and_the_others_go_on(world: Callable[..., World], watched: bool) -> None:
    w, monitor = running(world, retries=3)
    if watched:
        tell(w, "kill", "m000/0")
        ticks(w, monitor, 4)
    else:
        do(w, "kill", "m000/0")
    assert w.finish() == SOME_FAILED
    [word] = [line.split()[-1] for line in w.quelist() if line.startswith("m000/qsub.0")]
    assert word.startswith("killed@")
    assert w.cluster.submitted().count("m000/qsub.0") == 1, "retries are not for what was killed"
    assert w.last_words()["m001/qsub.2"] == "finished"


def test_the_end_is_asked_for_once_and_the_verdict_outlives_the_monitor(
    world: Callable[..., World],
) -> None:
    w, monitor = running(world)
    tell(w, "kill", "m000/0")
    w.host.asked.clear()
    ticks(w, monitor, 1)
    assert w.host.asked.count("Kill") == 1
    assert w.finish() == SOME_FAILED
    assert w.last_words()["m000/qsub.0"] == "killed"
    assert w.monitor().run.killed == {}


def test_a_kill_that_could_not_be_sent_is_sent_later(world: Callable[..., World]) -> None:
    w, monitor = running(world)
    tell(w, "kill", "m000/0")
    w.host.faults = ["refuse"]
    with pytest.raises(NoConnection):
        monitor.tick()
    assert len(w.cluster.queue()) == 2
    monitor.tick()
    assert [job.name for job in w.cluster.queue()] == ["m001/qsub.0"]


def test_what_finished_before_it_was_killed_has_finished(world: Callable[..., World]) -> None:
    w, monitor = running(world)
    w.clock.sleep(2000)
    tell(w, "kill", "m000/0")
    monitor.tick()
    assert w.last_words()["m000/qsub.0"] == "finished"


class Scheduler:
    """Notes what is ordered of jobs in the queue; answers as told."""

    def __init__(self, w: World, answer: str = "r 0") -> None:
        self.w, self.answer, self.scripts = w, answer, list[str]()
        self.real, w.host.ask = w.host.ask, self.ask  # type: ignore[method-assign]

    def ask(self, request: Any) -> Any:
        if not isinstance(request, Steer):
            return self.real(request)
        self.scripts.append(request.script())
        from jobauto.remote.framing import Answer

        n = request.frame.nonce
        return request.read(Answer(0, f"begin {n}\n@steer\n{self.answer}\nend {n}\n", ""))


def test_jobs_in_the_queue_are_held_released_and_moved_by_the_scheduler(
    world: Callable[..., World],
) -> None:
    w, monitor = running(world)
    w.cluster.states = {"1001": "PENDING", "1002": "RUNNING"}
    scheduler = Scheduler(w)
    monitor.tick()
    for verb, jobs in (("hold", ["m000/0"]), ("release", ["m000/0"]), ("switchq", [])):
        tell(w, verb, *jobs, **({"queue": "long"} if verb == "switchq" else {}))
    monitor.tick()
    commands = [script.split("\nask ")[-1].split("\n")[0] for script in scheduler.scripts]
    assert commands == [
        "'$limit scontrol hold 1001'",
        "'$limit scontrol release 1001'",
        "'$limit scontrol update JobId=1001 Partition=long'",
    ]


def test_jobs_to_come_go_to_the_new_queue_whatever_they_asked_for(
    world: Callable[..., World],
) -> None:
    w = world(CHAIN, queue="short")
    monitor = w.monitor()
    tell(w, "switchq", queue="long")
    tell(w, "switchq", "a/2", queue="night")
    monitor.tick()
    jobs = monitor.graph.jobs.items()
    assert {name: monitor.asking.options(w.folder, job) for name, job in jobs} == {
        "a/qsub.0": ["--partition=long"],
        "a/qsub.1": ["--partition=long"],
        "a/qsub.2": ["--partition=night"],
    }
    later = w.monitor()
    assert later.asking.options(w.folder, later.graph.jobs["a/qsub.2"]) == ["--partition=night"]


def test_what_the_scheduler_refuses_is_told(
    world: Callable[..., World], caplog: pytest.LogCaptureFixture
) -> None:
    w, monitor = running(world)
    w.cluster.states = {"1001": "PENDING", "1002": "PENDING"}
    Scheduler(w, "e no such partition\nr 1")
    tell(w, "switchq", queue="nowhere")
    monitor.tick()
    assert "switchq: the scheduler says: no such partition" in caplog.text


# --- who, which, and mistakes ---------------------------------------------------------------------


def test_each_verb_is_logged_with_who_and_what(
    world: Callable[..., World], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    w = world(CHAIN)
    with lock.held(w.run.private, DATE):
        order(w.folder, "hold", ["a/1"], w.clock, Runner(), who="ann")
        order(w.folder, "limit", [], w.clock, Runner(), {"maxqsub": "7"}, who="bob")
    w.monitor().tick()
    assert "hold by ann: a/qsub.1" in caplog.text
    assert "limit by bob: maxqsub 7" in caplog.text


@pytest.mark.parametrize(
    ("verb", "job", "says"),
    [
        ("hold", "a/7", "no job a/7"),
        ("hold", "x*", "no job to hold is like x"),
        ("release", "a/0", "a/qsub.0 is ready"),
        ("retry", "a/0", "only failed, killed and unsure"),
    ],
)
def test_a_job_that_does_not_fit_is_named_and_nothing_is_told(
    world: Callable[..., World], verb: str, job: str, says: str
) -> None:
    w = world(CHAIN)
    with pytest.raises(UserError, match=says):
        tell(w, verb, "a/1" if verb == "hold" else "all", job)
    assert not (w.run.private / "orders").exists()


@pytest.mark.parametrize("queue", ["", "a b", "$(x)", "x\n"])
def test_a_name_that_no_queue_has_is_refused(world: Callable[..., World], queue: str) -> None:
    with pytest.raises(UserError, match="queue"):
        tell(world(CHAIN), "switchq", queue=queue)


def test_why_a_ready_job_waits_is_that_somebody_stopped_the_run(
    world: Callable[..., World],
) -> None:
    w = world(CHAIN)
    do(w, "stop")
    assert "is ready: stopped since" in why(status(w.folder), "a/0")
