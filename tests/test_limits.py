"""The pause when too many jobs fail: when it begins, when it ends, what it counts."""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate

import pytest
from fake import FakeJob
from rich.console import Console
from test_monitor import World, folders, world

from jobauto.actions.status import as_data, status
from jobauto.actions.why import why
from jobauto.cli.show import print_status
from jobauto.errors import DONE, SOME_FAILED
from jobauto.limits import ErrorRate, Limits
from jobauto.model import Queued

__all__ = ["world"]  # a fixture

GOOD, BAD = False, True


def rate(percent: float | None = 50) -> ErrorRate:
    return ErrorRate(percent, window=600, pause=300)


def noted(made: ErrorRate, *ends: tuple[float, bool]) -> ErrorRate:
    for when, failed in ends:
        made.note(when, failed)
    return made


def test_more_than_the_share_begins_a_pause_of_the_set_time() -> None:
    made = noted(rate(), *((t, BAD) for t in range(4)))
    assert not made.paused(4)
    assert made.note(5, BAD)
    assert made.why == "5 of the last 5 jobs failed"
    assert made.paused(5)
    assert made.paused(304)
    assert not made.paused(305)


def test_just_the_share_is_not_too_much() -> None:
    ends = [(t, t % 2 == 1) for t in range(20)]
    assert not noted(rate(50), *ends).paused(20)
    assert noted(rate(49), *ends).paused(20)


def test_failures_of_long_ago_do_not_count() -> None:
    made = noted(rate(), *((t, BAD) for t in range(4)))
    assert not made.note(700, BAD)
    assert not made.paused(700)


def test_what_ends_in_a_pause_was_begun_before_it_and_is_not_counted() -> None:
    made = noted(rate(), *((t, BAD) for t in range(5)))
    assert not any(made.note(t, BAD) for t in range(5, 304))
    assert not made.paused(305)
    assert not made.note(310, BAD)


def test_without_the_option_nothing_ever_pauses() -> None:
    assert not noted(rate(None), *((t, BAD) for t in range(50))).paused(50)


def test_a_clock_that_was_wrong_by_a_year_makes_no_pause_of_a_year() -> None:
    made = noted(rate(), *((t + 3e7, BAD) for t in range(5)))
    assert made.paused(0)
    assert not made.paused(301)


def failing(w: World, number: int) -> None:
    for n in range(number):
        w.cluster.plans[f"m{n:03}/qsub.0"] = FakeJob(seconds=5, succeeds=False)


def test_a_run_pauses_says_so_and_goes_on(world: Callable[..., World]) -> None:
    w = world(folders(12), maxqsub=6, max_error_percent=50.0, error_pause=3000.0)
    failing(w, 6)
    begun, told = w.clock.now(), list[str]()

    def show(monitor: object, link: object) -> None:
        told.extend(c.what for c in w.conditions())

    assert w.finish(show=show) == SOME_FAILED
    times = [t - begun for t, what, _ in w.cluster.history if what == "submit"]
    assert len(times) == 6 + 6 * 3
    assert sum(t < 100 for t in times) == 6
    assert min(t for t in times if t > 100) > 3000
    assert set(told) == {"paused"}


def test_a_pause_outlives_the_monitor(world: Callable[..., World]) -> None:
    w = world(folders(12), maxqsub=6, max_error_percent=50.0, error_pause=3000.0)
    failing(w, 6)
    monitor = w.monitor()
    for _ in range(4):
        monitor.tick()
        w.clock.sleep(10)
    assert len(w.cluster.submitted()) == 6
    w.clock.sleep(500)
    w.monitor().tick()
    assert len(w.cluster.submitted()) == 6
    w.clock.sleep(3000)
    w.monitor().tick()
    assert len(w.cluster.submitted()) == 12


def test_retries_wait_for_the_end_of_a_pause_too(world: Callable[..., World]) -> None:
    w = world(folders(6), maxqsub=6, retries=1, max_error_percent=50.0, error_pause=3000.0)
    failing(w, 6)
    monitor = w.monitor()
    for _ in range(20):
        monitor.tick()
        w.clock.sleep(10)
    assert len(w.cluster.submitted()) == 6
    w.cluster.plans.clear()
    assert w.finish(monitor) == DONE


@pytest.mark.parametrize("bad", ["-1", "100", "many"])
def test_a_share_that_makes_no_sense_is_refused(bad: str) -> None:
    from jobauto.errors import UserError
    from jobauto.sources import load

    with pytest.raises(UserError, match="--max-error-percent"):
        load({"ldir": "x", "max_error_percent": bad}, None, {})


def test_refusals_of_one_moment_are_one_and_those_of_the_next_make_the_wait_longer() -> None:
    limits = Limits(4, rate(None))
    assert [limits.hit(100.0) for _ in range(5)] == [5.0] * 5
    assert limits.hit(105.0) == 10.0
    assert limits.until == 115.0


def test_no_more_jobs_wait_in_the_queue_than_may(world: Callable[..., World]) -> None:
    w = world(folders(12), maxqsub=10, maxpending=3)
    w.cluster.slots = 4
    w.cluster.plans = {f"m{n:03}/qsub.0": FakeJob(seconds=60) for n in range(12)}
    waiting: list[int] = []
    w.host.hook = lambda _request: waiting.append(
        sum(job.started is None for job in w.cluster.queue())
    )
    assert w.finish() == DONE
    assert max(waiting) <= 3
    assert max(accumulate(_runs(w))) == 4  # those that wait keep nobody from running


def _runs(w: World) -> list[int]:
    steps = {"run": 1, "done": -1}
    return [steps[what] for _, what, _ in w.cluster.history if what in steps]


def test_other_jobs_of_the_person_are_seen_and_shown(world: Callable[..., World]) -> None:
    w = world(folders(2), maxqsub=1)
    w.cluster.take("elsewhere/qsub.0", "another-runs-token")
    w.cluster.slots = 1
    w.monitor().tick()
    w.clock.sleep(1)
    w.monitor().tick()
    seen = status(w.folder)
    assert seen.others() == {Queued.RUNNING: 1}
    assert as_data(seen)["others"] == {"running": 1}
    assert "1 other jobs of yours are in the queue" in why(seen, "m001/0")
    console = Console(record=True, width=80)
    print_status(seen, console)
    assert "your other jobs in the queue  1 (1 running)" in console.export_text()
