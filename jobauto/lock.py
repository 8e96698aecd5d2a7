"""One monitor a run: a lock that dies with its process, and a note of who holds it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
from filelock import FileLock, Timeout

from jobauto.errors import UserError
from jobauto.ledger import files


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that holds a run: `born` tells it from a later one with the same pid."""

    host: str
    pid: int
    born: float
    since: str

    @property
    def here(self) -> bool:
        return self.host == socket.gethostname()

    def process(self) -> psutil.Process | None:
        """The process itself, if it runs on this machine."""
        try:
            process = psutil.Process(self.pid)
            same = self.here and abs(process.create_time() - self.born) < 2
            return process if same and process.status() != psutil.STATUS_ZOMBIE else None
        except psutil.Error:
            return None

    def __str__(self) -> str:
        return f"pid {self.pid} on {self.host}, since {self.since}"


def holder(private: Path) -> Holder | None:
    """Who holds, or held and did not give back, the run with this `.jobauto` folder."""
    try:
        return Holder(**json.loads(files.read(private / "monitor.json")))
    except (OSError, ValueError, TypeError):
        return None


@contextmanager
def held(private: Path, date: str, wait: float = 0) -> Iterator[None]:
    """Hold the run; UserError that names the holder if somebody else does."""
    note = private / "monitor.json"
    lock = FileLock(private / "lock", timeout=wait)
    other = holder(private)
    if other and not other.here:
        raise UserError(
            f"a monitor on another machine holds this run: {other}",
            str(private.parent),
            f"stop it there; if that machine is gone for good: rm {note}",
        )
    try:
        lock.acquire()
    except Timeout:
        who = other or "a process that just started"
        raise UserError(
            f"a monitor runs already: {who}", str(private.parent), "read quelist, or use ./kill"
        ) from None
    try:
        me = psutil.Process()
        mine = Holder(socket.gethostname(), me.pid, me.create_time(), date)
        files.replace(note, json.dumps(asdict(mine)) + "\n")
        yield
    finally:
        note.unlink(missing_ok=True)
        lock.release()


def terminate(private: Path, patience: float = 10.0) -> Holder | None:
    """Stop the monitor of a run if it runs on this machine: TERM, then KILL. Who it was."""
    found = holder(private)
    process = found.process() if found else None
    if process is None:
        return None
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(number)
        if _ended(process, patience):
            return found
    raise UserError(f"the monitor does not end: {found}", str(private.parent))


def _ended(process: psutil.Process, patience: float) -> bool:
    """Wait for the end; a zombie has ended, though its parent may not have noticed."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.02)
    return False


def socket_folder() -> Path:
    """A short, private folder for the ssh socket (its path may have about 100 characters)."""
    base = Path(os.environ.get("XDG_RUNTIME_DIR") or f"/tmp/jobauto-{os.getuid()}")
    folder = base / "jobauto" if "XDG_RUNTIME_DIR" in os.environ else base
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = folder.lstat()
    if status.st_uid != os.getuid() or status.st_mode & 0o077 or folder.is_symlink():
        raise UserError("must belong to you alone (mode 700)", str(folder), "remove it, or mend it")
    return folder
