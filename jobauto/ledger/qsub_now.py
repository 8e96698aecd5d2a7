"""The file `qsub.now`: the jobs that the queue names, with their JOBIDs, for the script `kill`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from jobauto import quoting
from jobauto.ledger import files
from jobauto.model import Job


def write(path: Path, jobs: Iterable[tuple[Job, str]]) -> None:
    """Write these jobs and JOBIDs, unless they stand there already."""
    text = "".join(f"{quoting.word(j.id)} {i} ! {quoting.word(j.name)}\n" for j, i in jobs)
    if not path.exists() or files.read(path) != text:
        files.replace(path, text, durable=False)
