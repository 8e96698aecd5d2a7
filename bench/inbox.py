"""Kills the monitor of an inbox again and again while folders arrive, and counts.

Folders arrive in a real inbox, some packed up, some copied slowly, while its monitor is started and
killed with -9 at random moments. Each job appends its name to a file outside of all folders. A last
monitor finishes; then what ran, what came back, and the scheduler's own list are compared. Writes
its section of bench/RESULTS.md.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sys
import tarfile
import tempfile
import threading
import time
from collections import Counter
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

import inboxes  # noqa: E402
import results  # noqa: E402
from filelock import FileLock  # noqa: E402
from places import LAB, Place, lab_is_up, place  # noqa: E402

HEAD = ["place", "folders", "kills", "scripts ran", "came back", "doubled", "lost", "torn", "time"]


@dataclass
class Tally:
    """What was seen in one place."""

    place: str
    folders: int
    kills: int = 0
    runs: Counter[str] = field(default_factory=Counter)
    back: list[str] = field(default_factory=list)
    torn: int = 0  # came back without what they wrote, or were taken before they were whole
    seconds: float = 0.0

    @property
    def doubled(self) -> int:
        return sum(number - 1 for number in self.runs.values())

    @property
    def lost(self) -> int:
        return self.folders - min(len(set(self.back)), len(self.runs))

    def row(self) -> list[str]:
        numbers = [self.folders, self.kills, self.runs.total(), len(self.back)]
        numbers += [self.doubled, self.lost, self.torn]
        return [self.place, *map(str, numbers), f"{self.seconds:.0f} s"]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--folders", type=int, default=200)
    options.add_argument("--kills", type=int, default=50)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--places", nargs="+", default=["local", "slurm"])
    chosen = options.parse_args()
    if set(chosen.places) - {"local", "mirror"} and not lab_is_up():
        sys.exit("the lab is down; start it with: make lab")
    # nobody else may use the lab meanwhile
    alone = FileLock(LAB / "tests.lock", timeout=3600) if LAB.is_dir() else nullcontext()
    with alone:
        tallies = [measure(name, chosen) for name in chosen.places]
    write(tallies, chosen)
    if any(t.doubled or t.lost or t.torn for t in tallies):
        sys.exit("jobs were doubled, lost or torn")


def measure(name: str, chosen: argparse.Namespace) -> Tally:
    """All folders and all kills in one place, then the counting."""
    tally, dice = Tally(name, chosen.folders), random.Random(f"{chosen.seed} {name}")
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, place(name, Path(folder)) as where:
        Path(folder).chmod(0o755)
        root, runs = where.tmp / "jobs", where.tmp / "ran" / "runs"
        runs.parent.mkdir()
        runs.parent.chmod(0o777)
        done = where.jobauto("inbox", "--root", str(root), "--setup")
        assert done.returncode == 0, done.stderr
        names = [f"n{number:03}" for number in range(chosen.folders)]
        arriving = threading.Thread(target=arrive, args=(where, root, names, runs, dice))
        arriving.start()
        while tally.kills < chosen.kills:
            kill(where, root, dice)
            tally.kills += 1
            if tally.kills % 10 == 0:
                print(f"{name}: {tally.kills} kills", flush=True)
        arriving.join()
        last = inboxes.start(where, root, "--once", "--maxjobs", "16")
        out, err = last.communicate(timeout=900)
        assert last.returncode == 0, out + err
        tally.runs = Counter(runs.read_text().split())
        tally.back = [n.removesuffix(".tar.gz") for n in os.listdir(root / "completed")]
        tally.torn = sum(not whole(root / "completed", each) for each in names)
    tally.seconds = time.monotonic() - begun
    return tally


def arrive(where: Place, root: Path, names: list[str], runs: Path, dice: random.Random) -> None:
    """Put folders into the inbox: at once, slowly, or packed up."""
    source = where.tmp / "source"
    (source / "inbox").mkdir(parents=True)
    for name in names:
        inboxes.put(source, name, runs, dice.uniform(0, 1), "ls >seen\n")
        made, kind = source / "inbox" / name, dice.choice(["moved", "slowly", "packed"])
        if kind == "moved":
            os.rename(made, root / "inbox" / name)
        elif kind == "packed":
            with tarfile.open(root / "inbox" / f"{name}.tar.gz", "w:gz") as tar:
                tar.add(made, name)
        else:
            target = root / "inbox" / name
            target.mkdir()
            for file in ("job.sh", "input"):
                shutil.copy(made / file, target / file)
                time.sleep(0.3)
        time.sleep(dice.uniform(0, 0.5))


def kill(where: Place, root: Path, dice: random.Random) -> None:
    """One monitor, killed at a random moment; its ssh connection may outlive it."""
    process = inboxes.start(where, root, "--maxjobs", "16")
    time.sleep(dice.uniform(0.2, 4))
    assert process.poll() is None, process.communicate()
    process.kill()
    process.communicate()


def whole(completed: Path, name: str) -> bool:
    """Whether a folder came back with its input, which the job saw, and its result."""
    packed = completed / f"{name}.tar.gz"
    if packed.exists():
        with tarfile.open(packed) as tar:
            texts = {m.name: tar.extractfile(m) for m in tar.getmembers() if m.isfile()}
            seen, result = texts.get(f"{name}/seen"), texts.get(f"{name}/result")
            return bool(seen and result and b"input" in seen.read())
    seen_here = completed / name / "seen"
    there = (completed / name / "result").exists() and seen_here.exists()
    return there and "input" in seen_here.read_text().split()


def write(tallies: list[Tally], chosen: argparse.Namespace) -> None:
    results.put(
        "The monitor of an inbox killed while folders arrive",
        f"""{results.origin("make inbox-rounds")} Seed {chosen.seed}.

Folders are moved into the inbox, copied slowly, or put there packed up, while the monitor is
started and killed with -9 0.2 to 4 s later (`--period 0.3 --settle 0.5 --maxjobs 16`). Slurm is
reached over ssh. Came back: folders and archives in `completed/`. Torn: came back without the
result, or were taken before they were whole.

{results.table([HEAD, *(t.row() for t in tallies)])}
""",
    )


if __name__ == "__main__":
    main()
