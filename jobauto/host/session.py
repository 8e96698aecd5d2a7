"""A shell that stays: scripts go to it one after the other, so that none waits for a new process,
or for more than one round trip.

Each script is run by a subshell with nothing on its stdin. As it is one compound command, a
connection cut while it is sent runs nothing of it.
"""

from __future__ import annotations

import os
import secrets
import selectors
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import IO, TypeVar

from jobauto.errors import CouldNotAsk, Interrupted
from jobauto.host.process import Runner
from jobauto.quoting import decoded, encoded
from jobauto.remote.framing import Answer, Request

T = TypeVar("T")
_CHUNK = 65536


@dataclass(slots=True)
class Session:
    """Runs `argv`, a POSIX shell that reads commands from its stdin: when it is first needed, and
    again when it has ended."""

    runner: Runner
    argv: Sequence[str]
    _process: subprocess.Popen[bytes] | None = None

    def ask(self, script: str, timeout: float) -> Answer:
        """Run a script. If the shell ends before that, the status is its own.

        Raises Interrupted, CouldNotAsk (time is over), UserError (no such program).
        """
        process = self._process = self._process or self.runner.start(self.argv)
        talk = _Talk(process)
        with self.runner.ended_by_stop(process.pid):
            whole = talk.say(script, time.monotonic() + timeout)
        if whole:
            return talk.answer()
        code = self.close(gently=talk.closed)  # one that closed its stdout is about to end
        if self.runner.stopped:
            raise Interrupted()
        if not talk.closed:
            raise CouldNotAsk(f"{self.argv[0]}: no answer within {timeout:.0f} s")
        return talk.cut_short(code)

    def read(self, request: Request[T], answer: Answer) -> T:
        """What the answer means. CouldNotAsk: nobody knows what the shell does; it is given up."""
        try:
            return request.read(answer)
        except CouldNotAsk:
            self.close(gently=False)
            raise

    def is_open(self) -> bool:
        """Whether there is a shell, as far as this machine knows."""
        return self._process is not None and self._process.poll() is None

    def close(self, gently: bool = True) -> int:
        """End the shell, and what it runs unless `gently`; its exit status, 0 if there is none."""
        process, self._process = self._process, None
        return self.runner.end(process, gently) if process else 0


@dataclass(slots=True)
class _Talk:
    """One script on its way, and what came back so far."""

    process: subprocess.Popen[bytes]
    closed: bool = False
    _mark: bytes = field(default_factory=lambda: f"said-{secrets.token_hex(8)}".encode())
    _out: bytearray = field(default_factory=bytearray)
    _err: bytearray = field(default_factory=bytearray)

    def say(self, script: str, end: float) -> bool:
        """Send and read until all is said; False if the other side closed, or time is over."""
        mark = self._mark.decode()
        text = f"(\n{script}) </dev/null\n"
        text += f"printf '\\n{mark} %s\\n' $?; printf '\\n{mark}\\n' >&2\n"
        left = memoryview(encoded(text))
        stdin, stdout, stderr = self.process.stdin, self.process.stdout, self.process.stderr
        assert stdin
        assert stdout
        assert stderr
        with selectors.PollSelector() as selector:
            selector.register(stdin, selectors.EVENT_WRITE)
            selector.register(stdout, selectors.EVENT_READ, self._out)
            selector.register(stderr, selectors.EVENT_READ, self._err)
            while not self._whole() and not self.closed:
                ready = selector.select(max(0.0, end - time.monotonic()))
                if not ready:
                    return False
                for key, _ in ready:
                    if key.data is not None:
                        self._read(key.fd, key.data)
                    elif left := _rest(stdin, left):
                        continue
                    else:
                        selector.unregister(stdin)
        return self._whole()

    def _read(self, descriptor: int, into: bytearray) -> None:
        data = os.read(descriptor, _CHUNK)
        into += data
        self.closed = self.closed or not data

    def _whole(self) -> bool:
        return self._ends(self._out, b" ") and self._ends(self._err, b"\n")

    def _ends(self, said: bytearray, behind: bytes) -> bool:
        return said.endswith(b"\n") and said.rfind(b"\n" + self._mark + behind, -80) >= 0

    def answer(self) -> Answer:
        """What was said before the marks."""
        out, _, code = self._out.rpartition(b"\n" + self._mark + b" ")
        err = self._err.rpartition(b"\n" + self._mark)[0]
        return Answer(int(code), decoded(out), decoded(err))

    def cut_short(self, code: int) -> Answer:
        """What was said before the shell ended with this status."""
        return Answer(code, decoded(self._out), decoded(self._err))


def _rest(stdin: IO[bytes], data: memoryview) -> memoryview:
    """What is left to be written, after as much as the pipe takes now."""
    try:
        return data[os.write(stdin.fileno(), data[:_CHUNK]) :]
    except BlockingIOError:
        return data
    except BrokenPipeError:  # it has ended, as its stdout will tell
        return data[:0]
