"""Times `jobauto analyse` for 10,000 job folders. Writes its section of bench/RESULTS.md."""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import results  # noqa: E402
from analyses import jobs, sweep  # noqa: E402

from jobauto.analysis import pictures, tables  # noqa: E402
from jobauto.analysis.collecting import collect  # noqa: E402

RUNS = 3
SWEEP = """[[vary]]
t = { start = 1, end = 100, step = 1 }
[[vary]]
size = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
[repeat]
number = 10
[metrics.energy]
file = "run.csv"
column = "energy"
[metrics.mean]
file = "result.json"
key = "magnetisation.mean"
[metrics.seconds]
file = "log.txt"
pattern = 'took ([0-9.]+) s'
[[plots]]
metric = "energy"
against = ["t"]
[[plots]]
metric = "mean"
against = ["t", "size"]
"""


def main() -> None:
    """Make the files once, and read them several times."""
    with tempfile.TemporaryDirectory() as folder:
        init = sweep(Path(folder), SWEEP)
        names = fill(init)
        taken = [times(init, names, Path(folder)) for _ in range(RUNS)]
    whats = ["reading 30,000 files", "table.csv, table.parquet, summary.csv", "two pictures"]
    medians = [statistics.median(column) for column in zip(*taken, strict=True)]
    rows = [[what, f"{median:.1f} s"] for what, median in zip(whats, medians, strict=True)]
    results.put(
        "Results of 10,000 jobs of a sweep",
        f"""{results.origin("make bench-analyse")} Medians of {RUNS} runs.

What `jobauto analyse` does, in one process, files in the memory of the machine: a table of 100
rows, a small JSON and a log of 100 lines in each folder; 1,000 points with ten repeats; a line for
each of ten sizes with bands, and a heat map of 1,000 cells.

{results.table([["what", "time"], *rows])}
""",
    )


def fill(init: Path) -> list[str]:
    """Write three files for each job; the names of all."""
    table = "step,energy\n" + "".join(f"{n},{-n / 7}\n" for n in range(100))
    log = "".join(f"step {n} took {n / 8} s\n" for n in range(100))
    names = [job["name"] for job in jobs(init)]
    for number, name in enumerate(names):
        folder = init / name
        (folder / "run.csv").write_text(f"{table}100,{number}\n")
        (folder / "result.json").write_text(f'{{"magnetisation": {{"mean": {number / 9}}}}}')
        (folder / "log.txt").write_text(log)
    return names


def times(init: Path, names: list[str], out: Path) -> list[float]:
    """Seconds for reading, for tables, for pictures."""
    begun = time.perf_counter()
    found = collect(init, init, dict.fromkeys(names, "finished"))
    read = time.perf_counter()
    if found.missing():
        sys.exit(f"{len(found.missing())} jobs are missing")
    tables.write(found, out)
    written = time.perf_counter()
    pictures.write(found, out)
    return [read - begun, written - read, time.perf_counter() - written]


if __name__ == "__main__":
    main()
