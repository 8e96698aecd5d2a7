"""The places where jobs really run: this machine, and the hosts that `make lab` starts."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn, TypeVar

import psutil
import pytest

from jobauto.host import LocalHost, Runner
from jobauto.remote.framing import Request

T = TypeVar("T")
ROOT = Path(__file__).resolve().parent.parent
LAB = Path(os.environ.get("JOBAUTO_LAB", "/var/lib/jobauto-lab"))
HOME = Path("/home/hpc")

#: hosts whose schedulers are fake, as there are no real ones to be had: host to dialect
FAKES = {"pbs": "pbs", "torque": "pbs", "lsf": "lsf", "htcondor": "htcondor"}
SCHEDULERS = {"slurm": "slurm", "sge": "sge"} | FAKES


def cannot(why: str) -> NoReturn:
    """Skip the test for want of a part of the lab; in CI, where none is skipped, fail."""
    if os.environ.get("CI"):
        pytest.fail(f"{why}, and CI skips nothing")
    pytest.skip(why)


def lab_is_up() -> bool:
    """Whether the hosts of the lab answer."""
    config = LAB / "ssh_config"
    if not config.is_file() or os.geteuid() != 0:
        return False
    ports = map(int, re.findall(r"^\s*Port\s+(\d+)", config.read_text(), re.MULTILINE))
    return all(listens(port) for port in set(ports))


def listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(2)
        return probe.connect_ex(("127.0.0.1", port)) == 0


@dataclass
class Place:
    """One remote: the options that reach it, and what is to be seen there.

    `mirrored` False: jobs run in the dated folder itself.
    """

    name: str
    remote: str
    scheduler: str
    mirrored: bool
    tmp: Path
    folder: Path  # RDIR, reachable from here as the lab is on this machine
    started: list[subprocess.Popen[str]] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)  # of the person's environment
    later: ExitStack = field(default_factory=ExitStack)  # removes the folder

    @property
    def environment(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith("JOBMON_")}
        folders = {"XDG_CONFIG_HOME": "config", "XDG_STATE_HOME": "state"}
        config = {name: str(self.tmp / folder) for name, folder in folders.items()}
        always = {"PATH": f"{LAB / 'bin'}:{kept['PATH']}", "COLUMNS": "100"}
        return {**kept, **config, **always, **self.variables}

    def options(self, ldir: Path) -> list[str]:
        made = ["--ldir", str(ldir), "--remote", self.remote, "--interval", "0.5"]
        made += ["--scheduler", self.scheduler]
        return made + (["--rdir", str(self.folder)] if self.mirrored else [])

    def jobmon(
        self, ldir: Path, *options: str, new: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run jobmon.py to its end."""
        process = self.start(ldir, *options, new=new)
        out, err = process.communicate(timeout=300)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """jobmon.py with just these words."""
        return subprocess.run(
            [sys.executable, str(ROOT / "jobmon.py"), *words],
            env=self.environment,
            cwd=self.tmp,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def start(
        self, ldir: Path, *options: str, new: bool = True, nohup: bool = False
    ) -> subprocess.Popen[str]:
        """Start jobmon.py; whatever becomes of the test, it does not outlive it."""
        before = ["nohup"] if nohup else []
        words = self.options(ldir) if new else ["--ldir", str(ldir), "--interval", "0.5"]
        process = subprocess.Popen(
            [*before, sys.executable, str(ROOT / "jobmon.py"), *words, *options],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            preexec_fn=None if nohup else lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
        )
        self.started.append(process)
        return process

    def jobauto(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "jobauto", *words],
            env=self.environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
        )

    def run_kill(self, run: Path) -> subprocess.CompletedProcess[str]:
        """The `kill` of a run folder, from any other folder."""
        return subprocess.run(
            [str(run / "kill")],
            env=self.environment,
            cwd="/",
            capture_output=True,
            text=True,
            timeout=120,
        )

    def there(self, run: Path) -> Path:
        """The run's folder on the remote."""
        return self.folder / run.name if self.mirrored else run

    def authentications(self) -> int:
        """How often somebody logged in, by the log of the server."""
        log = LAB / "log" / f"sshd-{self.remote.removeprefix('lab-')}.log"
        return log.read_text(errors="replace").count("Accepted publickey")

    def tidy(self) -> None:
        """End what was started, jobs included."""
        for run in {r.parent.parent for r in self.tmp.glob("**/.jobauto/run.json")}:
            self.jobauto("kill", str(run))
        for process in self.started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        if self.mirrored:
            self.later.callback(shutil.rmtree, self.folder, ignore_errors=True)


@contextmanager
def place(name: str, tmp: Path, later: ExitStack | None = None) -> Iterator[Place]:
    """The place called local, mirror, plain (a host by ssh without a scheduler), or as a host of
    the lab with one. At its end what was started there is ended, and its folder removed (`later`).
    """
    scheduler = SCHEDULERS.get(name, "local")
    remote = "local" if name in ("local", "mirror") else f"lab-{name}"
    unique = f"t-{os.getpid()}-{time.monotonic_ns()}"
    folder = tmp / "remote" if remote == "local" else HOME / "work" / unique
    with ExitStack() as own:
        made = Place(name, remote, scheduler, name != "local", tmp, folder, later=later or own)
        try:
            yield made
        finally:
            made.tidy()


def scheduler_calls() -> Counter[str]:
    """How often each program of a scheduler was called by anybody on the lab's hosts."""
    return Counter((LAB / "scheduler-calls.log").read_text().split())


def ask(request: Request[T]) -> T:
    """Have this machine's own shell do it."""
    with closing(LocalHost(Runner(), mirrored=False)) as host:
        return host.ask(request)


def newest(ldir: Path) -> Path:
    """The last run of a project."""
    return max(p for p in ldir.iterdir() if (p / ".jobauto").is_dir())


def wait_for(what: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait until something real has happened; AssertionError if it does not in time."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


def words(run: Path) -> dict[str, list[str]]:
    """quelist: job to its words, without dates."""
    lines = [shlex.split(line) for line in (run / "quelist").read_text().splitlines()]
    return {name: [word.split("@")[0] for word in rest] for name, *rest in lines}


def alive(marker: str) -> list[psutil.Process]:
    """Processes of this machine with `marker` on their command line."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        line = " ".join(process.info["cmdline"] or [])
        if marker in line and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(process)
    return found
