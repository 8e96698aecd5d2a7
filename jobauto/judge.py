"""All transitions of a job in flight, in one pure function: (entry, look, dialect) -> verdict.

| known of the attempt        | seen                                    | verdict              |
|-----------------------------|-----------------------------------------|----------------------|
| JOBID                       | marker                                  | finished             |
| JOBID                       | queue names it                          | none, absences to 0  |
| JOBID                       | gone, less than twice                   | none, absences + 1   |
| JOBID                       | gone twice, no marker                   | failed               |
| no JOBID                    | queue shows its token                   | accepted             |
| no JOBID                    | claim holds an answer with a JOBID      | accepted             |
| no JOBID                    | marker written after its claim          | finished             |
| no JOBID                    | no claim                                | none: send it again  |
| no JOBID                    | submitting shell still runs             | none                 |
| no JOBID                    | token not in the queue, less than twice | none, absences + 1   |
| no JOBID, refused: limit    | token not in the queue twice            | put back             |
| no JOBID, refused otherwise | token not in the queue twice            | failed               |
| no JOBID, no clear answer   | token not in the queue twice            | unsure               |

No clear answer: none at all, one without a JOBID, or a command that hung and was ended.
"""

from __future__ import annotations

from dataclasses import dataclass

from jobauto import quoting
from jobauto.ledger import Entry
from jobauto.model import Claim, Ending, Seen
from jobauto.schedulers import Dialect

TIMED_OUT = 124  # what timeout(1) exits with
PROOF = 2  # trustworthy looks without the job that make it gone


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is now known of an attempt: `what` is accepted (with `detail` its JOBID), finished,
    failed, unsure (with a reason), putback, or '' for nothing new."""

    what: str = ""
    detail: str = ""
    absences: int = 0


def judge(entry: Entry, seen: Seen, dialect: Dialect, absences: int) -> Verdict:
    """The verdict on an entry in flight after one more look; `absences` counts earlier ones."""
    if entry.jobid:
        return _submitted(entry, seen, absences)
    return _doubtful(entry, seen, dialect, absences)


def _submitted(entry: Entry, seen: Seen, absences: int) -> Verdict:
    if entry.job.marker in seen.there:
        return Verdict("finished")
    if entry.jobid in seen.queue:
        return Verdict()
    if entry.job.marker not in seen.missing or absences + 1 < PROOF:
        return Verdict(absences=absences + 1)
    return Verdict("failed", reason(seen.endings.get(entry.jobid, Ending())))


def _doubtful(entry: Entry, seen: Seen, dialect: Dialect, absences: int) -> Verdict:
    assert entry.attempt
    claim = seen.claims.get(entry.attempt.token)
    jobid = seen.by_token(entry.attempt.token)
    if jobid:
        return Verdict("accepted", jobid)
    if claim is None:
        return Verdict(absences=absences)
    jobid = accepted(claim, dialect)
    if jobid:
        return Verdict("accepted", jobid)
    if claim.begun and entry.job.marker in seen.there:
        return Verdict("finished")
    if (claim.alive and not claim.answered) or not seen.tokens_known:
        return Verdict(absences=absences)
    if absences + 1 < PROOF:
        return Verdict(absences=absences + 1)
    return _given_up(claim, dialect)


def _given_up(claim: Claim, dialect: Dialect) -> Verdict:
    said = claim.err + claim.out
    if not claim.answered:
        return Verdict("unsure", "submission-cut-off")
    if claim.exit_code == 0:
        return Verdict("unsure", quoting.slug(f"no JOBID in: {said}"))
    if dialect.lost.search(said) or dialect.limit.search(said):
        return Verdict("putback", quoting.slug(said))
    if claim.exit_code == TIMED_OUT:
        return Verdict("unsure", "no-answer-in-time")
    return Verdict("failed", quoting.slug(f"refused: {said}"))


def accepted(claim: Claim, dialect: Dialect) -> str | None:
    """The JOBID in the answer kept in a claim. An answer with an error status is in doubt."""
    if claim.exit_code != 0:
        return None
    return dialect.jobid(claim.out)


def reason(ending: Ending) -> str:
    """Why a job failed, as one word: what the scheduler tells, else that there is no marker."""
    parts = [ending.reason] if ending.reason else []
    if ending.exit_code is not None:
        parts.append(f"exit {ending.exit_code}")
    if ending.exit_code == 0 or not parts:
        parts.append("no marker")
    return quoting.slug(", ".join(parts))
