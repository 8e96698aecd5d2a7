"""Running one process to its end, or to a person's wish to stop; starting one that stays, or that
goes on beside us."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from tempfile import TemporaryFile
from typing import IO

import sh

from jobauto.errors import CouldNotAsk, Interrupted, UserError
from jobauto.quoting import decoded, encoded
from jobauto.remote.framing import Answer

_CHUNK = 65536
_ANY_CODE = tuple(range(-64, 256))
_Stream = IO[bytes] | int
_GENTLY = 5.0  # seconds that a program has to end by itself


class Runner:
    """Starts processes, each in a session of its own: Ctrl-C in a terminal then reaches only the
    monitor, which decides. `calls` counts them by program.
    """

    def __init__(self, environment: Mapping[str, str] | None = None, person: bool = False) -> None:
        self.person = person  # somebody is at the terminal and can be asked
        self.environment = dict(environment) if environment is not None else None
        self.calls: dict[str, int] = {}
        self.stopped = False
        self._stop = threading.Event()
        self._pid: int | None = None
        self._beside: set[Beside] = set()

    def stop(self) -> None:
        """End what runs now, and refuse to start anything else (may be called by a signal)."""
        self.stopped = True
        self._stop.set()
        _end(self._pid)
        for each in tuple(self._beside):
            each.stop()

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
            _in=encoded(text),
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
        return Answer(process.exit_code, decoded(process.stdout), decoded(process.stderr))

    def start(self, argv: Sequence[str]) -> subprocess.Popen[bytes]:
        """Start a program that stays, with pipes to it that do not block. UserError if there is
        no such program, Interrupted."""
        pipe = subprocess.PIPE
        process = self._popen(argv, pipe, pipe, pipe)
        for stream in (process.stdin, process.stdout, process.stderr):
            assert stream
            os.set_blocking(stream.fileno(), False)
        return process

    def beside(self, argv: Sequence[str], text: str = "", timeout: float = 60.0) -> Beside:
        """Start a program that goes on beside us for so many seconds at most, with `text` on its
        stdin; what it prints is lost. UserError if there is no such program, Interrupted, OSError.
        """
        with contextlib.ExitStack() as stack:
            given, said = (stack.enter_context(TemporaryFile()) for _ in range(2))
            given.write(encoded(text))
            given.seek(0)
            process = self._popen(argv, given, subprocess.DEVNULL, said)
            stack.pop_all()
            given.close()
        made = Beside(self, argv[0], process, said, timeout)
        self._beside.add(made)
        if self.stopped:  # the signal came before it was known
            made.stop()
        return made

    def end_beside(self) -> None:
        """End all that goes on beside us."""
        for each in tuple(self._beside):
            each.end()

    def forget(self, ended: Beside) -> None:
        """One that went on beside us has ended."""
        self._beside.discard(ended)

    @contextmanager
    def ended_by_stop(self, pid: int) -> Iterator[None]:
        """Meanwhile `stop` ends this process."""
        self._pid = pid
        try:
            if self.stopped:  # the signal came before _pid was known
                _end(pid)
            yield
        finally:
            self._pid = None

    def end(self, process: subprocess.Popen[bytes], gently: bool) -> int:
        """End a process from `start`; its exit status. `gently`: by the end of its stdin, which
        leaves what it started alone, and only by force if that takes too long."""
        with process:  # closes the pipes, and waits
            if gently and process.stdin:
                process.stdin.close()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(_GENTLY)
            if process.poll() is None:
                _end(process.pid)
        return process.returncode

    def talk(self, argv: Sequence[str]) -> int:
        """Run a program that may ask the person at this terminal; its exit status."""
        try:
            self._program(argv[0])(*argv[1:], _fg=True, _env=self.environment)
        except sh.ErrorReturnCode as error:
            return int(error.exit_code)
        return 0

    def _popen(
        self, argv: Sequence[str], given: _Stream, out: _Stream, err: _Stream
    ) -> subprocess.Popen[bytes]:
        if self.stopped:
            raise Interrupted()
        self._count(argv[0])
        try:
            return subprocess.Popen(
                argv,
                bufsize=0,
                stdin=given,
                stdout=out,
                stderr=err,
                start_new_session=True,
                env=self.environment,
            )
        except FileNotFoundError:
            raise _missing(argv[0]) from None

    def _program(self, name: str) -> sh.Command:
        """A program that is going to be called, and is counted; UserError if there is none."""
        self._count(name)
        try:
            return sh.Command(name)
        except sh.CommandNotFound:
            raise _missing(name) from None

    def _count(self, name: str) -> None:
        self.calls[name] = self.calls.get(name, 0) + 1

    def _wait(self, process: sh.RunningCommand, timeout: float) -> bool:
        """Wait for the end; True if it had to be brought about because time was over."""
        late = threading.Event()

        def too_late() -> None:
            late.set()
            _end(process.pid)

        timer = threading.Timer(timeout, too_late)
        timer.daemon = True
        timer.start()
        try:
            with self.ended_by_stop(process.pid):
                process.wait()
        finally:
            timer.cancel()
        return late.is_set()


class Beside:
    """A program that goes on beside us; from `Runner.beside`."""

    def __init__(
        self,
        runner: Runner,
        name: str,
        process: subprocess.Popen[bytes],
        said: IO[bytes],
        timeout: float,
    ) -> None:
        self._runner, self._name, self._process, self._said = runner, name, process, said
        self._timeout, self._until = timeout, time.monotonic() + timeout
        self._late = False
        self._err = b""

    def over(self) -> bool:
        """Whether it has ended; it is ended here if its time is over."""
        if self._process.poll() is None and time.monotonic() >= self._until:
            self._late = True
            self.end()
        return self._late or self._process.returncode is not None

    def finish(self) -> Answer:
        """Wait for its end, once: its status, and what it said on stderr. Raises Interrupted,
        CouldNotAsk (time is over)."""
        while not (self._runner.stopped or self.over()):
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(min(1.0, max(0.0, self._until - time.monotonic())))
        self.end()
        if self._runner.stopped:
            raise Interrupted()
        if self._late:
            raise CouldNotAsk(f"{self._name}: not done within {self._timeout:.0f} s")
        return Answer(self._process.returncode, "", decoded(self._err))

    def stop(self) -> None:
        """Have it end, and wait for nothing."""
        if self._process.returncode is None:
            _end(self._process.pid, signal.SIGTERM)  # rsync then removes its temporary files

    def end(self) -> None:
        """See to it that it has ended."""
        self.stop()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_GENTLY)
        if self._process.poll() is None:
            _end(self._process.pid)
            self._process.wait()
        if not self._said.closed:
            with self._said:
                self._said.seek(0)
                self._err = self._said.read()
        self._runner.forget(self)


def _missing(program: str) -> UserError:
    return UserError(f"{program} is not installed here", hint=f"install {program}")


def _end(pid: int | None, way: signal.Signals = signal.SIGKILL) -> None:
    """End a process and what it started, which share its session and group."""
    if pid is None:
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, way)
