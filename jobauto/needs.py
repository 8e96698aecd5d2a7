"""What a job needs: the lines of its `qsub.dependency.<id>`."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass

from jobauto.errors import UserError
from jobauto.model import Job
from jobauto.quoting import shown


@dataclass(frozen=True, slots=True)
class Need:
    """One line of a dependency file: a file of the run that must exist, or (`absent`) must not."""

    file: str
    line: int
    absent: bool = False


def parse_needs(job: Job, text: str) -> tuple[list[Need], list[UserError]]:
    """The needs in the text of `qsub.dependency.<id>`, and the lines that cannot stand."""
    needs: list[Need] = []
    problems: list[UserError] = []
    for number, line in enumerate(text.split("\n"), 1):
        entry = line.strip()
        if not entry or entry.startswith("#"):
            continue
        absent = entry.startswith(("not ", "not\t"))
        name = entry[4:].strip() if absent else entry
        if "/" in name or name in ("", ".", ".."):
            file = posixpath.normpath(posixpath.join(job.folder, name))
        else:
            file = f"{job.folder}/{name}" if job.folder else name
        if name.startswith("/") or file == ".." or file.startswith("../"):
            what = f"{shown(name)} leaves the run folder"
            hint = "name files relative to the job's folder, inside the tree"
        elif not name.isprintable():
            what, hint = f"odd characters in {shown(name)}", "one file name a line, in UTF-8"
        else:
            needs.append(Need(file, number, absent))
            continue
        problems.append(UserError(what, f"{shown(job.dependency)}:{number}", hint))
    return needs, problems
