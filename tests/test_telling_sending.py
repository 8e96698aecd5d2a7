"""Sending to services and to a command: nobody waits, and no secret is shown."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from fake import FakeClock, FakeJob
from places import ROOT, alive, wait_for
from postbox import MESSAGE, SECRET, Listener, Stuck, listener, sent, stuck, warnings_kept
from pydantic import SecretStr
from test_monitor import CHAIN, World, world

from jobauto import services
from jobauto.errors import Interrupted, UserError
from jobauto.host.detached import guarded
from jobauto.loop import loop
from jobauto.telling import Teller, outbox
from jobauto.telling.causes import (
    Message,
)
from jobauto.telling.outbox import FAREWELL, ROOM, Outbox, farewell, to_command, to_services

__all__ = ["listener", "stuck", "world"]  # fixtures


# Sending


def test_a_tick_does_not_wait_for_a_message(world: Callable[..., World], stuck: Stuck) -> None:
    w = world(CHAIN)
    w.cluster.plans["a/qsub.0"] = FakeJob(succeeds=False)
    monitor = w.monitor()
    teller = Teller(monitor, [stuck.box])
    teller.ended(loop(monitor, w.clock.sleep, teller.look))  # would wait a minute for each
    assert (stuck.sent, stuck.box.idle()) == (0, False)
    stuck.go.set()
    wait_for(stuck.box.idle, 30)
    assert stuck.sent == 3


def test_messages_that_cannot_leave_do_not_pile_up(stuck: Stuck) -> None:
    with warnings_kept() as said:
        for _ in range(ROOM + 2):
            stuck.box.put(MESSAGE)
    assert said == ["not told (failed): those before it are not sent yet"] * 2


def test_the_end_waits_for_messages_but_not_for_long(stuck: Stuck) -> None:
    clock = FakeClock()
    begun = clock.time
    with warnings_kept() as said:
        farewell([stuck.box], clock.sleep, clock)
    assert clock.time - begun == pytest.approx(FAREWELL, abs=0.1)
    assert said == ["messages are not sent yet; leaving them"]


def test_the_end_goes_on_when_all_is_sent(stuck: Stuck) -> None:
    clock, begun = FakeClock(), FakeClock().time

    def pause(seconds: float) -> None:
        clock.sleep(seconds)
        stuck.go.set()
        wait_for(stuck.box.idle, 30)

    farewell([stuck.box], pause, clock)
    assert clock.time - begun < 1


def test_a_person_need_not_wait_for_messages(stuck: Stuck) -> None:
    clock = FakeClock()
    begun = clock.time

    def pause(_seconds: float) -> None:
        raise Interrupted

    farewell([stuck.box], pause, clock)
    assert clock.time == begun


def test_a_fault_in_sending_is_a_warning_without_its_text() -> None:
    def send(_message: Message) -> None:
        raise ValueError(f"json://me:{SECRET}@host")

    assert sent(Outbox(send), MESSAGE, MESSAGE) == ["not told (failed): ValueError"] * 2


# Services


def test_a_service_gets_title_and_text(listener: Listener) -> None:
    assert sent(to_services([SecretStr(listener.url)]), MESSAGE) == []
    [got] = listener.got
    assert (got["title"], got["message"]) == (MESSAGE.title, MESSAGE.text)


def test_a_service_that_fails_does_not_keep_others_from_it(
    listener: Listener,
) -> None:
    listener.status = 500
    box = to_services([SecretStr(listener.url)] * 2)
    assert sent(box, MESSAGE) == ["not told (failed): json:// did not take it"] * 2
    assert len(listener.got) == 2


ELSEWHERE = """
import sys
import time
from pydantic import SecretStr
from jobauto.clock import Clock
from jobauto.telling.causes import Message
from jobauto.telling.outbox import farewell, to_services

box = to_services([SecretStr(sys.argv[1])])
box.put(Message("failed", "title", "text", {}))
if sys.stdin.read():
    farewell([box], time.sleep, Clock())
