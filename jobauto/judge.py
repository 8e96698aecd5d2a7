"""All transitions of a job in flight, in one pure function: (entry, look, dialect) -> verdict.

| known of the attempt        | seen                                     | verdict              |
|-----------------------------|------------------------------------------|----------------------|
| JOBID                       | marker                                   | finished             |
| JOBID                       | queue names it, with our token or none   | none                 |
| JOBID                       | gone, less than twice                    | none, one absence    |
| JOBID                       | gone twice, scheduler says: ended badly  | failed               |
| JOBID                       | gone twice and for `Patience.marker`     | failed               |
| JOBID, handed in ahead      | gone twice, and can never begin          | early                |
| no JOBID                    | queue shows its token                    | accepted             |
| no JOBID                    | claim holds an answer with a JOBID       | accepted             |
| no JOBID                    | marker written after its claim           | finished             |
| no JOBID                    | no claim                                 | none: send it again  |
| no JOBID                    | submitting shell still runs              | none                 |
| no JOBID                    | token not in the queue, less than twice  | none, one absence    |
| no JOBID, refused: limit    | token not in the queue twice             | put back             |
| no JOBID, refused otherwise | token not in the queue twice             | failed               |
| the same, handed in ahead   | the same                                 | early                |
| no JOBID, lost on the way   | the same, for `Patience.lost` + `marker` | put back             |
| no JOBID, no clear answer   | the same, and for `Patience.lost`        | unsure               |

Lost on the way: the scheduler's program had trouble to reach the scheduler, which may get its
message yet. No clear answer: none at all, one without a JOBID, or a command that was ended as it
hung. Early: put back, until all that it needs is there.
"""

from __future__ import annotations

from dataclasses import dataclass

from jobauto import quoting
from jobauto.ledger import Entry
from jobauto.model import Attempt, Claim, Ending, Seen
from jobauto.schedulers import Dialect

TIMED_OUT = 124  # what timeout(1) exits with
PROOF = 2  # trustworthy looks without the job that make it gone


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds: how late a marker may become visible (network file systems), and how late a
    scheduler may still take a submission that it did not answer clearly."""

    marker: float = 90.0
    lost: float = 60.0


@dataclass(frozen=True, slots=True)
class Absence:
    """In how many trustworthy looks in a row a job was not to be found, and since when."""

    looks: int
    since: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is now known of an attempt: `what` is accepted (with `detail` its JOBID), finished,
    failed, unsure (with a reason), putback, early, or '' for nothing new (with its absence, if
    any)."""

    what: str = ""
    detail: str = ""
    absence: Absence | None = None


@dataclass(frozen=True, slots=True)
class Judge:
    """Gives verdicts at the moment `now` (seconds that never go back)."""

    dialect: Dialect
    patience: Patience
    now: float

    def verdict(self, entry: Entry, seen: Seen, before: Absence | None) -> Verdict:
        """The verdict on an entry in flight after one more look; `before`: its absence so far."""
        absence = Absence(before.looks + 1, before.since) if before else Absence(1, self.now)
        if entry.jobid:
            return self._submitted(entry, seen, absence)
        return self._doubtful(entry, seen, before, absence)

    def _submitted(self, entry: Entry, seen: Seen, absence: Absence) -> Verdict:
        assert entry.attempt
        if entry.job.marker in seen.there:
            return Verdict("finished")
        if seen.names(entry.jobid, entry.attempt.token):
            return Verdict()
        ending = seen.endings.get(entry.jobid, Ending())
        if entry.attempt.after and not ending.began:
            never = ending.began is False and self._proven(absence, 0.0)
            return Verdict("early", "did-not-begin") if never else Verdict(absence=absence)
        patience = self.patience.marker if self.dialect.elsewhere and not ending.bad else 0.0
        if entry.job.marker not in seen.missing or not self._proven(absence, patience):
            return Verdict(absence=absence)
        return Verdict("failed", reason(ending))

    def _doubtful(
        self, entry: Entry, seen: Seen, before: Absence | None, absence: Absence
    ) -> Verdict:
        assert entry.attempt
        jobid = adopted(entry.attempt, seen, self.dialect)
        if jobid:
            return Verdict("accepted", jobid)
        claim = seen.claims.get(entry.attempt.token)
        if claim is None:
            return Verdict(absence=before)
        if claim.begun and entry.job.marker in seen.there:
            return Verdict("finished")
        if (claim.alive and not claim.answered) or not seen.tokens_known:
            return Verdict(absence=before)
        if not self._proven(absence, self._late(claim)):
            return Verdict(absence=absence)
        found = _given_up(claim, self.dialect)
        if found.what == "failed" and entry.attempt.after:  # perhaps it was for what it waits for
            return Verdict("early", found.detail)
        return found

    def _late(self, claim: Claim) -> float:
        """Seconds for which a submission that the queue does not show may yet turn up."""
        if refused(claim, self.dialect):
            return 0.0
        if self.dialect.elsewhere and _given_up(claim, self.dialect).what == "putback":
            # to be submitted again: a short job, taken late, may be over, and its marker late too
            return self.patience.lost + self.patience.marker
        return self.patience.lost

    def _proven(self, absence: Absence, patience: float) -> bool:
        return absence.looks >= PROOF and self.now - absence.since >= patience


def refused(claim: Claim, dialect: Dialect) -> bool:
    """The scheduler itself said no, clearly."""
    clear = claim.answered and claim.exit_code not in (0, TIMED_OUT)
    return clear and not dialect.lost.search(claim.said)


def _given_up(claim: Claim, dialect: Dialect) -> Verdict:
    said = claim.said
    if not claim.answered:
        return Verdict("unsure", "submission-cut-off")
    if claim.exit_code == 0:
        return Verdict("unsure", quoting.slug(f"no JOBID in: {said}"))
    if dialect.limit.search(said) or dialect.lost.search(said):
        return Verdict("putback", quoting.slug(said))
    if claim.exit_code == TIMED_OUT:
        return Verdict("unsure", "no-answer-in-time")
    return Verdict("failed", quoting.slug(f"refused: {said}"))


def adopted(attempt: Attempt, seen: Seen, dialect: Dialect) -> str | None:
    """The JOBID of an attempt in doubt: by its token in the queue, or by what its claim holds."""
    claim = seen.claims.get(attempt.token)
    return seen.by_token(attempt.token) or (accepted(claim, dialect) if claim else None)


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
