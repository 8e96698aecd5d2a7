"""What every request reaches: the state of the run, and its verbs."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from jobauto.actions.order import checked, tell
from jobauto.clock import Clock
from jobauto.errors import TreeErrors, UserError
from jobauto.quoting import shown
from jobauto.web.guards import Tokens
from jobauto.web.hub import Hub
from jobauto.web.snapshot import Board

log = logging.getLogger("jobauto")

LONGEST_WHO = 40


@dataclass(slots=True)
class Door:
    """The board, who may come in, and `kill`, which ends monitor and jobs from outside."""

    board: Board
    port: int
    tokens: Tokens
    kill: Callable[[], None]
    clock: Clock = field(default_factory=Clock)
    hub: Hub = field(default_factory=Hub)

    def order(self, verb: str, jobs: list[str], values: dict[str, str], who: str) -> list[str]:
        """Tell the monitor; the jobs concerned. UserError if that cannot be done."""
        found = self.board.now.status
        return tell(found, checked(found, verb, jobs, self.clock.date(), values, _name(who))).jobs

    def kill_run(self, who: str) -> None:
        """End the monitor and all jobs, as `./kill` does; returns at once."""
        log.warning("kill by %s: the whole run", shown(_name(who)))
        self.kill()


def _name(who: str) -> str:
    return who[:LONGEST_WHO].strip() or "http"


def said(error: UserError) -> str:
    """An error without the places of this machine that it names."""
    if isinstance(error, TreeErrors):
        return "; ".join(map(said, error.problems[:5]))
    return f"{error.what} ({error.hint})" if error.hint else error.what
