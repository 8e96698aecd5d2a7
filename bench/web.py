"""Times what a person sees of a large run: HTTP, reports, and what they cost the monitor.

Workload: 1,000 folders of ten chained jobs, against a cluster in memory. Two such runs go on in
turn, tick by tick: one is served and followed by 20 clients, the other is alone. When both are
over, requests are answered and reports are made. Writes its section of bench/RESULTS.md.
"""

from __future__ import annotations

import logging
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

import pytest  # noqa: E402
import results  # noqa: E402
from browser import running, watched  # noqa: E402
from served import BAD, Served, World, serving  # noqa: E402

from jobauto.loop import Link  # noqa: E402
from jobauto.web import snapshot  # noqa: E402
from jobauto.web.sessions import ticket  # noqa: E402

FOLDERS, IDS = 1000, 10
FAILS = 50  # folders from one in which a job fails to the next
IN_QUEUE = 500
CLIENTS = 20
ASKED = 30  # times for each request
ASKED_FOR = [
    "/api/status",
    "/api/grid",
    "/api/history",
    "/api/jobs?limit=200",
    "/api/jobs/m0050/qsub.5",
]
HEAD = ["what", "time", "beside it"]

LONG_TASKS = """longest = 0;
new PerformanceObserver((found) => {
  for (const task of found.getEntries()) longest = Math.max(longest, task.duration);
}).observe({ type: "longtask", buffered: true });"""

Row = list[str]


@dataclass
class Bench:
    """Two runs of the same tree, the first one served, and a folder for what is made of them."""

    served: Served
    alone: World
    tmp: Path


def main() -> None:
    logging.getLogger("jobauto").addHandler(logging.NullHandler())  # the jobs that fail
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        first, second = world(Path(folder, "served")), world(Path(folder, "alone"))
        with serving(first, patch) as served, following(served):
            bench = Bench(served, second, Path(folder))
            write([row for measure in MEASURES for row in measure(bench)])


def world(ldir: Path) -> World:
    """A run of 10,000 jobs; in some folders the fourth one fails, so the others are blocked."""
    tree = {}
    for folder in range(FOLDERS):
        for id in range(IDS):
            needs = f"qsub.finished.{id - 1}\n" if id else ""
            tree[f"m{folder:04}/qsub.{id}"] = "#!/bin/sh\n"
            tree[f"m{folder:04}/qsub.dependency.{id}"] = needs
    made = World(ldir, tree, maxqsub=IN_QUEUE)
    made.cluster.plans.update((f"m{n:04}/qsub.3", BAD) for n in range(0, FOLDERS, FAILS))
    return made


@contextmanager
def following(served: Served) -> Iterator[None]:
    """Clients that read all events; they end with the server."""
    links = [HTTPConnection("127.0.0.1", served.port) for _ in range(CLIENTS)]

    def read(link: HTTPConnection) -> None:
        link.request("GET", "/api/events", headers=served.reader)
        stream = link.getresponse()
        while stream.readline():
            pass

    for link in links:
        threading.Thread(target=read, args=(link,), daemon=True).start()
    yield


def seconds(do: Callable[[], object]) -> float:
    """How long this takes."""
    begun = time.perf_counter()
    do()
    return time.perf_counter() - begun


def ticks(bench: Bench) -> list[Row]:
    """Ticks until the run is over: alone, and served with the snapshot and the events."""
    served, other, clock = bench.served, bench.alone.monitor(), bench.alone.clock
    alone, watched, copies = [], [], []
    copier = snapshot.Copier(served.monitor)
    over = False
    while not over:
        alone.append(seconds(other.tick))
        clock.sleep(10)
        watched.append(seconds(served.tick))
        copies.append(seconds(lambda: copier.take(Link(), None, "")))
        over = other.over() and served.monitor.over()
    low, high = statistics.median(alone), statistics.median(watched)
    return [
        ["a tick without a server", f"{low:.3f} s", f"median of {len(alone)}"],
        [f"a tick with {CLIENTS} clients", f"{high:.3f} s", f"ratio {high / low:.2f}"],
        ["of that, the copy for readers", f"{statistics.median(copies):.3f} s", ""],
    ]


def answers(bench: Bench) -> list[Row]:
    """Requests one after the other, while the monitor waits for its next tick."""
    return [answer(bench.served, path) for path in ASKED_FOR]


def answer(served: Served, path: str) -> Row:
    """The median of one request, its connection included, and the size of the answer."""
    got = served.get(path)
    if got.status != 200:
        sys.exit(f"{path}: {got.status} {got.text}")
    taken = statistics.median(seconds(lambda: served.get(path)) for _ in range(ASKED))
    return [f"`GET {path}`", f"{taken * 1000:.1f} ms", f"{len(got.text) / 1000:.1f} kB"]


def page(bench: Bench) -> list[Row]:
    """The page in Chromium: until the map is there, and what one drawing of it costs.

    The longest task is the longest time in which the page answers nobody.
    """
    served = bench.served
    link = f"{served.facts['url']}/login#"
    link += ticket(served.facts["token"], served.world.clock.now())
    with running() as chromium, watched(chromium, link) as (shown, seen):
        shown.wait_for_selector("#map[data-ms]", timeout=60_000)
        loaded = shown.evaluate("performance.now()")
        shown.evaluate(LONG_TASKS)
        shown.focus("#map")
        drawn = []
        for _ in range(ASKED):
            shown.keyboard.press("ArrowDown")
            shown.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
            drawn.append(float(shown.get_attribute("#map", "data-ms") or 0))
        longest = shown.evaluate("longest")
        if seen.all:
            sys.exit(str(seen.all))
    blocked = f"longest task {longest:.0f} ms" if longest else "no task of more than 50 ms"
    return [
        ["the page, from the click to its map", f"{loaded / 1000:.2f} s", "Chromium, no GPU"],
        ["one drawing of the map", f"{statistics.median(drawn):.1f} ms", blocked],
    ]


def reports(bench: Bench) -> list[Row]:
    """`jobauto report`, the whole program, for each kind of file that people look at."""
    return [report(bench, kind) for kind in ("html", "svg")]


def report(bench: Bench, kind: str) -> Row:
    """One report, and the size of its file."""
    file = bench.tmp / f"report.{kind}"
    words = ["report", str(bench.served.world.folder), "-o", str(file)]
    taken = seconds(
        lambda: subprocess.run(
            [sys.executable, "-m", "jobauto", *words], cwd=ROOT, check=True, capture_output=True
        )
    )
    size = file.stat().st_size / 1e6
    return [f"`jobauto report -o report.{kind}`", f"{taken:.1f} s", f"{size:.1f} MB"]


MEASURES: list[Callable[[Bench], list[Row]]] = [ticks, answers, page, reports]


def write(rows: list[Row]) -> None:
    """The section of bench/RESULTS.md."""
    results.put(
        "10,000 jobs on the screen",
        f"""{results.origin("make bench-web")}

{FOLDERS} folders × {IDS} chained jobs against a cluster in memory, `--maxqsub {IN_QUEUE}`. Two runs
go on in turn, tick by tick, to their end; one is served, and {CLIENTS} clients follow its events. A
tick is the monitor's own work and that of the cluster in memory, without ssh and scheduler.

{results.table([HEAD, *rows])}
""",
    )


if __name__ == "__main__":
    main()
