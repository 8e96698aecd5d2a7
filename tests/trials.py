"""Random histories of whole runs against a cluster in memory: nothing lost, nothing twice.

    make trials N=100000      many histories on all cores; prints the seeds that fail
    make trials SEED=123      one history again, told line by line

A history is one seed: a tree, what its jobs do, and the faults that strike link, scheduler,
disk, clock, monitor and remote until they are spent. Then all must come to its end.
"""

from __future__ import annotations

import argparse
import functools
import logging
import multiprocessing
import os
import random
import shlex
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from checker import Checker, Violation, demand
from disk import Died, Disk, PowerCut
from fake import FakeClock, FakeJob
from faults import FaultyCluster, FaultyHost
from shapes import MID, SHAPES, Tree, defaults
from weather import Weather

from jobauto import lock
from jobauto import loop as loops
from jobauto import run as runs
from jobauto import tree as found_trees
from jobauto.actions import kill as killing
from jobauto.errors import RemoteError
from jobauto.run import Run
from jobauto.schedulers import DIALECTS
from jobauto.settings import Settings
from jobauto.start import prepare

DAY = 86400.0
LONGEST = 60 * DAY, 3000  # no history takes so long, or so many waits, unless something hangs
CHUNK = 50
DEFAULT = 2000
ACCENTS = sorted(DIALECTS.keys() - {"local"})  # jobs of no scheduler need a real shell


class PersonKills(BaseException):
    """Somebody runs `kill` while the monitor waits."""


