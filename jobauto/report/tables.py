"""A report for programs: CSV and JSON with the same columns, a row a job."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import asdict

from jobauto.report.gather import Report, Row
from jobauto.report.history import Try
from jobauto.report.slots import steps
from jobauto.report.times import iso

NOTE = (
    "Local times. ready: end of the last job that it needs, or start of the run. submitted: the "
    "scheduler took it (last attempt). ended: its end was seen. When a job began to run is not "
    "recorded: seconds_in_queue is waiting in the queue and running. Empty: not known."
)

COLUMNS = (
    "job folder id state reason blocked_by attempts jobid queue_says ready submitted ended "
    "seconds_before_submission seconds_in_queue"
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
        "ended": iso(row.ended),
        "seconds_before_submission": _whole(row.before),
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
    times = {"sent": iso(one.sent), "taken": iso(one.taken), "ended": iso(one.ended)}
    return {k: v for k, v in asdict(one).items() if k not in times} | times
