"""Bringing files home while other things go on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from jobauto.host.process import Beside
from jobauto.remote.framing import Answer


class Pull(Protocol):
    """Files on their way home."""

    def over(self) -> bool:
        """Whether it has ended, well or not; waits for nothing."""

    def finish(self) -> None:
        """Wait for its end, once. RemoteError: not everything came; Interrupted."""

    def give_up(self) -> None:
        """Nothing more is brought; waits for nothing. What came in part is removed a moment
        later, before the host is closed."""


class Over:
    """All is there, or there was nothing to bring."""

    def over(self) -> bool:
        return True

    def finish(self) -> None:
        return None

    def give_up(self) -> None:
        return None


@dataclass(frozen=True, slots=True)
class Rsync:
    """An rsync beside us. `check` raises RemoteError if it did not end well."""

    process: Beside
    check: Callable[[Answer], None]

    def over(self) -> bool:
        return self.process.over()

    def finish(self) -> None:
        self.check(self.process.finish())

    def give_up(self) -> None:
        self.process.stop()
