"""HTCondor's dialect and its accent meet: the real commands in a real shell, a cluster in memory.

The programs on PATH hand each call over to a thread of the test, where the accent answers it.
"""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path

from accents.base import Said, Unreachable
from accents.htcondor import HTCondor as Accent
from smallcluster import SmallCluster

from jobauto.model import Attempt, Claim, InQueue, Queued, Seen
from jobauto.model import Job as OurJob
from jobauto.remote.framing import Answer
from jobauto.remote.observation import Observe, Suspect
from jobauto.remote.submission import Submit
from jobauto.resources import parse
from jobauto.schedulers.htcondor import HTCondor

DIALECT = HTCondor()
SHIM = """#!/bin/sh
d=$(mktemp -d "$POOL/XXXXXX")
mkfifo "$d/code"
printf '%s\\0' "${0##*/}" "$@" >"$d/argv"
pwd >"$d/folder"
[ "${0##*/}" = condor_submit ] && cat >"$d/stdin"
echo "$d" >"$POOL/calls"
read -r code <"$d/code"
cat "$d/out"
cat "$d/err" >&2
exit "$code"
"""


class Memory(SmallCluster):
    """HTCondor's schedd. A job that is removed stays until its processes have ended."""

    server = "ap1.example.org"

    def kill(self, number: int) -> bool:
        return self.change(number, state=Queued.ENDING)


def memory() -> Memory:
    """With the attribute values that stand for queues here; none is the default."""
    user = subprocess.check_output(["id", "-un"], text=True).strip()
    return Memory(user, 353143, ("", "workday", "long"))


class Pool:
    """HTCondor's programs on PATH, the cluster behind them, and a folder of jobs."""

    def __init__(self, path: Path) -> None:
        self.path, self.run, self.cluster = path, path / "run", memory()
        self.calls: list[list[str]] = []
        for folder in (path / "bin", self.run):
            folder.mkdir()
        for program in Accent.programs:
            (path / "bin" / program).write_text(SHIM)
            (path / "bin" / program).chmod(0o755)
        os.mkfifo(path / "calls")
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        (self.path / "calls").write_text("\n")
        self._thread.join(10)

    def _serve(self) -> None:
        while folder := (self.path / "calls").read_text().strip():
            call = Path(folder)
            argv = (call / "argv").read_text().split("\0")[:-1]
            said = self._answer(argv, call)
            (call / "out").write_text(said.out)
            (call / "err").write_text(said.err)
            (call / "code").write_text(f"{said.code}\n")

    def _answer(self, argv: list[str], call: Path) -> Said:
        stdin = (call / "stdin").read_text() if argv[0] == "condor_submit" else ""
        self.calls.append([*argv, stdin] if stdin else argv)
        try:
            where = (call / "folder").read_text().strip()
            return Accent().call(argv, stdin, {}, where, self.cluster)
        except Unreachable:
            return Accent().unreachable(argv[0])

    def sh(self, script: str) -> Answer:
        """What /bin/sh makes of a script that comes on its stdin, as from ssh."""
        path = f"{self.path}/bin:{os.environ['PATH']}"
        done = subprocess.run(
            ["/bin/sh", "-s"],
            input=script,
            cwd=self.run,
            env={**os.environ, "PATH": path, "POOL": str(self.path)},
            capture_output=True,
            text=True,
            timeout=60,
        )
        return Answer(done.returncode, done.stdout, done.stderr)

    def do(self, command: str) -> Answer:
        """One command of the dialect."""
        return self.sh(f"limit=\n{DIALECT.prelude}\n{command}\n")

    def submit(self, *names: str, asked: Mapping[str, str] | None = None) -> list[Claim]:
        """Jobs through the real protocol of submission; each in a folder of its name."""
        words = [word for option in DIALECT.options(parse(asked or {})) for word in option]
        attempts = [Attempt(OurJob.from_name(name), 1, token(name)) for name in names]
        request = Submit(DIALECT, str(self.run), attempts, {t.token: words for t in attempts})
        claims = request.read(self.sh(request.script()))
        return [claims[attempt.token] for attempt in attempts]

    def script(self, name: str, text: str = "#!/bin/sh\necho done\n") -> str:
        (self.run / name).parent.mkdir(exist_ok=True)
        (self.run / name).write_text(text)
        return name

    def look(self, *suspects: tuple[str, str]) -> Seen:
        """One look at the queue; `suspects` are names and JOBIDs."""
        asked = [
            Suspect(Attempt(OurJob.from_name(name), 1, token(name)), jobid)
            for name, jobid in suspects
        ]
        request = Observe(DIALECT, str(self.run), [jobid for _, jobid in suspects], suspects=asked)
        return request.read(self.sh(request.script()))

    def one(self) -> InQueue:
        [job] = self.look().queue.values()
        return job


def token(name: str) -> str:
    return "ja1-" + name.replace("/", "-").replace(" ", "_") + ".x+y"
