"""A program that goes on beside us: what it is given and says, and how it ends; rsync as one."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from places import wait_for
from trees import make

from jobauto.errors import CouldNotAsk, Interrupted, UserError
from jobauto.host import LocalHost, Runner, transfer
from jobauto.host.pulling import Rsync
from jobauto.watching import watch

FOREVER = ["sleep", "100000"]
DEAF = ["sh", "-c", "trap '' TERM; echo $$ >&2; while :; do sleep 100000; done"]


@pytest.fixture
def runner() -> Iterator[Runner]:
    made = Runner()
    yield made
    made.end_beside()


def child() -> psutil.Process:
    """The only process that we have."""
    [found] = psutil.Process().children()
    return found


def test_it_gets_its_text_and_says_how_it_ended(runner: Runner, tmp_path: Path) -> None:
    script = f"cat >{tmp_path}/got; echo lost; printf 'wrong \\377' >&2; exit 3"
    going = runner.beside(["sh", "-c", script], "a\0b\udcff")
    answer = going.finish()
    assert (answer.exit_code, answer.out, answer.err) == (3, "", "wrong \udcff")
    assert (tmp_path / "got").read_bytes() == b"a\0b\xff"
    assert going.over()
    assert runner.calls == {"sh": 1}


def test_nobody_waits_for_it_until_it_is_wanted(runner: Runner, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "gate")
    going = runner.beside(["sh", "-c", f"read line <{tmp_path}/gate"])
    assert not going.over()
    assert runner.run(["echo", "meanwhile"]).out == "meanwhile\n"
    assert not going.over()
    (tmp_path / "gate").write_text("\n")
    assert going.finish().exit_code == 0


def test_when_its_time_is_over_it_is_ended(runner: Runner) -> None:
    going = runner.beside(FOREVER, timeout=0)
    process = child()
    assert going.over()
    assert not process.is_running()
    for late in (going, runner.beside(FOREVER, timeout=0)):
        with pytest.raises(CouldNotAsk, match="sleep: not done within 0 s"):
            late.finish()


@pytest.mark.parametrize("argv", [FOREVER, DEAF], ids=["sleep", "deaf"])
def test_a_stop_ends_it_and_whoever_waits_for_it(
    runner: Runner, monkeypatch: pytest.MonkeyPatch, argv: list[str]
) -> None:
    monkeypatch.setattr("jobauto.host.process._GENTLY", 0.0)
    going = runner.beside(argv, timeout=1000)
    wait_for(lambda: argv is FOREVER or len(child().children()) == 1)  # it is deaf by then
    timer = threading.Timer(0.1, runner.stop)
    timer.start()
    with pytest.raises(Interrupted):
        going.finish()
    timer.join()
    assert psutil.Process().children() == []
    with pytest.raises(Interrupted):
        runner.beside(FOREVER)


def test_a_stop_ends_it_at_once_though_nobody_waits(runner: Runner) -> None:
    runner.beside(FOREVER, timeout=1000)
    runner.stop()
    assert child().wait(60) == -signal.SIGTERM


def test_what_does_not_listen_is_ended_too(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobauto.host.process._GENTLY", 0.0)
    going = runner.beside(DEAF, timeout=1000)
    wait_for(lambda: len(child().children()) == 1)  # it is deaf by then
    processes = [child(), *child().children()]
    runner.end_beside()
    wait_for(lambda: not any(map(running, processes)))
    assert going.over()


def test_a_pull_that_is_given_up_is_not_waited_for(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobauto.host.process._GENTLY", 0.0)
    process = runner.beside(DEAF, timeout=1000)
    wait_for(lambda: len(child().children()) == 1)
    Rsync(process, transfer.check).give_up()
    assert running(child()), "who waited would have ended it by force"


def running(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.status() != psutil.STATUS_ZOMBIE
    return False


def test_a_program_that_is_not_there_is_named(runner: Runner) -> None:
    with pytest.raises(UserError, match="nosuchprogram is not installed here"):
        runner.beside(["nosuchprogram"])


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[LocalHost]:
    """This machine as the remote, with an rsync that takes its time for large files."""
    program = tmp_path / "bin/rsync"
    make(tmp_path, {"bin/rsync": f'#!/bin/sh\nexec {shutil.which("rsync")} --bwlimit=1 "$@"\n'})
    program.chmod(0o755)
    path = f"{program.parent}:{os.environ['PATH']}"
    made = LocalHost(Runner({**os.environ, "PATH": path}), mirrored=True)
    yield made
    made.close()


@pytest.mark.parametrize("way", ["stop", "close", "give up"])
def test_an_rsync_that_is_ended_leaves_no_half_file(
    slow: LocalHost, tmp_path: Path, way: str
) -> None:
    make(tmp_path, {"there/a/x.png": "x" * 1_000_000, "run/a/qsub.0": ""})
    home = tmp_path / "run"
    pull = slow.pull(str(tmp_path / "there"), home, ["*.png"], ["a"])
    wait_for(lambda: any(name.startswith(".x.png.") for name in os.listdir(home / "a")))
    if way == "stop":
        slow.runner.stop()
        slow.runner.resume()
    if way == "give up":
        pull.give_up()
        wait_for(lambda: os.listdir(home / "a") == ["qsub.0"])
    slow.close()
    wait_for(lambda: os.listdir(home / "a") == ["qsub.0"])
    assert psutil.Process().children() == []


def test_files_that_come_home_are_no_change_of_the_run(tmp_path: Path) -> None:
    """Nor are rsync's temporary files, with names like `.qsub.1.Xy12ab`."""
    make(tmp_path, {"run/a/qsub.0": "", "run/a/qsub.1": "old"})
    make(tmp_path, {"there/a/x.png": "x", "there/a/qsub.finished.0": "", "there/a/b/y.png": "y"})
    watching = watch(tmp_path / "run")
    if watching is None:
        pytest.skip("this file system cannot be watched")
    host = LocalHost(Runner(), mirrored=True)
    with contextlib.closing(watching):
        host.pull(str(tmp_path / "there"), tmp_path / "run", ["*.png"], ["a"]).finish()
        assert watching.changed() == {"a/b"}, "a folder that came"
        (tmp_path / "run/a/.qsub.1.Xy12ab").touch()
        assert watching.changed() == set()
        (tmp_path / "run/a/.qsub.1.Xy12ab").replace(tmp_path / "run/a/qsub.1")
        assert watching.changed() == {"a"}
