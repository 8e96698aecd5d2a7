"""What every request about a run reaches: its state, and its verbs."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from sse_starlette import ServerSentEvent

from jobauto.actions.order import checked, order, tell
from jobauto.clock import Clock
from jobauto.errors import TreeErrors, UserError
from jobauto.host import Runner
from jobauto.host.detached import detached
from jobauto.quoting import shown
from jobauto.web.snapshot import Snapshot

log = logging.getLogger("jobauto")

LONGEST_WHO = 40


class Board(Protocol):
    """Where the newest snapshot of a run hangs."""

    @property
    def now(self) -> Snapshot: ...


class Events(Protocol):
    """What tells those who follow a run of its changes."""

    def full(self) -> bool:
        """Whether there are as many of them as there may be."""

    def follow(self) -> AsyncIterator[ServerSentEvent]:
        """Events for one of them, until the run is over."""


class Task(Protocol):
    """A task that the run shares with others."""

    @property
    def name(self) -> str: ...

    def now(self) -> dict[str, Any]:
        """What is known of it, at once."""


@dataclass(slots=True)
class Door:
    """The board of a run, what carries out its verbs, and `kill`, which ends monitor and jobs.

    `task` is None for a run without one, and where no monitor is.
    """

    board: Board
    obey: Callable[[Snapshot, str, list[str], Mapping[str, str], str], list[str]]
    kill: Callable[[], None]
    events: Events
    task: Task | None = None

    def order(self, verb: str, jobs: list[str], values: dict[str, str], who: str) -> list[str]:
        """Have a verb done; the jobs concerned. UserError if that cannot be done."""
        return self.obey(self.board.now, verb, jobs, values, _name(who))

    def kill_run(self, who: str) -> None:
        """End the monitor and all jobs, as `./kill` does; returns at once."""
        log.warning("kill by %s: the whole run", shown(_name(who)))
        self.kill()


def by_monitor(
    at: Snapshot, verb: str, jobs: list[str], values: Mapping[str, str], who: str
) -> list[str]:
    """Leave an order to the monitor of a run, which is this process."""
    found = at.status
    return tell(found, checked(found, verb, jobs, Clock().date(), values, who)).jobs


def by_anyone(
    at: Snapshot, verb: str, jobs: list[str], values: Mapping[str, str], who: str
) -> list[str]:
    """Leave an order to the monitor of a run if it has one; else do it here, asking nobody."""
    folder = at.status.run.folder
    return order(folder, verb, jobs, Clock(), Runner(person=False), values, who).jobs


def kill_from_outside(folder: Path) -> None:
    """Start the `kill` of a run; what it says goes to jobmon.log."""
    detached(["sh", str(folder / "kill")], folder / "jobmon.log")


def _name(who: str) -> str:
    return who[:LONGEST_WHO].strip() or "http"


def said(error: UserError) -> str:
    """An error without the places of this machine that it names."""
    if isinstance(error, TreeErrors):
        return "; ".join(map(said, error.problems[:5]))
    return f"{error.what} ({error.hint})" if error.hint else error.what
