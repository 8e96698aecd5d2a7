"""The dialects, text by text. A new dialect adds rows to the tables and a line to LISTING.

Answers in `recorded/` come from real schedulers, each with its origin; what is typed here follows
the manual that is named beside it. Every expected value was typed by a person.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobauto.errors import CouldNotAsk
from jobauto.judge import reason
from jobauto.model import Ending, InQueue, Queued
from jobauto.remote.framing import Answer
from jobauto.remote.observation import Observe
from jobauto.schedulers import DIALECTS, Dialect, Unreadable

RECORDED = Path(__file__).parent / "recorded"
P, R, H, S = Queued.PENDING, Queued.RUNNING, Queued.HELD, Queued.SUSPENDED
ENDS, ERR = Queued.ENDING, Queued.ERROR


@dataclass(frozen=True)
class Recorded:
    """What a real program once said."""

    out: str
    err: str
    exit_code: int


def recorded(name: str) -> Recorded:
    """A file of `recorded/`: three lines of header, then stdout and stderr as they were."""
    head, rest = (RECORDED / f"{name}.txt").read_text().split("--- stdout\n", 1)
    out, err = rest.split("--- stderr\n")
    return Recorded(out, err, int(head.split("# exit status: ")[1]))


def slurm(name: str) -> str:
    return recorded(f"slurm-22.05/{name}").out


def sge(name: str) -> str:
    return recorded(f"sge-8.1.9/{name}").out


def rows(*names: str, table: Iterable[tuple[Any, ...]]) -> pytest.MarkDecorator:
    """Parametrise with a table of (dialect, what, *values): the test gets dialect and values."""
    cases = [pytest.param(DIALECTS[d], *values, id=f"{d}: {w}") for d, w, *values in table]
    return pytest.mark.parametrize(("dialect", *names), cases)


each_dialect = pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)


# --- small answers in each accent, made from (JOBID, code) ---------------------------------------


def slurm_listing(*jobs: tuple[str, str]) -> str:
    return "".join(f"{jobid}|{code}|token-{jobid}|None\n" for jobid, code in jobs)


def sge_listing(*jobs: tuple[str, str]) -> str:
    listed = "".join(
        f'    <job_list state="running">\n      <JB_job_number>{jobid}</JB_job_number>\n'
        f"      <JB_name>relax</JB_name>\n      <state>{code}</state>\n    </job_list>\n"
        for jobid, code in jobs
    )
    return (
        "<?xml version='1.0'?>\n<job_info  xmlns:xsd=\"http://example.org/qstat.xsd\">\n"
        f"  <queue_info>\n{listed}  </queue_info>\n  <job_info>\n  </job_info>\n</job_info>\n"
    )


def local_listing(*jobs: tuple[str, str]) -> str:
    return "".join(f"{jobid} {code}\n" for jobid, code in jobs)


LISTING: dict[str, Callable[..., str]] = {
    "slurm": slurm_listing,
    "sge": sge_listing,
    "local": local_listing,
}
#: dialects with a line a job: cut exactly behind a line, such a listing still looks whole
LINE_BY_LINE = {"slurm", "local"}


# --- what submit answers --------------------------------------------------------------------------

MOTD = "Last login: Fri Nov 20\n** maintenance on Monday at 8 **\n"

JOBIDS = [
    ("slurm", "plain", slurm("sbatch"), "3214"),
    ("slurm", "array", slurm("sbatch-array"), "3213"),
    ("slurm", "without --parsable", slurm("sbatch-in-words"), "2"),
    ("slurm", "with the name of a cluster", "123;name\n", "123"),
    ("slurm", "cluster in words", "Submitted batch job 123 on cluster name\n", "123"),
    ("slurm", "banners before and after", f"{MOTD}353143\nYour project has 12 h left\n", "353143"),
    ("slurm", "the same twice", "Submitted batch job 7\n7\n", "7"),
    ("slurm", "two numbers: which one?", "353143\n2026\n", None),
    ("slurm", "no last newline", "353143", "353143"),
    ("slurm", "blanks and a carriage return", "  353143 \r\n", "353143"),
    ("slurm", "nothing", "", None),
    ("slurm", "only a banner", MOTD, None),
    ("slurm", "an error", "sbatch: error: Batch job submission failed: 17 reasons\n", None),
    ("slurm", "wrong bytes", "\udcff\udcfe\n353143\n", "353143"),
    ("slurm", "a number in words", "you have 3 jobs\n", None),
    ("sge", "plain", sge("qsub"), "4"),
    ("sge", "array", sge("qsub-array"), "2644"),
    ("sge", "without -terse", sge("qsub-in-words"), "2"),
    ("sge", "array in words", 'Your job-array 9.1-3:1 ("a b") has been submitted\n', "9"),
    ("sge", "banners before and after", f"{MOTD}353143\nYour project has 12 h left\n", "353143"),
    ("sge", "two numbers: which one?", "353143\n2026\n", None),
    ("sge", "no last newline", "353143", "353143"),
    ("sge", "nothing", "", None),
    ("sge", "only a banner", MOTD, None),
    ("sge", "an error", "Unable to run job: job rejected: 4 reasons.\nExiting.\n", None),
    ("sge", "wrong bytes", "\udcff\udcfe\n353143\n", "353143"),
    ("local", "plain", "353143-8812345\n", "353143-8812345"),
    ("local", "start time of ps", "353143-FriNov2023150112026\n", "353143-FriNov2023150112026"),
    ("local", "banners before and after", f"{MOTD}7-8\nbye\n", "7-8"),
    ("local", "nothing", "", None),
    ("local", "a pid without a start time", "353143\n", None),
]


@rows("out", "jobid", table=JOBIDS)
def test_the_jobid_is_found_in_the_answer_to_a_submission(
    dialect: Dialect, out: str, jobid: str | None
) -> None:
    assert dialect.jobid(out) == jobid


# --- what the queue answers -----------------------------------------------------------------------

LISTINGS = [
    ("slurm", "empty queue", slurm("squeue-empty"), []),
    (
        "slurm",
        "recorded: many states, arrays, a comment with a bar",
        slurm("squeue-many"),
        [
            InQueue("3203", P, "PENDING", "PartitionConfig", "ja1-big"),
            InQueue("3205", H, "PENDING", "job requeued in held state", "ja1-requeued"),
            InQueue("3211", H, "PENDING", "for you|JobHeldUser", "for me"),
            InQueue("3202", H, "PENDING", "JobHeldUser", "ja1-array"),
            InQueue("3201", H, "PENDING", "JobHeldUser", "ja1-held"),
            InQueue("3200", R, "RUNNING", "None", "ja1-run"),
            InQueue("3207", R, "RUNNING", "None", "ja1-arun"),
            InQueue("3207", R, "RUNNING", "None", "ja1-arun"),
            InQueue("3206", R, "RUNNING", "JobHeldUser", "ja1-runheld"),
            InQueue("3204", S, "SUSPENDED", "None", "ja1-susp"),
        ],
    ),
    (
        "slurm",
        "recorded: jobs that end, jobs without a comment",
        slurm("squeue-completing"),
        [
            InQueue("3430", ENDS, "COMPLETING", "None"),
            InQueue("3487", ENDS, "COMPLETING", "None"),
            InQueue("3502", P, "PENDING", "Dependency"),
            InQueue("3526", P, "PENDING", "Dependency"),
            InQueue("3540", P, "PENDING", "Dependency"),
            InQueue("3552", P, "PENDING", "Dependency"),
            InQueue("3561", P, "PENDING", "Dependency"),
            InQueue("3569", P, "PENDING", "Resources"),
            InQueue("3522", R, "RUNNING", "None"),
            InQueue("3545", R, "RUNNING", "None"),
        ],
    ),
    (
        "slurm",
        "parts of arrays and of heterogeneous jobs",
        "17_[1-3,7%2]|PENDING|a|b|Resources\n17_4|RUNNING|t|None\n20+0|RUNNING|u|None\n",
        [
            InQueue("17", P, "PENDING", "b|Resources", "a"),
            InQueue("17", R, "RUNNING", "None", "t"),
            InQueue("20", R, "RUNNING", "None", "u"),
        ],
    ),
    (
        "slurm",
        "an empty comment, wrong bytes, a form feed, the separators of Unicode",
        "1|RUNNING||None\n2|RUNNING|\udcff|\udcfe\n3|RUNNING|a\x0cb\u2028c|None\n",
        [
            InQueue("1", R, "RUNNING", "None", ""),
            InQueue("2", R, "RUNNING", "\udcfe", "\udcff"),
            InQueue("3", R, "RUNNING", "None", "a\x0cb\u2028c"),
        ],
    ),
    (
        "slurm",
        "a long reason with commas and blanks",
        "5|PENDING|t|Nodes required for job are DOWN, DRAINED or reserved for jobs in higher "
        "priority partitions\n",
        [
            InQueue(
                "5",
                P,
                "PENDING",
                "Nodes required for job are DOWN, DRAINED or reserved for jobs in higher "
                "priority partitions",
                "t",
            )
        ],
    ),
    ("sge", "empty queue", sge("qstat-empty"), []),
    (
        "sge",
        "recorded: many states, an array, odd characters in a name",
        sge("qstat-many"),
        [
            InQueue("2635", R, "r"),
            InQueue("2637", R, "r"),
            InQueue("2637", R, "r"),
            InQueue("2639", S, "s"),
            InQueue("2640", R, "hr"),
            InQueue("2638", P, "qw"),
            InQueue("2641", ERR, "Eqw", "error state"),
            InQueue("2643", P, "Rq"),
            InQueue("2636", H, "hqw"),
        ],
    ),
    (
        "sge",
        "a name with blanks, wrong bytes",
        sge_listing(("5", "r")).replace("relax", "two words \udcff"),
        [InQueue("5", R, "r")],
    ),
    (
        "sge",
        "qstat -f in ~/.sge_qstat: jobs below their queue",
        sge_listing(("5", "r"))
        .replace("queue_info>\n", "queue_info>\n<Queue-List>\n", 1)
        # as recorded on SGE 8.1.9, shortened
        .replace("  </queue_info>", "</Queue-List>\n  </queue_info>"),
        [InQueue("5", R, "r")],
    ),
    ("local", "nothing runs", "", []),
    (
        "local",
        "running, sleeping, stopped",
        "12-345 R\n13-346 S\n14-FriNov20 T\n15-1 t\n",
        [
            InQueue("12-345", R, "R"),
            InQueue("13-346", R, "S"),
            InQueue("14-FriNov20", S, "T"),
            InQueue("15-1", S, "t"),
        ],
    ),
]


@rows("text", "jobs", table=LISTINGS)
def test_a_listing_is_read(dialect: Dialect, text: str, jobs: list[InQueue]) -> None:
    assert dialect.parse(text) == jobs


SLURM_STATES = {  # squeue(1), JOB STATE CODES: those of jobs that have not ended
    P: "PENDING CONFIGURING REQUEUED REQUEUE_FED",
    R: "RUNNING SIGNALING RESIZING",
    H: "REQUEUE_HOLD RESV_DEL_HOLD",
    S: "SUSPENDED STOPPED",
    ENDS: "COMPLETING STAGE_OUT PREEMPTED",
    ERR: "SPECIAL_EXIT",
}
SGE_STATES = {  # sge_status(5)
    P: "qw Rq",
    H: "hqw hRwq",
    R: "r hr t Rr Rt",
    S: "s ts S tS T tT Rs Rts RS RtS RT RtT",
    ERR: "Eqw Ehqw EhRqw",
    ENDS: "dr dt dRr dRt ds dS dT dRs dRS dRT z",
}
STATES = [
    (dialect, code, code, state)
    for dialect, table in (("slurm", SLURM_STATES), ("sge", SGE_STATES))
    for state, codes in table.items()
    for code in codes.split()
]


@rows("code", "state", table=STATES)
def test_every_state_of_the_manual_is_known(dialect: Dialect, code: str, state: Queued) -> None:
    [job] = dialect.parse(LISTING[dialect.name](("7", code)))
    assert (job.state, job.code) == (state, code)


@pytest.mark.parametrize(
    "reason_why", ["JobHeldUser", "JobHeldAdmin", "launch failed requeued held"]
)
def test_slurm_says_only_in_the_reason_that_a_pending_job_is_held(reason_why: str) -> None:
    [job] = DIALECTS["slurm"].parse(f"7|PENDING|t|{reason_why}\n")
    assert job.state is Queued.HELD


UNKNOWN = [("slurm", "NEW_IN_2031"), ("slurm", "REVOKED"), ("sge", "X"), ("sge", "rX"), ("sge", "")]


@rows("code", table=[(d, code or "none", code) for d, code in UNKNOWN])
def test_an_unknown_state_is_still_there_and_harms_no_other_job(
    dialect: Dialect, code: str
) -> None:
    good = STATES[0][1] if dialect.name == "slurm" else "r"
    jobs = dialect.parse(LISTING[dialect.name](("7", good), ("8", code), ("9", good)))
    assert [j.jobid for j in jobs] == ["7", "8", "9"]
    assert [j.state is Queued.UNKNOWN for j in jobs] == [False, True, False]


# --- what is no answer ----------------------------------------------------------------------------

FOREIGN = {
    "a banner": MOTD,
    "an error": "slurm_load_jobs error: Unable to contact slurm controller (connect failure)\n",
    "a web page": "<!DOCTYPE html><html><body>502 Bad Gateway</body></html>\n",
    "an empty line": "\n",
    "a number": "0\n",
    "json": '{"jobs": []}\n',
    "wrong bytes": "\udcff\udcfe\udc80\n",
    "zeros": "\x00\x00\x00\n",
}


@each_dialect
@pytest.mark.parametrize("what", FOREIGN)
def test_foreign_text_is_no_listing(dialect: Dialect, what: str) -> None:
    with pytest.raises(Unreadable):
        dialect.parse(FOREIGN[what])


@each_dialect
@pytest.mark.parametrize("what", sorted(FOREIGN.keys() - {"an empty line"}))
def test_foreign_text_around_a_good_listing_makes_it_doubtful(dialect: Dialect, what: str) -> None:
    good = LISTING[dialect.name](("7-8" if dialect.name == "local" else "7", "R"))
    assert len(dialect.parse(good)) == 1
    for text in (FOREIGN[what] + good, good + FOREIGN[what]):
        with pytest.raises(Unreadable):
            dialect.parse(text)


UNREADABLE = [
    ("slurm", "a header", "JOBID|STATE|COMMENT|REASON\n7|RUNNING|t|None\n"),
    ("slurm", "another format", "7|RUNNING\n"),
    ("slurm", "no state", "7||t|None\n"),
    ("slurm", "a JOBID that is none", "abc|RUNNING|t|None\n"),
    ("slurm", "a comment of two lines", "7|RUNNING|a\nb|None\n8|RUNNING|t|None\n"),
    ("slurm", "a cluster's heading", "CLUSTER: one\n7|RUNNING|t|None\n"),
    ("sge", "no text at all", ""),
    ("sge", "a list of queues instead of jobs", sge("qstat-cluster-summary")),
    ("sge", "a job without a number", sge_listing(("", "r"))),
    ("sge", "a number that is none", sge_listing(("7; true", "r"))),
    ("sge", "another program's XML", "<?xml version='1.0'?>\n<job_info></job_info>\n"),
    ("sge", "jobs in detail", "<?xml version='1.0'?>\n<x><job_info></job_info></x>\n"),
    ("sge", "a control character", sge_listing(("7", "r")).replace("relax", "\x01")),
    ("local", "a pid alone", "12 R\n"),
    ("local", "no state", "12-345\n"),
    ("local", "more words", "12-345 R R\n"),
]


@rows("text", table=UNREADABLE)
def test_what_is_not_wholly_understood_is_no_answer(dialect: Dialect, text: str) -> None:
    with pytest.raises(Unreadable):
        dialect.parse(text)


MANY = [
    ("slurm", "recorded", slurm("squeue-many")),
    ("slurm", "typed", slurm_listing(("17_1", "RUNNING"), ("18", "PENDING"), ("19", "PENDING"))),
    ("sge", "recorded", sge("qstat-many")),
    ("local", "typed", local_listing(("12-345", "R"), ("13-346", "S"), ("14-347", "T"))),
]


@rows("text", table=MANY)
def test_a_listing_cut_at_any_byte_is_no_answer(dialect: Dialect, text: str) -> None:
    """Where a listing has a line a job, one cut exactly behind a line cannot be told from a whole
    one. There only the frame's sentinel and the exit status protect: see test_observation.py."""
    assert len(dialect.parse(text)) >= 3
    for n in range(len(text.rstrip())):
        cut = text[:n]
        if dialect.name in LINE_BY_LINE and (not cut or cut.endswith("\n")):
            continue
        with pytest.raises(Unreadable):
            dialect.parse(cut)


