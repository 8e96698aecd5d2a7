"""Chains of jobs that do nothing: through jobmon, and through the scheduler's own dependencies."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from places import LAB, Place, place

CHAINS, LENGTH = 100, 5
OPTIONS = ("--maxqsub", "64", "--interval", "1")
LIMIT = 900.0  # seconds; what takes longer has failed
NOTHING = "#!/bin/sh\ntouch qsub.finished.{}\n"
_SUBMIT = {
    "slurm": "sbatch --parsable {after} {script}",
    "sge": "qsub -terse -cwd {after} {script}",
}
_AFTER = {"slurm": "--dependency=afterok:$last", "sge": "-hold_jid $last"}
# Removes all folders at the end: ext4 without a journal passes over inodes removed in the last
# minutes one by one (recently_deleted in fs/ext4/ialloc.c), so new files take ten times longer.
LATER = ExitStack()
_VERSION = {"slurm": "sbatch --version", "sge": "qstat -help | head -n 1"}


def make(
    root: Path,
    chains: int = CHAINS,
    length: int = LENGTH,
    script: Callable[[int, int], str] = lambda _, id: NOTHING.format(id),
    chained: bool = True,
) -> Path:
    """An init tree at `root`; `script(chain, id)` is the text of a job."""
    for chain in range(chains):
        folder = root / name(chain)
        folder.mkdir(parents=True)
        for id in range(length):
            (folder / f"qsub.{id}").write_text(script(chain, id))
            needs = f"qsub.finished.{id - 1}\n" if chained and id else ""
            (folder / f"qsub.dependency.{id}").write_text(needs)
    return root


def name(chain: int) -> str:
    return f"c{chain:04}"


@contextmanager
def fresh(host: str) -> Iterator[Place]:
    """A place with empty folders; that on a host of the lab belongs to its user."""
    folder = LATER.enter_context(tempfile.TemporaryDirectory())
    with place(host, Path(folder), LATER) as where:
        if where.mirrored:
            where.folder.mkdir(parents=True)
            owned(where.folder.parent)
        yield where


def jobmon(where: Place, *options: str) -> float:
    """Seconds of the whole program: checks, dated copy, transfer, every job, results."""
    ldir = where.tmp / "L"
    begun = time.monotonic()
    process = where.start(ldir, *(options or OPTIONS))
    out, err = process.communicate(timeout=LIMIT)
    taken = time.monotonic() - begun
    if process.returncode != 0:
        sys.exit(f"the run failed:\n{out[-2000:]}\n{err[-2000:]}")
    return taken


def floor(where: Place, chains: int = CHAINS, length: int = LENGTH) -> float:
    """Seconds for one ssh session that submits all; the tree is there already."""
    there = make(where.folder / "floor", chains, length)
    owned(where.folder)
    text = "".join(_chain(where.scheduler, there / name(n), length) for n in range(chains))
    begun = time.monotonic()
    words = [*ssh(where.remote), "sh -es"]
    subprocess.run(words, input=text, text=True, check=True, stdout=subprocess.DEVNULL)
    until_done([there / name(n) for n in range(chains)], length)
    return time.monotonic() - begun


def _chain(scheduler: str, folder: Path, length: int) -> str:
    lines, after = [f"cd {folder}"], ""
    for id in range(length):
        lines.append(f"last=$({_SUBMIT[scheduler].format(after=after, script=f'qsub.{id}')})")
        after = _AFTER[scheduler]
    return "\n".join([*lines, ""])


def until_done(folders: list[Path], length: int, chained: bool = True) -> None:
    """Wait for the last marker of each folder, or for all of them."""
    ids = [length - 1] if chained else range(length)
    left = [folder / f"qsub.finished.{id}" for folder in folders for id in ids]
    end = time.monotonic() + LIMIT
    while left := [marker for marker in left if not marker.exists()]:
        if time.monotonic() > end:
            sys.exit(f"{len(left)} jobs did not end in {LIMIT:.0f} s")
        time.sleep(0.05)


def owned(folder: Path) -> None:
    """Let the lab's user write there."""
    subprocess.run(["chown", "-R", "hpc", str(folder)], check=True)


def ssh(remote: str) -> list[str]:
    return ["ssh", "-F", str(LAB / "ssh_config"), remote]


def versions(scheduler: str) -> str:
    """Of what a run goes through."""
    said = subprocess.run(
        [*ssh(f"lab-{scheduler}"), _VERSION[scheduler]], capture_output=True, text=True
    ).stdout.strip()
    client = subprocess.run(["ssh", "-V"], capture_output=True, text=True).stderr.split(",")[0]
    rsync = subprocess.run(["rsync", "--version"], capture_output=True, text=True).stdout.split()
    return f"{said}, {client}, rsync {rsync[2]}"
