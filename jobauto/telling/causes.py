"""What people are told: facts and the time in, messages out. Nothing is sent or written here.

ended    the run is over, or its monitor gave up or broke off
failed   a job failed, or is unsure
login    the remote wants a person to log in
down     the remote, or this machine, has been in trouble for long
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from jobauto.model import stamp
from jobauto.quoting import shown, shown_lines, word

ENDED, FAILED, LOGIN, DOWN = "ended", "failed", "login", "down"

HOUR = 3600.0  # from one message to the next of the same cause
LONG = 600.0  # seconds of trouble before anybody is told
LISTED = 5  # failures in a message


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong with the link now, and why; `login` if a person has to log in."""

    what: str
    why: str
    login: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """A run at one moment. `failures`: job to date and reason (`failed: exit-3`).

    `going`: it was seen that there is something left to do. `end`: how the run ended, in words,
    or '' while its monitor goes on; `why`: more of that, or ''.
    """

    folder: str
    counts: Mapping[str, int]
    failures: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    trouble: Trouble | None = None
    going: bool = True
    end: str = ""
    why: str = ""

    @property
    def summary(self) -> str:
        """`12 finished, 1 failed`."""
        return ", ".join(f"{number} {state}" for state, number in self.counts.items()) or "no jobs"


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent: a line, a text of a few lines, and how many jobs are in each state."""

    cause: str
    title: str
    text: str
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Told:
    """What was told already. Times are seconds since 1970.

    `last`: cause to its last message. `failures`: job to the date of the failure that was told.
    `since`: `login` or `down` to the beginning of what lasts; `lasting`: those told since then.
    `end`: the end that was told, until the run goes on.
    """

    last: Mapping[str, float] = field(default_factory=dict)
    failures: Mapping[str, str] = field(default_factory=dict)
    since: Mapping[str, float] = field(default_factory=dict)
    lasting: tuple[str, ...] = ()
    end: str = ""


def decide(facts: Facts, told: Told, now: float) -> tuple[list[Message], Told]:
    """The messages that are due, and what was told with them; at most one a cause and hour."""
    told = _up_to_date(facts, told, now)
    due = []
    for cause, title, text in _wanted(facts, told, now):
        # a clock that was put back must not silence us for longer
        if 0 <= now - told.last.get(cause, -HOUR) < HOUR:
            continue
        due.append(Message(cause, f"{_name(facts.folder)}: {title}", text, facts.counts))
        told = _noted(cause, facts, told, now)
    return due, told


def _up_to_date(facts: Facts, told: Told, now: float) -> Told:
    """Forget trouble that went away, and an end that was not the last one."""
    cause = _cause(facts.trouble)
    return replace(
        told,
        since={cause: told.since.get(cause, now)} if cause else {},
        lasting=tuple(c for c in told.lasting if c == cause),
        end="" if facts.going and not facts.end else told.end,
    )


def _noted(cause: str, facts: Facts, told: Told, now: float) -> Told:
    told = replace(told, last={**told.last, cause: now})
    if cause in (LOGIN, DOWN):
        return replace(told, lasting=(*told.lasting, cause))
    if cause == ENDED:
        told = replace(told, end=facts.end)
    return replace(told, failures={name: date for name, (date, _) in facts.failures.items()})


def _wanted(facts: Facts, told: Told, now: float) -> Iterator[tuple[str, str, str]]:
    """Cause, title and text of all that was not told yet."""
    new = [n for n, (date, _) in facts.failures.items() if told.failures.get(n) != date]
    if new:
        yield FAILED, *_failed(facts, new)
    cause = _cause(facts.trouble)
    if facts.trouble and cause not in told.lasting:
        begun = told.since[cause]
        if cause == LOGIN:
            yield LOGIN, *_login(facts, facts.trouble, begun)
        elif now - begun >= LONG:
            yield DOWN, *_down(facts, facts.trouble, begun, now)
    if facts.end and facts.end != told.end:
        yield ENDED, *_ended(facts)


def _cause(trouble: Trouble | None) -> str:
    if trouble is None:
        return ""
    return LOGIN if trouble.login else DOWN


def _name(folder: str) -> str:
    """`si/20261120_231500`."""
    return shown("/".join(folder.split("/")[-2:]))


def _failed(facts: Facts, new: list[str]) -> tuple[str, str]:
    more = f" and {len(new) - 1} more" if new[1:] else ""
    reason = facts.failures[new[0]][1].partition(":")[0]
    title = f"{shown(new[0])} {reason}{more}"
    about = f"jobauto why {word(shown(new[0]))} {word(facts.folder)}"
    return title, _lines(_listed(facts, new), facts.summary, about)


def _login(facts: Facts, trouble: Trouble, begun: float) -> tuple[str, str]:
    since = f"{trouble.what} since {stamp(begun)}: {shown(trouble.why)}"
    return trouble.what, _lines(since, f"jobauto login {word(facts.folder)}")


def _down(facts: Facts, trouble: Trouble, begun: float, now: float) -> tuple[str, str]:
    title = f"{trouble.what} for {(now - begun) / 60:.0f} minutes"
    since = f"since {stamp(begun)}: {shown(trouble.why)}"
    return title, _lines(
        since, "it is tried again and again; jobs in the queue go on", facts.summary
    )


def _ended(facts: Facts) -> tuple[str, str]:
    failures = _listed(facts, list(facts.failures))
    about = f"jobauto status {word(facts.folder)}"
    return facts.end, _lines(shown_lines(facts.why), facts.summary, failures, about)


def _listed(facts: Facts, names: list[str]) -> str:
    lines = [f"{shown(name)} {shown(facts.failures[name][1])}" for name in names[:LISTED]]
    return "\n".join(lines + ([f"and {len(names) - LISTED} more"] if names[LISTED:] else []))


def _lines(*parts: str) -> str:
    return "\n".join(part for part in parts if part)
