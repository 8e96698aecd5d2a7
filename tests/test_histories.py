"""Random histories: whatever goes wrong, nothing is lost and nothing runs twice (see trials.py)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import jobauto

TRIALS = Path(__file__).with_name("trials.py")
NUMBER = int(os.environ.get("JOBAUTO_HISTORIES", "2000"))


def trials(*options: str, package: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run trials.py on a copy of the package (or this one); the folder that holds it."""
    root = package or Path(jobauto.__file__).parent.parent
    environment = {**os.environ, "PYTHONPATH": str(root), "PYTHONHASHSEED": "0"}
    return subprocess.run(
        [sys.executable, str(TRIALS), *options],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
    )


def test_nothing_is_lost_and_nothing_runs_twice_whatever_happens() -> None:
    done = trials("--number", str(NUMBER))
    if done.returncode:
        seed = done.stdout.partition("seed ")[2].partition(":")[0]
        done.stdout += trials("--seed", seed).stdout
    assert done.returncode == 0, done.stdout


def test_a_seed_replays_its_history() -> None:
    first, second = (trials("--seed", "7").stdout for _ in range(2))
    assert "the monitor starts" in first
    assert first == second
