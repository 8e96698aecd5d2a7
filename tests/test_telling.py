"""Who is told what, how often, and that nobody waits for it."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from fake import FakeClock, FakeJob
from places import ROOT, Place, alive, newest, wait_for
from pydantic import SecretStr
from test_monitor import CHAIN, World, folders, world
from trees import job, make

from jobauto import services
from jobauto.errors import DONE, GAVE_UP, SOME_FAILED, Interrupted, NeedsLogin, UserError
from jobauto.host.detached import guarded
from jobauto.loop import loop
from jobauto.model import stamp
from jobauto.telling import Teller, outbox, recall, remember, telling
from jobauto.telling.causes import (
    DOWN,
    ENDED,
    FAILED,
    HOUR,
    LOGIN,
    LONG,
    Facts,
    Message,
    Told,
    Trouble,
    decide,
)
from jobauto.telling.outbox import FAREWELL, ROOM, Outbox, farewell, to_command, to_services

__all__ = ["world"]

SECRET = "s3same-0pen"
NOW = 1_800_000_000.0
BAD = FakeJob(succeeds=False)
RUN = "/home/me/si/20261120_231500"
CALM = Facts(RUN, {"started": 2})
NO_LINK = replace(CALM, trouble=Trouble("no connection", "no route to host"))
NO_LOGIN = replace(CALM, trouble=Trouble("waiting for login", "Permission denied", login=True))
MESSAGE = Message("failed", "si: a failed", "a failed: exit-3", {"failed": 1})


def failing(*names: str, date: str = "20261120_231600") -> Facts:
    return replace(CALM, failures=dict.fromkeys(names, (date, "failed: exit-3")))


class Story:
    """Facts that follow one another, and what was told by then."""

    def __init__(self) -> None:
        self.told = Told()
        self.now = NOW

    def then(self, facts: Facts, after: float = 0) -> list[Message]:
        self.now += after
        found, self.told = decide(facts, self.told, self.now)
        return found

    def causes(self, facts: Facts, after: float = 0) -> list[str]:
        return [message.cause for message in self.then(facts, after)]


# What is worth a message


def test_while_all_is_well_nobody_is_told() -> None:
    assert Story().then(CALM) == []


def test_the_first_failure_is_named() -> None:
    [said] = Story().then(failing("mp-149/qsub.1"))
    assert said.cause == FAILED
    assert said.title == "si/20261120_231500: mp-149/qsub.1 failed"
    assert said.text.splitlines() == [
        "mp-149/qsub.1 failed: exit-3",
        "2 started",
        f"jobauto why mp-149/qsub.1 {RUN}",
    ]


def test_later_failures_are_told_together_once_an_hour() -> None:
    story = Story()
    assert story.causes(failing("a")) == [FAILED]
    assert story.causes(failing("a", "b"), after=1) == []
    names = [*"abcdefgh"]
    assert story.causes(failing(*names), after=HOUR - 2) == []
    [said] = story.then(failing(*names), after=1)
    assert said.title.endswith(": b failed and 6 more")
    assert "f failed: exit-3\nand 2 more\n" in said.text
    assert story.causes(failing(*names), after=HOUR) == []


def test_a_job_that_failed_anew_is_told_again() -> None:
    story = Story()
    story.then(failing("a"))
    assert story.causes(failing("a"), after=HOUR) == []
    assert story.causes(failing("a", date="20261121_010000"), after=1) == [FAILED]


def test_waiting_for_login_names_the_command_that_helps() -> None:
    [said] = Story().then(NO_LOGIN)
    assert (said.cause, said.title) == (LOGIN, "si/20261120_231500: waiting for login")
    since = f"waiting for login since {stamp(NOW)}: Permission denied"
    assert said.text.splitlines() == [since, f"jobauto login {RUN}"]


def test_what_lasts_is_told_once_until_it_ends() -> None:
    story = Story()
    assert story.causes(NO_LOGIN) == [LOGIN]
    assert story.causes(NO_LOGIN, after=50 * HOUR) == []
    assert story.causes(CALM, after=1) == []
    assert story.causes(NO_LOGIN, after=1) == [LOGIN]
    assert story.causes(CALM, after=1) == []
    assert story.causes(NO_LOGIN, after=1) == []
    assert story.causes(NO_LOGIN, after=HOUR) == [LOGIN]


@pytest.mark.parametrize("what", ["no connection", "no answer", "trouble on this machine"])
def test_other_trouble_is_told_when_it_is_long(what: str) -> None:
    story, trouble = Story(), replace(CALM, trouble=Trouble(what, "why\x1b"))
    assert story.causes(trouble) == []
    assert story.causes(trouble, after=LONG - 1) == []
    [said] = story.then(trouble, after=1)
    assert (said.cause, said.title) == (DOWN, f"si/20261120_231500: {what} for 10 minutes")
    assert f"since {stamp(NOW)}: why\\x1b\n" in said.text
    assert story.causes(trouble, after=LONG) == []


def test_trouble_that_comes_and_goes_is_not_long() -> None:
    story = Story()
    for _ in range(5):
        assert story.causes(NO_LINK, after=1) == []
        assert story.causes(NO_LINK, after=LONG - 1) == []
        assert story.causes(CALM, after=1) == []


def test_trouble_that_changes_its_name_is_the_same_trouble() -> None:
    story, other = Story(), replace(CALM, trouble=Trouble("no answer", "x"))
    assert story.causes(NO_LINK) + story.causes(other, after=LONG / 2) == []
    assert story.causes(NO_LINK, after=LONG / 2) == [DOWN]


def test_the_end_is_told_once_until_the_run_goes_on() -> None:
    story, end = Story(), replace(failing("a"), end="ended", going=False, why="because")
    first = story.then(end)
    assert [m.cause for m in first] == [FAILED, ENDED]
    assert first[1].text == f"because\n2 started\na failed: exit-3\njobauto status {RUN}"
    assert story.causes(end, after=2 * HOUR) == []
    assert story.causes(CALM, after=1) == []
    assert story.causes(replace(CALM, end="ended"), after=1) == [ENDED]
    assert story.causes(CALM, after=1) == []
    assert story.causes(replace(CALM, end="ended"), after=1) == []


def test_failures_that_the_end_has_told_are_told() -> None:
    story = Story()
    story.then(failing("a"))
    both = failing("a", "b")
    assert story.causes(replace(both, end="ended"), after=1) == [ENDED]
    assert story.causes(both, after=HOUR) == []


def test_a_clock_that_was_put_back_does_not_silence() -> None:
    story = Story()
    story.then(failing("a"))
    assert story.causes(failing("a", "b"), after=-2 * HOUR) == [FAILED]


# Whole runs, in memory


@dataclass
class Kept(Outbox):
    """Keeps messages, and sends none."""

    send: Callable[[Message], None] = lambda _message: None
    got: list[Message] = field(default_factory=list)

    def put(self, message: Message) -> None:
        self.got.append(message)

    @property
    def causes(self) -> list[str]:
        return [message.cause for message in self.got]


def told(w: World, **options: Any) -> Kept:
    """Watch a run with a new monitor to its end, or for one look."""
    box, monitor = Kept(), w.monitor()
    teller = Teller(monitor, [box], options.get("once", False))
    teller.ended(loop(monitor, w.clock.sleep, teller.look, **options))
    return box


def test_a_run_that_goes_well_tells_its_end(world: Callable[..., World]) -> None:
    [said] = told(world(CHAIN)).got
    assert said.title.endswith(": all jobs finished")
    assert said.text.startswith("3 finished\njobauto status ")
    assert said.counts == {"finished": 3}


def test_a_run_that_goes_wrong_tells_so_and_a_restart_does_not(
    world: Callable[..., World],
) -> None:
    w = world(folders(2))
    w.cluster.plans["m000/qsub.1"] = BAD
    first, last = told(w).got
    assert (first.cause, last.cause) == (FAILED, ENDED)
    assert first.title.endswith(": m000/qsub.1 failed")
    assert last.title.endswith(": ended, some jobs failed or are blocked")
    assert last.counts == {"finished": 4, "failed": 1, "blocked": 1}
    w.clock.sleep(2 * HOUR)
    assert told(w).got == []


def test_a_job_that_is_tried_again_by_itself_did_not_fail_yet(
    world: Callable[..., World],
) -> None:
    w = world(CHAIN, retries=1)
    w.cluster.plans["a/qsub.0"] = BAD
    box = told(w)
    assert w.cluster.submitted() == ["a/qsub.0"] * 2
    assert box.causes == [FAILED, ENDED]


def test_a_monitor_that_gives_up_tells_why(world: Callable[..., World]) -> None:
    w = world(CHAIN)
    w.host.faults = ["refuse"] * 100
    [said] = told(w, give_up=300.0).got
    assert said.title.endswith(": gave up on the remote")
    assert said.text.startswith("no connection: no link to fake\n")


def test_a_remote_that_is_down_for_long_is_told_while_it_is(world: Callable[..., World]) -> None:
    w = world(CHAIN)
    w.host.faults = ["", "hang", "", *["broken"] * 12]
    down, ended = told(w).got
    assert (down.cause, ended.cause) == (DOWN, ENDED)
    assert "no answer for 1" in down.title


def test_a_login_is_asked_for_at_once(
    world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    w = world(CHAIN)
    closed = iter([True, True, True])

    def opening() -> None:
        if next(closed, False):
            raise NeedsLogin("Permission denied (publickey)")

    monkeypatch.setattr(w.host, "open", opening)
    login, ended = told(w).got
    assert (login.cause, ended.cause) == (LOGIN, ENDED)
    assert login.text.endswith(f": Permission denied (publickey)\njobauto login {w.folder}")


def test_looks_of_cron_tell_the_end_once(world: Callable[..., World]) -> None:
    w = world(CHAIN)
    w.cluster.plans["a/qsub.1"] = BAD
    said = []
    for _ in range(100):
        said += told(w, once=True).causes
        w.clock.sleep(300)
    assert said == [FAILED, ENDED]


def test_an_end_that_was_told_outlives_a_bad_link(world: Callable[..., World]) -> None:
    w = world(CHAIN)
    assert told(w).causes == [ENDED]
    for fault in ("hang", ""):
        w.clock.sleep(2 * HOUR)
        w.host.faults = [fault]
        assert told(w, once=True).got == []


def test_a_job_for_whose_file_nobody_is_left_counts_as_blocked(
    world: Callable[..., World],
) -> None:
    [said] = told(world({"a/qsub.0": "", "a/qsub.dependency.0": "never\n"})).got
    assert said.counts == {"blocked": 1}


def test_looks_of_cron_add_up_to_a_long_trouble(world: Callable[..., World]) -> None:
    w = world(CHAIN)
    said = []
    for _ in range(6):
        w.host.faults = ["hang"]
        said.append(told(w, once=True).causes)
        w.clock.sleep(300)
    assert said == [[], [], [DOWN], [], [], []]


@pytest.mark.parametrize("text", ["", "rubbish", "[]", '{"last": {"failed": "soon"}}'])
def test_what_was_told_and_cannot_be_read_is_told_anew(
    world: Callable[..., World], text: str
) -> None:
    w = world(CHAIN)
    (w.run.private / "told.json").write_text(text)
    assert told(w).causes == [ENDED]
    assert recall(w.run.private).end == "all jobs finished"


def test_a_full_disk_silences_nobody(
    world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    w = world(CHAIN)

    def full(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("jobauto.telling.remember", full)
    assert told(w).causes == [ENDED]


def test_nothing_is_kept_where_nobody_is_to_be_told(world: Callable[..., World]) -> None:
    w = world(CHAIN)
    monitor = w.monitor()
    with telling(monitor, w.chosen, w.clock.sleep) as teller:
        teller.ended(loop(monitor, w.clock.sleep, teller.look))
    assert not (w.run.private / "told.json").exists()


def test_what_is_remembered_comes_back_whole(tmp_path: Path) -> None:
    story = Story()
    story.then(replace(failing("odd 'name\n"), trouble=NO_LOGIN.trouble, end="x"))
    remember(tmp_path, story.told)
    assert recall(tmp_path) == story.told
    assert set(story.told.last) == {FAILED, LOGIN, ENDED}


# How the monitor ends


def ending(
    w: World, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> tuple[list[Message], BaseException]:
    """What is told when this ends the block."""
    box = Kept()
    monkeypatch.setattr("jobauto.telling.to_command", lambda *_: box)
    w.chosen.on_event = "true"
    with pytest.raises(type(error)) as raised, telling(w.monitor(), w.chosen, w.clock.sleep):
        raise error
    return box.got, raised.value


def test_an_error_that_nobody_expected_is_told(
    world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    error = ZeroDivisionError("division by zero\nsecond line")
    [said], raised = ending(world(CHAIN), monkeypatch, error)
    assert raised is error
    assert (said.cause, said.title.split(": ")[1]) == (ENDED, "the monitor broke off")
    assert said.text.startswith("ZeroDivisionError: division by zero\njobs in the queue go on\n")


def test_an_expected_error_is_told_without_its_class(
    world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    [said], _ = ending(world(CHAIN), monkeypatch, UserError("rsync is not installed", "here"))
    assert said.text.startswith("rsync is not installed\n")


def test_a_person_who_stops_it_knows(
    world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ending(world(CHAIN), monkeypatch, Interrupted())[0] == []


def test_the_block_ends_when_the_last_message_is_sent(
    world: Callable[..., World], monkeypatch: pytest.MonkeyPatch, stuck: Stuck
) -> None:
    w = world(CHAIN)
    monkeypatch.setattr("jobauto.telling.to_command", lambda *_: stuck.box)
    w.chosen.on_event = "true"

    def pause(_seconds: float) -> None:
        stuck.go.set()
        wait_for(stuck.box.idle, 30)

    with telling(w.monitor(), w.chosen, pause) as teller:
        teller.ended(GAVE_UP)
    assert stuck.sent == 2


# Sending


@contextmanager
def warnings_kept() -> Iterator[list[str]]:
    """What is logged as a warning meanwhile."""
    said: list[str] = []

    class Keeper(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage())

    logger, handler = logging.getLogger("jobauto"), Keeper(logging.WARNING)
    logger.addHandler(handler)
    try:
        yield said
    finally:
        logger.removeHandler(handler)


def sent(box: Outbox, *messages: Message) -> list[str]:
    """Send, and wait for it; the warnings."""
    with warnings_kept() as said:
        for message in messages:
            box.put(message)
        wait_for(box.idle, 30)
    return said


class Stuck:
    """An outbox whose first message is on its way until it is let go."""

    def __init__(self) -> None:
        self.go, self.begun, self.sent = threading.Event(), threading.Event(), 0
        self.box = Outbox(self._send)
        self.box.put(MESSAGE)
        assert self.begun.wait(30)

    def _send(self, _message: Message) -> None:
        self.begun.set()
        self.go.wait(60)
        self.sent += 1


@pytest.fixture
def stuck() -> Iterator[Stuck]:
    made = Stuck()
    yield made
    made.go.set()


def test_a_tick_does_not_wait_for_a_message(world: Callable[..., World], stuck: Stuck) -> None:
    w = world(CHAIN)
    w.cluster.plans["a/qsub.0"] = BAD
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


@dataclass
class Listener:
    """A small HTTP server that keeps what it gets, and answers when it is let."""

    port: int
    got: list[dict[str, Any]] = field(default_factory=list)
    status: int = 200
    asked: threading.Event = field(default_factory=threading.Event)
    go: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"json://me:{SECRET}@127.0.0.1:{self.port}/?+X-Token={SECRET}"


@pytest.fixture
def listener() -> Iterator[Listener]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            kept.asked.set()
            data = self.rfile.read(int(self.headers["Content-Length"]))
            kept.go.wait(60)
            kept.got.append(json.loads(data))
            self.send_response(kept.status)
            self.end_headers()

        def log_message(self, *_args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    kept = Listener(server.server_address[1])
    kept.go.set()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield kept
    kept.go.set()
    server.shutdown()
    thread.join()
    server.server_close()


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


# jobmon.py, as a person types it

local = pytest.mark.parametrize("place", ["local"], indirect=True)
TREE = {
    "a/qsub.0": job("env"),
    "a/qsub.dependency.0": "",
    "b/qsub.0": job("exit 3"),
    "b/qsub.dependency.0": "",
}
OPTIONS = ["--scheduler", "local", "--interval", "0.3", "--no-http"]
EVENT = """#!/bin/sh
env
echo "$JOBAUTO_EVENT" >>events
"""


def jobmon(place: Place, *words: str, notify: str = "") -> subprocess.CompletedProcess[str]:
    """jobmon.py without HTTP, and with this variable."""
    extra = {"JOBMON_NOTIFY": json.dumps([notify])} if notify else {}
    return subprocess.run(
        [sys.executable, str(ROOT / "jobmon.py"), *OPTIONS, *words],
        env={**place.environment, **extra},
        cwd=place.tmp,
        capture_output=True,
        text=True,
        timeout=120,
    )


def holding(folder: Path, text: str) -> list[Path]:
    """Files below a folder in which this text stands."""
    return [p for p in folder.rglob("*") if p.is_file() and text.encode() in p.read_bytes()]


@local
def test_a_real_run_tells_services_and_command(
    place: Place, tmp_path: Path, listener: Listener
) -> None:
    ldir = make(tmp_path / "L", {f"init/{name}": text for name, text in TREE.items()})
    make(tmp_path, {"tell.sh": EVENT})
    on_event = f"sh {tmp_path}/tell.sh"
    done = jobmon(place, "--ldir", str(ldir), "--on-event", on_event, notify=listener.url)
    assert done.returncode == SOME_FAILED, done.stderr
    run = newest(ldir)
    assert (run / "events").read_text().split() == [FAILED, ENDED]
    assert [got["title"] for got in listener.got] == [
        f"L/{run.name}: b/qsub.0 failed",
        f"L/{run.name}: ended, some jobs failed or are blocked",
    ]
    assert holding(run, "JOBAUTO_COUNTS"), "the command's output is in jobmon.log"
    assert holding(ldir, SECRET) == []
    assert SECRET not in done.stdout + done.stderr

    again = jobmon(place, "--ldir", str(run), "--once", notify=listener.url)
    assert again.returncode == SOME_FAILED, again.stderr
    assert len(listener.got) == 2
    assert (run / "events").read_text().split() == [FAILED, ENDED]
    assert holding(ldir, SECRET) == []


@local
def test_a_service_in_the_persons_own_file_is_told_by_once(
    place: Place, tmp_path: Path, listener: Listener
) -> None:
    ldir = make(tmp_path / "L", {"init/a/qsub.0": job(""), "init/a/qsub.dependency.0": ""})
    make(tmp_path, {"config/jobauto/jobmon.toml": f'notify = ["{listener.url}"]\n'})
    assert jobmon(place, "--ldir", str(ldir), "--initonly").returncode == DONE
    run = newest(ldir)

    def over() -> bool:
        done = jobmon(place, "--ldir", str(run), "--once")
        assert done.returncode == DONE, done.stderr
        return bool(listener.got)

    wait_for(over)
    over()
    assert [got["title"] for got in listener.got] == [f"L/{run.name}: all jobs finished"]


@local
def test_a_url_that_is_wrong_is_refused_before_anything_is_made(
    place: Place, tmp_path: Path
) -> None:
    ldir = make(tmp_path / "L", {f"init/{name}": text for name, text in TREE.items()})
    for words in ([], ["--dry-run"], ["--initonly"]):
        done = jobmon(place, "--ldir", str(ldir), "--notify", f"jsn://{SECRET}@x", *words)
        assert done.returncode == 2
        said = "command line: --notify: Value error, apprise does not understand this URL (jsn://)"
        assert said in done.stderr
        assert SECRET not in done.stdout + done.stderr
    stray = place.run("--ldir", str(ldir), "--once", f"json://{SECRET}@x")
    assert stray.stderr.startswith("jobmon.py: unexpected argument 'json://'\n")
    for text in (f'notify = ["json://{SECRET}", 3]', f'notify = "json://{SECRET}"'):
        make(ldir, {"jobmon.toml": text})
        done = jobmon(place, "--ldir", str(ldir))
        assert (done.returncode, SECRET in done.stderr) == (2, False)
        assert done.stderr.startswith(f"jobmon.py: {ldir / 'jobmon.toml'}:1: --notify: ")
    assert sorted(path.name for path in ldir.iterdir()) == ["init", "jobmon.toml"]


@local
def test_a_dry_run_tells_nobody(place: Place, tmp_path: Path, listener: Listener) -> None:
    ldir = make(tmp_path / "L", {f"init/{name}": text for name, text in TREE.items()})
    on_event = f"touch {tmp_path}/told"
    options = ["--ldir", str(ldir), "--dry-run", "--on-event", on_event]
    done = jobmon(place, *options, notify=listener.url)
    assert done.returncode == DONE, done.stderr
    assert listener.got == []
    assert not (tmp_path / "told").exists()
    assert SECRET not in done.stdout
