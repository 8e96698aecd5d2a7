"""The same chains over a line on which each round trip takes 150 ms more."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import places
from chains import CHAINS, LENGTH, fresh, jobmon, make
from outside import Seen, watched
from proxy import proxied
from results import Figure, figures_table, medians

HEADING = f"{CHAINS} chains × {LENGTH} jobs over a line with 150 ms more a round trip"
LAB = True
ROUND_TRIP = 0.150
AIM = 1.5


def measure(repeat: int) -> str:
    """The text below the heading."""
    row = Figure("time to the end, on Slurm", AIM)
    for number in range(repeat):
        row.floors.append(ours(slow=False)[0])
        taken, seen = ours(slow=True)
        row.figures.append(taken)
        row.beside = f"last run: {seen}"
        print(
            f"latency {number + 1}/{repeat}: without {row.floors[-1]:.1f} s, with {taken:.1f} s "
            f"({seen})",
            flush=True,
        )
    return f"""{medians(repeat)}

The line is a proxy that hands on each byte {ROUND_TRIP * 500:.0f} ms later in either direction, as
many as come. "floor" here is jobmon without it; `--maxqsub 64 --interval 1`.

{figures_table([row])}"""


def ours(slow: bool) -> tuple[float, Seen]:
    """Seconds of a run of jobmon, and what was seen of it."""
    with fresh("slurm") as where:
        make(where.tmp / "L/init")
        with ExitStack() as stack:
            if slow:
                path = stack.enter_context(slow_line("slurm", where.tmp))
                where.variables["PATH"] = f"{path}:{where.environment['PATH']}"
            seen = stack.enter_context(watched("slurm"))
            taken = jobmon(where)
    return taken, seen


@contextmanager
def slow_line(host: str, folder: Path) -> Iterator[Path]:
    """A folder with an ssh that reaches the host by the long way, under the same name."""
    known = (places.LAB / "ssh_config").read_text()
    found = re.search(rf"^Host lab-{host}\n\s*Port (\d+)", known, re.MULTILINE)
    assert found, "the lab's ssh_config has no such host"
    with proxied(int(found[1]), ROUND_TRIP) as port:
        config = folder / "ssh_config"
        config.write_text(
            f"Host lab-{host}\n    Port {port}\n    HostKeyAlias [127.0.0.1]:{found[1]}\n{known}"
        )
        program = folder / "bin/ssh"
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\nexec {places.LAB}/bin/ssh -F {config} "$@"\n')
        program.chmod(0o755)
        yield program.parent
