"""100 chains of five jobs that do nothing, over ssh, against the scheduler's own dependencies."""

from __future__ import annotations

from collections import deque

from chains import CHAINS, LENGTH, OPTIONS, floor, fresh, jobmon, make, versions
from outside import QUERY, Seen, watched
from results import Figure, figures_table, medians

AIM, AIM_AHEAD = 1.2, 1.1
AHEAD = "--native-deps"
NAMES = {"slurm": "Slurm", "sge": "Grid Engine"}


class Makespan:
    """The measurement on one scheduler."""

    LAB = True

    def __init__(self, scheduler: str) -> None:
        self.scheduler = scheduler
        name = NAMES[scheduler]
        self.HEADING = f"{CHAINS} chains × {LENGTH} jobs that do nothing, over ssh to {name}"

    def measure(self, repeat: int) -> str:
        """The text below the heading."""
        rows = self.figures(repeat)
        return f"""{medians(repeat)}
{versions(self.scheduler)}.

`--maxqsub 64 --interval 1`. The floor is one ssh session that submits the same chains with the
scheduler's own dependencies, without any monitor; the tree is there already. jobmon's time is that
of the whole program: checks, dated copy, transfer, every job, results. Commands and rsyncs are
counted by sshd and a wrapper around ssh, from the start of the program to its end; an interval is
one query of the queue. Where there is no floor, the ratio is to the aim.

{figures_table(rows)}"""

    def figures(self, repeat: int) -> list[Figure]:
        """Time, and what it cost the login node."""
        time = Figure("time to the end", AIM)
        ahead = Figure(f"the same with `{AHEAD}`", AIM_AHEAD)
        logins = Figure("logins", 1, unit="")
        commands = Figure("remote commands an interval", 2, unit="")
        fetches = Figure("rsyncs home an interval", 1, unit="")

        def bare() -> None:
            with fresh(self.scheduler) as where:
                time.floors.append(floor(where))
            print(f"{self.scheduler}: floor {time.floors[-1]:.1f} s", flush=True)

        def monitored() -> None:
            taken, seen = ours(self.scheduler)
            queries = seen.calls[QUERY[self.scheduler]]
            time.figures.append(taken)
            time.beside = f"last run: {seen}"
            logins.figures.append(seen.logins)
            commands.figures.append(seen.commands / queries)
            fetches.figures.append(seen.fetches / queries)
            print(f"{self.scheduler}: jobmon {taken:.1f} s ({seen})", flush=True)

        def looking_ahead() -> None:
            taken, seen = ours(self.scheduler, AHEAD)
            ahead.figures.append(taken)
            ahead.beside = f"last run: {seen}"
            print(f"{self.scheduler}: {AHEAD} {taken:.1f} s ({seen})", flush=True)

        # each is first in its turn: a scheduler gets slower with the jobs that it remembers
        turns = deque([bare, monitored, looking_ahead])
        for _ in range(repeat):
            for measure in turns:
                measure()
            turns.rotate(-1)
        ahead.floors = time.floors
        return [time, ahead, logins, commands, fetches]


def ours(scheduler: str, *options: str) -> tuple[float, Seen]:
    """Seconds of a run of jobmon, and what was seen of it."""
    with fresh(scheduler) as where:
        make(where.tmp / "L/init")
        with watched(scheduler) as seen:
            taken = jobmon(where, *OPTIONS, *options)
    return taken, seen
