"""Times `jobauto sweep` for 10,000 jobs. Writes its section of bench/RESULTS.md."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

import results  # noqa: E402
from trees import make  # noqa: E402

RUNS = 3
TEMPLATE = {
    "mine/qsub.0": "set -e\nprogram < in.json\ndate > qsub.finished.0\n",
    "mine/qsub.dependency.0": "../seed-@size@/qsub.finished.0\n",
    "mine/in.json": '{\n  "physics": {"temperature": 300.0, "alpha": 1},\n  "size": @size@\n}\n',
    "mine/template.toml": 'shared = ["seed-@size@"]\n',
    "mine/seed-@size@/qsub.0": "make_seed @size@\ndate > qsub.finished.0\n",
    "mine/seed-@size@/qsub.dependency.0": "",
}
VARIABLES = """template = "mine"
variables = { t = { default = 300.0 }, size = { default = 10 }, a = { default = 1.0 } }
put."in.json" = { t = "physics.temperature", a = "physics.alpha" }
"""
PRODUCT = """
[[vary]]
t = { start = 0.1, end = 100, step = 0.1 }
[[vary]]
size = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
"""
SAMPLE = """
[[vary]]
sample = "latin"
number = 1000
t = { start = 0.1, end = 100, scale = "log" }
a = { start = 0, end = 1 }
[[vary]]
size = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
"""


def main() -> None:
    """Both kinds, each several times."""
    kinds = {"1000 values × 10 values": PRODUCT, "1000 points of a Latin hypercube × 10": SAMPLE}
    rows = [["what", "`--dry-run`", "all of it"]]
    for what, vary in kinds.items():
        with tempfile.TemporaryDirectory() as folder:
            root = make(Path(folder), {**TEMPLATE, "a.toml": VARIABLES + vary})
            dry = statistics.median(sweep(root, "--dry-run") for _ in range(RUNS))
            whole = statistics.median(sweep(root, "--ldir", f"L{n}") for n in range(RUNS))
        rows.append([what, f"{dry:.1f} s", f"{whole:.1f} s"])
    results.put(
        "10,000 jobs of a sweep",
        f"""{results.origin("make bench-sweep")} Medians of {RUNS} runs.

`jobauto sweep`, the whole program: 10,000 folders of three files, in one of them two values put
into JSON, and ten shared folders. A dry run reads, checks and names all, and makes one folder.

{results.table(rows)}
""",
    )


def sweep(root: Path, *options: str) -> float:
    """One run, in seconds."""
    words = [sys.executable, "-m", "jobauto", "sweep", "a.toml", "--yes", *options]
    begun = time.perf_counter()
    done = subprocess.run(words, cwd=root, env={"PYTHONPATH": str(ROOT)}, capture_output=True)
    taken = time.perf_counter() - begun
    if done.returncode or b"10000 job folders" not in done.stdout:
        sys.exit(done.stderr.decode())
    return taken


if __name__ == "__main__":
    main()
