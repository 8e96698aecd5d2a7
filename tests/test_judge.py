"""Every row of the table in judge.py."""

from __future__ import annotations

import pytest

from jobauto.judge import Absence, Judge, Patience, Verdict, reason
from jobauto.ledger import Entry
from jobauto.model import Attempt, Claim, Ending, InQueue, Job, Queued, Seen
from jobauto.schedulers import DIALECTS

SLURM, LOCAL = DIALECTS["slurm"], DIALECTS["local"]
NOW, EARLIER, LONG_AGO = 1000.0, 990.0, 900.0  # 10 and 100 seconds ago
ONCE = Absence(1, EARLIER)
LONG = Absence(1, LONG_AGO)
LONGER = Absence(1, 800.0)  # long enough for a job that was taken late, and a late marker
KEPT = Verdict(absence=ONCE)
FIRST = Verdict(absence=Absence(1, NOW))
SECOND = Verdict(absence=Absence(2, EARLIER))
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
    ("look", "before", "verdict"),
    [
        pytest.param(seen(marker=True), None, Verdict("finished"), id="marker"),
        pytest.param(
            seen((running("7"),), marker=True), None, Verdict("finished"), id="marker while running"
        ),
        pytest.param(seen((running("7"),)), ONCE, NONE, id="in the queue: counting starts again"),
        pytest.param(
            seen((InQueue("7", Queued.UNKNOWN, "??"),)),
            ONCE,
            NONE,
            id="unknown code is still there",
        ),
        pytest.param(seen(), None, FIRST, id="gone once"),
        pytest.param(seen(), ONCE, SECOND, id="gone twice, but the marker may be late"),
        pytest.param(seen(), LONG, Verdict("failed", "no-marker"), id="gone for long"),
        pytest.param(
            seen(ending=Ending(0)), ONCE, SECOND, id="exit code 0, the marker may be late"
        ),
        pytest.param(
            seen(ending=Ending(0)),
            LONG,
            Verdict("failed", "exit-0,-no-marker"),
            id="exit code 0, for long",
        ),
        pytest.param(seen(ending=Ending(3)), None, FIRST, id="a bad end must be seen twice, too"),
        pytest.param(
            seen(marker=None),
            Absence(5, LONG_AGO),
            Verdict(absence=Absence(6, LONG_AGO)),
            id="marker not asked for",
        ),
        pytest.param(
            seen(ending=Ending(137, "TIMEOUT")),
            ONCE,
            Verdict("failed", "TIMEOUT,-exit-137"),
            id="gone twice, with a reason",
        ),
        pytest.param(
            seen((running("8", token=TOKEN),), ending=Ending(2)),
            ONCE,
            Verdict("failed", "exit-2"),
            id="another JOBID",
        ),
        pytest.param(seen((running("7", TOKEN),)), ONCE, NONE, id="our JOBID with our token"),
        pytest.param(
            seen((running("7", "another"),), ending=Ending(2)),
            ONCE,
            Verdict("failed", "exit-2"),
            id="our JOBID given again to another job",
        ),
    ],
)
def test_a_submitted_job(look: Seen, before: Absence | None, verdict: Verdict) -> None:
    entry = Entry(JOB, [], Attempt(JOB, 1, TOKEN), jobid="7", open=True)
    assert Judge(SLURM, Patience(), NOW).verdict(entry, look, before) == verdict


def test_files_of_jobs_on_this_very_machine_are_never_late() -> None:
    entry = Entry(JOB, [], Attempt(JOB, 1, TOKEN), jobid="7", open=True)
    verdict = Judge(LOCAL, Patience(), NOW).verdict(entry, seen(ending=Ending(0)), ONCE)
    assert verdict == Verdict("failed", "exit-0,-no-marker")


BEGUN = Claim(begun=True)
ACCEPTED = Claim(begun=True, answered=True, out="7\n")
SILENT = Claim(begun=True, answered=True, out="welcome\n")
REFUSED = Claim(begun=True, answered=True, exit_code=1, err=REFUSAL)
LIMITED = Claim(begun=True, answered=True, exit_code=1, err=LIMIT)
HUNG = Claim(begun=True, answered=True, exit_code=124)
LOST = Claim(True, True, 1, err="sbatch: error: Socket timed out on send/recv operation")
LIAR = Claim(begun=True, answered=True, exit_code=1, out="7\n", err="sbatch: error: timed out")


@pytest.mark.parametrize(
    ("look", "before", "verdict"),
    [
        pytest.param(
            seen((running("9", TOKEN),), claim=SILENT),
            None,
            Verdict("accepted", "9"),
            id="token in the queue",
        ),
        pytest.param(
            seen((running("9", TOKEN),), claim=LIAR),
            None,
            Verdict("accepted", "9"),
            id="refused, but there",
        ),
        pytest.param(
            seen(claim=ACCEPTED), None, Verdict("accepted", "7"), id="answer in the claim"
        ),
        pytest.param(
            seen(claim=BEGUN, marker=True), None, Verdict("finished"), id="marker after the claim"
        ),
        pytest.param(seen(claim=Claim(), marker=True), None, FIRST, id="marker of unknown age"),
        pytest.param(seen(), None, NONE, id="no claim: it is sent again"),
        pytest.param(seen(), ONCE, KEPT, id="no claim proves no absence"),
        pytest.param(seen(claim=Claim(begun=True, alive=True)), ONCE, KEPT, id="still submitting"),
        pytest.param(seen(claim=REFUSED, tokens=False), ONCE, KEPT, id="tokens not shown"),
        pytest.param(seen(claim=REFUSED), None, FIRST, id="refused, absent once"),
        pytest.param(
            seen(claim=REFUSED),
            ONCE,
            Verdict("failed", "refused:-sbatch:-error:-invalid-partition-specified:-x"),
            id="refused, absent twice",
        ),
        pytest.param(
            seen(claim=LIMITED),
            ONCE,
            Verdict("putback", "sbatch:-error:-AssocMaxSubmitJobLimit"),
            id="limit, absent twice",
        ),
        pytest.param(seen(claim=LOST), ONCE, SECOND, id="trouble: it may yet be taken"),
        pytest.param(seen(claim=SILENT), ONCE, SECOND, id="no JOBID: it may yet appear"),
        pytest.param(
            seen(claim=LOST),
            LONG,
            Verdict(absence=Absence(2, LONG_AGO)),
            id="trouble: it may have been taken late, and be over",
        ),
        pytest.param(
            seen(claim=LOST),
            LONGER,
            Verdict("putback", "sbatch:-error:-Socket-timed-out-on-send/recv-operation"),
            id="trouble, absent for long",
        ),
        pytest.param(
            seen(claim=SILENT), LONG, Verdict("unsure", "no-JOBID-in:-welcome"), id="no JOBID"
        ),
        pytest.param(
            seen(claim=BEGUN), LONG, Verdict("unsure", "submission-cut-off"), id="no answer at all"
        ),
        pytest.param(seen(claim=HUNG), LONG, Verdict("unsure", "no-answer-in-time"), id="hung"),
    ],
)
def test_an_attempt_without_a_jobid(look: Seen, before: Absence | None, verdict: Verdict) -> None:
    entry = Entry(JOB, [], Attempt(JOB, 1, TOKEN), open=True)
    assert Judge(SLURM, Patience(), NOW).verdict(entry, look, before) == verdict


def test_the_reason_is_one_word() -> None:
    assert reason(Ending()) == "no-marker"
    assert reason(Ending(3)) == "exit-3"
    assert reason(Ending(0)) == "exit-0,-no-marker"
    assert reason(Ending(None, "Node Fail 'x'")) == "Node-Fail-x"