@each_dialect
@given(text=st.text(max_size=200) | st.text("|_+-<>/.:;0123456789\n RUNqw", max_size=60))
def test_no_text_at_all_is_a_crash(dialect: Dialect, text: str) -> None:
    for read in (dialect.parse, dialect.parse_tokens):
        with contextlib.suppress(Unreadable):
            read(text)
    dialect.jobid(text)
    dialect.ending(text)
    dialect.ending(f"JobState=FAILED ExitCode={text}")


# --- what cannot be asked, as a whole -------------------------------------------------------------


def lines_of(text: str) -> list[str]:
    return text.removesuffix("\n").split("\n") if text else []


def framed(observe: Observe, *sections: tuple[str, Recorded]) -> Answer:
    """These sections as they come through the frame; see `ask` in framing.py."""
    lines = [f"begin {observe.frame.nonce}"]
    for tag, said in sections:
        lines += [f"@{tag}", *(f"o {line}" for line in lines_of(said.out)), ""]
        lines += [f"e {line}" for line in said.err.split("\n")] + [f"r {said.exit_code}"]
    lines += [f"end {observe.frame.nonce}", ""]
    return Answer(0, "\n".join(lines), "")


NO_ANSWER = [
    ("slurm", "controller stopped", recorded("slurm-22.05/squeue-unreachable")),
    ("slurm", "controller frozen", recorded("slurm-22.05/squeue-timed-out")),
    ("slurm", "munge stopped", recorded("slurm-22.05/squeue-no-munge")),
    ("slurm", "exit status 0, but a complaint", recorded("slurm-22.05/squeue-unknown-user")),
    ("slurm", "a listing, then failure", Recorded(slurm("squeue-many"), "", 1)),
    ("slurm", "a listing and a complaint", Recorded(slurm("squeue-many"), "squeue: error\n", 0)),
    ("slurm", "ended by a signal", Recorded("", "", 137)),
    ("slurm", "hung", Recorded("", "", 124)),
    ("slurm", "not installed", Recorded("", "sh: 1: squeue: not found\n", 127)),
    ("slurm", "foreign text", Recorded(MOTD, "", 0)),
    ("sge", "qmaster stopped", recorded("sge-8.1.9/qstat-unreachable")),
    ("sge", "qmaster frozen", recorded("sge-8.1.9/qstat-hung")),
    ("sge", "no cell", recorded("sge-8.1.9/qstat-no-cell")),
    ("sge", "nothing at all", Recorded("", "", 0)),
    ("sge", "a listing, then failure", Recorded(sge("qstat-many"), "", 1)),
    ("sge", "a listing and a complaint", Recorded(sge("qstat-many"), "error: commlib\n", 0)),
    ("sge", "queues instead of jobs", recorded("sge-8.1.9/qstat-cluster-summary")),
    ("local", "ps is missing", Recorded("", "sh: 1: ps: not found\n", 0)),
    ("local", "failure", Recorded("12-345 R\n", "", 1)),
]


