#!/usr/bin/python3 -IS
"""The fake clusters below a folder: fakeserver.py FAKE ACCENT... Their jobs end with it.

`FAKE/<accent>` holds a cluster's books, its switches (files called `down` and `limit`), the socket
at which it answers its programs, and `bin` with these programs.
"""

from __future__ import annotations

import contextlib
import marshal
import os
import pwd
import select
import signal
import socket
import subprocess
import sys
import time
import traceback
from importlib import import_module
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from accents.base import Accent, Job, Said, Unreachable
from fakebooks import Books, Work
from fakecluster import Dispatcher, FakeCluster, Switches

#: accent to its module, its class and the queues of its cluster; `*`: any name is one
ACCENTS = {
    "pbs": ("accents.pbs", "OpenPBS", ("workq", "other")),
    "torque": ("accents.torque", "Torque", ("batch", "other")),
    "lsf": ("accents.lsf", "LSF", ("normal", "other")),
    "htcondor": ("accents.htcondor", "HTCondor", ("default", "*")),
}
PROGRAM = Path(__file__).resolve().with_name("fakeprogram.py")
PAUSE = 0.05  # seconds between two looks at the jobs
IDLE = 1.0  # the same when nothing has happened, for walltimes
# as `>>` does: stdout and stderr may be the same file
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_APPEND


def accent(name: str) -> Accent:
    """The accent of this name."""
    module, cls, _queues = ACCENTS[name]
    made: Accent = getattr(import_module(module), cls)()
    return made


def switches(folder: Path) -> Switches:
    """What is set by files in a cluster's folder."""

    def read(name: str) -> str | None:
        try:
            return (folder / name).read_text()
        except FileNotFoundError:
            return None

    return read


def open_cluster(
    folder: Path, user: str, books: Books | None = None, environment: dict[str, str] | None = None
) -> FakeCluster:
    """The cluster whose folder this is, which is named after its accent."""
    queues, books = ACCENTS[folder.name][2], books or Books(folder / "books")
    return FakeCluster(books, user, time.time, queues, switches(folder), environment)


class Sessions:
    """Jobs as real processes."""

    def __init__(self) -> None:
        self._running: dict[int, subprocess.Popen[bytes]] = {}

    def start(self, job: Job, work: Work) -> None:
        names = [name.replace("%J", str(job.number)) for name in (work.out, work.err)]
        with contextlib.ExitStack() as stack:
            files = []
            for name in names:
                files.append(os.open(os.path.join(job.folder, name), _WRITE, 0o644))
                stack.callback(os.close, files[-1])
            self._running[job.number] = subprocess.Popen(
                ["/bin/sh", "-c", work.command],
                stdin=subprocess.DEVNULL,
                stdout=files[0],
                stderr=files[1],
                cwd=job.folder,
                env={**work.environment, "FAKE_JOB": str(job.number)},
                start_new_session=True,
            )

    def ended(self) -> dict[int, int]:
        done = {n: p.returncode for n, p in self._running.items() if p.poll() is not None}
        for number in done:
            # what a job leaves behind ends with it
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._running.pop(number).pid, signal.SIGKILL)
        return done

    def signal(self, number: int, which: int) -> None:
        process = self._running.get(number)
        if process and process.poll() is None:
            os.killpg(process.pid, which)


class Server:
    """One fake cluster: it answers its programs and runs its jobs."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.accent = folder, accent(folder.name)
        self.user = pwd.getpwuid(os.getuid()).pw_name
        self.books = Books.new(folder / "books")
        self.dispatcher = Dispatcher(self.books, Sessions(), time.time, switches(folder), idle=IDLE)
        self.dispatcher.forget_processes()
        (folder / "bin").mkdir(exist_ok=True)
        for program in self.accent.programs:
            with contextlib.suppress(FileExistsError):
                (folder / "bin" / program).symlink_to(PROGRAM)
        (folder / "socket").unlink(missing_ok=True)
        self.door = socket.socket(socket.AF_UNIX)
        self.door.bind(str(folder / "socket"))
        self.door.listen(100)

    def fileno(self) -> int:
        return self.door.fileno()

    def serve(self) -> None:
        """Answer the next program; one that was killed meanwhile gets no answer."""
        link, _ = self.door.accept()
        with link, contextlib.suppress(OSError, EOFError):
            link.settimeout(10)
            argv, stdin, environment, folder = marshal.loads(_all(link))
            said = self.answer(argv, stdin.decode("utf-8", "surrogateescape"), environment, folder)
            out, err = (text.encode("utf-8", "surrogateescape") for text in (said.out, said.err))
            link.sendall(marshal.dumps((said.code, out, err)))

    def answer(self, argv: list[str], stdin: str, environment: dict[str, str], folder: str) -> Said:
        cluster = open_cluster(self.folder, self.user, self.books, environment)
        os.chdir(folder)
        try:
            return self.accent.call(argv, stdin, environment, folder, cluster)
        except Unreachable:
            return self.accent.unreachable(argv[0])
        except Exception:  # this program has crashed, and no other one
            print(argv, traceback.format_exc(), file=sys.stderr, flush=True)
            return Said(1, "", traceback.format_exc())


def _all(link: socket.socket) -> bytes:
    return b"".join(iter(lambda: link.recv(65536), b""))


def main() -> None:
    servers = [Server(Path(sys.argv[1]).resolve() / name) for name in sys.argv[2:]]
    asked: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: asked.append(number))
    looked = 0.0
    while not asked:
        called, _, _ = select.select(servers, [], [], PAUSE)
        for server in called:
            server.serve()
            server.dispatcher.changed()
        if not called or time.monotonic() > looked + PAUSE:
            looked = time.monotonic()
            for server in servers:
                server.dispatcher.tick()
    for server in servers:
        server.dispatcher.end_all()


if __name__ == "__main__":
    main()