class Trial:
    """One history from its seed to its end."""

    def __init__(self, seed: int, trees: list[Tree]) -> None:
        self.seed, self.dice = seed, random.Random(seed)
        dice = self.dice
        self.tree, accent = dice.choice(trees), dice.choice(ACCENTS)
        self.tree.reset(accent)
        self.clock = FakeClock()
        self.weather = Weather(self.clock, dice)
        self.disk = Disk(self.tree.folder, self.weather)
        self.interval = dice.choice((10.0, 10.0, 60.0, 600.0))
        # writing quelist is put off, by one tick or by several
        self.disk.slow = random.Random(seed).choice((0.0, 0.1, 0.4)) * self.interval
        options = {
            "interval": self.interval,
            "maxqsub": dice.randint(1, 5),
            "retries": dice.choice((0, 0, 1, 2)),
            # dice of its own, so that all else of a history stays as it was
            "order": random.Random(f"order {seed}").choice(("fifo", "critical-path")),
        }
        if DIALECTS[accent].after:
            options["native_deps"] = random.Random(f"ahead {seed}").random() < 0.5
        self.chosen = Settings.model_construct(**{**defaults(), **options})
        self.checker = Checker(self.tree.files(), MID, self.chosen.maxqsub, self._intents)
        slots = dice.choice((1, 100))
        self.cluster = FaultyCluster(self.clock, self.weather, self.checker, slots, accent)
        self.cluster.root, self.cluster.scripts = self._run().rdir, set()
        self.cluster.patience = 5 * self.interval
        self.host = FaultyHost(self.cluster, random.Random(f"pull {seed}"))
        for name in self.tree.needs:
            self.cluster.plans[name] = self._plan(name)
        self.end = self.clock.time + LONGEST[0]
        self.waits = 0

    def _plan(self, name: str) -> FakeJob:
        dice, unit = self.dice, self.interval
        plan = FakeJob(seconds=dice.uniform(0.1, 2) * unit, succeeds=dice.random() < 0.93)
        if name == "c;d/qsub.0":
            plan.writes = {plan.seconds / 2: "mid"}  # also if it fails later
        plan.waits = dice.choice((0.0, 0.0, 0.0, 2 * unit * dice.random()))
        plan.lingers = dice.choice((0.0, 0.0, 0.0, 2 * unit * dice.random()))
        plan.silent = random.Random(f"silent {self.seed} {name}").random() < 0.5
        plan.requeued = plan.seconds * 0.7 if dice.random() < 0.1 else None
        return plan

    def _intents(self) -> bytes:
        return self.disk.durable("qsub.log")

    def _run(self) -> Run:
        return runs.open_run(self.tree.folder)

    def run(self) -> None:
        """One life of the monitor after the other; raises what went wrong."""
        with self.disk.patched():
            code = None
            while code is None:
                code = self._life()
                if code is None:
                    self._between_lives()
        self.cluster.advance()
        self.weather.tell(f"exit code {code}")
        self.checker.full = self.weather.full_until > 0
        self.checker.at_the_end(self._quelist(), code)

    def _life(self) -> int | None:
        self.weather.tell("the monitor starts")
        try:
            self.host.open()
            monitor = prepare(self._run(), self.chosen, self.host, self.clock)
            return loops.loop(monitor, self._pause)
        except Died as death:
            self._died(death)
        except (RemoteError, OSError) as error:
            self.weather.tell(f"the monitor gives up: {error}")
            self.host.close()
        except PersonKills:
            self._kill()
        return None

    def _died(self, death: Died) -> None:
        self.weather.dead = None
        if isinstance(death, PowerCut):
            self.disk.lose_power()
            self.host.close()  # what was on its way home goes on only without a monitor

    def _between_lives(self) -> None:
        self._pass(self.dice.choice((0.0, 5.0, self.interval * 3 * self.dice.random())))
        quelist = self.tree.folder / "quelist"
        if quelist.exists() and self.weather.strikes("person renames quelist"):
            quelist.rename(quelist.with_name(f"quelist.{self.clock.time:.0f}"))
            self.disk.settle()
            self.checker.forgotten = True

    def _pass(self, seconds: float) -> None:
        self.clock.sleep(seconds)
        self.cluster.advance()
        self.waits += 1
        ends = self.clock.time < self.end and self.waits < LONGEST[1]
        demand(ends, "it does not come to an end")

    def _pause(self, seconds: float) -> None:
        weather = self.weather
        doubt = any(job.token in self.checker.doubts for job in self.cluster.queue())
        if weather.strikes("person kills") or (doubt and weather.strikes("person kills in doubt")):
            raise PersonKills
        if weather.strikes("clock jumps"):
            self.clock.skew += self.dice.choice((-1, 1)) * self.dice.uniform(1000, 5 * DAY)
        self._pass(seconds + (DAY if weather.strikes("suspend") else 0.0))

    def _kill(self) -> None:
        """Run `kill` until it has done its work; then nothing of ours may be in the queue."""
        unsure, begun = self.checker.unsure(), self.clock.time
        while not self._killed():
            self._pass(60.0)
            begun = self.clock.time
        for shell in self.cluster.shells.values():
            if shell.doing:
                self.checker.doubt(shell.doing, "killed while its shell ran")
        lies = self.cluster.hidden_at  # kill looks once; what it is not shown it leaves unsure
        queue = [j for j in self.cluster.queue() if lies.get(j.jobid, 0.0) < begun]
        self.checker.killed(queue, begun, unsure)
        self.checker.unseen |= {file for file, seen in self.cluster.hidden.items() if seen > begun}

    def _killed(self) -> bool:
        self.weather.tell("kill")
        try:
            outcome = killing.kill(self.tree.folder, self.host, self.clock)  # type: ignore[arg-type]
        except Died as death:
            self._died(death)
            return False
        except (RemoteError, OSError) as error:
            self.weather.tell(f"kill gives up: {error}")
            return False
        return not outcome.left

    def _quelist(self) -> dict[str, list[str]]:
        text = (self.tree.folder / "quelist").read_text()
        lines = [shlex.split(line) for line in text.splitlines()]
        return {name: [word.partition("@")[0] for word in words] for name, *words in lines}

    def told(self) -> str:
        """The history as lines: seconds since its begin, and what happened."""
        begin = self.weather.story[0][0] if self.weather.story else 0.0
        lines = [f"{moment - begin:10.1f}  {text}" for moment, text in self.weather.story]
        files = [self.tree.folder / "quelist", self.tree.folder / "qsub.log"]
        lines += [f"--- {file.name}\n{file.read_text()}" for file in files if file.exists()]
        return "\n".join(lines)