@rows("said", table=NO_ANSWER)
def test_a_scheduler_that_does_not_answer_proves_nothing(dialect: Dialect, said: Recorded) -> None:
    observe = Observe(dialect, "/run", ["353143"])
    with pytest.raises(CouldNotAsk):
        observe.read(framed(observe, ("queue", said)))


@each_dialect
@pytest.mark.parametrize("lost", ["@queue", "r 0", "begin", "end"])
def test_an_answer_that_lacks_a_line_of_the_frame_proves_nothing(
    dialect: Dialect, lost: str
) -> None:
    observe = Observe(dialect, "/run")
    empty = "<?xml version='1.0'?>\n<job_info><queue_info/><job_info/></job_info>\n"
    whole = framed(observe, ("queue", Recorded(empty if dialect.name == "sge" else "", "", 0)))
    assert observe.read(whole).queue == {}
    kept = [line for line in whole.out.split("\n") if not line.startswith(lost)]
    if lost == "@queue":  # and all that stood below it
        kept = [line for line in kept if line[:2] not in ("o ", "e ", "r ")]
    with pytest.raises(CouldNotAsk):
        observe.read(Answer(0, "\n".join(kept), ""))


@rows("text", "jobs", table=LISTINGS)
def test_a_look_collapses_the_parts_of_an_array(
    dialect: Dialect, text: str, jobs: list[InQueue]
) -> None:
    observe = Observe(dialect, "/run")
    seen = observe.read(framed(observe, ("queue", Recorded(text, "", 0))))
    assert set(seen.queue) == {j.jobid for j in jobs}
    assert all(seen.queue[jobid] in jobs for jobid in seen.queue)


