"""From a job's marker to the submission of the job that waits for it."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from chains import fresh, jobmon, make
from cluster import FAULTS
from outside import watched
from places import newest
from results import Figure, figures_table, medians

HEADING = "From a marker to the submission that waits for it"
LAB = True
CHAINS, LENGTH = 64, 3
INTERVAL = 10
SHORTEST, LONGEST = 2.0, 20.0  # seconds of a job
AIMS = {"median": 1.5, "99 %": 3.0}
# the lab runs it instead of sbatch: to the microsecond, by the clock of the markers
_NOTING = """#!/bin/bash
printf '%s %s/%s\\n' "${{EPOCHREALTIME/,/.}}" "$PWD" "${{!#}}" >>{log}
exec /usr/bin/{program} "$@"
"""


def measure(repeat: int) -> str:
    """The text below the heading."""
    rows = [Figure(what, aim) for what, aim in AIMS.items()]
    queries = Figure("scheduler queries an interval", 1, unit="")
    for number in range(repeat):
        delays, asked, beside = once(number)
        for row, figure in zip(rows, (statistics.median(delays), late(delays)), strict=True):
            row.figures.append(figure)
        queries.figures.append(asked)
        queries.beside = f"last run: {beside}"
        print(
            f"reaction {number + 1}/{repeat}: median {rows[0].figures[-1]:.2f} s, "
            f"99 % {rows[1].figures[-1]:.2f} s, longest {max(delays):.2f} s, {beside}",
            flush=True,
        )
    return f"""{medians(repeat)}

{CHAINS} chains × {LENGTH} jobs of {SHORTEST:g} to {LONGEST:g} s (seeded) over ssh to Slurm,
`--maxqsub {CHAINS} --interval {INTERVAL}`: {CHAINS * (LENGTH - 1)} delays a run, from the time of
change of the marker to the call of sbatch for the job that waits for it.

{figures_table([*rows, queries])}"""


def once(seed: int) -> tuple[list[float], float, str]:
    """Delays of a run in seconds, queries an interval, and what else was seen."""
    dice = random.Random(seed)

    def script(_: int, id: int) -> str:
        return f"#!/bin/sh\nsleep {dice.uniform(SHORTEST, LONGEST):.2f}\ntouch qsub.finished.{id}\n"

    with (
        fresh("slurm") as where,
        noted("sbatch", where.folder) as log,
        noted("squeue", where.folder) as asked,
    ):
        ldir = where.tmp / "L"
        make(ldir / "init", CHAINS, LENGTH, script)
        with watched("slurm") as seen:
            jobmon(where, "--maxqsub", str(CHAINS), "--interval", str(INTERVAL))
        there = where.there(newest(ldir))
        markers = {str(p.relative_to(there)): p.stat().st_mtime for p in there.glob("c*/qsub.f*")}
        delays = reactions(markers, submissions(log.read_text(), there))
        end = max(markers.values())  # from then on it is asked whether the last have left
        times = [time for time in map(when, asked.read_text().splitlines()) if time <= end]
    return delays, len(times) / math.ceil((end - times[0]) / INTERVAL), str(seen)


@contextmanager
def noted(program: str, folder: Path) -> Iterator[Path]:
    """Meanwhile the time of each call of a program is in the log, with its last word."""
    log, noting = folder / f"{program}.log", FAULTS / program
    log.touch()
    log.chmod(0o666)
    FAULTS.mkdir(exist_ok=True)
    noting.write_text(_NOTING.format(log=log, program=program))
    noting.chmod(0o755)
    try:
        yield log
    finally:
        noting.unlink()


def when(line: str) -> float:
    """The time of a call."""
    return float(line.partition(" ")[0])


def submissions(log: str, there: Path) -> dict[str, float]:
    """Job to the time of its first submission."""
    found: dict[str, float] = {}
    for line in log.splitlines():
        script = Path(line.partition(" ")[2])
        found.setdefault(str(script.relative_to(there)), when(line))
    return found


def reactions(markers: Mapping[str, float], submitted: Mapping[str, float]) -> list[float]:
    """Seconds from each marker to the submission of the next job of its chain, if there is one."""
    delays = []
    for marker, time in markers.items():
        folder, _, last = marker.partition("/qsub.finished.")
        after = submitted.get(f"{folder}/qsub.{int(last) + 1}")
        if after is not None:
            delays.append(after - time)
    return delays


def late(delays: list[float]) -> float:
    """99 of a hundred are not longer than this."""
    return sorted(delays)[math.ceil(0.99 * len(delays)) - 1]
