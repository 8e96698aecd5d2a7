"""Batches for tests: a tree, its zip, that zip spoilt, and what a folder holds before and after."""

from __future__ import annotations

import json
import os
import subprocess
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from places import cannot

from jobauto.batches.contents import Contents
from jobauto.batches.packing import pack
from jobauto.remote.packing import MEMBER

Snapshot = dict[str, Any]


def packed(tree: Path, target: Path, *outputs: str) -> Contents:
    """The zip `target` of a tree."""
    return pack(tree, target, "20261121_120000", "tests", outputs, ())


def snapshot(folder: Path) -> Snapshot:
    """All that is below a folder: folders, links with their targets, files with their content."""
    return {path.relative_to(folder).as_posix(): _what(path) for path in sorted(folder.rglob("*"))}


def _what(path: Path) -> Any:
    if path.is_symlink():
        return f"-> {os.readlink(path)}"
    return path.read_bytes() if path.is_file() else "folder"


def members(file: Path) -> dict[zipfile.ZipInfo, bytes]:
    """What is in a zip."""
    with zipfile.ZipFile(file) as found:
        return {info: found.read(info) for info in found.infolist()}


def rewrite(
    file: Path,
    change: Callable[[dict[str, Any]], None] = lambda facts: None,
    new: Mapping[str | zipfile.ZipInfo, bytes] = {},
    without: str = "",
) -> None:
    """Make the zip again with its facts changed, with new members, and without one."""
    before = members(file)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
        for info, data in before.items():
            if info.filename == MEMBER:
                facts = json.loads(data)
                change(facts)
                data = json.dumps(facts).encode()
            if info.filename != without:
                made.writestr(info, data)
        for name, data in new.items():
            made.writestr(name, data)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """A disk of so many MiB."""
    folder = tmp_path / "disk"

    def mounted(size: int) -> Path:
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}m,mode=777", "tmpfs", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            folder.rmdir()
            cannot(f"may not mount here: {done.stderr.strip()}")
        return folder

    yield mounted
    if folder.is_dir():
        subprocess.run(["umount", "-l", str(folder)], check=True)
