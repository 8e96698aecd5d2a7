"""Every row of the table in judge.py."""

from __future__ import annotations

import pytest

from jobauto.judge import Verdict, judge, reason
from jobauto.ledger import Entry
from jobauto.model import Attempt, Claim, Ending, InQueue, Job, Queued, Seen
from jobauto.schedulers import DIALECTS

SLURM = DIALECTS["slurm"]
JOB = Job("a", "1")
TOKEN = "ja0-0-1"
NONE = Verdict()
LIMIT = "sbatch: error: AssocMaxSubmitJobLimit"
REFUSAL = "sbatch: error: invalid partition specified: x"


def seen(
    queue: tuple[InQueue, ...] = (),
    marker: bool | None = False,
    claim: Claim | None = None,
    tokens: bool = True,
    ending: Ending | None = None,
) -> Seen:
    return Seen(
        queue={q.jobid: q for q in queue},
        tokens_known=tokens,
        there=frozenset({JOB.marker} if marker else ()),
        missing=frozenset({JOB.marker} if marker is False else ()),
        claims={TOKEN: claim} if claim else {},
        endings={"7": ending} if ending else {},
    )


def running(jobid: str, token: str = "") -> InQueue:
    return InQueue(jobid, Queued.RUNNING, "RUNNING", token=token)


@pytest.mark.parametrize(
    ("look", "absences", "verdict"),
    [
        pytest.param(seen(marker=True), 0, Verdict("finished"), id="marker"),
        pytest.param(
            seen((running("7"),), marker=True), 0, Verdict("finished"), id="marker while running"
        ),
        pytest.param(seen((running("7"),)), 1, NONE, id="in the queue: counting starts again"),
        pytest.param(
            seen((InQueue("7", Queued.UNKNOWN, "??"),)), 1, NONE, id="unknown code is still there"
        ),
        pytest.param(seen(), 0, Verdict(absences=1), id="gone once"),
        pytest.param(seen(), 1, Verdict("failed", "no-marker"), id="gone twice"),
        pytest.param(seen(marker=None), 5, Verdict(absences=6), id="marker not asked for"),
        pytest.param(
            seen(ending=Ending(137, "TIMEOUT")),
            1,
            Verdict("failed", "TIMEOUT,-exit-137"),
            id="gone twice, with a reason",
        ),
        pytest.param(
            seen((running("8", token=TOKEN),)), 1, Verdict("failed", "no-marker"), id="another job"
        ),
    ],
)
def test_a_submitted_job(look: Seen, absences: int, verdict: Verdict) -> None:
    entry = Entry(JOB, [], Attempt(JOB, 1, TOKEN), jobid="7", open=True)
    assert judge(entry, look, SLURM, absences) == verdict


BEGUN = Claim(begun=True)
ACCEPTED = Claim(begun=True, answered=True, out="7\n")
SILENT = Claim(begun=True, answered=True, out="welcome\n")
REFUSED = Claim(begun=True, answered=True, exit_code=1, err=REFUSAL)
LIMITED = Claim(begun=True, answered=True, exit_code=1, err=LIMIT)
HUNG = Claim(begun=True, answered=True, exit_code=124)
LIAR = Claim(begun=True, answered=True, exit_code=1, out="7\n", err="sbatch: error: timed out")


@pytest.mark.parametrize(
    ("look", "absences", "verdict"),
    [
        pytest.param(
            seen((running("9", TOKEN),), claim=SILENT),
            0,
            Verdict("accepted", "9"),
            id="token in the queue",
        ),
        pytest.param(
            seen((running("9", TOKEN),), claim=LIAR),
            0,
            Verdict("accepted", "9"),
            id="refused, but there",
        ),
        pytest.param(seen(claim=ACCEPTED), 0, Verdict("accepted", "7"), id="answer in the claim"),
        pytest.param(
            seen(claim=BEGUN, marker=True), 0, Verdict("finished"), id="marker after the claim"
        ),
        pytest.param(
            seen(claim=Claim(), marker=True), 0, Verdict(absences=1), id="marker of unknown age"
        ),
        pytest.param(seen(), 0, NONE, id="no claim: it is sent again"),
        pytest.param(seen(), 1, Verdict(absences=1), id="no claim proves no absence"),
        pytest.param(
            seen(claim=Claim(begun=True, alive=True)), 1, Verdict(absences=1), id="still submitting"
        ),
        pytest.param(
            seen(claim=REFUSED, tokens=False), 1, Verdict(absences=1), id="tokens not shown"
        ),
        pytest.param(seen(claim=REFUSED), 0, Verdict(absences=1), id="refused, absent once"),
        pytest.param(
            seen(claim=REFUSED),
            1,
            Verdict("failed", "refused:-sbatch:-error:-invalid-partition-specified:-x"),
            id="refused, absent twice",
        ),
        pytest.param(
            seen(claim=LIMITED),
            1,
            Verdict("putback", "sbatch:-error:-AssocMaxSubmitJobLimit"),
            id="limit, absent twice",
        ),
        pytest.param(
            seen(claim=SILENT), 1, Verdict("unsure", "no-JOBID-in:-welcome"), id="no JOBID"
        ),
        pytest.param(
            seen(claim=BEGUN), 1, Verdict("unsure", "submission-cut-off"), id="no answer at all"
        ),
        pytest.param(seen(claim=HUNG), 1, Verdict("unsure", "no-answer-in-time"), id="hung"),
    ],
)
def test_an_attempt_without_a_jobid(look: Seen, absences: int, verdict: Verdict) -> None:
    entry = Entry(JOB, [], Attempt(JOB, 1, TOKEN), open=True)
    assert judge(entry, look, SLURM, absences) == verdict


def test_the_reason_is_one_word() -> None:
    assert reason(Ending()) == "no-marker"
    assert reason(Ending(3)) == "exit-3"
    assert reason(Ending(0)) == "exit-0,-no-marker"
    assert reason(Ending(None, "Node Fail 'x'")) == "Node-Fail-x"
