"""How soon uneven trees end with either --order, against the bound that no order can beat.

In memory, under a clock that jumps (tests/uneven.py). Writes its section of bench/RESULTS.md.
"""

from __future__ import annotations

import logging
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

import results  # noqa: E402
from uneven import Uneven  # noqa: E402

TREES = 20
KINDS = {"half the slots": False, "2 to all slots": True}  # how many long chains: `full`
WAYS = {
    "`fifo`": ("known", "fifo"),
    "`critical-path`, the first run": ("new", "critical-path"),
    "`critical-path`, after the run of `fifo`": ("known", "critical-path"),
}


def main() -> None:
    """Each tree by its seed, in each way."""
    logging.getLogger("jobauto").disabled = True
    rows = [["long chains", "jobs", "bound by", *WAYS]]
    for kind, full in KINDS.items():
        trees = [Uneven.thrown(seed, full) for seed in range(TREES)]
        sizes = [len(tree.seconds) for tree in trees]
        by_work = sum(tree.bound > tree.longest for tree in trees)
        bounds = f"work {by_work}, chain {TREES - by_work}"
        ratios = zip(*map(measured, trees), strict=True)
        cells = [results.spread(found, "") for found in ratios]
        rows.append([kind, f"{min(sizes)}–{max(sizes)}", bounds, *cells])
    results.put(
        "Uneven trees by their order",
        f"""{results.origin("make bench-order")}

Times from the first submission to the last end, as ratios to what no order can beat: all work by
all slots at once, or the longest chain if that takes longer. The median, and between which ends it
lies. Simulated, `--interval 20`: {TREES} seeded trees a row on 4 to 6 slots, made to be uneven.
Short folders are queued first, then chains of quick jobs, and chains of 3 or 4 long jobs last.

{results.table(rows)}
""",
    )


def measured(tree: Uneven) -> list[float]:
    """The ratio of a tree in each way."""
    with tempfile.TemporaryDirectory() as folder:
        found = [tree.ratio(Path(folder, ldir), order) for ldir, order in WAYS.values()]
    print(*(f"{ratio:.3f}" for ratio in found), flush=True)
    return found


if __name__ == "__main__":
    main()
