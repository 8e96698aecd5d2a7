"""What is told of whole runs in memory, and that nobody waits for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from fake import FakeJob
from places import wait_for
from postbox import Stuck, stuck
from test_monitor import CHAIN, World, folders, world

from jobauto.errors import GAVE_UP, Interrupted, NeedsLogin, UserError
from jobauto.loop import loop
from jobauto.telling import Teller, recall, telling
from jobauto.telling.causes import (
    DOWN,
    ENDED,
    FAILED,
    HOUR,
    LOGIN,
    Message,
)
from jobauto.telling.outbox import Outbox

__all__ = ["stuck", "world"]  # fixtures

BAD = FakeJob(succeeds=False)


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
    w.host.faults = ["", "hang", "", *["broken"] * 16]
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
