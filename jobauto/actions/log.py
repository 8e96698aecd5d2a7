"""What happened: to a run, by its monitor's log; to a job, by all that is written of it."""

from __future__ import annotations

from jobauto.actions.status import Status
from jobauto.actions.why import find
from jobauto.ledger import attempts, files
from jobauto.quoting import shown


def of_run(status: Status, lines: int) -> list[str]:
    """The last lines of jobmon.log."""
    path = status.run.folder / "jobmon.log"
    text = files.read(path) if path.exists() else ""
    return text.splitlines()[-lines:] if lines else []


def of_job(status: Status, name: str) -> list[str]:
    """The lines of qsub.log about a job, and its line in quelist; UserError if it is unknown."""
    name = find(status, name)
    logged = attempts.lines(status.run.folder / "qsub.log")
    found = [line.text(date).rstrip("\n") for date, line in logged if line.name == name]
    entry = status.entries.get(name)
    said = [f"quelist: {' '.join(map(str, entry.words)) or 'no word yet'}"] if entry else []
    return [*map(shown, found), *said]