@rows("code", table=[(d, code or "none", code) for d, code in UNKNOWN])
def test_an_unknown_state_is_still_in_the_queue(dialect: Dialect, code: str) -> None:
    observe = Observe(dialect, "/run")
    listing = LISTING[dialect.name](
        ("7", "RUNNING" if dialect.name == "slurm" else "r"), ("8", code)
    )
    seen = observe.read(framed(observe, ("queue", Recorded(listing, "", 0))))
    assert set(seen.queue) == {"7", "8"}
    assert (seen.queue["8"].state, seen.queue["8"].code) == (Queued.UNKNOWN, code)


# --- not now, or never ----------------------------------------------------------------------------

VIOLATES = (
    "sbatch: error: Batch job submission failed: Job violates accounting/QOS policy "
    "(job submit limit, user's size and/or time limits)\n"
)
SBATCH = "sbatch: error: Batch job submission failed: "

# Slurm's words: recorded, or slurm_errno.c and job_reason_codes.html; with the two lines of
# VIOLATES as in issue 2854 of BSC-ES/autosubmit. Grid Engine's: recorded, or msg_qmaster.h.
NOT_NOW = [
    ("slurm", "MaxJobCount", recorded("slurm-22.05/sbatch-full").err),
    ("slurm", "partition closed", recorded("slurm-22.05/sbatch-partition-inactive").err),
    ("slurm", "QOS", "sbatch: error: QOSMaxSubmitJobPerUserLimit\n" + VIOLATES),
    ("slurm", "QOS of a group", "sbatch: error: QOSGrpSubmitJobsLimit\n" + VIOLATES),
    ("slurm", "association", "sbatch: error: AssocMaxSubmitJobLimit\n" + VIOLATES),
    ("slurm", "account", "sbatch: error: AssocGrpSubmitJobsLimit\n" + VIOLATES),
    ("slurm", "some limit, not said which", VIOLATES),
    ("slurm", "behind a banner", MOTD + VIOLATES),
    ("slurm", "gave up after retries", SBATCH + "Resource temporarily unavailable\n"),
    ("slurm", "its disk is full", SBATCH + "I/O error writing script/environment to file\n"),
    ("sge", "max_u_jobs", recorded("sge-8.1.9/qsub-limit-of-user").err),
    ("sge", "max_jobs", recorded("sge-8.1.9/qsub-limit-of-cluster").err),
    ("sge", "older words", "job rejected: Only 75 jobs are allowed per user\n"),
]
LOST = [
    ("slurm", "controller stopped", recorded("slurm-22.05/sbatch-unreachable").err),
    ("slurm", "controller frozen", recorded("slurm-22.05/sbatch-timed-out").err),
    ("slurm", "munge stopped", recorded("slurm-22.05/sbatch-no-munge").err),
    ("slurm", "answer lost", SBATCH + "Zero Bytes were transmitted or received\n"),
    ("slurm", "link lost", SBATCH + "Transport endpoint is not connected\n"),
    ("slurm", "standby", SBATCH + "Slurm backup controller in standby mode\n"),
    ("sge", "qmaster stopped", recorded("sge-8.1.9/qsub-unreachable").err),
    ("sge", "qmaster frozen", recorded("sge-8.1.9/qsub-hung").err),
    ("sge", "answer late", "failed receiving gdi request response for mid=1 (got syncron message "
     "receive timeout error).\n"),
    ("sge", "no contact", 'error: unable to contact qmaster using port 6444 on host "vm"\n'),
]  # fmt: skip
NEVER = [
    ("slurm", "partition", recorded("slurm-22.05/sbatch-bad-partition").err),
    ("slurm", "no #!", recorded("slurm-22.05/sbatch-no-shebang").err),
    ("slurm", "option", recorded("slurm-22.05/sbatch-bad-option").err),
    ("slurm", "CRLF", recorded("slurm-22.05/sbatch-crlf").err),
    ("slurm", "longer than allowed", "sbatch: error: QOSMaxWallDurationPerJobLimit\n" + VIOLATES),
    ("slurm", "larger than allowed", "sbatch: error: QOSMaxCpuPerUserLimit\n" + VIOLATES),
    ("slurm", "below the minimum", "sbatch: error: QOSMinGRES\n" + VIOLATES),
    ("slurm", "for the account", "sbatch: error: AssocMaxWallDurationPerJobLimit\n" + VIOLATES),
    ("slurm", "time", SBATCH + "Requested time limit is invalid (missing or exceeds some limit)\n"),
    ("slurm", "nodes", SBATCH + "Requested node configuration is not available\n"),
    ("slurm", "account", SBATCH + "Invalid account or account/partition combination specified\n"),
    ("slurm", "nothing said", ""),
    ("sge", "queue", recorded("sge-8.1.9/qsub-unknown-queue").err),
    ("sge", "parallel environment", recorded("sge-8.1.9/qsub-unknown-pe").err),
    ("sge", "option", recorded("sge-8.1.9/qsub-bad-option").err),
    ("sge", "empty script", recorded("sge-8.1.9/qsub-empty-script").err),
    ("sge", "fits nowhere", recorded("sge-8.1.9/qsub-never-fits").err),
    ("sge", "folder", "sh: 1: cd: can't cd to ./gone\n"),
    ("sge", "nothing said", ""),
]


