"""Shared tasks: who works on which job, in a database that several people's monitors use.

A job of a task is one row. Its state goes

    free -> claimed -> submitting -> submitted -> finished, skipped, failed, killed, unsure

A holder *takes* jobs, and may only then prepare them; it says *submitting* before it hands them in,
and *submitted* with the JOBID after. Until it said submitting, a claim falls back to whoever takes
it next once its lease has passed; from then on never by itself, as it may be in a queue. Each
claim has a token, and every change names it: where the token is another's by now, nothing changes,
and the holder is told who has the job (`Lost`).
"""

from jobauto.errors import UserError

try:
    import sqlalchemy as _needed  # noqa: F401
except ImportError:
    raise UserError("--db: SQLAlchemy is not installed", hint="pip install 'jobauto[db]'") from None

from jobauto.claims.database import Database
from jobauto.claims.holding import Held, Holder, Lost, Mine, Record, Standing
from jobauto.claims.listing import held, records
from jobauto.claims.tally import (
    Overview,
    Share,
    Summary,
    Tally,
    known,
    overview,
    progress,
    summaries,
    worst_first,
)
from jobauto.claims.task import Task

__all__ = [
    "Database",
    "Held",
    "Holder",
    "Lost",
    "Mine",
    "Overview",
    "Record",
    "Share",
    "Standing",
    "Summary",
    "Tally",
    "Task",
    "held",
    "known",
    "overview",
    "progress",
    "records",
    "summaries",
    "worst_first",
]
