"""Waiting on the remote for news: soon enough for dependents, without asking the scheduler more."""

from __future__ import annotations

import random
import statistics
import threading
from collections.abc import Callable
from itertools import pairwise

import pytest
from fake import FakeCluster, FakeJob
from test_monitor import World, folders, world  # noqa: F401
from test_observation import SLURM, TWO, Remote, every_shell, remote  # noqa: F401

from jobauto import orders
from jobauto.errors import DONE, SOME_FAILED, CouldNotAsk
from jobauto.judge import accepted
from jobauto.looking import Looking
from jobauto.loop import loop
from jobauto.model import Seen
from jobauto.orders import Order
from jobauto.remote.following import SubmitThenLook
from jobauto.remote.observation import Observe, Wait
from jobauto.schedulers import DIALECTS

MARKER = "job/qsub.finished.1"


def looking(remote: Remote, seconds: float, *there: str, files: tuple[str, ...] = ()) -> Observe:  # noqa: F811
    wait = Wait(seconds, elsewhere=False, there=frozenset(there))
    return Observe(SLURM, str(remote.run), ["11"], files=files or (MARKER,), wait=wait)


def later(seconds: float, action: Callable[[], object]) -> threading.Timer:
    timer = threading.Timer(seconds, action)
    timer.start()
    return timer


@every_shell
def test_a_file_that_comes_ends_the_wait_and_the_scheduler_is_not_asked(remote: Remote) -> None:  # noqa: F811
    remote.attempt()
    timer = later(0.3, (remote.run / MARKER).touch)
    seen = remote.ask(looking(remote, 60, files=("other", MARKER)))
    timer.join()
    assert seen.early
    assert seen.there == {MARKER}
    assert seen.missing == {"other"}
    assert (seen.queue, seen.tokens_known, remote.calls("squeue")) == ({}, False, [])


@every_shell
def test_a_file_that_goes_is_news_too(remote: Remote) -> None:  # noqa: F811
    path = remote.run / "lock file"
    path.touch()
    timer = later(0.3, path.unlink)
    seen = remote.ask(looking(remote, 60, "lock file", files=("lock file",)))
    timer.join()
    assert seen.early
    assert seen.missing == {"lock file"}


@every_shell
def test_without_news_the_scheduler_is_asked_when_the_time_is_over(remote: Remote) -> None:  # noqa: F811
    remote.attempt()
    (remote.run / MARKER).touch()
    seen = remote.ask(looking(remote, 0.3, MARKER, files=(MARKER, "other")))  # known to be there
    assert not seen.early
    assert seen.there == {MARKER}
    assert seen.queue == TWO
    assert len(remote.calls("squeue")) == 1


@every_shell
def test_a_look_that_nobody_waits_for_ends(remote: Remote) -> None:  # noqa: F811
    process = remote.start(looking(remote, 1000))
    assert process.stdout
    process.stdout.readline()  # begin
    process.stdout.close()
    process.wait(30)
    assert remote.calls("squeue") == []


def test_the_wait_is_as_long_as_it_was_asked_to_be() -> None:
    for elsewhere in (True, False):
        for seconds in (0.0, 0.3, 1.0, 10.0, 3600.0):
            for files in (1, 64, 1000, 100_000):
                pauses = [float(p) for p in Wait(seconds, elsewhere).pauses(files)]
                assert sum(pauses) == pytest.approx(seconds, abs=0.05)
                assert len(pauses) < 150


def test_many_files_are_glanced_at_less_often() -> None:
    assert Wait(10).pauses(64)[0] == "0.500"
    assert Wait(10).pauses(1000)[0] == "5.000"


def test_jobs_of_this_machine_are_glanced_at_sooner() -> None:
    assert Wait(0, elsewhere=False).pauses(2) == []
    assert Wait(10, elsewhere=False).pauses(2)[0] == "0", "it may be over before the first look"
    pauses = [float(p) for p in Wait(10, elsewhere=False).pauses(2)]
    assert pauses[0] < 0.05
    assert max(pauses) == 0.5


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """When each cluster was asked for its queue."""
    found: list[float] = []
    look = FakeCluster.look

    def noted(self: FakeCluster, *args: bool) -> object:
        found.append(self.clock.time)
        return look(self, *args)

    monkeypatch.setattr(FakeCluster, "look", noted)
    return found


