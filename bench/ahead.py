"""Few long chains, where --native-deps has something to win: slots are free, jobs wait for jobs."""

from __future__ import annotations

import statistics

from chains import OPTIONS, floor, fresh, jobmon, make
from makespan import AHEAD, NAMES
from results import medians, spread, table

CHAINS, LENGTH = 4, 25
HEADING = f"{CHAINS} chains × {LENGTH} jobs that do nothing, over ssh, with and without look-ahead"
LAB = True
WAYS = {"jobmon": (), f"with `{AHEAD}`": (AHEAD,)}


def measure(repeat: int) -> str:
    """The text below the heading."""
    rows = [row for scheduler in NAMES for row in rows_of(scheduler, repeat)]
    return f"""{medians(repeat)}

`{" ".join(OPTIONS)}`. The floor is one ssh session that submits the same chains with the
scheduler's own dependencies, without any monitor.

{table([["scheduler", "way", "time to the end", "to the floor"], *rows])}"""


def rows_of(scheduler: str, repeat: int) -> list[list[str]]:
    floors: list[float] = []
    taken: dict[str, list[float]] = {way: [] for way in WAYS}
    for number in range(repeat):
        with fresh(scheduler) as where:
            floors.append(floor(where, CHAINS, LENGTH))
        for way, options in WAYS.items():
            with fresh(scheduler) as where:
                make(where.tmp / "L/init", CHAINS, LENGTH)
                taken[way].append(jobmon(where, *OPTIONS, *options))
        said = ", ".join(f"{way} {times[-1]:.1f} s" for way, times in taken.items())
        print(f"{scheduler} {number + 1}/{repeat}: floor {floors[-1]:.1f} s, {said}", flush=True)
    middle = statistics.median(floors)
    return [
        [NAMES[scheduler], way, spread(times, " s"), f"{statistics.median(times) / middle:.2f}"]
        for way, times in {"floor": floors, **taken}.items()
    ]