@rows("said", table=NOT_NOW)
def test_a_limit_means_later(dialect: Dialect, said: str) -> None:
    assert dialect.limit.search(said)
    assert not dialect.lost.search(said)


@rows("said", table=LOST)
def test_trouble_on_the_way_leaves_open_whether_the_job_was_accepted(
    dialect: Dialect, said: str
) -> None:
    assert dialect.lost.search(said)


@pytest.mark.parametrize("name", ["slurm", "sge"])
def test_trouble_on_the_way_counts_more_than_a_limit(name: str) -> None:
    """sbatch tries again by itself after a limit, and may lose the answer to that."""
    dialect = DIALECTS[name]
    limits, losses = ([row[2] for row in t if row[0] == name] for t in (NOT_NOW, LOST))
    assert all(dialect.lost.search(f"{a}{b}") for a in limits for b in losses)


@rows("said", table=NEVER)
def test_a_refusal_that_no_waiting_cures_means_never(dialect: Dialect, said: str) -> None:
    assert not dialect.limit.search(said)
    assert not dialect.lost.search(said)


# --- ending jobs, and how they ended --------------------------------------------------------------

KILLS = [
    ("slurm", "many", "scancel", ["11", "12", "13"]),
    ("sge", "many", "qdel", ["11", "12", "13"]),
]


