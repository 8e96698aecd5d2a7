"""`status --watch`, `log`, `runs` and `completion`."""

from __future__ import annotations

import argparse
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from fake import FakeJob
from rich.console import Console
from test_monitor import CHAIN, World, folders, world

from jobauto import lock, registry
from jobauto.actions import log
from jobauto.actions.progress import Progress, progress
from jobauto.actions.status import status
from jobauto.cli import looking
from jobauto.cli.main import main
from jobauto.errors import DONE, SOME_FAILED, UserError

__all__ = ["world"]  # a fixture

DATE = "20261120_231500"


def test_progress_tells_rate_and_end(world: Callable[..., World]) -> None:
    w = world(folders(4), maxqsub=1)
    monitor = w.monitor()
    with lock.held(w.run.private, DATE):
        for _ in range(7):
            monitor.tick()
            w.clock.sleep(10)
        found = progress(status(w.folder), w.clock.now())
    # one job in ten seconds; the first end was seen sixty seconds ago
    assert (found.total, found.done, found.left) == (12, 6, 6)
    assert found.rate == pytest.approx(360)
    assert found.end == w.clock.date().replace("080110", "080210")
    assert str(found) == f"6 of 12 jobs, 360 jobs an hour, until {found.end}"


def test_what_can_never_run_is_not_waited_for(world: Callable[..., World]) -> None:
    w = world(CHAIN)
    w.cluster.plans["a/qsub.0"] = FakeJob(succeeds=False)
    w.finish()
    assert progress(status(w.folder), w.clock.now()) == Progress(3, 1, 0)


def test_watching_without_a_terminal_is_a_line_for_each_change_until_nobody_runs_it(
    world: Callable[..., World],
) -> None:
    w = world(CHAIN)
    monitor = w.monitor()
    console = Console(record=True, width=200, force_terminal=False)
    guard = lock.held(w.run.private, DATE)
    guard.__enter__()

    def wait(_seconds: float) -> None:
        monitor.tick()
        w.clock.sleep(10)
        if monitor.over():
            guard.__exit__(None, None, None)

    assert looking.watch(w.folder, console, w.clock, wait) == DONE
    lines = console.export_text().splitlines()
    assert [line.split(" | ")[1].split(",")[0] for line in lines] == [
        f"{n} of 3 jobs" for n in (0, 0, 1, 2, 3)
    ]
    assert "3 finished" in lines[-1]


def test_watching_on_a_terminal_shows_a_table(world: Callable[..., World]) -> None:
    w = world(CHAIN)
    w.cluster.plans["a/qsub.0"] = FakeJob(succeeds=False)
    w.finish()
    console = Console(record=True, width=80, force_terminal=True)
    assert looking.watch(w.folder, console, w.clock) == SOME_FAILED
    text = console.export_text()
    assert "1 of 3 jobs" in text
    assert "blocked" in text


def test_the_log_of_a_job_is_all_that_is_written_of_it(world: Callable[..., World]) -> None:
    w = world({**CHAIN, "aa/qsub.0": "", "aa/qsub.dependency.0": ""})
    w.cluster.plans["a/qsub.0"] = FakeJob(seconds=15)
    w.finish()
    found = log.of_job(status(w.folder), "a/0")
    whats = [line.split()[1] for line in found[:-1]]
    assert whats == ["intent", "accepted", "running", "finished"]
    assert all(" a/qsub.0 1" in line for line in found[:-1])
    assert found[-1].startswith("quelist: started@")
    with pytest.raises(UserError, match="no job a/9"):
        log.of_job(status(w.folder), "a/9")


def test_the_log_of_a_run_is_the_end_of_its_monitors(
    world: Callable[..., World], capsys: pytest.CaptureFixture[str]
) -> None:
    w = world(CHAIN)
    (w.folder / "jobmon.log").write_text("one\ntwo\x1b[31m\nthree\n")
    assert main(["log", str(w.folder), "-n", "2"]) == DONE
    assert capsys.readouterr().out == "two\\x1b[31m\nthree\n"


def test_runs_are_remembered_until_their_folder_is_gone(
    world: Callable[..., World], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert registry.runs() == []
    w = world(CHAIN)
    for folder in (w.folder, tmp_path / "gone", w.folder):
        registry.note(folder)
    assert registry.runs() == [w.folder]
    console = Console(record=True, width=200)
    assert looking.print_runs(argparse.Namespace(ldir=None), console) == DONE
    assert w.folder.name in console.export_text()


def test_a_state_folder_that_cannot_be_written_stops_no_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "state").write_text("a file")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    registry.note(tmp_path)
    assert registry.runs() == []


@pytest.mark.parametrize("shell", looking.SHELLS)
def test_completion_is_text_for_the_shell(
    shell: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["completion", shell]) == DONE
    text = capsys.readouterr().out
    assert "jobauto" in text
    if shell == "bash":
        assert subprocess.run(["bash", "-n"], input=text, text=True).returncode == 0
