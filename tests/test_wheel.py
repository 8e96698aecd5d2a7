"""What pip would install holds everything: commands, templates, and nothing else."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from places import ROOT


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    return zipfile.ZipFile(next(folder.glob("*.whl")))


def test_the_wheel_holds_the_templates(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    wheel.extractall(tmp_path)
    code = "from jobauto.templates import list_templates as l; print(*(t.name for t in l()))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    names = ["demo", "ecalj", "gi", "netmc", "runlist", "triangle_raft"]
    assert done.stdout.split() == names, done.stderr


def test_the_wheel_has_both_commands_and_only_its_package(wheel: zipfile.ZipFile) -> None:
    points = next(n for n in wheel.namelist() if n.endswith("entry_points.txt"))
    text = wheel.read(points).decode()
    assert "jobmon = jobauto.cli.jobmon:main" in text
    assert "jobauto = jobauto.cli.main:main" in text
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"jobauto"}


def test_the_wheel_holds_the_steps_of_the_database(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    wheel.extractall(tmp_path)
    code = """import jobauto.claims as c, sys
assert c.__file__.startswith(sys.argv[1]), c.__file__
print(c.Database(f"sqlite:///{sys.argv[1]}/tasks.db").upgrade(), len(c.progress(
    c.Database(f"sqlite:///{sys.argv[1]}/tasks.db"), "T")))"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.stdout == "None 0\n", done.stderr


def test_without_its_packages_jobmon_says_what_to_do(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-S", "-E", str(ROOT / "jobmon.py")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "is not installed\n  -> run: make install" in done.stderr
