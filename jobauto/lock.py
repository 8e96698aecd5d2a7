"""One monitor a run: a lock that dies with its process, and a note of who holds it.

The lock (flock) tells on one machine, and on file systems that carry it to others. For those that
do not, the note gives a sign of life every BEAT seconds: its time of change, which is compared with
that of a file made just now beside it, so that clocks which disagree do not matter. A holder on
another machine that was silent for long, and stays so while we watch, is taken for dead. Should it
come back after all (a laptop that slept), it finds a note that is not its own, and ends.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
from filelock import FileLock, Timeout
from pydantic import TypeAdapter

from jobauto.errors import UserError
from jobauto.ledger import files

log = logging.getLogger("jobauto")

NOTE = "monitor.json"
BEAT = 20.0  # seconds from one sign of life to the next
SILENT = 90.0  # seconds without one after which a holder on another machine may be dead
WATCH = (15.0, 3)  # seconds, and how often: it must stay silent meanwhile


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
        except (psutil.Error, ValueError):
            return None

    def __str__(self) -> str:
        return f"pid {self.pid} on {self.host}, since {self.since}"


def holder(private: Path) -> Holder | None:
    """Who holds, or held and did not give back, the run with this `.jobauto` folder."""
    try:
        return _HOLDER.validate_json(files.read(private / NOTE))
    except (OSError, ValueError):
        return None


_HOLDER = TypeAdapter(Holder)


def watcher(private: Path) -> Holder | None:
    """Who watches the run now, as far as can be told from here."""
    found = holder(private)
    if found is None:
        return None
    lives = found.process() if found.here else _silence(private) < SILENT
    return found if lives else None


def _silence(private: Path) -> float:
    """Seconds since the last sign of life, by the clock of the machine that keeps the files."""
    probe = private / f".now-{socket.gethostname()}-{os.getpid()}"
    try:
        probe.touch()
        now = probe.stat().st_mtime
        probe.unlink()
    except OSError:  # a disk that is full, or may not be written
        now = time.time()
    try:
        return now - (private / NOTE).stat().st_mtime
    except OSError:
        return float("inf")


@contextmanager
def held(
    private: Path, date: str, wait: float = 0, sleep: Callable[[float], None] = time.sleep
) -> Iterator[Callable[[], None]]:
    """Hold the run; UserError that names the holder if somebody else does.

    Yields a function that raises UserError when the run was taken over by somebody else.
    """
    lock = FileLock(private / "lock", timeout=wait)
    other = holder(private)
    if other and not other.here:
        _refuse_if_alive(private, other, sleep)
    try:
        lock.acquire()
    except Timeout:
        who = holder(private) or "a process that just started"
        raise UserError(
            f"a monitor runs already: {who}", str(private.parent), "read quelist, or use ./kill"
        ) from None
    try:
        me = psutil.Process()
        mine = Holder(socket.gethostname(), me.pid, me.create_time(), date)
        _write(private, mine)
        with _beating(private / NOTE):
            yield lambda: _check(private, mine)
    finally:
        if holder(private) in (mine, None):
            (private / NOTE).unlink(missing_ok=True)
        lock.release()


def _refuse_if_alive(private: Path, other: Holder, sleep: Callable[[float], None]) -> None:
    silence = _silence(private)
    if silence >= SILENT:
        log.warning("%s gave no sign of life for %.0f s; watching it", other, silence)
    if silence < SILENT or not _stays_silent(private / NOTE, sleep):
        raise UserError(
            f"a monitor on another machine holds this run: {other}",
            str(private.parent),
            f"stop it there; if that machine is gone, wait {SILENT:.0f} s and start again",
        )
    log.warning("%s is silent for long: taken for dead", other)


def _stays_silent(note: Path, sleep: Callable[[float], None]) -> bool:
    before = note.stat().st_mtime_ns
    seconds, times = WATCH
    for _ in range(times):
        sleep(seconds)
        if not note.exists() or note.stat().st_mtime_ns != before:
            return False
    return True


def _write(private: Path, mine: Holder) -> None:
    files.replace(private / NOTE, json.dumps(asdict(mine)) + "\n")


def _check(private: Path, mine: Holder) -> None:
    found = holder(private)
    if found is None:
        _write(private, mine)
    elif found != mine:
        raise UserError(f"this run was taken over: {found}", str(private.parent), "one is enough")


@contextmanager
def _beating(note: Path) -> Iterator[None]:
    """Give signs of life meanwhile, whatever else this process waits for."""
    end = threading.Event()

    def beat() -> None:
        while not end.wait(BEAT):
            with contextlib.suppress(OSError):
                os.utime(note)

    thread = threading.Thread(target=beat, name="beat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()


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
