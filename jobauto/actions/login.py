"""Logging in for a run whose remote wants something of a person: a code, a passphrase."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from jobauto import lock
from jobauto.errors import UserError
from jobauto.host import Runner
from jobauto.lock import Holder
from jobauto.meeting import host_of
from jobauto.run import open_run


@dataclass(frozen=True, slots=True)
class Outcome:
    """Whether there was a connection already, and the monitor that will use it."""

    remote: str
    before: bool
    monitor: Holder | None


def login(folder: Path, runner: Runner) -> Outcome:
    """Open the connection of a run at this terminal; its monitor goes on by itself.

    NeedsLogin if ssh did not get in.
    """
    run = open_run(folder)
    if run.remote == "local":
        raise UserError("this run is on this machine, there is nothing to log in to", str(folder))
    host = host_of(run, runner, run.mirrored)
    before = host.connected()
    host.login()
    return Outcome(run.remote, before, lock.watcher(run.private))
