"""This machine as the place where jobs run."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from jobauto.host import transfer
from jobauto.host.process import Runner
from jobauto.host.pulling import Over, Pull, Rsync
from jobauto.host.session import Session
from jobauto.remote.framing import Request

T = TypeVar("T")
SYNC_TIMEOUT = 24 * 3600.0


class LocalHost:
    """Runs scripts with this machine's `sh`; copies with rsync only if it is `mirrored`."""

    name = "local"

    def __init__(self, runner: Runner, mirrored: bool) -> None:
        self.runner = runner
        self.mirrored = mirrored
        self._shell = Session(runner, ["sh", "-s"])

    def knock(self) -> None:
        return None

    def open(self) -> None:
        return None

    def connected(self) -> bool:
        return True

    def login(self) -> None:
        return None

    def close(self) -> None:
        self.runner.end_beside()
        self._shell.close()

    def ask(self, request: Request[T]) -> T:
        return self._shell.read(request, self._shell.ask(request.script(), request.timeout))

    def check_tools(self, has_sums: bool) -> None:
        transfer.check_tools()

    def push(self, run: Path, folder: str, only: Sequence[str] = ()) -> None:
        if self.mirrored:
            command = transfer.push_command(run, folder, (), only)
            transfer.check(self.runner.run(command, transfer.folders_list(only), SYNC_TIMEOUT))

    def pull(self, folder: str, run: Path, patterns: Sequence[str], only: Sequence[str]) -> Pull:
        if not self.mirrored:
            return Over()
        command = transfer.pull_command(folder, run, (), patterns, only)
        process = self.runner.beside(command, transfer.folders_list(only), SYNC_TIMEOUT)
        return Rsync(process, transfer.check)

    def fetch(self, file: str, target: Path) -> None:
        shutil.copyfile(file, target)
