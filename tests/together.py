"""Many monitors on one shared task, killed and cut off from the database at random."""

from __future__ import annotations

import os
import random
import secrets
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from databases import let_in
from places import Place, newest, place, wait_for, words
from sqlalchemy.engine import make_url
from trees import make

from jobauto.claims import Database, progress
from jobauto.errors import DatabaseError
from jobauto.run import runs_in

TASK = "together"
SCRIPT = """#!/bin/sh
#$ -o /dev/null -j y
#SBATCH --output=/dev/null
echo run >>ran
sleep 0.2
date >qsub.finished.{id}
"""


@dataclass(frozen=True)
class Member:
    """Somebody who works at a site: the database as they name it, and their password."""

    name: str
    site: str  # a name of a place
    url: str
    password: str = ""


@dataclass
class Monitor:
    """One member's jobmon.py, however often it was started."""

    member: Member
    at: Place
    ldir: Path
    options: tuple[str, ...]
    process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Begin, or go on with the run that there is."""
        if runs_in(self.ldir):
            self.process = self.at.start(newest(self.ldir), new=False)
        else:
            self.process = self.at.start(self.ldir, *self.options)

    def end(self) -> tuple[int, str]:
        """Wait for its end: exit code and last words."""
        assert self.process
        out, err = self.process.communicate(timeout=600)
        return self.process.returncode, out[-500:] + err

    def ran(self) -> Counter[str]:
        """Folder -> how often its script began, by its own count."""
        there = self.at.there(newest(self.ldir))
        files = {path.parent.name: path.read_text() for path in there.glob("m*/ran")}
        return Counter({name: text.count("run") for name, text in files.items()})

    def kill(self) -> bool:
        """End it without a word; False if it has ended by itself."""
        assert self.process
        if self.process.poll() is not None:
            return False
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.communicate()
        return True


@dataclass(frozen=True)
class Outcome:
    """What was seen when all monitors had ended."""

    ends: list[tuple[int, str]]  # of each monitor: exit code and last words
    ran: Counter[str]  # folder -> how often its script began, anywhere
    lists: list[Counter[str]]  # of each monitor: words of its quelist
    rows: Counter[tuple[str, str, str]]  # of the database: site, person, state
    kills: int
    seconds: float


def team(owner: str, sites: Sequence[str]) -> list[Member]:
    """Four people with accounts, at each of these sites; `owner`: URL of the database's owner."""
    Database(owner).upgrade()
    urls = [make_url(let_in(owner, f"p{n}_{secrets.token_hex(4)}")) for n in range(4)]
    return [
        Member(
            str(url.username),
            site,
            f"postgresql://{url.username}@{url.host}:{url.port}/{url.database}",
            str(url.password),
        )
        for url in urls
        for site in sites
    ]


def work(
    members: Sequence[Member],
    jobs: int,
    tmp: Path,
    tag: str,
    owner: str,
    *,
    room: int,
    kills: int = 0,
    outage: Callable[[], None] | None = None,
    seed: int = 1,
) -> Outcome:
    """Let all work on `jobs` jobs, whose scripts are `qsub.<tag>`, to the end.

    `room`: --maxqsub of each. A random monitor is killed and started again `kills` times, each when
    a random number of jobs is done; `outage` is called when half of them are. `owner`: URL by which
    the database is asked how far they are.
    """
    dice = random.Random(seed)
    tree = {f"m{n:04}/qsub.{tag}": SCRIPT.format(id=tag) for n in range(jobs)}
    tree |= {f"m{n:04}/qsub.dependency.{tag}": "" for n in range(jobs)}
    database = Database(owner)
    begun = time.monotonic()
    with ExitStack() as stack:
        monitors = [stack.enter_context(_monitor(one, tmp, tree, room)) for one in members]
        for one in monitors:
            one.start()
        killed = 0
        for done, what in _events(dice, jobs, kills, outage):
            _until(done, database, monitors)
            if what:
                what()
            else:
                victim = dice.choice(monitors)
                killed += victim.kill()
                victim.start()
        ends = [one.end() for one in monitors]
        assert not any(code for code, _ in ends), ends
        lists = [words(newest(one.ldir)).values() for one in monitors]
        return Outcome(
            ends,
            sum((one.ran() for one in monitors), Counter()),
            [Counter(map(" ".join, one)) for one in lists],
            _rows(database),
            killed,
            time.monotonic() - begun,
        )


def _events(
    dice: random.Random, jobs: int, kills: int, outage: Callable[[], None] | None
) -> list[tuple[int, Callable[[], None] | None]]:
    """Number of jobs done, and what happens then: a kill, or the outage."""
    found = [(dice.randrange(jobs * 9 // 10), None) for _ in range(kills)]
    middle = [(jobs // 2, outage)] if outage else []
    return sorted([*found, *middle], key=lambda event: event[0])


@contextmanager
def _monitor(member: Member, tmp: Path, tree: dict[str, str], room: int) -> Iterator[Monitor]:
    own = tmp / f"{member.name}-{member.site}"
    make(own / "L/init", tree)
    with place(member.site, own) as at:
        at.variables = {"PGPASSWORD": member.password} if member.password else {}
        options = ("--task", TASK, "--db", member.url, "--site", member.site)
        yield Monitor(member, at, own / "L", (*options, "--maxqsub", str(room), "--no-http"))


def _rows(database: Database) -> Counter[tuple[str, str, str]]:
    found = Counter[tuple[str, str, str]]()
    for one in progress(database, TASK):  # a row a data set
        found[one.site, one.person, one.state] += one.jobs
    return found


def _until(done: int, database: Database, monitors: Sequence[Monitor]) -> None:
    """Wait until so many jobs are done, or no monitor is at work."""

    def reached() -> bool:
        time.sleep(0.2)  # do not hammer
        try:
            rows = _rows(database)
        except DatabaseError:  # there are no tables yet
            rows = Counter()
        ended = all(one.process and one.process.poll() is not None for one in monitors)
        return ended or sum(n for (*_, state), n in rows.items() if state == "finished") >= done

    wait_for(reached, 600)
