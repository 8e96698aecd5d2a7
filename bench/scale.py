"""Times what grows with the number of jobs: start, memory, transfer, restart, and a tick in which
nothing happens. Writes its section of bench/RESULTS.md.

Each part is a process of its own on the same tree: folders of ten chained jobs. The cluster is
one in memory, and the time that it takes itself is left out.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import results  # noqa: E402
from fake import FakeClock, FakeCluster, FakeHost, FakeJob  # noqa: E402
from trees import make  # noqa: E402

from jobauto import run as runs  # noqa: E402
from jobauto import start, watching  # noqa: E402
from jobauto.clock import Clock  # noqa: E402
from jobauto.host import Runner, transfer  # noqa: E402
from jobauto.model import Job  # noqa: E402
from jobauto.monitor import Monitor  # noqa: E402
from jobauto.noticing import Noticing  # noqa: E402
from jobauto.settings import Settings  # noqa: E402

IDS, FLYING, INTERVAL, TICKS, COPIES = 10, 64, 10.0, 40, 3
SCRIPT = "#!/bin/sh\nset -e\ncd __cwd__\nprogram --name __jobname__ < in > out.{0}\n"
SCRIPT += "date > qsub.finished.{0}\n"
AIMS = {"start": 30.0, "memory": 500.0, "restart": 10.0, "transfer": 1.2, "tick": 10.0, "grows": 2}


def main() -> None:
    """All parts, or one of them if this is a child."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=100_000)
    parser.add_argument("--part", choices=PARTS)
    parser.add_argument("--ldir", type=Path)
    parser.add_argument("--dry", action="store_true", help="print only")
    given = parser.parse_args()
    if given.part:
        print(json.dumps(PARTS[given.part](given.ldir) | {"memory": _peak()}))
        return
    with tempfile.TemporaryDirectory() as place:  # removed at the end: see chains.LATER
        small, large, aside = f"{place}/small", f"{place}/large", f"{place}/aside"
        plant(Path(small), 1000)
        plant(Path(large), given.jobs)
        child(small, "start")
        child(small, "restart")
        at_small = child(small, "tick")
        found = {"start": started(large, aside)}
        found |= {part: child(large, part) for part in PARTS if part != "start"}
    text = report(given.jobs, found, at_small)
    print(text) if given.dry else results.put("Start and restart of 100,000 jobs", text)


