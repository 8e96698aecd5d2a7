"""Results come home beside the looks: what that must not delay, and what has to wait for it."""

from __future__ import annotations

import posixpath
import random
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from fake import FakeHost, FakeJob
from pulls import FakePull
from test_monitor import CHAIN, World, folders, world

from jobauto.errors import DONE, GAVE_UP, CouldNotAsk, RemoteError
from jobauto.fetching import APART
from jobauto.host import Pull
from jobauto.monitor import Monitor

__all__ = ["world"]

NEVER = 10**9  # looks until files are home, if nobody waits for them
OLD = "a/qsub.finished.0"


class Copying(FakeHost):
    """Markers are really brought home, as they were when the pull began, and sent as rsync does;
    so many of the next pulls `fail`."""

    fail = 0
    begun: Callable[[], None] = staticmethod(lambda: None)

    def pull(self, folder: str, run: Path, patterns: Sequence[str], only: Sequence[str]) -> Pull:
        self.begun()
        self.pulled.append(tuple(only))
        files = [f for f in self.cluster.files if not only or posixpath.dirname(f) in only]
        return self.on_its_way(lambda: self._bring(run, files))

    def _bring(self, run: Path, files: Sequence[str]) -> None:
        if self.fail:
            self.fail -= 1
            raise CouldNotAsk("rsync failed")
        for file in files:
            (run / file).touch()

    def push(self, run: Path, folder: str, only: Sequence[str] = ()) -> None:
        super().push(run, folder, only)
        found = [path for each in only for path in (run / each).glob("qsub.finished.*")]
        self.cluster.files |= {path.relative_to(run).as_posix() for path in found}


class Away(World):
    """A run whose folder is not that of the jobs. `waits`: how often somebody waited for a pull."""

    def __init__(self, w: World) -> None:
        self.__dict__.update(w.__dict__)
        self.host = self.copying = Copying(self.cluster)
        self.run.rdir = "/remote/run"
        self.run.save()
        self._before = FakePull.waits

    @property
    def waits(self) -> int:
        return FakePull.waits - self._before

    def tick(self, monitor: Monitor, times: int = 1) -> None:
        for _ in range(times):
            monitor.tick()
            self.clock.sleep(10)


@pytest.fixture
def away(world: Callable[..., World]) -> Callable[..., Away]:
    return lambda *args, **options: Away(world(*args, **options))


def runs_again(w: Away, name: str) -> None:
    """A person takes the last word of a job out of quelist."""
    lines = [x.rsplit(" ", 1)[0] if x.startswith(f"{name} ") else x for x in w.quelist()]
    (w.folder / "quelist").write_text("".join(f"{line}\n" for line in lines))


def test_looks_and_submissions_go_on_while_files_come_home(away: Callable[..., Away]) -> None:
    w = away(CHAIN)
    w.host.slow = NEVER
    monitor = w.monitor()
    w.tick(monitor, 4)
    assert w.cluster.submitted() == ["a/qsub.0", "a/qsub.1", "a/qsub.2"]
    assert w.host.pulled == [("a",)]
    assert w.waits == 0
    assert not (w.folder / OLD).exists()
    assert w.finish(monitor) == DONE
    assert (w.waits, w.host.pulled[1:]) == (2, [()]), "all else comes in the end"
    assert (w.folder / OLD).exists()


@pytest.mark.parametrize(("seconds", "waits"), [(APART - 0.1, 1), (APART, 2)])
def test_at_the_end_a_pull_that_has_just_begun_is_given_up_for_the_last_one(
    away: Callable[..., Away], seconds: float, waits: int
) -> None:
    w = away(CHAIN)
    w.host.slow = NEVER
    w.tick(monitor := w.monitor())
    monitor.tick()
    assert w.host.pulled == [("a",)]
    w.clock.sleep(seconds)
    monitor.fetching.everything()
    assert (w.waits, w.host.pulled[1:], w.host.coming) == (waits, [()], [])
    assert (w.folder / OLD).exists()


def test_what_a_given_up_pull_was_to_bring_is_still_due_if_the_last_one_fails(
    away: Callable[..., Away],
) -> None:
    w = away(CHAIN)
    w.host.slow = NEVER
    w.tick(monitor := w.monitor())
    monitor.tick()
    w.copying.fail = 1
    with pytest.raises(CouldNotAsk):
        monitor.fetching.everything()
    monitor.fetching.catch_up()
    assert w.host.pulled == [("a",), (), ("a",)]
    assert (w.folder / OLD).exists()


def test_what_ends_while_files_come_home_comes_with_the_next_pull(
    away: Callable[..., Away],
) -> None:
    w = away(folders(3), maxqsub=3)
    seconds = {"m000/qsub.0": 5, "m001/qsub.0": 15, "m002/qsub.0": 25}
    w.cluster.plans.update((name, FakeJob(seconds=n)) for name, n in seconds.items())
    for name in folders(3):
        if not name.endswith("qsub.0"):
            w.cluster.plans[name] = FakeJob(seconds=1000)
    w.host.slow = 3
    w.tick(monitor := w.monitor(), 7)
    assert w.host.pulled == [("m000",), ("m001", "m002")]
    assert w.waits == 0
    w.tick(monitor, 3)
    assert w.host.pulled[2:] == []


