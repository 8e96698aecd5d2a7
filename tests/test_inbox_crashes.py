"""The monitor of an inbox dies at each of its effects, before it or after it, and is begun again.

An effect is a rename, a removal, a write that is flushed, or a request. Whatever was cut off, each
job runs once and each folder comes back once.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from disk import Died
from fake import FakeJob
from inboxes import InboxHost, World

from jobauto.errors import DONE

_EFFECTS = ("rename", "replace", "unlink", "rmdir", "fsync", "chmod")
_REQUESTS = ("ask", "pull", "push")
PARTS = 8  # of the places to die at: tests that take about as long


class Dying:
    """Counts effects, and dies at the one with number `at`: before it, or after it."""

    def __init__(self, at: int, after: bool) -> None:
        self.at, self.after, self.count = at, after, 0
        self.what = ""

    def around(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def effect(*words: Any, **options: Any) -> Any:
            self.count += 1
            number = self.count
            if number == self.at and not self.after:
                self.what = f"before {name} {words}"
                raise Died
            answer = real(*words, **options)
            if number == self.at:
                self.what = f"after {name} {words}"
                raise Died
            return answer

        return effect

    @contextmanager
    def patched(self, host: InboxHost) -> Iterator[None]:
        """Let all effects of the monitor be counted."""
        before = {name: getattr(os, name) for name in _EFFECTS}
        for name, real in before.items():
            setattr(os, name, self.around(name, real))
        for name in _REQUESTS:
            setattr(host, name, self.around(name, getattr(InboxHost, name).__get__(host)))
        try:
            yield
        finally:
            for name, real in before.items():
                setattr(os, name, real)
            for name in _REQUESTS:
                delattr(host, name)


def plant(root: Path) -> World:
    """A chain, a failure and what needs it, an archive, and a second folder of a name."""
    world = World(root, {"finished_file": "DONE"}, maxqsub=3)
    (world.places.completed / "twice").mkdir()
    for name, needs in {"a": None, "b": "a\n", "bad": None, "c": "bad\n", "twice": None}.items():
        world.put(name, needs)
    world.put_archive("packed")
    world.cluster.plans["bad/qsub.job"] = FakeJob(succeeds=False)
    world.cluster.plans["packed/qsub.job"] = FakeJob(seconds=12, writes={3: "result"})
    return world


def check(world: World, where: str) -> None:
    """Each ran once and came back once, whole."""
    ran = sorted(name.partition("/")[0] for name in world.cluster.submitted())
    assert ran == ["a", "b", "bad", "packed", "twice"], where
    assert world.inbox() == world.pending() == [], where
    dated = [name for name in world.completed() if name.startswith("twice.")]
    assert len(dated) == 1, where
    expected = {"a", "b", "bad", "c", "packed.tar.gz", "twice", *dated}
    assert set(world.completed()) == expected, where
    for name in expected - {"packed.tar.gz", "twice"}:
        assert (world.places.completed / name / "job.sh").exists(), where
        assert (world.places.completed / name / "DONE").exists(), where
        assert bool(world.error(name)) == (name in ("bad", "c")), where
    assert "needs bad, which failed" in world.error("c"), where
    assert (world.places.pending / "quelist").read_text() == "", where


def number_of_effects(root: Path) -> int:
    world, dying = plant(root), Dying(0, False)
    with dying.patched(world.host):
        assert world.finish() == DONE
    check(world, "no crash")
    return dying.count


@pytest.fixture(autouse=True)
def no_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sync", lambda: None)
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)


@pytest.mark.parametrize("part", range(PARTS))
def test_each_job_runs_once_wherever_the_monitor_dies(tmp_path: Path, part: int) -> None:
    number = number_of_effects(tmp_path / "whole")
    assert number > 200
    for at in range(1 + part, number + 1, PARTS):
        for after in (False, True):
            world, dying = plant(tmp_path / f"{at}{after}"), Dying(at, after)
            with dying.patched(world.host), suppress(Died):  # the last effects may be fewer
                world.finish()
            assert world.finish() == DONE, dying.what
            check(world, dying.what)


@pytest.mark.parametrize("step", range(7, 120, 16))
def test_one_that_dies_again_and_again_comes_to_the_end(tmp_path: Path, step: int) -> None:
    world = plant(tmp_path)
    for _ in range(300):
        dying = Dying(step, False)
        try:
            with dying.patched(world.host):
                world.finish()
            break
        except Died:
            world.clock.sleep(11)  # so that folders settle
            step += 3
    else:
        raise AssertionError("it never came to the end")
    check(world, f"{step}")
