"""What may stand around a monitor: others who work on the same task, or an inbox."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from jobauto.conditions import Condition


class Shared(Protocol):
    """A task that others work on, too; see jobauto.sharing."""

    def reconcile(self, known: Iterable[str]) -> list[str]:
        """Tell what became of ours of the `known` jobs; those that others have done."""

    def settled(self) -> bool:
        """Others know what became of all our jobs."""

    def conditions(self) -> list[Condition]:
        """What keeps us from claiming jobs."""

    def take(self, ready: Sequence[str], room: int) -> list[str]:
        """Up to `room` of these that nobody else does."""

    def hand_in(self, names: Sequence[str]) -> set[str]:
        """Which of these are still ours alone, now that they are handed in."""

    def done_here(self, names: Iterable[str]) -> None:
        """Tell others that these are done, though nobody claimed them."""


class Inbox(Protocol):
    """An inbox, whose jobs come and go; see jobauto.inbox."""

    def take(self) -> None:
        """Let new jobs in."""

    def bring_home(self) -> None:
        """Let jobs out that are over, with all that they hold."""

    def waits(self) -> bool:
        """Whether more is to come, so that the run is not over."""