@rows("program", "jobids", table=KILLS)
def test_one_command_ends_many_jobs(dialect: Dialect, program: str, jobids: list[str]) -> None:
    assert dialect.kill(jobids) == f"$limit {program} 11 12 13"


def scontrol(state: str, why: str, code: str) -> str:
    """As recorded, with fields from scontrol(1) and JOB STATE CODES in squeue(1)."""
    return f"JobId=7 JobName=x JobState={state} Reason={why} Dependency=(null) ExitCode={code} \n"


def qacct(failed: str, code: str) -> str:
    return f"=====\njobnumber    7\nfailed       {failed}\nexit_status  {code}\nru_wallclock 0s\n"


# (dialect, what, text, ending, the word in quelist)
ENDINGS = [
    ("slurm", "exit 3", slurm("scontrol-exit-3"), Ending(3), "exit-3"),
    ("slurm", "signal", slurm("scontrol-signal-9"), Ending(None, "signal 9"), "signal-9"),
    ("slurm", "killed", slurm("scontrol-cancelled"), Ending(None, "cancelled"), "cancelled"),
    (
        "slurm",
        "killed while it waited for another",
        slurm("scontrol-cancelled-pending"),
        Ending(None, "cancelled, Dependency"),
        "cancelled,-Dependency",
    ),
    ("slurm", "time", slurm("scontrol-timeout"), Ending(None, "walltime"), "walltime"),
    (
        "slurm",
        "its output could not be written",
        slurm("scontrol-output-unwritable"),
        Ending(None, "JobLaunchFailure"),
        "JobLaunchFailure",
    ),
    (
        "slurm",
        "success, yet no marker",
        slurm("scontrol-completed"),
        Ending(0),
        "exit-0,-no-marker",
    ),
    ("slurm", "forgotten", slurm("scontrol-unknown"), Ending(), "no-marker"),
    (
        "slurm",
        "memory",
        scontrol("OUT_OF_MEMORY", "OutOfMemory", "0:125"),
        Ending(None, "memory"),
        "memory",
    ),
    (
        "slurm",
        "a node went down",
        slurm("scontrol-node-down"),
        Ending(None, "node-failure"),
        "node-failure",
    ),
    (
        "slurm",
        "a node broke, and left an exit code",
        scontrol("NODE_FAIL", "NodeDown", "1:0"),
        Ending(1, "node-failure"),
        "node-failure,-exit-1",
    ),
    (
        "slurm",
        "a node did not boot",
        scontrol("BOOT_FAIL", "None", "0:0"),
        Ending(None, "node-failure"),
        "node-failure",
    ),
    (
        "slurm",
        "could not be done by its deadline",
        scontrol("DEADLINE", "DeadLine", "0:0"),
        Ending(None, "DEADLINE, DeadLine"),
        "DEADLINE,-DeadLine",
    ),
    (
        "slurm",
        "preempted",
        scontrol("PREEMPTED", "None", "0:0"),
        Ending(None, "PREEMPTED"),
        "PREEMPTED",
    ),
    (
        "slurm",
        "a signal in the words of newer versions",
        scontrol("FAILED", "RaisedSignal:11(Segmentation_fault)", "0:11"),
        Ending(None, "signal 11"),
        "signal-11",
    ),
    ("sge", "exit 3", sge("qacct-exit-3"), Ending(3), "exit-3"),
    ("sge", "signal", sge("qacct-signal-9"), Ending(None, "signal 9"), "signal-9"),
    ("sge", "another signal", sge("qacct-signal-15"), Ending(None, "signal 15"), "signal-15"),
    # Grid Engine does not say who sent the signal
    ("sge", "qdel", sge("qacct-deleted"), Ending(None, "signal 9"), "signal-9"),
    ("sge", "qdel before it ran", sge("qacct-deleted-pending"), Ending(), "no-marker"),
    ("sge", "time", sge("qacct-walltime"), Ending(None, "walltime"), "walltime"),
    (
        "sge",
        "soft limit of time: USR1",
        sge("qacct-soft-walltime"),
        Ending(None, "signal 10"),
        "signal-10",
    ),
    ("sge", "processor time", sge("qacct-cpu-time"), Ending(None, "cpu-time"), "cpu-time"),
    (
        "sge",
        "memory, far from the limit of time",
        sge("qacct-memory"),
        Ending(None, "memory"),
        "memory",
    ),
    (
        "sge",
        "two limits exceeded: which one was it?",
        sge("qacct-memory").replace("h_rt=100", "h_rt=1"),
        Ending(137, "failed 37 qmaster enforced h_rt, h_cpu, or h_vmem limit"),
        "failed-37-qmaster-enforced-h_rt,-h_cpu,-or-h_vmem-limit,-exit-137",
    ),
    (
        "sge",
        "no such shell",
        sge("qacct-bad-shell"),
        Ending(None, "failed 27 searching requested shell"),
        "failed-27-searching-requested-shell",
    ),
    (
        "sge",
        "ran four times: the last counts",
        sge("qacct-rescheduled") + qacct("0    ", "7"),
        Ending(7),
        "exit-7",
    ),
    ("sge", "success, yet no marker", qacct("0    ", "0"), Ending(0), "exit-0,-no-marker"),
    (
        "sge",
        "a limit of the queue, not of the job",
        qacct("37  : qmaster enforced h_rt, h_cpu, or h_vmem limit", "137"),
        Ending(137, "failed 37 qmaster enforced h_rt, h_cpu, or h_vmem limit"),
        "failed-37-qmaster-enforced-h_rt,-h_cpu,-or-h_vmem-limit,-exit-137",
    ),
    ("sge", "forgotten", sge("qacct-unknown"), Ending(), "no-marker"),
    ("local", "exit 3", "3\n", Ending(3), "exit-3"),
    ("local", "signal", "137\n", Ending(137), "exit-137"),
    (
        "local",
        "killed",
        "",
        Ending(None, "no exit code: killed, or a reboot"),
        "no-exit-code:-killed,-or-a-reboot",
    ),
]


