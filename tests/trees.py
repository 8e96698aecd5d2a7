"""Writing small trees of files for tests."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from jobauto import run as runs
from jobauto.copying import copied
from jobauto.settings import Settings
from jobauto.tree import Tree

MARK = "\ndate > qsub.finished.{}\n"


def make(root: Path, files: Mapping[str, str]) -> Path:
    """Write `files` (path below `root` to text); returns `root`."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def create(chosen: Settings, run: runs.Run, found: Tree) -> None:
    """The dated folder, as a start makes it."""
    with copied(chosen.ldir / "init", run.folder, found.jobs.keys()):
        runs.create(chosen, run, found)


def job(text: str, number: str = "0") -> str:
    """A script that both schedulers take, with its marker as the last act."""
    return f"#!/bin/sh\nset -e\necho run >> ran.{number}\n{text}{MARK.format(number)}"


def sleepers(root: Path, number: int, seconds: float | str) -> Path:
    """`number` folders with two chained jobs of so many seconds."""
    return make(
        root,
        {f"s{n}/qsub.{i}": job(f"sleep {seconds}", str(i)) for n in range(number) for i in range(2)}
        | {f"s{n}/qsub.dependency.0": "" for n in range(number)}
        | {f"s{n}/qsub.dependency.1": "qsub.finished.0\n" for n in range(number)},
    )
