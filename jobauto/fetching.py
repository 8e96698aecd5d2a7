"""Bringing home what ended, beside the looks: at most one rsync at a time.

While one goes on, files of the run folder may be those of a moment ago, and rsync's temporary
files stand beside them. So it is waited for (`settle`) before anything is sent, and before a job is
handed in again: else the marker of the earlier attempt might come home after it was removed here,
and go back with the next thing sent.

An rsync outlives only a monitor that was killed outright (SIGKILL), and may meet the next one. It
changes nothing but the files that it brings, each whole and renamed into place, and the monitor
learns from the remote, not from them, who finished. (What remains: a person has a finished job run
again and edits a script beside it, all while such an rsync goes on. Its old marker may go back.)
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

from jobauto.clock import Clock
from jobauto.errors import RemoteError
from jobauto.host import Host, Pull
from jobauto.run import Run

log = logging.getLogger("jobauto")

APART = 3.0  # seconds from one pull to the next, if an interval is shorter than that


@dataclass(slots=True)
class Fetching:
    """Brings markers and files that match `patterns` home. `due`: folders to be fetched."""

    run: Run
    host: Host
    patterns: Sequence[str]
    clock: Clock
    due: set[str] = field(default_factory=set)
    _coming: set[str] = field(default_factory=set)  # the folders of the pull that goes on
    _pull: Pull | None = None
    _failed: bool = False  # the last one
    _next: float = 0.0  # when another may begin

    def note(self, folder: str) -> None:
        """Something in a folder is to be fetched, by the next pull."""
        self.due.add(folder)

    @property
    def going(self) -> bool:
        """Whether a pull goes on, as far as was looked."""
        return self._pull is not None

    def go_on(self) -> None:
        """Begin a pull of what is due, unless one goes on or was just begun; RemoteError as in
        `catch_up`.

        After one that failed the next is waited for, so that trouble which lasts is seen in each
        tick, and not in every other one.
        """
        if self._pull and not self._pull.over():
            return
        self.settle()
        if self._failed:
            self.catch_up()
        elif self.due and self.clock.elapsed() >= self._next:
            self._next = self.clock.elapsed() + APART
            self._begin()

    def settle(self) -> None:
        """Wait for the pull that goes on. If it failed, its folders are due again."""
        try:
            self._finish()
        except RemoteError as error:
            log.info("bringing files home is tried again: %s", error)

    def catch_up(self) -> None:
        """Bring home what is due, and wait for it. RemoteError: it is still due."""
        self.settle()
        if self.due:
            self._begin()
            self._finish()

    def everything(self) -> None:
        """Bring all home that is asked for, from all folders, and wait for it. RemoteError.

        A pull that has just begun is given up for this one, which brings its files, too.
        """
        if self._pull and self.clock.elapsed() < self._next:
            self._pull.give_up()
            self._pull, self.due = None, self.due | self._coming
        self.settle()
        self.host.pull(self.run.rdir, self.run.folder, self.patterns, ()).finish()
        self.due.clear()

    def _begin(self) -> None:
        run, folders = self.run, sorted(self.due)
        self._pull = self.host.pull(run.rdir, run.folder, self.patterns, folders)
        self._coming, self.due = self.due, set()

    def _finish(self) -> None:
        pull, self._pull = self._pull, None
        if pull is None:
            return
        self._failed = True
        try:
            pull.finish()
        except RemoteError:
            self.due |= self._coming
            raise
        self._failed = False