def reactions(w: World) -> list[float]:
    """Seconds from each producer's marker to the submission of its dependent."""
    done = {name: t for t, what, name in w.cluster.history if what == "done"}
    begun = {name: t for t, what, name in w.cluster.history if what == "submit"}
    chain = ("qsub.0", "qsub.1", "qsub.2")
    places = {name.rpartition("/")[0] for name in done}
    pairs = [(f"{f}/{a}", f"{f}/{b}") for f in places for a, b in pairwise(chain)]
    return [begun[user] - done[maker] for maker, user in pairs]


def test_dependents_follow_soon_with_one_question_to_the_scheduler_an_interval(
    world: Callable[..., World],  # noqa: F811
    asked: list[float],
) -> None:
    w, dice = world(folders(64), maxqsub=64, interval=10.0), random.Random(1)
    for name in folders(64):
        w.cluster.plans[name] = FakeJob(seconds=dice.uniform(2, 20))
    assert w.finish() == DONE
    found = sorted(reactions(w))
    assert len(found) == 128
    assert statistics.median(found) <= 1.5
    assert found[-1] <= 3
    end = max(t for t, what, _ in w.cluster.history if what == "done")
    gaps = [b - a for a, b in pairwise(t for t in asked if t < end)]
    assert min(gaps) >= 9.99


