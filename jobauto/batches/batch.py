"""The batches of a folder: `NAME.zip`, and beside it `NAME/` with the runs that were made of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from jobauto.actions.status import Status, status
from jobauto.batches.contents import Contents
from jobauto.batches.receiving import received
from jobauto.batches.unpacking import opened
from jobauto.errors import JobautoError, UserError, near
from jobauto.quoting import shown
from jobauto.run import runs_in

SHELF = "batches"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,63}")


@dataclass(frozen=True, slots=True)
class Batch:
    """One batch on a `shelf`, which is a folder of batches."""

    shelf: Path
    name: str

    @property
    def file(self) -> Path:
        return self.shelf / f"{self.name}.zip"

    @property
    def folder(self) -> Path:
        """The project folder of its runs."""
        return self.shelf / self.name

    def contents(self) -> Contents:
        """What is in it; UserError if the zip cannot be read."""
        with opened(self.file) as (_, contents):
            return contents

    def runs(self) -> list[Path]:
        """Its runs, oldest first."""
        return runs_in(self.folder)

    def run(self, date: str | None = None) -> Path:
        """Its newest run, or that of a date; UserError if there is none."""
        runs = self.runs()
        if not runs:
            hint = f"jobauto batch submit {self.name}"
            raise UserError(f"batch {self.name} was never submitted", str(self.file), hint)
        if date is None:
            return runs[-1]
        for folder in runs:
            if folder.name == date:
                return folder
        what = f"batch {self.name} has no run {shown(date)}"
        raise UserError(what, hint=near(date, [folder.name for folder in runs]))


def new(shelf: Path, name: str) -> Batch:
    """A batch that does not exist yet; UserError for a name that cannot be one, or is taken."""
    if not _NAME.fullmatch(name) or name.endswith(".zip"):
        what = f"{shown(name)!r} cannot name a batch"
        raise UserError(what, "-o", "letters, digits and _ . + - (at most 64, no .zip)")
    found = Batch(shelf, name)
    if found.file.exists() or found.folder.exists():
        hint = f"choose another name, or: jobauto batch delete {name}"
        raise UserError(f"there is a batch {name}", str(found.file), hint)
    return found


def find(shelf: Path, name: str) -> Batch:
    """The batch of this name; UserError with near names if there is none."""
    name = name.removesuffix(".zip").rpartition("/")[2]
    known = {batch.name: batch for batch in on_shelf(shelf)}
    if name not in known:
        hint = near(name, known) if known else "make one: jobauto batch create SPEC.toml -o NAME"
        raise UserError(f"there is no batch {shown(name)!r}", str(shelf), hint)
    return known[name]


def on_shelf(shelf: Path) -> list[Batch]:
    """All batches of a folder, by name."""
    files = sorted(shelf.glob("*.zip")) if shelf.is_dir() else []
    return [Batch(shelf, file.stem) for file in files if _NAME.fullmatch(file.stem)]


@dataclass(frozen=True, slots=True)
class Row:
    """A batch as it is listed: jobs (None: its zip cannot be read), how often it was submitted, the
    date of the last time, and the state of that run in a few words.
    """

    name: str
    jobs: int | None
    submitted: int
    last: str
    made: str
    state: str


def rows(shelf: Path) -> list[Row]:
    """All batches: last submitted first, then those that never were, the newest first."""
    found = [_row(batch) for batch in on_shelf(shelf)]
    return sorted(found, key=lambda row: (row.last, row.made, row.name), reverse=True)


def _row(batch: Batch) -> Row:
    runs = batch.runs()
    last = runs[-1].name if runs else ""
    try:
        contents = batch.contents()
        state = state_of(runs[-1]) if runs else "not submitted"
    except JobautoError as error:
        return Row(batch.name, None, len(runs), last, "", error.what)
    return Row(batch.name, contents.jobs, len(runs), last, contents.made, state)


def state_of(folder: Path) -> str:
    """The state of a run in a few words: `running, 12 of 60 done`."""
    here = received(folder)
    if here and here.removed:
        return "received"
    found = status(folder)
    if here:
        return f"{_progress(found)}; received, {'kept' if here.kept else 'being removed'} there"
    return _progress(found) + ("" if found.monitor else "; not received")


def _progress(found: Status) -> str:
    done = sum(state.done for state in found.states.values())
    total = len(found.states)
    bad = sum(state.bad for state in found.states.values())
    failed = f", {bad} failed" if bad else ""
    over = all(state.final for state in found.states.values())
    word = "over" if over else "running" if found.monitor else "stopped"
    return f"{word}, {done} of {total} done{failed}"
