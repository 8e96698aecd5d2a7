"""The run that a verb is about."""

from __future__ import annotations

from pathlib import Path

from jobauto.errors import UserError
from jobauto.run import is_run, runs_in


def chosen_run(folder: Path) -> Path:
    """The run meant by a folder: itself, the run it lies in, or the newest one of a project."""
    start = folder.absolute()
    for place in (start, *start.parents):
        if is_run(place):
            return place
    runs = runs_in(folder)
    if not runs:
        hint = "name LDIR or LDIR/<date>, as jobmon.py printed it"
        raise UserError("no run here", str(folder), hint)
    return runs[-1]