@pytest.mark.parametrize(("interval", "apart"), [(1.0, 3), (10.0, 10)])
def test_with_a_short_interval_not_every_tick_brings_files_home(
    away: Callable[..., Away], interval: float, apart: int
) -> None:
    w = away(folders(8), maxqsub=4, interval=interval)
    dice = random.Random(1)
    for name in folders(8):
        w.cluster.plans[name] = FakeJob(seconds=dice.uniform(2, 20))
    when: list[float] = []
    w.copying.begun = lambda: when.append(w.clock.elapsed())
    assert w.finish() == DONE
    gaps = [b - a for a, b in pairwise(when[:-2])]  # the end waits for nothing
    assert len(gaps) > 3
    assert apart - 0.01 <= min(gaps) < 2 * apart


def test_a_marker_of_an_earlier_attempt_that_comes_home_late_is_not_sent_back(
    away: Callable[..., Away],
) -> None:
    w = away({**CHAIN, "b/qsub.0": "", "b/qsub.dependency.0": ""})
    w.cluster.plans.update({"b/qsub.0": FakeJob(seconds=10000)})
    w.host.slow = 3
    monitor = w.monitor()
    w.tick(monitor, 2)
    assert w.host.pulled == [("a",)]
    runs_again(w, "a/qsub.0")
    w.cluster.plans["a/qsub.0"] = FakeJob(seconds=1, succeeds=False)
    w.tick(monitor, 4)
    assert w.cluster.submitted().count("a/qsub.0") == 2
    assert w.last_words()["a/qsub.0"] == "failed"
    (w.folder / "a/qsub.new").touch()
    (w.folder / "a/qsub.dependency.new").touch()
    w.tick(monitor, 2)
    assert w.host.pushed[1:] == [("a",)]
    assert "a/qsub.new" in w.cluster.submitted()
    assert OLD not in w.cluster.files
    assert not (w.folder / OLD).exists()


def test_a_marker_that_was_there_from_the_start_is_not_brought_back_either(
    away: Callable[..., Away],
) -> None:
    tree = {**CHAIN, OLD: "", "a/qsub.3": "", "a/qsub.dependency.3": ""}
    w = away(tree)
    w.cluster.files.add(OLD)
    w.host.slow = NEVER
    monitor = w.monitor()
    w.tick(monitor, 2)
    assert w.host.pulled == [("a",)]
    runs_again(w, "a/qsub.0")
    w.tick(monitor)
    assert (w.cluster.submitted().count("a/qsub.0"), w.waits) == (1, 1)


def edited(away: Callable[..., Away]) -> tuple[Away, Monitor]:
    """Files come home while a person edits a script that is still to be submitted."""
    w = away({**CHAIN, "b/qsub.0": "", "b/qsub.dependency.0": "../a/qsub.finished.1\n"})
    w.host.slow = NEVER
    monitor = w.monitor()
    w.tick(monitor, 2)
    (w.folder / "b/qsub.0").write_text("edited\n")
    return w, monitor


def test_nothing_is_sent_while_files_come_home(away: Callable[..., Away]) -> None:
    w, monitor = edited(away)
    coming: list[int] = []
    real = w.host.push

    def push(run: Path, folder: str, only: Sequence[str] = ()) -> None:
        coming.append(len(w.host.coming))
        real(run, folder, only)

    w.host.push = push  # type: ignore[method-assign]
    w.tick(monitor, 2)
    assert coming == [0]
    assert w.host.pushed[1:] == [("b",)]


def test_what_is_edited_while_files_are_waited_for_counts(away: Callable[..., Away]) -> None:
    w, monitor = edited(away)
    [pull] = w.host.coming
    pull.what = (w.folder / "b/qsub.dependency.0").unlink
    w.tick(monitor, 4)
    assert "b/qsub.0" not in w.cluster.submitted(), "it is on hold"


def test_a_pull_that_failed_is_made_again_and_nothing_is_left_behind(
    away: Callable[..., Away],
) -> None:
    w = away(CHAIN)
    w.host.slow = w.copying.fail = 1
    monitor = w.monitor()
    w.tick(monitor, 2)
    assert w.host.pulled == [("a",)]
    w.tick(monitor)
    assert w.host.pulled == [("a",)] * 2, "once more in the same tick"
    assert (w.waits, w.host.coming) == (1, [])
    assert (w.folder / OLD).exists()
    assert w.finish(monitor) == DONE


def test_while_pulls_fail_every_tick_does(away: Callable[..., Away]) -> None:
    """Else the trouble would seem to be over each other time, and nobody would be told of it."""
    w = away(CHAIN)
    w.host.slow, w.copying.fail = 1, 9
    monitor = w.monitor()
    w.tick(monitor, 2)
    for _ in range(8):
        with pytest.raises(RemoteError, match="rsync failed"):
            monitor.tick()
        w.clock.sleep(10)
    assert w.host.pulled == [("a",)] * 9
    w.tick(monitor)
    assert monitor.fetching.due == set()
    assert (w.folder / "a/qsub.finished.1").exists()


def test_files_still_on_their_way_for_a_monitor_that_was_killed_disturb_no_other(
    away: Callable[..., Away],
) -> None:
    w = away(folders(2), maxqsub=1)
    w.host.slow = 3
    w.tick(w.monitor(), 2)
    assert len(w.host.coming) == 1
    assert w.finish(w.monitor()) == DONE
    assert sorted(w.cluster.submitted()) == sorted(n for n in w.last_words())
    assert len(w.cluster.submitted()) == 6


def test_once_waits_for_what_it_began(away: Callable[..., Away]) -> None:
    w = away(CHAIN)
    w.host.slow = NEVER
    for _ in range(2):
        assert w.finish(once=True) == DONE
        w.clock.sleep(10)
    assert w.host.pulled == [("a",)]
    assert (w.folder / OLD).exists()
    w.copying.fail = 2
    assert w.finish(once=True) == GAVE_UP