@rows("text", "ending", "word", table=ENDINGS)
def test_how_a_job_ended_is_told(dialect: Dialect, text: str, ending: Ending, word: str) -> None:
    assert dialect.ending(text) == ending
    assert reason(ending) == word


# --- submissions found again by their tokens ------------------------------------------------------

TOKENS: list[tuple[str, str, str, dict[str, str]]] = [
    (
        "sge",
        "recorded: two contexts in one job, an array, a job without",
        sge("qstat-j-many"),
        {"ja1-run": "2635", "ja1-array": "2637", "ja1-eqw": "2641"},
    ),
    ("sge", "empty queue", sge("qstat-j-empty"), {}),
    (
        "sge",
        "two jobs, one of another project",
        "job_number:                 7\ncontext:                    jobauto=ja1-x-1\n====\n"
        "job_number:                 8\ncontext:                    notjobauto=ja1-y-1\n"
        "these are all jobs\n",
        {"ja1-x-1": "7"},
    ),
]


@rows("text", "found", table=TOKENS)
def test_tokens_lead_to_jobids(dialect: Dialect, text: str, found: dict[str, str]) -> None:
    assert dialect.parse_tokens(text) == found


NO_TOKENS = [
    ("sge", "unreachable", sge("qstat-j-unreachable")),
    ("sge", "nothing", ""),
    ("sge", "foreign text", MOTD),
    ("sge", "foreign text about jobs", "some jobs do not exist\n"),
    (
        "sge",
        "a job, then the link was lost",
        "job_number:                 7\ncontext:                    jobauto=ja1-x-1\n"
        "error: commlib error: got read error\n",
    ),
    (
        "sge",
        "a job, then an error with the words of an empty queue",
        "job_number:                 7\nFollowing jobs do not exist: \n*\n",
    ),
]


