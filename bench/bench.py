"""Measures the monitor against floors and aims, and writes each section of bench/RESULTS.md.

Floor and monitor are taken in turn in one run: ratios are what counts, seconds depend on the
machine. Without --only all but `peers` are measured.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Protocol

# what is measured starts with compiled modules, as for anybody who starts it for the second time
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import ahead  # noqa: E402
import chains  # noqa: E402
import killing  # noqa: E402
import latency  # noqa: E402
import local  # noqa: E402
import peers  # noqa: E402
import reaction  # noqa: E402
import results  # noqa: E402
from filelock import FileLock  # noqa: E402
from makespan import Makespan  # noqa: E402
from places import LAB, lab_is_up  # noqa: E402


class Measurement(Protocol):
    """A module, or an object, with its heading in RESULTS.md; LAB: it needs the lab."""

    HEADING: str
    LAB: bool

    def measure(self, repeat: int) -> str: ...


OURS: dict[str, Measurement] = {
    "slurm": Makespan("slurm"),
    "sge": Makespan("sge"),
    "ahead": ahead,
    "latency": latency,
    "reaction": reaction,
    "local": local,
    "killing": killing,
}
ALL = OURS | {"peers": peers}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--only", nargs="+", choices=ALL, default=list(OURS), metavar="NAME")
    options.add_argument("--repeat", type=int, default=3, help="runs of each kind (default 3)")
    options.add_argument("--note", default="", help="a sentence for RESULTS.md")
    options.add_argument("--limit", type=float, help="seconds for each peer (default 480)")
    chosen = options.parse_args()
    peers.LIMIT = chosen.limit or peers.LIMIT
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was started ends as well
    with chains.LATER:
        measure(chosen)


def measure(chosen: argparse.Namespace) -> None:
    """Each measurement that is chosen, and its section."""
    for name in chosen.only:
        module = ALL[name]
        if module.LAB and not lab_is_up():
            sys.exit("the lab is down; start it with: make lab")
        # nobody else may use the lab meanwhile: time, logins and calls are measured
        with FileLock(LAB / "tests.lock", timeout=3600) if module.LAB else nullcontext():
            text = module.measure(chosen.repeat)
        command = "make bench-peers" if name == "peers" else "make bench"
        said = " ".join(filter(None, [results.origin(command), chosen.note, text]))
        results.put(module.HEADING, said)


if __name__ == "__main__":
    main()
