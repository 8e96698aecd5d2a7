"""1,000 jobs that do nothing on this machine, two at a time, against GNU parallel."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

from chains import fresh, jobmon, make
from results import Figure, figures_table, medians

HEADING = "1,000 jobs that do nothing on this machine, two at a time"
LAB = False
FOLDERS, EACH, SLOTS = 100, 10, 2
AIM = 1.5


def measure(repeat: int) -> str:
    """The text below the heading."""
    if shutil.which("parallel") is None:
        sys.exit("GNU parallel is missing; install it with: apt-get install parallel")
    said = subprocess.run(["parallel", "--version"], capture_output=True, text=True).stdout
    row = Figure("time to the end", AIM)
    for number in range(repeat):
        row.floors.append(floor())
        row.figures.append(ours())
        print(
            f"local {number + 1}/{repeat}: parallel {row.floors[-1]:.1f} s, "
            f"jobmon {row.figures[-1]:.1f} s",
            flush=True,
        )
    return f"""{medians(repeat)} {said.splitlines()[0]}.

{FOLDERS} folders × {EACH} jobs that need nothing, `--remote local --maxqsub {SLOTS} --interval 1`.
The floor is `parallel -j{SLOTS}`, each job in its folder by `sh`.

{figures_table([row])}"""


def tree(root: Path) -> Path:
    return make(root, FOLDERS, EACH, chained=False)


def floor() -> float:
    """Seconds of GNU parallel for the same jobs."""
    with fresh("local") as where:
        root = tree(where.tmp / "floor")
        jobs = "".join(f"{root}/{p.name}/qsub.{id}\n" for p in root.iterdir() for id in range(EACH))
        words = ["parallel", f"-j{SLOTS}", "cd {//} && sh {/}"]
        begun = time.monotonic()
        subprocess.run(words, input=jobs, text=True, check=True)
        taken = time.monotonic() - begun
        whole(root)
    return taken


def ours() -> float:
    """Seconds of jobmon."""
    with fresh("local") as where:
        tree(where.tmp / "L/init")
        return jobmon(where, "--maxqsub", str(SLOTS), "--interval", "1")


def whole(root: Path) -> None:
    """Exit unless each job has left its marker."""
    if (found := len(list(root.glob("*/qsub.finished.*")))) != FOLDERS * EACH:
        sys.exit(f"{found} markers of {FOLDERS * EACH}")