@contextmanager
def workplace() -> Iterator[Path]:
    """A folder for the run folders, in memory if there is a place for that."""
    memory = Path("/dev/shm")
    base = memory if os.access(memory, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="jobauto-trials-", dir=base) as folder:
        yield Path(folder).resolve()


def prepared(folder: Path) -> list[Tree]:
    """The trees, made in `folder`; the process is set up for trials."""
    logging.getLogger("jobauto").disabled = True
    # a random jitter that the seed does not know, and a signal to this very process
    loops.Link = functools.partial(loops.Link, dice=random.Random(0))  # type: ignore[misc, assignment]
    lock.terminate = lambda private, patience=10.0: None
    lock.held = lambda private, date, wait=0: nullcontext()  # type: ignore
    killing.host_of = lambda run, runner, mirrored: runner  # type: ignore
    made = [Tree.make(folder / str(number), shape()) for number, shape in enumerate(SHAPES)]
    by_folder = {tree.folder: tree for tree in made}
    found_trees.scan = lambda root: by_folder[root].scan()
    return made


def history(seed: int, trees: list[Tree]) -> tuple[str, Trial]:
    """Run one history: what went wrong in one line (or ''), and the trial."""
    trial = Trial(seed, trees)
    loops.Link.keywords["dice"].seed(seed)  # type: ignore[attr-defined]
    try:
        trial.run()
    except Violation as violation:
        return str(violation), trial
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__}: {error} ({where.filename}:{where.lineno})", trial
    return "", trial


_trees: list[Tree] = []


def _begin(folder: Path) -> None:
    _trees.extend(prepared(folder / str(os.getpid())))


def _some(stop: bool, seeds: range) -> tuple[int, list[tuple[int, str]]]:
    failed: list[tuple[int, str]] = []
    for done, seed in enumerate(seeds, 1):
        wrong, _ = history(seed, _trees)
        if wrong:
            failed.append((seed, wrong))
            if stop:
                return done, failed
    return len(seeds), failed


def many(first: int, number: int, stop: bool) -> Iterator[tuple[int, list[tuple[int, str]]]]:
    """Run histories on all cores; how many each chunk ran, and those that failed."""
    last = first + number
    chunks = [range(n, min(n + CHUNK, last)) for n in range(first, last, CHUNK)]
    with workplace() as folder, multiprocessing.Pool(None, _begin, [folder]) as pool:
        for done, failed in pool.imap(functools.partial(_some, stop), chunks):
            yield done, failed
            if failed and stop:
                return


def tell(seed: int) -> int:
    """One history with all that happened in it."""
    with workplace() as folder:
        wrong, trial = history(seed, prepared(folder))
        print(trial.told())
    print(f"seed {seed}: {wrong or 'all is well'}")
    return 1 if wrong else 0


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(description="random histories of whole runs")
    parser.add_argument("--number", type=int, default=DEFAULT)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--seed", type=int, help="tell this history")
    parser.add_argument("--stop", action="store_true", help="stop at the first that fails")
    given = parser.parse_args(argv)
    if given.seed is not None:
        return tell(given.seed)
    begun, done, failed = time.monotonic(), 0, 0
    for number, found in many(given.first, given.number, given.stop):
        done, failed = done + number, failed + len(found)
        for seed, wrong in found:
            print(f"seed {seed}: {wrong}   (make trials SEED={seed})", flush=True)
        if sys.stderr.isatty():
            print(f"\r{done} of {given.number}", end="", file=sys.stderr)
    print(f"{done} histories, {failed} failed, {time.monotonic() - begun:.1f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":  # the order of sets belongs to the seed
        os.execve(
            sys.executable, [sys.executable, *sys.argv], {**os.environ, "PYTHONHASHSEED": "0"}
        )
    sys.exit(main(sys.argv[1:]))
