"""Running one process to its end, or to a person's wish to stop. No other module starts any."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Mapping, Sequence

import sh

from jobauto.errors import CouldNotAsk, Interrupted, UserError
from jobauto.remote.framing import Answer

_CHUNK = 65536
_ANY_CODE = tuple(range(-64, 256))


class Runner:
    """Starts processes through `sh`, one at a time, each in a session of its own: Ctrl-C in a
    terminal then reaches only the monitor, which decides. `calls` counts them by program.
    """

    def __init__(self, environment: Mapping[str, str] | None = None, person: bool = False) -> None:
        self.person = person  # somebody is at the terminal and can be asked
        self.environment = dict(environment) if environment is not None else None
        self.calls: dict[str, int] = {}
        self.stopped = False
        self._stop = threading.Event()
        self._pid: int | None = None

    def stop(self) -> None:
        """End the process that runs now, and refuse to start others (may be called by a signal)."""
        self.stopped = True
        self._stop.set()
        _end(self._pid)

    def resume(self) -> None:
        """Allow processes again, for the few that tidy up."""
        self.stopped = False

    def pause(self, seconds: float) -> None:
        """Wait; Interrupted if stopped before or meanwhile."""
        if self._stop.wait(seconds):
            raise Interrupted()

    def run(self, argv: Sequence[str], text: str = "", timeout: float = 60.0) -> Answer:
        """Run a program with `text` on its stdin. A process that is stopped may have done
        anything. Raises Interrupted, CouldNotAsk (time is over), UserError (no such program).
        """
        if self.stopped:
            raise Interrupted()
        process = self._program(argv[0])(
            *argv[1:],
            _in=text.encode("utf-8", "surrogateescape"),
            _in_bufsize=_CHUNK,
            _out_bufsize=_CHUNK,
            _err_bufsize=_CHUNK,
            _bg=True,
            _bg_exc=False,
            _ok_code=_ANY_CODE,
            _tty_out=False,
            _new_session=True,
            _env=self.environment,
        )
        late = self._wait(process, timeout)
        if self.stopped:
            raise Interrupted()
        if late:
            raise CouldNotAsk(f"{argv[0]}: no answer within {timeout:.0f} s")
        return Answer(process.exit_code, _text(process.stdout), _text(process.stderr))

    def talk(self, argv: Sequence[str]) -> int:
        """Run a program that may ask the person at this terminal; its exit status."""
        try:
            self._program(argv[0])(*argv[1:], _fg=True, _env=self.environment)
        except sh.ErrorReturnCode as error:
            return int(error.exit_code)
        return 0

    def _program(self, name: str) -> sh.Command:
        """A program that is going to be called, and is counted; UserError if there is none."""
        self.calls[name] = self.calls.get(name, 0) + 1
        try:
            return sh.Command(name)
        except sh.CommandNotFound:
            raise UserError(f"{name} is not installed here", hint=f"install {name}") from None

    def _wait(self, process: sh.RunningCommand, timeout: float) -> bool:
        """Wait for the end; True if it had to be brought about because time was over."""
        late = threading.Event()

        def too_late() -> None:
            late.set()
            _end(process.pid)

        timer = threading.Timer(timeout, too_late)
        timer.daemon = True
        timer.start()
        self._pid = process.pid
        try:
            if self.stopped:  # the signal came before _pid was known
                _end(process.pid)
            process.wait()
        finally:
            self._pid = None
            timer.cancel()
        return late.is_set()


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _end(pid: int | None) -> None:
    """End a process and what it started, which share its session and group."""
    if pid is None:
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