def test_a_tick_takes_two_remote_commands_at_most_and_copies_once_an_interval(
    world: Callable[..., World],  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    is_news, spared = Looking._is_news, []

    def noted(self: Looking, found: Seen) -> bool:
        spared.append(is_news(self, found))
        return spared[-1]

    monkeypatch.setattr(Looking, "_is_news", noted)
    w = world(folders(30), maxqsub=20, interval=10.0)
    monitor = w.monitor()
    assert w.finish(monitor) == DONE
    assert w.host.asked.count("Observe") == monitor.ticks - sum(spared)
    assert len(w.host.asked) <= 2 * monitor.ticks
    assert len(w.host.pulled) <= (w.clock.time - w.cluster.history[0][0]) / 10 + 2


def test_an_early_look_proves_no_absence(world: Callable[..., World], asked: list[float]) -> None:  # noqa: F811
    """One job dies without a word, while the markers of others keep coming."""
    w = world(folders(20), maxqsub=60, interval=10.0, grace=0.0)
    w.cluster.plans["m000/qsub.0"] = FakeJob(seconds=1, succeeds=False)
    for number in range(1, 20):
        w.cluster.plans[f"m{number:03}/qsub.0"] = FakeJob(seconds=12 + number)
    monitor = w.monitor()
    failed: list[int] = []

    def see(*_: object) -> None:
        if not failed and w.last_words().get("m000/qsub.0") == "failed":
            failed.append(len(asked))

    assert loop(monitor, w.clock.sleep, see) == SOME_FAILED
    # the first question was before it began, and two in a row did not name it
    assert failed == [3]


def test_a_job_seen_by_its_marker_alone_is_not_said_to_have_left_the_queue(
    world: Callable[..., World],  # noqa: F811
) -> None:
    w = world({"a/qsub.0": "", "a/qsub.dependency.0": ""}, interval=10.0)
    w.cluster.plans["a/qsub.0"] = FakeJob(seconds=3, lingers=20)  # no queue ever named it
    monitor = w.monitor()
    looks: list[tuple[bool, int]] = []
    code = loop(
        monitor,
        w.clock.sleep,
        lambda m, _: looks.append((m.looking.seen.early, len(m.ledger.lingering))),
    )
    assert code == DONE
    assert (True, 1) in looks  # found out early, and still in the queue as far as is known
    assert "left=yes" not in (w.folder / "qsub.log").read_text()
    assert " left " in (w.folder / "qsub.log").read_text()


@pytest.mark.parametrize(("lingers", "most"), [(1, 6), (100, 20)])
def test_a_run_ends_soon_after_its_last_job_left_the_queue(
    world: Callable[..., World],  # noqa: F811
    lingers: int,
    most: int,
) -> None:
    w = world({"a/qsub.0": "", "a/qsub.dependency.0": ""}, interval=10.0)
    w.cluster.plans["a/qsub.0"] = FakeJob(seconds=3, lingers=lingers)
    began = w.clock.elapsed()
    monitor = w.monitor()
    assert loop(monitor, w.clock.sleep) == DONE
    assert w.clock.elapsed() - began < 3 + lingers + (2 if lingers < 10 else 11)
    assert monitor.ticks <= most  # one an interval, when it takes long


def test_where_there_is_nothing_to_wait_for_time_passes_here(
    world: Callable[..., World],  # noqa: F811
) -> None:
    w = world({"a/qsub.0": "", "a/qsub.dependency.0": "not lock\n"}, interval=10.0)
    w.cluster.plans["a/qsub.0"] = FakeJob(refuse="sbatch: error: Job submit limit reached")
    w.cluster.files.clear()
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        w.clock.sleep(seconds)
        if len(pauses) > 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        loop(w.monitor(), pause)
    assert all(9 < seconds <= 10 for seconds in pauses)


def test_an_order_given_meanwhile_is_obeyed_before_anything_is_submitted(
    world: Callable[..., World],  # noqa: F811
) -> None:
    w = world(folders(1), interval=10.0)
    w.cluster.plans["m000/qsub.0"] = FakeJob(seconds=15)
    monitor = w.monitor()
    monitor.tick()
    w.cluster.at(w.clock.time + 14, lambda: orders.give(w.run.private, Order("stop", (), "me", "")))
    for _ in range(3):
        monitor.tick(10.0)
    assert w.last_words()["m000/qsub.0"] == "finished"
    assert w.cluster.submitted() == ["m000/qsub.0"]


# --- what a submission tells of files -------------------------------------------------------------


@every_shell
def test_a_submission_tells_which_files_are_there_behind_it(remote: Remote) -> None:  # noqa: F811
    remote.program("sbatch", "touch there\necho 353143")
    attempt = remote.attempt()
    files = ["job/there", "job/odd $(touch x)", "job/missing"]
    found = remote.ask(SubmitThenLook(remote.submit(attempt), files))
    assert found.seen == Seen(there=frozenset(files[:1]), missing=frozenset(files[1:]), early=True)
    assert accepted(found.claims[attempt.token], SLURM) == "353143"


QUICK = FakeJob(seconds=0)


def test_a_marker_that_came_during_a_submission_needs_no_other_command(
    world: Callable[..., World],  # noqa: F811
) -> None:
    w = world(folders(1), interval=10.0)
    w.cluster.plans["m000/qsub.0"] = w.cluster.plans["m000/qsub.1"] = QUICK
    monitor = w.monitor()
    monitor.tick()
    monitor.tick(10.0)
    monitor.tick(10.0)
    assert w.host.asked == ["Observe", "SubmitThenLook", "SubmitThenLook", "SubmitThenLook"]
    assert w.cluster.submitted() == ["m000/qsub.0", "m000/qsub.1", "m000/qsub.2"]
    assert monitor.looking.seen.early
    monitor.tick(10.0)  # there is nothing new any more
    assert w.host.asked[4:] == ["Observe"]


def test_on_this_machine_a_submission_looks_for_nothing(world: Callable[..., World]) -> None:  # noqa: F811
    monitor = world(folders(1)).monitor()
    monitor.tick()
    assert monitor.looking.awaited_behind() == ["m000/qsub.finished.0"]
    monitor.looking.dialect = DIALECTS["local"]
    assert monitor.looking.awaited_behind() == []


def test_what_a_submission_found_puts_a_look_at_the_queue_off_by_an_interval_at_most(
    world: Callable[..., World],  # noqa: F811
    asked: list[float],
) -> None:
    w = world(folders(1), interval=10.0)
    w.cluster.plans["m000/qsub.0"] = w.cluster.plans["m000/qsub.1"] = QUICK
    monitor = w.monitor()
    monitor.tick()
    for _ in range(2):
        w.clock.sleep(10.0)
        assert monitor.rest() == 0.0
        monitor.tick(0.0)
    submit = "SubmitThenLook"
    assert w.host.asked == ["Observe", submit, submit, "Observe", submit]
    assert len(asked) == 2


def test_what_a_submission_found_is_old_after_a_look(
    world: Callable[..., World],  # noqa: F811
) -> None:
    w = world(folders(1), interval=10.0)
    w.cluster.plans["m000/qsub.0"] = QUICK
    monitor = w.monitor()
    monitor.tick()
    w.host.faults.append("hang")
    with pytest.raises(CouldNotAsk):
        monitor.tick(0.0)
    monitor.tick(10.0)
    assert w.host.asked[2:] == ["Observe", "Observe", "SubmitThenLook"]
