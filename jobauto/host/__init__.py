"""Where jobs run: this machine or another one by ssh. The only room that starts processes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from jobauto.host.local import LocalHost
from jobauto.host.process import Runner
from jobauto.host.pulling import Over, Pull
from jobauto.host.ssh import SshHost
from jobauto.remote.framing import Request

T = TypeVar("T")

__all__ = ["Host", "LocalHost", "Over", "Pull", "Runner", "SshHost", "connect"]


class Host(Protocol):
    """What the monitor needs of the place where jobs run."""

    name: str
    #: False where jobs run in the dated folder itself, and nothing is copied
    mirrored: bool

    def knock(self) -> None:
        """Begin to make the connection, if there is none, and wait for nothing."""

    def open(self) -> None:
        """Make the connection, if there is none; NoConnection with what to do about it."""

    def connected(self) -> bool:
        """Whether there is a connection, perhaps made by somebody else; asks nobody but this
        machine."""

    def login(self) -> None:
        """Make the connection while a person answers what is asked at the terminal."""

    def close(self) -> None:
        """Give the connection up, and files on their way home."""

    def ask(self, request: Request[T]) -> T:
        """One round trip. NoConnection or CouldNotAsk: nothing is known, nothing is proven."""

    def check_tools(self, has_sums: bool) -> None:
        """UserError if a program that copies files is missing here. `has_sums`: whether the rsync
        on the host has `probe.SUMS`."""

    def push(self, run: Path, folder: str, only: Sequence[str] = ()) -> None:
        """Mirror the run (or some of its folders) into `folder` on the host."""

    def pull(self, folder: str, run: Path, patterns: Sequence[str], only: Sequence[str]) -> Pull:
        """Bring markers and files that match `patterns` home, from some folders or (none) all.

        That goes on beside everything else; `.finish()` waits for it. RemoteError, OSError.
        """

    def fetch(self, file: str, target: Path) -> None:
        """Bring one file home; what an earlier try left in `target` is used."""


def connect(remote: str, socket: Path, mirrored: bool, runner: Runner) -> LocalHost | SshHost:
    """The host called `remote`: `local`, or a destination of ssh."""
    if remote == "local":
        return LocalHost(runner, mirrored)
    return SshHost(remote, socket, runner)