"""


@contextmanager
def elsewhere(url: str) -> Iterator[subprocess.Popen[str]]:
    """A process that sends one message, and ends with its stdin."""
    process = subprocess.Popen(
        [sys.executable, "-c", ELSEWHERE, url],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_a_service_that_hangs_does_not_keep_the_process(listener: Listener) -> None:
    listener.go.clear()
    with elsewhere(f"{listener.url}&rto=600") as process:  # apprise would wait 10 minutes
        assert listener.asked.wait(30)
        process.communicate(timeout=30)
        assert process.returncode == 0
    assert listener.got == []


def test_a_service_that_fails_says_nothing_at_the_terminal(listener: Listener) -> None:
    listener.status = 500
    with elsewhere(listener.url) as process:
        _, said = process.communicate("wait", timeout=60)
    assert said.splitlines() == ["not told (failed): json:// did not take it"]  # our own warning


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (f"jsn://{SECRET}@host", "jsn://"),
        (SECRET, "no scheme"),
        (f"mailto://{SECRET}", "mailto://"),
    ],
)
def test_a_url_that_is_no_service_is_named_by_its_scheme(url: str, shown: str) -> None:
    with pytest.raises(ValueError, match="does not understand") as error:
        services.opened(url)
    assert f"({shown})" in str(error.value)
    assert SECRET not in str(error.value)


def test_without_apprise_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(UserError, match=r"pip install 'jobauto\[notify\]'"):
        services.opened("json://localhost")


# The command


def command(tmp_path: Path, text: str, message: Message = MESSAGE) -> tuple[list[str], str]:
    """Warnings, and what stands in jobmon.log."""
    warned = sent(to_command(text, tmp_path), message)
    return warned, (tmp_path / "jobmon.log").read_text()


def test_a_command_finds_all_in_its_environment(tmp_path: Path) -> None:
    text = 'cat; pwd; printf "%s\\n" "$JOBAUTO_EVENT" "$JOBAUTO_TITLE" "$JOBAUTO_TEXT"'
    text += ' "$JOBAUTO_RUN" "$JOBAUTO_COUNTS"; echo problem >&2'
    warned, said = command(tmp_path, text)
    here, m = str(tmp_path), MESSAGE
    assert warned == []
    assert said.splitlines() == [here, m.cause, m.title, m.text, here, '{"failed": 1}', "problem"]


def test_a_command_does_not_see_where_else_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOBMON_NOTIFY", json.dumps([f"json://{SECRET}@host"]))
    monkeypatch.setenv("JOBMON_OTHER", "seen")
    _, said = command(tmp_path, "env")
    assert "JOBMON_OTHER=seen" in said
    assert SECRET not in said


def test_a_command_that_fails_is_one_warning(tmp_path: Path) -> None:
    assert command(tmp_path, "echo no; exit 3") == (["--on-event (failed): exit status 3"], "no\n")


def test_a_command_that_hangs_is_ended_with_all_that_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "PATIENCE", 1)
    text = "echo $$; sleep 1000 & echo $!; wait"
    warned, said = command(tmp_path, text)
    assert warned == ["--on-event (failed): ended after 1 s"]
    pids = [int(line) for line in said.split()]
    assert len(pids) == 2
    wait_for(lambda: not any(Path(f"/proc/{pid}/fd").exists() for pid in pids), 10)


def test_what_a_command_leaves_behind_it_may_go_on(tmp_path: Path) -> None:
    """A command in time is left alone: `notify-send … &` is no fault."""
    go = tmp_path / "go"
    turns = "n=0; while [ ! -e go ] && [ $n -lt 200 ]; do sleep 0.1; n=$((n + 1)); done"
    text = f"({turns}; echo {go} >later) >/dev/null 2>&1 &"
    assert guarded(text, tmp_path, os.environ, tmp_path / "log", 1) == 0
    wait_for(lambda: not alive(f"sh {text} 1"), 10)  # the guard
    go.touch()
    wait_for(lambda: (tmp_path / "later").exists(), 10)
