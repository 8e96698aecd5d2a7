"""What people are told, and how often."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from jobauto.model import stamp
from jobauto.telling import recall, remember
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

NOW = 1_800_000_000.0
RUN = "/home/me/si/20261120_231500"
CALM = Facts(RUN, {"started": 2})
NO_LINK = replace(CALM, trouble=Trouble("no connection", "no route to host"))
NO_LOGIN = replace(CALM, trouble=Trouble("waiting for login", "Permission denied", login=True))


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


def test_what_is_remembered_comes_back_whole(tmp_path: Path) -> None:
    story = Story()
    story.then(replace(failing("odd 'name\n"), trouble=NO_LOGIN.trouble, end="x"))
    remember(tmp_path, story.told)
    assert recall(tmp_path) == story.told
    assert set(story.told.last) == {FAILED, LOGIN, ENDED}