@rows("text", table=NO_TOKENS)
def test_without_a_whole_answer_no_token_is_absent(dialect: Dialect, text: str) -> None:
    with pytest.raises(Unreadable):
        dialect.parse_tokens(text)


@rows("text", table=[row[:3] for row in TOKENS])
def test_tokens_cut_at_any_byte_are_no_answer(dialect: Dialect, text: str) -> None:
    for n in range(len(text.rstrip())):
        with pytest.raises(Unreadable):
            dialect.parse_tokens(text[:n])


def test_a_job_that_only_its_token_shows_is_in_the_queue() -> None:
    observe = Observe(DIALECTS["sge"], "/run")
    answer = framed(
        observe,
        ("queue", recorded("sge-8.1.9/qstat-empty")),
        ("tokens", recorded("sge-8.1.9/qstat-j-many")),
    )
    seen = observe.read(answer)
    assert seen.by_token("ja1-run") == "2635"
    assert "2635" in seen.queue


@pytest.mark.parametrize(
    "said",
    [recorded("sge-8.1.9/qstat-j-unreachable"), Recorded(sge("qstat-j-many"), "", 124)],
    ids=["unreachable", "a whole answer, then failure"],
)
def test_tokens_that_could_not_be_asked_for_make_the_whole_look_doubtful(said: Recorded) -> None:
    observe = Observe(DIALECTS["sge"], "/run")
    queue = recorded("sge-8.1.9/qstat-empty")
    with pytest.raises(CouldNotAsk):
        observe.read(framed(observe, ("queue", queue), ("tokens", said)))


# --- the tables themselves ------------------------------------------------------------------------


@each_dialect
def test_every_dialect_has_rows_in_every_table(dialect: Dialect) -> None:
    tables = {"jobids": JOBIDS, "listings": LISTINGS, "unreadable": UNREADABLE, "many": MANY}
    tables |= {"no answer": NO_ANSWER, "endings": ENDINGS}
    if dialect.name != "local":
        tables |= {"states": STATES, "unknown": UNKNOWN, "kills": KILLS}
        tables |= {"not now": NOT_NOW, "lost": LOST, "never": NEVER}
    if not dialect.lists_tokens:
        tables |= {"tokens": TOKENS, "no tokens": NO_TOKENS}
    empty = [name for name, table in tables.items() if dialect.name not in {r[0] for r in table}]
    assert empty == []


def test_every_recorded_answer_tells_its_origin_and_is_used() -> None:
    used = Path(__file__).read_text()
    for path in RECORDED.glob("*/*.txt"):
        head = path.read_text().splitlines()[:3]
        words = [line.split(":")[0] for line in head]
        assert words == ["# command", "# origin", "# exit status"], path
        assert f'{path.stem}"' in used, f"{path} is not used"
