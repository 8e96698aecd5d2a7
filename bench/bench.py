"""Times the main job against its floor, both in one run, and writes that to bench/RESULTS.md.

Workload: 168 materials in chains of three jobs (template ecalj, stand-in programs) over ssh to the
lab. Floor: one ssh session that hands all chains to the scheduler with its own dependencies, no
monitor at all. Ratios are what counts; seconds depend on the machine.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

import results  # noqa: E402
from filelock import FileLock  # noqa: E402
from materials import STANDINS, poscars  # noqa: E402
from places import LAB, Place, lab_is_up, place, scheduler_calls  # noqa: E402

from jobauto import run, tree  # noqa: E402
from jobauto.templates import instantiate  # noqa: E402

IDS = ("0", "1", "band")
AIM = 2.0
CHAIN = {
    "slurm": "sbatch --parsable {after} {script}",
    "sge": "qsub -terse -cwd {after} {script}",
}
AFTER = {"slurm": "--dependency=afterok:$last", "sge": "-hold_jid $last"}
VERSION = {"slurm": "sbatch --version", "sge": "qstat -help | head -n 1"}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--repeat", type=int, default=3, help="runs of each kind (default 3)")
    options.add_argument("--schedulers", nargs="+", default=["slurm", "sge"])
    chosen = options.parse_args()
    if not lab_is_up():
        sys.exit("the lab is down; start it with: make lab")
    with FileLock(LAB / "tests.lock", timeout=3600):  # nobody else may use the lab meanwhile
        write([measure(name, chosen.repeat) for name in chosen.schedulers], chosen.repeat)


def measure(scheduler: str, repeat: int) -> list[str]:
    """One line of the table: medians of floor and monitor, taken in turn."""
    floors, monitors = [], []
    counted = ""
    for number in range(repeat):
        floors.append(once(scheduler, floor))
        before = scheduler_calls()
        monitors.append(once(scheduler, monitor))
        calls = scheduler_calls() - before
        counted = ", ".join(f"{n} {program}" for program, n in sorted(calls.items()))
        print(
            f"{scheduler} {number + 1}/{repeat}: floor {floors[-1]:.1f} s, "
            f"jobmon {monitors[-1]:.1f} s ({counted})",
            flush=True,
        )
    low, high = statistics.median(floors), statistics.median(monitors)
    version = subprocess.run(
        [*_ssh(scheduler), VERSION[scheduler]], capture_output=True, text=True
    ).stdout.strip()
    ratio = high / low
    return [version, f"{low:.1f} s", f"{high:.1f} s", f"{ratio:.2f}", f"≤ {AIM}", counted]


def once(scheduler: str, kind: Callable[[Place, Path, list[str]], float]) -> float:
    """Seconds for one run of a kind, in fresh folders here and there."""
    with tempfile.TemporaryDirectory() as folder, place(scheduler, Path(folder)) as where:
        tmp = Path(folder)
        shutil.copytree(STANDINS, where.folder / "standins")
        subprocess.run(["chown", "-R", "hpc", str(where.folder)], check=True)
        instantiate("ecalj", tmp / "L", poscars(tmp / "poscars"), {"iterations": "1"})
        options = ["--binpath", str(where.folder / "standins"), "--maxcore", "1"]
        return kind(where, tmp / "L", [*options, "--pythonpath", "/usr/bin/python3"])


def monitor(where: Place, ldir: Path, options: list[str]) -> float:
    """jobmon.py from its start to its end: copy, transfer, all jobs, results."""
    begun = time.monotonic()
    done = where.jobmon(ldir, *options, "--maxqsub", "64", "--interval", "1")
    if done.returncode != 0:
        sys.exit(f"the run failed:\n{done.stdout[-2000:]}\n{done.stderr}")
    return time.monotonic() - begun


def floor(where: Place, ldir: Path, options: list[str]) -> float:
    """One ssh session that submits everything; the tree is there already, scripts filled in."""
    there = where.folder / "floor"
    shutil.copytree(ldir / "init", there)
    values = {"binpath": options[1], "maxcore": "1", "pythonpath": options[5]}
    fill = tree.Filler(values, str(there))
    for job in run.check(ldir / "init")[0].jobs.values():
        fill.fill(there, job)
    subprocess.run(["chown", "-R", "hpc", str(there)], check=True)
    folders = sorted(p.name for p in there.iterdir())
    begun = time.monotonic()
    script = "\n".join(_chain(where.scheduler, there / name) for name in folders)
    subprocess.run(
        [*_ssh(where.scheduler), "sh -es"],
        input=script,
        text=True,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    while sum((there / name / "qsub.finished.band").exists() for name in folders) < len(folders):
        time.sleep(0.1)
    return time.monotonic() - begun


def _chain(scheduler: str, folder: Path) -> str:
    lines, after = [f"cd {folder}"], ""
    for job in IDS:
        command = CHAIN[scheduler].format(after=after, script=f"qsub.{job}")
        lines.append(f"last=$({command})")
        after = AFTER[scheduler]
    return "\n".join(lines)


def _ssh(scheduler: str) -> list[str]:
    config = Path(os.environ.get("JOBAUTO_LAB", "/var/lib/jobauto-lab")) / "ssh_config"
    return ["ssh", "-F", str(config), f"lab-{scheduler}"]


def write(rows: list[list[str]], repeat: int) -> None:
    """The section of bench/RESULTS.md."""
    head = ["scheduler", "floor", "jobmon", "ratio", "aim", "calls in the last run"]
    results.put(
        "168 materials × 3 chained jobs over ssh, `--maxqsub 64 --interval 1`",
        f"""{results.origin("make bench")} Medians of {repeat} runs of each kind, taken in turn.

The floor is one ssh session that submits the same chains with the scheduler's own dependencies;
the tree is there already. jobmon's time is that of the whole program: checks, dated copy,
transfer, every job, results.

{results.table([head, *rows])}
""",
    )


if __name__ == "__main__":
    main()