def started(ldir: str, aside: str) -> dict[str, float]:
    """The start in the middle of some, each beside a bare copy of the tree below `aside`.

    Nothing is removed meanwhile, nor should anything have been for six minutes.
    """
    each = []
    os.mkdir(aside)
    for number in range(COPIES):
        begun = time.perf_counter()
        subprocess.run(["cp", "-a", f"{ldir}/init", f"{aside}/{number}"], check=True)
        os.sync()
        copied = time.perf_counter() - begun
        each.append(child(ldir, "start") | {"copied": copied})
    return sorted(each, key=lambda found: found["start"])[COPIES // 2]


def child(ldir: str, part: str) -> dict[str, float]:
    """One part in a process of its own."""
    words = [sys.executable, __file__, "--part", part, "--ldir", ldir]
    out = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    found: dict[str, float] = json.loads(out.splitlines()[-1])
    print(part, found, file=sys.stderr, flush=True)
    return found


def _peak() -> float:
    """MB that this process ever had in memory."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def plant(ldir: Path, jobs: int) -> None:
    """The init tree."""
    for folder in range(jobs // IDS):
        files = {}
        for id in range(IDS):
            files[f"qsub.{id}"] = SCRIPT.format(id)
            files[f"qsub.dependency.{id}"] = f"qsub.finished.{id - 1}\n" if id else ""
        make(ldir / f"init/m{folder:05}", files)


def chosen(ldir: Path) -> Settings:
    fields = Settings.model_fields.items()
    default = {
        n: f.get_default(call_default_factory=True) for n, f in fields if not f.is_required()
    }
    given = {"ldir": ldir, "scheduler": "local", "interval": INTERVAL, "maxqsub": FLYING}
    return Settings.model_construct(**{**default, **given})


class Stepped(FakeClock):
    """Time that really passes, and what is skipped of it."""

    def elapsed(self) -> float:
        return self.time + time.perf_counter()


class Endless(dict[str, FakeJob]):
    """Every job runs for ever."""

    def get(self, key: str, default: Any = None) -> FakeJob:
        return FakeJob(seconds=1e12)


class Timed(FakeHost):
    """Knows the CPU time that the cluster in memory took for itself."""

    taken = 0.0

    def ask(self, request: Any) -> Any:
        script, read = request.script(), request.read
        request_of = _Answered(script, read)
        begun = time.process_time()
        answer = super().ask(request_of)
        self.taken += time.process_time() - begun
        return read(answer)


class _Answered:
    """A request whose answer is read later."""

    def __init__(self, script: str, read: Any) -> None:
        self._script = script
        self.read = lambda answer: answer

    def script(self) -> str:
        return self._script


def begin(ldir: Path) -> dict[str, float]:
    """From the init tree to a monitor that could tick, without transfer."""
    begun = time.perf_counter()
    settings = chosen(ldir)
    run, host = start.new_run(settings, Runner(), Clock())
    made = time.perf_counter() - begun
    start.prepare(run, settings, host, Clock())
    whole, cpu = time.perf_counter() - begun, time.process_time()
    run.scheduler = "slurm"  # the cluster in memory speaks it
    run.save()
    return {"made": made, "start": whole, "cpu": cpu}


def half(folder: Path, run_id: str) -> None:
    """quelist and qsub.log of a run of which half is over."""
    date, quelist, log = "20261120_231500", [], []
    names = [str(p.relative_to(folder)) for p in sorted(folder.glob("m*/qsub.[0-9]"))]
    for number, name in enumerate(names):
        if int(Job.from_name(name).id) < IDS // 2:
            quelist.append(f"{name} started@{date}@{number} finished@{date}\n")
            log.append(f"{date} intent {name} 1 token=ja{run_id}-{number:010x}-1\n")
            log.append(f"{date} accepted {name} 1 jobid={number}\n{date} running {name} 1\n")
            log.append(f"{date} finished {name} 1 left=yes\n")
    (folder / "quelist").write_text("".join(quelist))
    (folder / "qsub.log").write_text("".join(log))


def restart(ldir: Path) -> dict[str, float]:
    """To the end of the first tick of a run of which half is over."""
    with ticking(ldir) as (monitor, host, begun):
        read = time.perf_counter() - begun
        monitor.tick()
        whole = time.perf_counter() - begun - host.taken
    return {"read": read, "restart": whole, "cpu": time.process_time() - host.taken}


def tick(ldir: Path) -> dict[str, float]:
    """CPU of ticks in which nothing happens, in milliseconds."""
    with ticking(ldir) as (monitor, host, _):
        looking = 0.0
        look = Noticing.look

        def timed(self: Noticing) -> list[str]:
            nonlocal looking
            begun = time.process_time()
            found = look(self)
            looking += time.process_time() - begun
            return found

        for _ in range(5):  # all that is to be submitted, and the first looks
            monitor.tick()
            monitor.clock.sleep(INTERVAL)
        Noticing.look = timed  # type: ignore[method-assign]
        assert len(monitor.ledger.in_flight()) == FLYING
        each = []
        for _ in range(TICKS):
            begun, host.taken = time.process_time(), 0.0
            monitor.tick()
            each.append(1000 * (time.process_time() - begun - host.taken))
            monitor.clock.sleep(INTERVAL)
    return {
        "tick": statistics.mean(each),
        "median": statistics.median(each),
        "look": 1000 * looking / TICKS,
    }


@contextmanager
def ticking(ldir: Path) -> Iterator[tuple[Monitor, Timed, float]]:
    """A monitor of the run in `ldir`, its host, and when that began."""
    folder, clock = runs.runs_in(ldir)[-1], Stepped()
    half(folder, runs.open_run(folder).id)
    cluster = FakeCluster(clock, slots=FLYING)
    cluster.plans = Endless()
    host = Timed(cluster)
    begun = time.perf_counter()
    of = runs.open_run(folder)
    watch = watching.watch(of.folder)
    yield start.prepare(of, chosen(ldir), host, clock, watch=watch), host, begun
    if watch:
        watch.close()


def send(ldir: Path) -> dict[str, float]:
    """The transfer to another folder of this machine, and that of a bare rsync, in turn."""
    folder, times = runs.runs_in(ldir)[-1], {"send": [], "bare": []}  # type: ignore[var-annotated]
    for number in range(COPIES):
        for kind, taken in times.items():
            target = f"{ldir}/{kind}{number}"
            words = ["rsync", "-a", f"{folder}/", target]
            if kind == "send":
                words = transfer.push_command(folder, target, (), ())
            begun = time.perf_counter()
            subprocess.run(words, check=True)
            taken.append(time.perf_counter() - begun)
    return {kind: statistics.median(taken) for kind, taken in times.items()}


PARTS = {"start": begin, "restart": restart, "tick": tick, "send": send}


def report(jobs: int, found: dict[str, dict[str, float]], small: dict[str, float]) -> str:
    """The section of RESULTS.md."""
    ratio = found["send"]["send"] / found["send"]["bare"]
    grown = found["tick"]["tick"] / small["tick"]
    rows = [
        ["what", "figure", "aim", "figure / aim"],
        _row("start, without transfer", found["start"]["start"], "start", "s"),
        ["CPU of that", f"{found['start']['cpu']:.1f} s", "", ""],
        [
            "that start / `cp -a` and `sync` of the tree just before",
            f"{found['start']['start'] / found['start']['copied']:.2f}",
            "",
            "",
        ],
        _row("its memory at most", found["start"]["memory"], "memory", "MB"),
        _row("restart to the end of the first tick", found["restart"]["restart"], "restart", "s"),
        ["CPU of that", f"{found['restart']['cpu']:.1f} s", "", ""],
        _row("its memory at most", found["restart"]["memory"], "memory", "MB"),
        _row("transfer / bare `rsync -a`", ratio, "transfer", ""),
        _row(f"a tick, {FLYING} in flight, CPU", found["tick"]["tick"], "tick", "ms"),
        ["of that, looking at the run folder", f"{found['tick']['look']:.1f} ms", "", ""],
        _row(f"that tick / one with 1,000 jobs ({small['tick']:.1f} ms)", grown, "grows", ""),
    ]
    return f"""{results.origin("make bench-scale")} {jobs:,} jobs.

Folders of {IDS} chained jobs; a script has two placeholders. A start is `new_run` and `prepare`:
scan, checks, placeholders, dated copy, graph; the median of {COPIES}. At the restart half of the
jobs are over, in quelist and qsub.log. Ticks: mean of {TICKS}, {INTERVAL:.0f} s apart, nothing
ends. The cluster is one in memory; the time that it takes is left out. The transfer goes to another
folder of this machine ({found["send"]["send"]:.1f} s, bare {found["send"]["bare"]:.1f} s; medians
of {COPIES}).

{results.table(rows)}
"""


def _row(what: str, figure: float, aim: str, unit: str) -> list[str]:
    digits = 0 if unit == "MB" else 2 if not unit else 1
    shown = f"{figure:,.{digits}f} {unit}".strip()
    return [what, shown, f"≤ {AIMS[aim]:g} {unit}".strip(), f"{figure / AIMS[aim]:.2f}"]


if __name__ == "__main__":
    main()
