"""The folders of an inbox, the files that stand in each job's folder, and which names can be."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from jobauto.errors import UserError
from jobauto.model import Job, stamp
from jobauto.tree import ENDED, OWN_FILES

__all__ = ["ARCHIVE", "ENDED", "ERROR", "HELPERS", "ID", "OUTPUT", "SCRIPT", "Places", "odd"]

SCRIPT = "job.sh"
ERROR = "job_error.txt"
OUTPUT = "job_output.txt"
ID = "job"  # of the one job in each folder: qsub.job
ARCHIVE = ".tar.gz"
ARCHIVED = "qsub.archive.job"  # stands in what came as an archive
# what is left of an earlier time if somebody puts a folder from completed/ into the inbox again
HELPERS = ("qsub.job", "qsub.finished.job", ENDED, ARCHIVED, ERROR)
LONGEST = 200  # bytes; dates and endings are put behind it
_DATED = re.compile(r"(.+)\.\d{8}_\d{6}(?:\.\d+)?")


@dataclass(frozen=True, slots=True)
class Places:
    """The three folders below `root` (absolute)."""

    root: Path

    @property
    def inbox(self) -> Path:
        return self.root / "inbox"

    @property
    def pending(self) -> Path:
        return self.root / "pending"

    @property
    def completed(self) -> Path:
        return self.root / "completed"

    @property
    def all(self) -> tuple[Path, Path, Path]:
        return self.inbox, self.pending, self.completed

    def setup(self) -> None:
        """Make what is not there."""
        for folder in self.all:
            folder.mkdir(parents=True, exist_ok=True)

    def check(self) -> None:
        """UserError unless all three are there, on one file system."""
        for folder in self.all:
            if not folder.is_dir():
                hint = f"make it with: jobauto inbox --root {self.root} --setup"
                raise UserError("there is no such folder", str(folder), hint)
        if len({folder.stat().st_dev for folder in self.all}) > 1:
            hint = "folders are renamed from one into the next, which works within one only"
            raise UserError(
                "inbox, pending and completed are on several disks", str(self.root), hint
            )

    def free(self, name: str, ending: str, now: float) -> str:
        """A name in completed/ that nothing has: a date is put behind one that is taken."""
        found, number = f"{name}{ending}", 0
        while os.path.lexists(self.completed / found):
            found = f"{name}.{stamp(now)}{f'.{number}' if number else ''}{ending}"
            number += 1
        return found


def job_of(name: str) -> Job:
    """The job of a folder."""
    return Job(name, ID)


def plain(name: str) -> str:
    """What a name in completed/ was in the inbox: without a date and without `.tar.gz`."""
    name = name.removesuffix(ARCHIVE)
    dated = _DATED.fullmatch(name)
    return dated[1] if dated else name


def odd(name: str) -> str:
    """Why a folder of this name (without `.tar.gz`) is not taken, or ''."""
    try:
        size = len(name.encode("utf-8"))
    except UnicodeEncodeError:
        return "the name is not UTF-8"
    if not name or not name.isprintable():
        return "control characters in the name"
    if name[0] in ".-":
        return f"the name begins with {name[0]!r}"
    if size > LONGEST:
        return f"the name is too long (at most {LONGEST} bytes)"
    return "this name belongs to the monitor's own files" if name in OWN_FILES else ""
