"""Runs of which only the files are known: those of other monitors, and those that are over."""

from __future__ import annotations

import hashlib
import os
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from threading import Lock

import anyio
from sse_starlette import ServerSentEvent
from starlette.concurrency import run_in_threadpool

from jobauto import registry
from jobauto.actions.status import status
from jobauto.clock import Clock
from jobauto.web.changes import event
from jobauto.web.door import Door, by_anyone, kill_from_outside
from jobauto.web.hub import CLIENTS
from jobauto.web.snapshot import Snapshot, differ

PACE = 2.0  # seconds from one look of a client to the next
SHARE = 10  # reading may take at most one such part of the time
STALE = 30.0  # seconds after which a run is read again though no file of ours has changed
KEPT = 8  # runs of which a snapshot is kept
_FILES = ("quelist", "qstat", "jobmon.log", ".jobauto/run.json", ".jobauto/conditions.json")


class Reading:
    """The board of a run that is read from its files when somebody asks, and they have changed."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.folder, self._clock = folder, clock
        self._lock = Lock()
        self._snapshot: Snapshot | None = None
        self._signs: list[tuple[int, int]] = []
        self._begun = self._ended = 0.0
        self._times = 0

    @property
    def now(self) -> Snapshot:
        """The newest snapshot; UserError if the run cannot be read."""
        with self._lock:
            if self._snapshot is None or self._due():
                self._signs = self._look()
                self._begun = self._clock.elapsed()
                self._snapshot = self._read()
                self._ended = self._clock.elapsed()
            return self._snapshot

    def _due(self) -> bool:
        since = self._clock.elapsed() - self._ended
        if since < min(STALE, SHARE * (self._ended - self._begun)):
            return False
        return since > STALE or self._look() != self._signs

    def _look(self) -> list[tuple[int, int]]:
        found = []
        for name in _FILES:
            try:
                about = os.stat(self.folder / name)
                found.append((about.st_mtime_ns, about.st_size))
            except OSError:
                found.append((0, 0))
        return found

    def _read(self) -> Snapshot:
        found = status(self.folder)
        settings = found.run.settings
        limits = {key: settings.get(key) for key in ("maxqsub", "maxpending", "interval")}
        self._times += 1
        return Snapshot(
            tick=self._times,
            date=self._clock.date(),
            status=found,
            names=sorted(found.states),
            counts=found.counts(),
            limits=limits,
            watched=found.monitor is not None,
        )


class Looks:
    """Tells those who follow a run of changes, by looking at its board again and again."""

    def __init__(self, board: Reading) -> None:
        self._board = board
        self._clients = 0

    def full(self) -> bool:
        """Whether there are as many clients as there may be."""
        return self._clients >= CLIENTS

    async def follow(self) -> AsyncIterator[ServerSentEvent]:
        """Events for one client, for as long as it listens."""
        self._clients += 1
        try:
            before = await run_in_threadpool(self._look)  # nothing after it goes untold
            yield ServerSentEvent(comment="following")
            while True:
                await anyio.sleep(PACE)
                now = await run_in_threadpool(self._look)
                if now is not before and differ(before, now):
                    yield event(before, now)
                before = now
        finally:
            self._clients -= 1

    def _look(self) -> Snapshot:
        return self._board.now


class Runs:
    """The runs of a person on this machine, by keys that tell nothing of where they are."""

    def __init__(self, clock: Clock, listed: Callable[[], list[Path]] = registry.runs) -> None:
        self._clock, self._listed = clock, listed
        self._doors: OrderedDict[str, Door] = OrderedDict()

    def keys(self) -> dict[str, Path]:
        """The folder of each run, the newest first."""
        return {_key(folder): folder for folder in self._listed()}

    def find(self, key: str) -> Door | None:
        """The door of a run; None if there is no such run."""
        folder = self.keys().get(key)
        if folder is None:
            return None
        door = self._doors.pop(key, None) or self._opened(folder)
        self._doors[key] = door
        if len(self._doors) > KEPT:
            self._doors.popitem(last=False)
        return door

    def _opened(self, folder: Path) -> Door:
        board = Reading(folder, self._clock)
        return Door(board, by_anyone, lambda: kill_from_outside(folder), Looks(board))


def _key(folder: Path) -> str:
    return hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
