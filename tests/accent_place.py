"""A place where a dialect meets an accent: the accent's programs on PATH, which speak for a small
cluster in this process, and the real shell text of submissions and looks."""

from __future__ import annotations

import marshal
import os
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from accents.base import Accent, Unreachable
from accents.base import Job as Taken
from smallcluster import SmallCluster

from jobauto.judge import reason
from jobauto.model import Attempt, Claim, InQueue, Job, Seen
from jobauto.remote.framing import Answer, Request
from jobauto.remote.observation import Observe, Suspect
from jobauto.remote.submission import Ahead, Submit
from jobauto.schedulers import Dialect

# what each program does: only this process knows more
CLIENT = """
import _socket, marshal, os, sys
link = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
link.connect({address!r})
stdin = sys.stdin.buffer.read()
link.sendall(marshal.dumps((sys.argv[1:], stdin, dict(os.environ), os.getcwd())))
link.shutdown(_socket.SHUT_WR)
code, out, err = marshal.loads(b"".join(iter(lambda: link.recv(65536), b"")))
sys.stdout.buffer.write(out)
sys.stderr.buffer.write(err)
sys.exit(code)
"""


class Place:
    """A folder with jobs, programs on PATH, and the cluster behind them."""

    def __init__(self, dialect: Dialect, accent: Accent, shell: str, folder: Path) -> None:
        self.dialect, self.accent, self.shell = dialect, accent, shell
        self.folder = folder / "run"
        user = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout
        self.cluster = SmallCluster(user.strip())
        self.environment = os.environ | {"PATH": f"{folder}/bin:{os.environ['PATH']}"}
        self.environment["HOME"] = str(folder)
        self.folder.mkdir()
        (folder / "bin").mkdir()
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(folder / "socket"))
        self.listener.listen()
        (folder / "client.py").write_text(CLIENT.format(address=str(folder / "socket")))
        for program in accent.programs:
            self.replace(program, f'exec {sys.executable} -IS {folder}/client.py {program} "$@"')
        threading.Thread(target=self.serve, daemon=True).start()

    def replace(self, program: str, text: str) -> None:
        """Put a shell script in the place of a program."""
        path = self.folder.parent / "bin" / program
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def serve(self) -> None:
        with suppress(OSError):  # it was closed
            while True:
                link, _ = self.listener.accept()
                with link:
                    asked = b"".join(iter(partial(link.recv, 65536), b""))
                    said = self.say(*marshal.loads(asked))
                    out, err = (text.encode("utf-8", "surrogateescape") for text in said[1:])
                    link.sendall(marshal.dumps((said[0], out, err)))

    def say(
        self, argv: list[str], stdin: bytes, environment: dict[str, str], folder: str
    ) -> tuple[int, str, str]:
        """What the accent says."""
        text = stdin.decode("utf-8", "surrogateescape")
        try:
            said = self.accent.call(argv, text, environment, folder, self.cluster)
        except Unreachable:
            said = self.accent.unreachable(argv[0])
        return said.code, said.out, said.err

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def sh(self, text: str) -> Answer:
        done = subprocess.run(
            [self.shell, "-s"],
            input=text,
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            errors="surrogateescape",
        )
        return Answer(done.returncode, done.stdout, done.stderr)

    def ask(self, request: Request[Any]) -> Any:
        return request.read(self.sh(request.script()))

    def attempt(
        self, text: str, name: str = "a/qsub.0", *options: str, ahead: Ahead | None = None
    ) -> Claim:
        """Submit a script once more; `ahead`: to wait for others in the queue."""
        job = Job.from_name(name)
        path = self.folder / job.name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        token = f"ja1.x-{len(list(self.folder.glob('.jobauto/claims/*')))}"
        attempts, options_of = [Attempt(job, 1, token)], {token: options}
        waits = {token: ahead} if ahead else {}
        found = self.ask(Submit(self.dialect, str(self.folder), attempts, options_of, waits))
        claim: Claim = found[token]
        return claim

    def submit(
        self, text: str, name: str = "a/qsub.0", *options: str, ahead: Ahead | None = None
    ) -> Taken:
        """Submit a script, which is taken."""
        claim = self.attempt(text, name, *options, ahead=ahead)
        assert (claim.exit_code, claim.err) == (0, ""), claim
        return self.cluster.jobs[max(self.cluster.jobs)]

    def look(self, *jobids: str, suspects: tuple[Suspect, ...] = ()) -> Seen:
        seen: Seen = self.ask(Observe(self.dialect, str(self.folder), jobids, suspects=suspects))
        return seen

    def told(self) -> dict[str, InQueue]:
        return dict(self.look().queue)

    def ended(self, jobid: str) -> str:
        """How the queue says that a job ended, as one word."""
        suspect = Suspect(Attempt(Job("a", "0"), 1, "ja1.x-0"), jobid)
        seen = self.look(suspects=(suspect,))
        return reason(seen.endings[jobid])
