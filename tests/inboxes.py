"""An inbox on a cluster in memory, with injected time; and real ones for places."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fake import FakeClock, FakeCluster, FakeHost
from places import ROOT, Place

from jobauto import run as runs
from jobauto.errors import NoConnection
from jobauto.host import Pull
from jobauto.inbox import ways as own
from jobauto.inbox.opening import begin_log_anew, taking_of
from jobauto.inbox.places import Places
from jobauto.inbox.running import Inbox
from jobauto.ledger import files
from jobauto.loop import loop
from jobauto.remote.clearing import Clear, Cleared
from jobauto.settings import Settings
from jobauto.start import prepare


class InboxHost(FakeHost):
    """A remote of which folders are cleared; what jobs wrote there is brought home."""

    def __init__(self, cluster: FakeCluster) -> None:
        super().__init__(cluster, mirrored=True)
        self.cleared: list[str] = []
        self.no_pull = self.no_clear = 0  # so many times

    def ask(self, request: Any) -> Any:
        if not isinstance(request, Clear):
            return super().ask(request)
        self.asked.append("Clear")
        if self.no_clear:
            self.no_clear -= 1
            raise NoConnection("no link to fake")
        for one in request.gone:
            self.cleared.append(one.folder)
            gone = {f for f in self.cluster.files if f.startswith(f"{one.folder}/")}
            self.cluster.files -= gone
        return Cleared(frozenset(), frozenset())

    def pull(self, folder: str, run: Path, patterns: Sequence[str], only: Sequence[str]) -> Pull:
        self.pulled.append(tuple(only))
        return self.on_its_way(lambda: self._bring(run, only))

    def _bring(self, run: Path, only: Sequence[str]) -> None:
        if self.no_pull:
            self.no_pull -= 1
            raise NoConnection("no link to fake")
        for file in sorted(self.cluster.files):
            if file.partition("/")[0] in only:
                (run / file).parent.mkdir(exist_ok=True)
                (run / file).write_text(f"{file}\n")


class World:
    """Three folders, a cluster, and the monitors that follow one another on them."""

    def __init__(self, root: Path, ways: dict[str, Any] | None = None, **options: Any) -> None:
        self.places = Places(root)
        self.places.setup()
        fields = Settings.model_fields.items()
        plain = {n: f.get_default(call_default_factory=True) for n, f in fields if n != "ldir"}
        given = {"ldir": root, "interval": 10.0, "maxqsub": 50, **options}
        self.chosen = Settings.model_construct(**{**plain, **given})
        self.clock = FakeClock()
        self.cluster = FakeCluster(self.clock)
        self.host = InboxHost(self.cluster)
        self.ways = own.load(self.places.pending, ways or {})
        own.keep(self.places.pending, self.ways)
        run = runs.plan(self.chosen, self.places.pending)
        run.rdir, run.scheduler = "/remote/inbox-x", "slurm"
        run.save()
        self.kept: Inbox | None = None
        self.longest_log = 1 << 20

    def put(self, name: str, needs: str | None = None, script: str = "true\n") -> Path:
        """Put a folder into the inbox."""
        folder = self.places.inbox / name
        folder.mkdir()
        (folder / "job.sh").write_text(script)
        if needs is not None:
            (folder / "qsub.dependency.job").write_text(needs)
        return folder

    def put_archive(self, name: str, script: str = "true\n") -> Path:
        """Put a folder packed up into the inbox."""
        folder = self.places.root / "made" / name
        folder.mkdir(parents=True)
        (folder / "job.sh").write_text(script)
        archive = self.places.inbox / f"{name}.tar.gz"
        with tarfile.open(archive, "w:gz") as tar:
            tar.add(folder, name)
        return archive

    def begin(self, last: bool = True) -> Inbox:
        """A monitor that knows only what the files say."""
        run = runs.open_run(self.places.pending)
        taking = taking_of(self.places, run, self.ways)
        taking.tidy()
        begin_log_anew(run, self.longest_log)
        monitor = prepare(run, self.chosen, self.host, self.clock, strict=False)
        self.kept = Inbox(monitor, self.places, self.ways, taking, self.chosen.keep_remote, last)
        monitor.inbox = self.kept
        return self.kept

    def finish(self) -> int:
        """Go on until nothing is left to do."""
        return loop(self.begin().monitor, self.clock.sleep)

    def ticks(self, number: int) -> None:
        """So many ticks, ten seconds from one to the next."""
        assert self.kept
        for _ in range(number):
            self.kept.monitor.tick()
            self.clock.sleep(10)

    def inbox(self) -> list[str]:
        return sorted(os.listdir(self.places.inbox))

    def pending(self) -> list[str]:
        """The job folders in pending/, and what a crash may have left beside them."""
        own_dot = {".jobauto", ".qsub.now.new", ".quelist.new", ".qstat.new"}
        names = (p.name for p in self.places.pending.iterdir() if p.is_dir() or p.name[0] == ".")
        return sorted(set(names) - own_dot)

    def completed(self) -> list[str]:
        return sorted(os.listdir(self.places.completed))

    def error(self, name: str) -> str:
        """job_error.txt of a folder in completed/, or nothing."""
        path = self.places.completed / name / "job_error.txt"
        return files.read(path) if path.exists() else ""


SCRIPT = """#!/bin/bash
#SBATCH --output=slurm-%j.out
#$ -j y
echo {name} >>'{runs}'
sleep {seconds}
echo {name} >result
"""


def put(root: Path, name: str, runs: Path, seconds: float = 0.1, more: str = "") -> None:
    """Put a folder into a real inbox, as somebody does who copies slowly: job.sh comes first."""
    folder = root / "inbox" / name
    folder.mkdir()
    text = SCRIPT.format(name=name, runs=runs, seconds=seconds) + more
    (folder / "job.sh").write_text(text)
    (folder / "input").write_text(name)


def start(where: Place, root: Path, *options: str) -> subprocess.Popen[str]:
    """Start the monitor of a real inbox; it does not outlive its place."""
    words = ["--root", str(root), "--engine", where.scheduler, "--remote", where.remote]
    words += ["--rdir", str(where.folder)] if where.mirrored else []
    words += ["--period", "0.3", "--settle", "0.5", "--no-http", *options]
    process = subprocess.Popen(
        [sys.executable, "-m", "jobauto", "inbox", *words],
        env=where.environment,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    where.started.append(process)
    return process
