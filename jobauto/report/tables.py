"""A report for programs: CSV and JSON with the same columns, a row a job."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import asdict

from jobauto.ledger.tries import Try
from jobauto.report.gather import Report, Row
from jobauto.report.slots import steps
from jobauto.report.times import iso

NOTE = (
    "Local times. ready: end of the last job that it needs, or start of the run. submitted: the "
    "scheduler took it (last attempt). running: the first look in which the queue said so. ended: "
    "its end was seen. seconds_waiting: submitted to running. seconds_running: running to ended. "
    "seconds_in_queue: both together, known also of a job that no look saw run. Times are as fine "
    "as the looks follow one another. Empty: not known."
)

COLUMNS = (
    "job folder id state reason blocked_by attempts jobid queue_says ready submitted running "
    "ended seconds_before_submission seconds_waiting seconds_running seconds_in_queue"
).split()


def columns(row: Row) -> dict[str, object]:
    """One job; None is what is not known."""
    return {
        "job": row.job.name,
        "folder": row.job.folder,
        "id": row.job.id,
        "state": row.state.word,
        "reason": row.reason,
        "blocked_by": row.culprit,
        "attempts": len(row.tries),
        "jobid": row.jobid,
        "queue_says": row.queued,
        "ready": iso(row.ready),
        "submitted": iso(row.submitted),
        "running": iso(row.running),
        "ended": iso(row.ended),
        "seconds_before_submission": _whole(row.before),
        "seconds_waiting": _whole(row.waited),
        "seconds_running": _whole(row.ran),
        "seconds_in_queue": _whole(row.in_queue),
    }


def _whole(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds)


def as_csv(report: Report) -> str:
    """A line of names, then a line a job."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(columns(row) for row in report.rows)
    return out.getvalue()


def as_json(report: Report) -> str:
    """The run, and for each job what CSV has and every attempt."""
    data = {
        "run": report.title,
        "scheduler": report.scheduler,
        "begun": iso(report.begin),
        "as_of": iso(report.as_of),
        "is": report.where(),
        "note": NOTE,
        "counts": {state.word: number for state, number in report.status.counts().items()},
        "slots": [{"from": iso(at), "used": used} for at, used in steps(report)],
        "jobs": [
            {**columns(row), "tries": [_attempt(one) for one in row.tries]} for row in report.rows
        ],
    }
    return json.dumps(data, indent=1) + "\n"


def _attempt(one: Try) -> dict[str, object]:
    found = asdict(one)
    times = {key: iso(found.pop(key)) for key in ("sent", "taken", "running", "ended")}
    return found | times
