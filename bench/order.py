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
ROWS = {
    "`fifo`": "fifo",
    "`critical-path`, the first run": "critical-path",
    "`critical-path`, after an earlier run": "critical-path",
}


def main() -> None:
    """Each tree by its seed, in each way."""
    logging.getLogger("jobauto").disabled = True
    ratios: dict[str, list[float]] = {what: [] for what in ROWS}
    trees = [Uneven.thrown(seed) for seed in range(TREES)]
    sizes = [len(tree.seconds) for tree in trees]
    by_work = sum(tree.bound > tree.longest for tree in trees)
    for seed, tree in enumerate(trees):
        with tempfile.TemporaryDirectory() as folder:
            for what, order in ROWS.items():
                # a run of fifo is the earlier one
                ldir = Path(folder, "alone" if "first" in what else "both")
                ratios[what].append(tree.ratio(ldir, order))
        print(seed, *(f"{found[-1]:.3f}" for found in ratios.values()), flush=True)
    rows = [["order", "time to the bound"]]
    rows += [[what, results.spread(found, "")] for what, found in ratios.items()]
    results.put(
        "Uneven trees by their order",
        f"""{results.origin("make bench-order")}

{TREES} seeded trees of {min(sizes)} to {max(sizes)} jobs on 4 to 6 slots, made to be uneven: short folders that are
queued first, chains of quick jobs, and 2 to 6 chains of 3 or 4 long jobs, which come last. Simulated,
`--interval 20`. The bound is all work by all slots at once ({by_work} trees), or the longest chain if
that takes longer; the median, and between which ends it lies.

{results.table(rows)}
""",
    )


if __name__ == "__main__":
    main()
