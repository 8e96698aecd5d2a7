"""The runs of a person on this machine: a list of folders, each noted when its monitor starts."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from platformdirs import user_state_path

from jobauto.run import is_run


def folder() -> Path:
    """Where what belongs to no single run is kept for this person."""
    return user_state_path("jobauto")


def tasks() -> str:
    """The URL of the person's own database of shared tasks."""
    return f"sqlite:///{folder() / 'tasks.db'}"


def _file() -> Path:
    return folder() / "runs"


def note(place: Path) -> None:
    """Note a run folder. That it cannot be noted is no reason not to run."""
    line = os.fsencode(f"{place}\n")
    with contextlib.suppress(OSError):
        path = _file()
        if path.is_file() and line in path.read_bytes().splitlines(keepends=True):
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "ab") as file:
            file.write(line)


def runs() -> list[Path]:
    """The run folders that are still there, the last noted first."""
    try:
        lines = _file().read_bytes().splitlines()
    except OSError:
        return []
    found = dict.fromkeys(Path(os.fsdecode(line)) for line in reversed(lines))
    return [place for place in found if is_run(place)]
