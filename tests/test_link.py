"""The link to the remote: what is said of it, how patiently it is tried, and a person's login."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from fake import FakeJob
from test_monitor import CHAIN, World, world

from jobauto import lock
from jobauto.actions.status import status
from jobauto.errors import DONE, GAVE_UP, CouldNotAsk, NeedsLogin, NoConnection, RemoteError
from jobauto.host.ssh import explain
from jobauto.loop import Link, loop
from jobauto.model import stamp

__all__ = ["world"]  # a fixture

NOW = 1_800_000_000.0


def failures(error: RemoteError, number: int) -> list[float]:
    """The seconds waited after each of so many failures in a row."""
    link = Link(dice=random.Random(1))
    return [link.failed(error, NOW) for _ in range(number)]


def test_the_first_waits_are_seconds_then_minutes_never_the_same() -> None:
    waits = failures(NoConnection("gone"), 500)
    assert waits[0] < 3
    assert all(210 <= wait <= 390 for wait in waits[10:])
    assert len(set(waits)) == 500


def test_a_login_that_wants_a_person_is_tried_seldom() -> None:
    waits = failures(NeedsLogin("denied"), 10)
    assert waits[0] >= 20
    assert sum(wait < 60 for wait in waits) <= 2
    assert waits[-1] > 600


@pytest.mark.parametrize(
    ("error", "what"),
    [
        (NoConnection("cannot reach x"), "no connection"),
        (NeedsLogin("x does not let us in"), "waiting for login"),
        (CouldNotAsk("slurm does not answer"), "no answer"),
        (OSError(28, "No space left on device"), "trouble on this machine"),
    ],
)
def test_what_is_wrong_has_a_name_a_reason_and_two_dates(error: Exception, what: str) -> None:
    link = Link()
    wait = link.failed(error, NOW)
    link.failed(error, NOW + wait)
    [told] = link.conditions()
    assert told.what == what
    assert str(error) in told.why
    assert told.since == stamp(NOW)
    assert told.until > told.since
    link.works()
    assert link.conditions() == []


@pytest.mark.parametrize(
    "said",
    [
        "me@x: Permission denied (publickey,keyboard-interactive).",
        "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.",
        "Host key verification failed.",
        "Received disconnect from 1.2.3.4 port 22:2: Too many authentication failures",
    ],
)
def test_what_only_a_person_can_put_right_waits_for_login(said: str) -> None:
    assert isinstance(explain("x", said), NeedsLogin)


@pytest.mark.parametrize(
    "said",
    [
        "ssh: connect to host x port 22: Connection refused",
        "ssh: connect to host x port 22: Connection timed out",
        "Connection closed by 1.2.3.4 port 22",
        "kex_exchange_identification: read: Connection reset by peer",
        "ssh: Could not resolve hostname x: Temporary failure in name resolution",
        "",
    ],
)
def test_everything_else_comes_back_by_itself(said: str) -> None:
    assert not isinstance(explain("x", said), NeedsLogin)


class Door:
    """A remote that lets nobody in without a person, from the first loss of the connection on."""

    def __init__(self, w: World) -> None:
        self.w, self.attempts, self.open_until = w, 0, 1e99
        w.host.open = self.open  # type: ignore[method-assign]
        w.host.connected = lambda: self.inside  # type: ignore[method-assign]
        w.host.hook = self.hook
        self.inside = True
        self.loses_at = w.clock.now() + 15
        self.login_at = 1e99

    def open(self) -> None:
        self._person()
        if not self.inside:
            self.attempts += 1
            raise NeedsLogin("x does not let us in without a question")

    def hook(self, request: object) -> None:
        if self.w.clock.now() >= self.loses_at:
            self.loses_at, self.inside = 1e99, False
        if not self.inside:
            raise NoConnection("the connection to x is gone")

    def _person(self) -> None:
        if self.w.clock.now() >= self.login_at:
            self.inside = True

    def pause(self, seconds: float) -> None:
        self.w.clock.sleep(seconds)
        self._person()


def test_waiting_for_login_is_told_and_after_the_login_the_run_goes_on_within_one_tick(
    world: Callable[..., World],
) -> None:
    w = world(CHAIN)
    door = Door(w)
    door.login_at = w.clock.now() + 5000.5
    told: dict[str, float] = {}
    back: list[float] = []

    def show(monitor: object, link: Link) -> None:
        for condition in w.conditions():
            told.setdefault(condition.what, w.clock.now())
        if told and not w.conditions():
            back.append(w.clock.now())

    assert loop(w.monitor(), door.pause, show) == DONE
    assert list(told) == ["no connection", "waiting for login"]
    assert back[0] - door.login_at <= 10
    assert door.attempts < 12  # in 5000 seconds
    assert len(w.cluster.submitted()) == 3
    assert set(w.last_words().values()) == {"finished"}


def test_status_shows_what_is_wrong_while_a_monitor_lives(world: Callable[..., World]) -> None:
    w = world(CHAIN)
    w.host.faults = ["refuse"]
    assert w.finish(once=True) == GAVE_UP
    with lock.held(w.run.private, w.clock.date()):
        [told] = status(w.folder).conditions
    assert (told.what, told.why) == ("no connection", "no link to fake")
    assert status(w.folder).conditions == []


def test_a_monitor_that_starts_while_the_remote_is_down_waits_for_it(
    world: Callable[..., World],
) -> None:
    w = world(CHAIN)
    calls = iter([NoConnection("down")] * 5)

    def open_later() -> None:
        for error in calls:
            raise error

    w.host.open = open_later  # type: ignore[method-assign]
    assert w.finish() == DONE


def test_a_condition_that_cannot_be_read_is_none(world: Callable[..., World]) -> None:
    w = world(CHAIN)
    path: Path = w.run.private / "conditions.json"
    for text in ("", "{", "[1]", '[{"what": 1}]'):
        path.write_text(text)
        assert w.conditions() == []


def test_nobody_gives_up_unless_told_to(world: Callable[..., World]) -> None:
    w = world(CHAIN)
    monitor = w.monitor()
    monitor.tick()
    w.host.faults = ["refuse"] * 10_000
    begun = w.clock.now()
    assert w.finish(monitor, give_up=3600.0) == GAVE_UP
    assert 3600 <= w.clock.now() - begun < 3600 + 400
    assert w.last_words() == {"a/qsub.0": "started"}


def test_an_outage_that_ends_in_time_is_forgotten(world: Callable[..., World]) -> None:
    w = world(CHAIN)
    w.cluster.plans["a/qsub.0"] = FakeJob(seconds=20_000)
    monitor = w.monitor()
    monitor.tick()
    fails = iter([True] * 12 + [False] * 5 + [True] * 12)

    def hook(request: object) -> None:
        w.host.faults = ["refuse"] if next(fails, False) else []

    w.host.hook = hook
    assert w.finish(monitor, give_up=3600.0) == DONE
