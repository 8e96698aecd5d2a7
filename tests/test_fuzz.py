"""Damaged answers: a value or an error of ours, never a traceback, never a verdict.

What is promised (P) of an answer from the remote, whatever became of it on its way:

P1  any bytes at all, also inside a whole frame, are read as a value or refused with an error of
    ours; without the frame's number they are always CouldNotAsk.
P2  cut at any byte, an answer is CouldNotAsk: it judges nothing.
P3  with lines lost, doubled, or foreign lines in between, nothing is finished unless the line
    `@t` of its marker is there; no job that the scheduler named in its answer fails by one such
    look; nothing fails at all unless the queue's section came with status 0 and no complaint; and
    an attempt is accepted only as the job that it is.

Two looks in a row, with no sign of a job, are needed for `failed`. That one line of a listing is
lost without a trace is not guarded against more than this: ssh loses nothing in the middle.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
from answers import RECORDED, Folder, read
from hypothesis import example, given, settings
from hypothesis import strategies as st

from jobauto import quoting
from jobauto.errors import CouldNotAsk, JobautoError
from jobauto.judge import Absence, Judge, Patience, Verdict, accepted
from jobauto.ledger import Entry
from jobauto.model import Attempt, Claim, Ending, InQueue, Job, Seen
from jobauto.remote.framing import Answer, Frame, Request
from jobauto.remote.killing import Kill, Killed
from jobauto.remote.observation import Observe, Suspect
from jobauto.remote.probe import FindMarkers, Found, Probe
from jobauto.remote.submission import Submit, read_claims
from jobauto.schedulers import DIALECTS, Unreadable

many = settings(max_examples=150)


def attempt(job_id: str) -> Attempt:
    return Attempt(Job("a", job_id), 1, f"tok-{job_id}")


FRAME = Frame()
THERE, DONE, GONE = attempt("there"), attempt("done"), attempt("gone")  # these have JOBIDs
KEPT, CUT, REFUSED, NONE = (attempt(i) for i in ("kept", "cut", "refused", "none"))  # no JOBIDs
DOUBTFUL = [KEPT, CUT, REFUSED, NONE]
MARKERS = [a.job.marker for a in (THERE, DONE, GONE, *DOUBTFUL)]
FOLDERS = {name: Folder(RECORDED / name) for name in DIALECTS}
JOBIDS = {
    name: tuple(folder.numbered(n) for n in (11, 12, 13, 14)) for name, folder in FOLDERS.items()
}


def output(text: str, code: int = 0, err: str = "") -> str:
    """What `ask` prints of a program."""
    out = text.removesuffix("\n").split("\n") if text else []
    lines = "".join(f"o {line}\n" for line in out)
    return f"{lines}\n{''.join(f'e {line}' + chr(10) for line in err.splitlines())}e \nr {code}\n"


def listing(dialect: str, *jobids: str) -> str:
    """What a scheduler says of running jobs."""
    folder = FOLDERS[dialect]
    return folder.listing(*((jobid, folder.code, "") for jobid in jobids))


def taken(dialect: str, jobid: str) -> str:
    """What a scheduler says when it took a job."""
    return FOLDERS[dialect].taken(jobid).out


def tokens(dialect: str, jobid: str) -> str:
    """What a scheduler says of tokens: this job is that of KEPT."""
    told = [answer for answer in FOLDERS[dialect].expecting("tokens") if answer.tokens]
    said = min(told, key=lambda answer: len(answer.out))
    [(token, old), *_] = (said.tokens or {}).items()
    return said.out.replace(old, jobid).replace(token, KEPT.token)


@dataclass(frozen=True)
class Case:
    """A request with the body of a true answer; `refused`: one that proves nothing."""

    request: Request[Any]
    body: str
    refused: bool = False

    @property
    def whole(self) -> str:
        return f"Welcome!\nbegin {FRAME.nonce}\n{self.body}end {FRAME.nonce}\nlogout\n"

    def read(self, body: str) -> Any:
        return self.request.read(Answer(0, f"begin {FRAME.nonce}\n{body}\nend {FRAME.nonce}\n", ""))


def look(dialect: str) -> Case:
    """THERE is in the queue, DONE has left it and has its marker, GONE has neither."""
    there, done, gone, kept = JOBIDS[dialect]
    request = Observe(
        DIALECTS[dialect],
        "/run",
        [there, done, gone],
        MARKERS,
        DOUBTFUL,
        [Suspect(GONE, gone)],
        frame=FRAME,
    )
    claims = (
        f"@claim tok-kept\n{output(taken(dialect, kept))}@begun tok-kept\n@dead tok-kept\n"
        "@claim tok-cut\n@begun tok-cut\n@alive tok-cut\n"
        "@claim tok-refused\ne error: Invalid partition\nr 1\n@begun tok-refused\n"
        "@dead tok-refused\n@noclaim tok-none\n"
    )
    body = f"@queue\n{output(listing(dialect, there, kept))}"
    body += "" if DIALECTS[dialect].lists_tokens else f"@tokens\n{output(tokens(dialect, kept))}"
    body += (
        f"@t 1\n{claims}@ending {gone}\n{output('1', 0, '')}@tail {gone}\n{output('last words')}"
    )
    return Case(request, body)


@cache
def cases() -> dict[str, Case]:
    """A true answer to each request, and looks with each listing that was recorded."""
    found = {f"look on {name}": look(name) for name in DIALECTS}
    for name, case in list(found.items()):
        body = case.body
        dialect = DIALECTS[name.rpartition(" ")[2]]
        claims = body[body.index("@claim") : body.index("@ending")]
        assert isinstance(case.request, Observe)
        jobids, doubtful = case.request.jobids, case.request.doubtful
        kill = Kill(dialect, "/run", jobids, MARKERS, doubtful, FRAME)
        queue = body[: body.index("@tokens" if "@tokens" in body else "@t 1")]
        found[f"kill on {name}"] = Case(kill, f"{claims}@kill\n{output('', 1, 'no')}{queue}@t 1\n")
        found[f"submit on {name}"] = Case(Submit(dialect, "/run", doubtful, frame=FRAME), claims)
    for name, folder in FOLDERS.items():
        for said in folder.expecting("queue"):
            body = f"@queue\n{output(said.out, said.exit_code, said.err)}"
            case = Case(Observe(DIALECTS[name], "/run", frame=FRAME), body, said.jobs is None)
            found[f"{name}/{said.name}"] = case
    probe = f"@has slurm\n@has rsync\n@host\n{output('login1')}@folder\n{output('/home/x')}"
    found["probe"] = Case(Probe("x", frame=FRAME), probe)
    markers = f"@markers\n{output('./a/qsub.finished.0')}"
    found["markers"] = Case(FindMarkers("/run", FRAME), markers)
    return found


VALUES = (Seen, Killed, Found, dict, set)
every_case = pytest.mark.parametrize("name", cases())
looks = pytest.mark.parametrize("dialect", DIALECTS)


def value_or_ours(read: Callable[[], Any]) -> Any:
    """What was read, or None for an error of ours; any other exception goes through."""
    value, said = None, ""
    try:
        value = read()
    except JobautoError as error:
        said = str(error).replace("\n", "")
    assert said.isprintable(), "shown safely"
    assert said or isinstance(value, VALUES)
    return value


# --- P1: any bytes --------------------------------------------------------------------------------

raw = st.binary(max_size=300).map(lambda data: data.decode("utf-8", "surrogateescape"))
tags = ["queue", "tokens", "t", "ending", "tail", "claim", "noclaim", "begun", "alive", "dead"]
tags += ["kill", "has", "host", "folder", "markers", "", "x"]
numbers = ["0", "1", "-1", "99", "²", "٣", "9" * 5000, "", "1e3", "0x1", "tok-kept", "13", "0 1"]
tag_lines = st.builds("@{}{}{}".format, st.sampled_from(tags), st.sampled_from(["", " ", "  "]),
                      st.sampled_from(numbers))  # fmt: skip
inner_lines = st.builds("{}{}".format, st.sampled_from(["o ", "e ", "r ", "o", "r"]),
                        st.sampled_from(numbers) | raw)  # fmt: skip
bodies = st.lists(tag_lines | inner_lines | raw, max_size=12).map("\n".join)


@every_case
def test_a_true_answer_is_read_as_such_or_refused_for_what_the_scheduler_said(name: str) -> None:
    case = cases()[name]
    value = value_or_ours(lambda: case.request.read(Answer(0, case.whole, "")))
    assert (value is None) == case.refused


@many
@given(st.sampled_from(sorted(cases())), raw, raw, st.integers(-64, 255))
def test_bytes_without_the_frame_are_never_an_answer(
    name: str, out: str, err: str, code: int
) -> None:
    with pytest.raises(CouldNotAsk):
        cases()[name].request.read(Answer(code, out, err))


@settings(max_examples=600)
@given(st.sampled_from(sorted(cases())), bodies)
@example("look on slurm", "@t -1")
@example("look on slurm", "@t ²")
@example("look on slurm", "@t")
@example("look on slurm", "@tail 9\no x")
@example("look on slurm", "@ending")
@example("look on slurm", f"@queue\nr 0\n@ending 13\no ExitCode={'9' * 5000}:0")
@example("look on local", f"@queue\nr 0\n@ending 13\no {'9' * 5000}")
@example("look on sge", f"@queue\nr 0\n@ending 13\no exit_status {'9' * 5000}")
@example("kill on look on slurm", "@t 99")
@example("probe", f"@folder\nr {'9' * 5000}")
@example("submit on look on slurm", "@begun x\n@claim")
def test_any_body_in_a_whole_frame_is_a_value_or_refused(name: str, body: str) -> None:
    value_or_ours(lambda: cases()[name].read(body))


@st.composite
def mutated(draw: st.DrawFn, text: str) -> str:
    """A text with some stretches removed, repeated, or overwritten with other bytes."""
    for _ in range(draw(st.integers(1, 4))):
        begin = draw(st.integers(0, len(text)))
        end = min(len(text), begin + draw(st.integers(0, 30)))
        middle = draw(st.sampled_from(["", text[begin:end] * 2]) | st.sampled_from(numbers) | raw)
        text = text[:begin] + middle + text[end:]
    return text


@settings(max_examples=400)
@given(st.sampled_from(sorted(cases())), st.data())
def test_a_true_answer_with_changed_bytes_is_a_value_or_refused(
    name: str, data: st.DataObject
) -> None:
    case = cases()[name]
    text = data.draw(mutated(case.whole))
    value_or_ours(lambda: case.request.read(Answer(0, text, "")))


@many
@given(st.sampled_from(sorted(DIALECTS)), st.data())
def test_each_dialect_reads_any_text_or_calls_it_unreadable(
    dialect: str, data: st.DataObject
) -> None:
    file = data.draw(st.sampled_from(sorted(RECORDED.glob("*/*/*.txt"))))
    true = read(file).out
    text = data.draw(raw | mutated(true))
    of = DIALECTS[dialect]
    with contextlib.suppress(Unreadable):
        assert all(isinstance(found, InQueue) for found in of.parse(text))
    with contextlib.suppress(Unreadable):
        assert all(isinstance(jobid, str) for jobid in of.parse_tokens(text).values())
    with contextlib.suppress(ValueError):  # a number too long to be one; Observe heeds it
        assert isinstance(of.ending(text), Ending)
    jobid = of.jobid(text)
    number = re.match(r"[0-9]+", quoting.plain(jobid)) if jobid else None
    assert jobid is None or (number and number[0] in text)


@many
@given(bodies.map(lambda body: body.split("\n")))
def test_any_lines_are_claims_or_refused(lines: list[str]) -> None:
    found = value_or_ours(lambda: read_claims(lines))
    assert found is None or all(isinstance(claim, Claim) for claim in found.values())


# --- P2: cut at any byte --------------------------------------------------------------------------


@every_case
def test_an_answer_cut_at_any_byte_judges_nothing(name: str) -> None:
    case = cases()[name]
    end = case.whole.index(f"end {FRAME.nonce}") + len(f"end {FRAME.nonce}")
    for n in range(0, end, 1 + end // 1500):
        with pytest.raises(CouldNotAsk):
            case.request.read(Answer(0, case.whole[:n], ""))


# --- P3: lines lost, doubled, and foreign lines in between ----------------------------------------

noise = st.sampled_from(
    ["", "Welcome!", "Last login: Fri", "12", "bash: warning: here", "11|RUNNING", "begin x", "end"]
) | raw.filter(lambda line: line[:1] not in "@oer" and "\n" not in line)


@st.composite
def damaged(draw: st.DrawFn, body: str) -> list[str]:
    """The lines of an answer after one to three faults."""
    lines = body.rstrip("\n").split("\n")
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(lines) - 1))
        what = draw(st.sampled_from(["lost", "doubled", "foreign"]))
        new = {"lost": [], "doubled": [lines[at]] * 2, "foreign": [draw(noise), lines[at]]}
        lines[at : at + 1] = new[what]
        if not lines:
            break
    return lines


def verdicts(seen: Seen, dialect: str) -> dict[str, tuple[Verdict, Verdict]]:
    """For each attempt the verdict if all looks before showed it, and if the last did not."""
    jobids = dict(zip((THERE, DONE, GONE), JOBIDS[dialect], strict=False))
    entries = {
        a: Entry(a.job, attempt=a, jobid=jobids.get(a, ""), open=True) for a in (*jobids, *DOUBTFUL)
    }
    says = Judge(DIALECTS[dialect], Patience(), now=1e6).verdict
    absent = Absence(1, since=0.0)  # patience is over
    return {a.job.id: (says(e, seen, None), says(e, seen, absent)) for a, e in entries.items()}


@looks
def test_what_a_true_look_says(dialect: str) -> None:
    case = look(dialect)
    found = verdicts(case.read(case.body), dialect)
    assert [v.what for v in found["there"]] == ["", ""]
    assert [v.what for v in found["done"]] == ["finished", "finished"]
    assert [v.what for v in found["gone"]] == ["", "failed"]
    assert [v.what for v in found["kept"]] == ["accepted", "accepted"]
    assert [v.what for v in found["cut"]] == ["", ""]
    assert [v.what for v in found["refused"]] == ["", "failed"]
    assert [v.what for v in found["none"]] == ["", ""]


@looks
def test_a_damaged_look_gives_no_verdict_that_it_does_not_bear(dialect: str) -> None:
    case = look(dialect)

    @settings(max_examples=300)
    @given(damaged(case.body))
    def check(lines: list[str]) -> None:
        seen = value_or_ours(lambda: case.read("\n".join(lines)))
        if seen is None:
            return
        queue = lines[lines.index("@queue") :]
        ends = [n for n, line in enumerate(queue) if line.startswith("@") and n]
        section = queue[: ends[0]] if ends else queue
        clean = "r 0" in section and not any(line[:2] == "e " and line[2:] for line in section)
        for job_id, (first, second) in verdicts(seen, dialect).items():
            marker = f"@t {MARKERS.index(attempt(job_id).job.marker)}"
            for verdict in (first, second):
                assert verdict.what != "finished" or marker in lines
                assert verdict.what not in ("failed", "putback", "unsure") or clean
                assert verdict.what != "accepted" or verdict.detail == JOBIDS[dialect][3]
            assert first.what not in ("failed", "putback", "unsure"), "one look is not enough"

    check()


@looks
def test_a_jobid_is_only_accepted_for_its_own_attempt(dialect: str) -> None:
    case = cases()[f"submit on look on {dialect}"]

    @many
    @given(damaged(case.body))
    def check(lines: list[str]) -> None:
        for token, claim in (value_or_ours(lambda: case.read("\n".join(lines))) or {}).items():
            jobid = accepted(claim, DIALECTS[dialect])
            assert jobid is None or token == "tok-kept"

    check()
