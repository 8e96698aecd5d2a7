"""What a run did, as the outside sees it: the logs of sshd and of the wrappers that the lab puts
around ssh and the schedulers' programs. How the monitor does it is none of our business."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from places import LAB

#: the program that tells of the queue
QUERY = {"slurm": "squeue", "sge": "qstat"}
PROGRAMS = {
    "slurm": {"sbatch", "squeue", "scancel", "scontrol"},
    "sge": {"qsub", "qstat", "qdel", "qacct"},
}


@dataclass
class Seen:
    """Counts of one run."""

    logins: int = 0
    sessions: int = 0  # commands that sshd started, rsyncs among them
    rsyncs: int = 0
    fetches: int = 0  # rsyncs that bring something home
    calls: Counter[str] = field(default_factory=Counter)  # of the scheduler's programs
    seconds: float = 0.0

    @property
    def commands(self) -> int:
        """Remote commands that are no rsync."""
        return self.sessions - self.rsyncs

    def __str__(self) -> str:
        calls = ", ".join(f"{n} {name}" for name, n in sorted(self.calls.items()))
        ssh = f"{self.logins} login, {self.commands} commands, {self.rsyncs} rsync"
        return f"{ssh}, {calls}" if calls else ssh


def read(host: str, sshd: str, ssh: str, programs: str) -> Seen:
    """Counts from what the three logs say: of sshd, of the ssh program here, of the schedulers'.

    The last two tell of other hosts as well.
    """
    here = f" lab-{host} rsync --server"
    return Seen(
        logins=sshd.count("Accepted publickey"),
        sessions=sshd.count("Starting session: "),
        rsyncs=ssh.count(here),
        fetches=ssh.count(f"{here} --sender"),
        calls=Counter(name for name in programs.split() if name in PROGRAMS[host]),
    )


@contextmanager
def watched(host: str) -> Iterator[Seen]:
    """Filled in at the end. Nobody else may use this host of the lab meanwhile."""
    names = [f"log/sshd-{host}.log", "ssh-calls.log", "scheduler-calls.log"]
    logs = [LAB / name for name in names]
    before = [log.stat().st_size for log in logs]
    seen = Seen()
    begun = time.monotonic()
    yield seen
    seconds = time.monotonic() - begun
    found = read(host, *(_since(log, size) for log, size in zip(logs, before, strict=True)))
    seen.__dict__.update(found.__dict__ | {"seconds": seconds})


def _since(log: Path, size: int) -> str:
    with open(log, "rb") as file:
        file.seek(size)
        return file.read().decode(errors="replace")
