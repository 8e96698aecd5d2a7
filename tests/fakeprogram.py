#!/usr/bin/python3 -IS
"""All programs of all fake schedulers: FAKE/<accent>/bin/<program> is a link to this file.
Under its own name, `fakeprogram.py ACCENT` prints the names of an accent's programs.

It is started for each call, so it imports little. `FAKE/lib` holds this file and what it needs,
`FAKE/<accent>` the cluster's books and switches (files called `down` and `limit`).
"""

import os
import sys
import time
from importlib import import_module
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from accents.base import Accent, Unreachable
from fakecluster import Books, FakeCluster, Switches

#: accent to its module, its class and the queues of its cluster; `*`: any name is one
ACCENTS = {
    "pbs": ("accents.pbs", "OpenPBS", ("workq", "other")),
    "torque": ("accents.torque", "Torque", ("batch", "other")),
    "lsf": ("accents.lsf", "LSF", ("normal", "other")),
    "htcondor": ("accents.htcondor", "HTCondor", ("default", "*")),
}
READERS = ("qsub", "bsub", "condor_submit")


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


def open_cluster(folder: Path, user: str, environment: dict[str, str] | None = None) -> FakeCluster:
    """The cluster whose folder this is, which is named after its accent."""
    queues, books = ACCENTS[folder.name][2], Books(folder / "books")
    return FakeCluster(books, user, time.time, queues, switches(folder), environment)


def main() -> int:
    path = Path(sys.argv[0])
    if path.name == Path(__file__).resolve().name:
        print(*accent(sys.argv[1]).programs)
        return 0
    folder, program = path.parent.parent, path.name
    speaks, environment = accent(folder.name), dict(os.environ)
    stdin = sys.stdin.buffer.read() if program in READERS and not sys.stdin.isatty() else b""
    try:
        said = speaks.call(
            [program, *sys.argv[1:]],
            stdin.decode("utf-8", "surrogateescape"),
            environment,
            os.getcwd(),
            open_cluster(folder, _user(), environment),
        )
    except Unreachable:
        said = speaks.unreachable(program)
    sys.stdout.buffer.write(said.out.encode("utf-8", "surrogateescape"))
    sys.stderr.buffer.write(said.err.encode("utf-8", "surrogateescape"))
    return said.code


def _user() -> str:
    import pwd

    return pwd.getpwuid(os.getuid()).pw_name


if __name__ == "__main__":
    sys.exit(main())
