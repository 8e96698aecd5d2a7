"""One monitor a run: on this machine by a lock, on others by signs of life in a note."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from fake import FakeJob
from test_monitor import CHAIN, World, world

from jobauto import lock
from jobauto.errors import UserError
from jobauto.lock import Holder

__all__ = ["world"]  # a fixture

OTHER = Holder("elsewhere", 4711, 1.0, "20261120_231500")


def note(private: Path, of: Holder = OTHER, silent: float = 0) -> Path:
    """The note of a holder that gave its last sign of life so many seconds ago."""
    path = private / lock.NOTE
    path.write_text(json.dumps(asdict(of)))
    now = path.stat().st_mtime
    os.utime(path, (now - silent, now - silent))
    return path


class Sleep:
    """Time in which a holder may give a sign of life."""

    def __init__(self, sign: Path | None = None) -> None:
        self.sign, self.slept = sign, 0.0

    def __call__(self, seconds: float) -> None:
        self.slept += seconds
        if self.sign:
            os.utime(self.sign)


def test_a_monitor_on_another_machine_is_refused_at_once_and_named(tmp_path: Path) -> None:
    note(tmp_path)
    sleep = Sleep()
    with (
        pytest.raises(UserError, match="pid 4711 on elsewhere, since 20261120_231500"),
        lock.held(tmp_path, "now", sleep=sleep),
    ):
        pass
    assert sleep.slept == 0
    assert lock.holder(tmp_path) == OTHER


def test_one_that_is_silent_for_long_and_stays_so_is_taken_for_dead(tmp_path: Path) -> None:
    note(tmp_path, silent=1000)
    sleep = Sleep()
    with lock.held(tmp_path, "now", sleep=sleep):
        assert sleep.slept > 2 * lock.BEAT
        assert lock.holder(tmp_path) != OTHER
    assert lock.holder(tmp_path) is None


def test_one_that_seemed_silent_but_lives_is_refused(tmp_path: Path) -> None:
    """So after a clock of the file server that was set forward."""
    path = note(tmp_path, silent=1000)
    with (
        pytest.raises(UserError, match="elsewhere"),
        lock.held(tmp_path, "now", sleep=Sleep(path)),
    ):
        pass
    assert lock.holder(tmp_path) == OTHER


def test_a_note_of_this_machine_counts_only_with_its_lock(tmp_path: Path) -> None:
    """A monitor that was killed leaves its note, and no lock."""
    with lock.held(tmp_path, "then"):
        dead = lock.holder(tmp_path)
    assert dead
    note(tmp_path, replace(dead, pid=4711))
    with lock.held(tmp_path, "now"):
        assert lock.holder(tmp_path) != replace(dead, pid=4711)


def test_a_second_process_is_refused_with_pid_host_and_date(tmp_path: Path) -> None:
    script = f"""
from pathlib import Path
from jobauto import lock
from jobauto.errors import UserError
try:
    with lock.held(Path({str(tmp_path)!r}), "later"): print("held")
except UserError as error: print(error)
"""
    with lock.held(tmp_path, "20261120_231500"):
        done = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, timeout=60
        )
    assert f"pid {os.getpid()} on {os.uname().nodename}, since 20261120_231500" in done.stdout


def test_signs_of_life_are_given_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    beaten = threading.Event()
    monkeypatch.setattr(lock, "BEAT", 0.001)
    monkeypatch.setattr(os, "utime", lambda path: beaten.set())
    with lock.held(tmp_path, "now"):
        assert beaten.wait(10)


def test_a_holder_that_slept_finds_that_the_run_was_taken_over(tmp_path: Path) -> None:
    with lock.held(tmp_path, "now") as guard:
        guard()
        note(tmp_path)
        with pytest.raises(UserError, match="taken over: pid 4711 on elsewhere"):
            guard()
    assert lock.holder(tmp_path) == OTHER, "the note of the new holder is left alone"


def test_a_note_that_was_removed_is_written_again(tmp_path: Path) -> None:
    with lock.held(tmp_path, "now") as guard:
        mine = lock.holder(tmp_path)
        (tmp_path / lock.NOTE).unlink()
        guard()
        assert lock.holder(tmp_path) == mine


def test_a_monitor_whose_run_was_taken_over_submits_and_writes_nothing_more(
    world: Callable[..., World],
) -> None:
    w = world(CHAIN)
    w.cluster.plans["a/qsub.0"] = FakeJob(seconds=3)
    with lock.held(w.run.private, "now") as guard:
        monitor = w.monitor()
        monitor.guard = guard
        taken = iter([None, note])

        def take_over(request: object) -> None:
            if type(request).__name__ == "Observe" and (step := next(taken)):
                step(w.run.private)

        w.host.hook = take_over
        monitor.tick()
        before = w.quelist()
        with pytest.raises(UserError, match="taken over"):
            monitor.tick(10)  # taken over between the look and the submission
    assert monitor.looking.seen.early
    assert w.cluster.submitted() == ["a/qsub.0"]
    assert w.quelist() == before


@pytest.mark.parametrize(("silent", "watched"), [(0, True), (50, True), (1000, False)])
def test_who_watches_is_told_by_signs_of_life(tmp_path: Path, silent: int, watched: bool) -> None:
    note(tmp_path, silent=silent)
    assert lock.watcher(tmp_path) == (OTHER if watched else None)
    assert [p.name for p in tmp_path.iterdir()] == [lock.NOTE]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"host": "x"}', "\x00"])
def test_a_note_that_cannot_be_read_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / lock.NOTE).write_text(text)
    assert lock.watcher(tmp_path) is None
    with lock.held(tmp_path, "now"):
        assert lock.holder(tmp_path)
