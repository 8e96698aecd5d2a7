"""The trials find each safeguard that is taken away: see mutants.py, and DESIGN.md for why."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from mutants import HISTORIES, MUTANTS, Mutant
from test_histories import NUMBER, trials

import jobauto

PACKAGE = Path(jobauto.__file__).parent
HERE = Path(__file__).parent
PARTS = sorted({mutant.trial for mutant in MUTANTS} - {HISTORIES})


def one_test(name: str, package: Path) -> subprocess.CompletedProcess[str]:
    """Run one test against the package in a folder."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-x", "-p", "no:cacheprovider", str(HERE / name)],
        cwd=package,  # `-m` puts it first in the path
        env={**os.environ, "PYTHONPATH": str(package)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_safeguard_that_is_gone_is_found(mutant: Mutant, tmp_path: Path) -> None:
    mutant.make(PACKAGE, tmp_path)
    if mutant.trial == HISTORIES:
        # what is rare takes more of them to be found than to be tried each time
        done = trials("--number", str(3 * NUMBER), "--stop", package=tmp_path)
        assert "histories, " in done.stdout, done.stdout
    else:
        done = one_test(mutant.trial, tmp_path)
        assert " failed" in done.stdout, done.stdout
    assert done.returncode == 1, done.stdout
    print(done.stdout)


@pytest.mark.parametrize("name", PARTS)
def test_with_all_safeguards_the_same_test_passes(name: str) -> None:
    assert one_test(name, PACKAGE.parent).returncode == 0


def test_the_table_in_the_design_names_every_mutant() -> None:
    design = (HERE.parent / "DESIGN.md").read_text()
    missing = [mutant.name for mutant in MUTANTS if f"| {mutant.name} |" not in design]
    assert not missing
