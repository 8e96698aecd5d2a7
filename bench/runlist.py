"""Times `jobauto runlist` for 100,000 run files. Writes its section of bench/RESULTS.md."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

import results  # noqa: E402
from trees import make  # noqa: E402

LISTS, RUNS = 100, 1000


def main() -> None:
    """Once each: the tree has 300,000 files and folders."""
    lists = {
        f".filelists/ISS.B950/p{n}.txt": "".join(f"{n}{run:08}.root\n" for run in range(RUNS))
        for n in range(LISTS)
    }
    with tempfile.TemporaryDirectory() as folder:
        root = make(Path(folder), lists)
        rows = [["what", "time"], ["`-t`", timed(root, "-t")]]
        rows.append(["the tree", timed(root, "--ldir", "a")])
        rows.append(["the tree, and 2100 sums (`--hadd`)", timed(root, "--ldir", "b", "--hadd")])
    results.put(
        "100,000 run files",
        f"""{results.origin("make bench-runlist")} One run each.

`jobauto runlist`, the whole program: {LISTS} lists of {RUNS} run files. The tree has a folder with
two files for each, 0.8 GB on a disk with blocks of 4 KB; writing it is nearly all of the time.

{results.table(rows)}
""",
    )


def timed(root: Path, *options: str) -> str:
    """One run, in seconds."""
    task = ["-T", "t", "-e", "p", "-i", "/in", "-o", "/out", "-d", "ISS", "--yes"]
    words = [sys.executable, "-m", "jobauto", "runlist", *task, *options]
    begun = time.perf_counter()
    done = subprocess.run(words, cwd=root, env={"PYTHONPATH": str(ROOT)}, capture_output=True)
    taken = time.perf_counter() - begun
    if done.returncode or b" 100000 jobs" not in done.stdout:
        sys.exit(done.stderr.decode())
    return f"{taken:.1f} s"


if __name__ == "__main__":
    main()
