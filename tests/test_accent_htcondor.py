"""HTCondor's dialect against its accent: see condorpool.py for the shell and the cluster."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from accents.base import Job
from accents.classad import holds
from condorpool import DIALECT, Pool, token

from jobauto.errors import CouldNotAsk
from jobauto.judge import accepted, refused
from jobauto.model import Ending, InQueue, Queued
from jobauto.resources import parse


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[Pool]:
    made = Pool(tmp_path)
    yield made
    made.close()


def test_jobs_are_submitted_and_listed_with_their_tokens(pool: Pool) -> None:
    names = [pool.script(f"mp-{n}/qsub.{n}") for n in range(3)]
    claims = pool.submit(*names)
    assert [accepted(claim, DIALECT) for claim in claims] == ["353143", "353144", "353145"]
    queue = pool.look().queue
    assert [job.token for job in queue.values()] == [token(name) for name in names]
    assert {job.state for job in queue.values()} == {Queued.PENDING}
    assert pool.look().tokens_known


def test_an_empty_queue_is_an_answer(pool: Pool) -> None:
    assert pool.look().queue == {}


@pytest.mark.parametrize("first", ["#!/bin/sh\n", ""], ids=["with #!", "without #!"])
def test_a_job_runs_its_script_in_its_own_folder(pool: Pool, first: str) -> None:
    pool.submit(pool.script("a b/qsub.lda", f"{first}pwd\necho here >&2\n"))
    [job] = pool.cluster.queue()
    command, out, err = pool.cluster.commands[job.number]
    assert (job.state, job.name) == (Queued.PENDING, "qsub.lda")
    assert job.folder == str(pool.run / "a b")
    done = subprocess.run(["sh", "-c", command], cwd=job.folder, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{job.folder}\n", "here\n")
    assert (out, err) == ("qsub.lda.o%J", "qsub.lda.e%J")


def test_what_is_asked_for_goes_into_the_description(pool: Pool) -> None:
    asked = {"queue": "JobFlavour=workday", "walltime": "1:30:00", "cores": "16", "memory": "8G"}
    pool.submit(pool.script("a/qsub.0"), asked={**asked, "account": "chem"})
    [job] = pool.cluster.queue()
    assert (job.queue, job.facts["walltime"]) == ("workday", "5400")
    lines = pool.calls[0][-1].splitlines()
    assert {"request_cpus = 16", "request_memory = 8192M", "accounting_group = chem"} <= {*lines}


def test_lines_of_the_script_count_more_than_ours_but_not_than_the_token(pool: Pool) -> None:
    lines = ["output = $(ClusterId).log", "+jobautotoken = 'evil'", "my.JobautoToken = 'evil'"]
    lines += ["hold = true", "request_cpus = 4 \\ \r", "max_idle = 1", "Max_Materialize=1"]
    text = "".join(f"#HTCONDOR {line}\n" for line in lines).replace("'", '"')
    pool.submit(pool.script("a/qsub.0", f"#!/bin/sh\n{text}#HTCONDOR queue 10\n# HTCONDOR x = 1\n"))
    [job] = pool.cluster.queue()
    assert pool.cluster.commands[job.number][1] == "%J.log"
    assert pool.one() == InQueue(
        "353143", Queued.HELD, "5", "submitted on hold at user's request", token("a/qsub.0")
    )
    said = pool.calls[0][-1].splitlines()
    assert "request_cpus = 4" in said
    assert not [line for line in said if "ax_" in line or line.startswith(("x", "queue "))]
    assert said[-2:] == [f'+JobautoToken = "{token("a/qsub.0")}"', "queue"]


@pytest.mark.parametrize(
    ("limit", "down", "asked", "kind"),
    [
        (0, False, {}, "limit"),
        (9, True, {}, "lost"),
        (9, False, {"queue": "JobFlavour=nosuch"}, "never"),
    ],
)
def test_refusals(pool: Pool, limit: int, down: bool, asked: dict[str, str], kind: str) -> None:
    pool.cluster.limit, pool.cluster.down = limit, down
    [claim] = pool.submit(pool.script("a/qsub.0"), asked=asked)
    assert refused(claim, DIALECT) is (kind != "lost")
    assert bool(DIALECT.limit.search(claim.said)) is (kind == "limit")
    assert accepted(claim, DIALECT) is None


@pytest.mark.parametrize("text", ["#!/bin/sh\r\necho\r\n", None], ids=["CRLF", "no such file"])
def test_a_script_that_cannot_run_is_refused(pool: Pool, text: str | None) -> None:
    (pool.run / "a").mkdir()
    [claim] = pool.submit("a/qsub.0" if text is None else pool.script("a/qsub.0", text))
    assert refused(claim, DIALECT)
    assert not DIALECT.limit.search(claim.said)
    assert pool.cluster.queue() == []


def test_a_schedd_that_cannot_be_reached_proves_nothing(pool: Pool) -> None:
    pool.submit(pool.script("a/qsub.0"))
    pool.cluster.down = True
    with pytest.raises(CouldNotAsk, match="Failed to fetch ads"):
        pool.look()
    for verb in (DIALECT.kill, DIALECT.hold, DIALECT.release):
        assert pool.do(verb(["353143"])).exit_code == 1
    assert pool.do(DIALECT.move(["353143"], "JobFlavour=long")).exit_code == 1


def test_the_queue_is_of_the_user_and_of_whoever_has_a_token(pool: Pool) -> None:
    for name in ("a/qsub.0", "b/qsub.0", "c/qsub.0"):
        pool.submit(pool.script(name))
    jobs = pool.cluster.jobs
    plain = jobs[353144].facts | {"ad": "{}"}
    jobs[353144] = replace(jobs[353144], user="another", facts=plain)
    jobs[353145] = replace(jobs[353145], user="another")
    assert list(pool.look().queue) == ["353143", "353145"]


def test_hold_release_and_kill_many_at_once(pool: Pool) -> None:
    pool.submit(*(pool.script(f"{n}/qsub.0") for n in range(3)))
    jobids = list(pool.look().queue)
    for verb, state in (
        (DIALECT.hold, Queued.HELD),
        (DIALECT.release, Queued.PENDING),
        (DIALECT.kill, Queued.ENDING),
    ):
        before = len(pool.calls)
        answer = pool.do(verb(jobids))
        assert (answer.exit_code, answer.err, len(pool.calls)) == (0, "", before + 1)
        assert {job.state for job in pool.look().queue.values()} == {state}
    gone = pool.do(DIALECT.kill(["7"]))
    assert (gone.exit_code, gone.err.strip()) == (1, "Couldn't find/remove all jobs in cluster 7")


def test_a_job_that_runs_is_not_held_as_that_would_kill_it(pool: Pool) -> None:
    pool.submit(*(pool.script(f"{n}/qsub.0") for n in range(2)))
    pool.cluster.jobs[353144].state = Queued.RUNNING
    assert pool.do(DIALECT.hold(["353143", "353144"])).exit_code == 0
    states = [job.state for job in pool.look().queue.values()]
    assert states == [Queued.HELD, Queued.RUNNING]


@pytest.mark.parametrize("user", ["ada", "DOM\\ada", 'a"b'])
def test_the_name_of_the_user_is_quoted(pool: Pool, user: str) -> None:
    program = pool.path / "bin/id"
    program.write_text(f"#!/bin/sh\nprintf '%s\\n' '{user}'\n")
    program.chmod(0o755)
    pool.do(DIALECT.query([]))
    name = user.replace("\\", "\\\\").replace('"', '\\"')
    assert pool.calls[-1][-1] == f'Owner == "{name}" || JobautoToken =!= undefined'


def test_held_by_the_system_is_an_error_with_its_reason(pool: Pool) -> None:
    pool.submit(pool.script("a/qsub.0"))
    pool.do(DIALECT.hold(["353143"]))
    assert pool.one().reason.startswith("via condor_hold (by user ")
    pool.cluster.jobs[353143].state = Queued.ERROR
    job = pool.one()
    assert (job.state, job.reason) == (
        Queued.ERROR,
        "Error from slot1@node7: Job has gone over memory limit.",
    )


def test_jobs_move_by_an_attribute(pool: Pool) -> None:
    pool.submit(*(pool.script(f"{n}/qsub.0") for n in range(3)))
    answer = pool.do(DIALECT.move(["353143", "353145"], "JobFlavour=long"))
    assert (answer.exit_code, answer.err) == (0, "")
    assert answer.out == 'Set attribute "JobFlavour" for 2 matching jobs.\n'
    assert [job.queue for job in pool.cluster.queue()] == ["long", "", "long"]
    assert pool.do(DIALECT.move(["353143"], "JobFlavour=nosuch")).exit_code == 1


@pytest.mark.parametrize(
    "queue", ["long", "=x", "1x=y", "a b=c", 'A="x"', "A=$(rm *)", "A=b || true", "A=\\", "A=", ""]
)
def test_what_is_no_attribute_moves_nothing(pool: Pool, queue: str) -> None:
    answer = pool.do(DIALECT.move(["353143"], shlex.quote(queue)))
    assert answer.exit_code == 1
    assert "name an attribute" in answer.err
    assert pool.calls == []


@pytest.mark.parametrize(
    ("queue", "expression"),
    [("a=b.c-d", '"b.c-d"'), ("MaxRuntime=3600", "3600"), ("A=true", "true")],
)
def test_numbers_and_truths_stay_what_they_are(queue: str, expression: str) -> None:
    name = queue.partition("=")[0]
    assert DIALECT.options(parse({"queue": queue})) == [(f"+{name} = {expression}",)]
    assert DIALECT.move(["7"], queue).endswith(f" {name} {shlex.quote(expression)}")


ENDS: list[tuple[Callable[[Job], Job], Ending]] = [
    (lambda job: replace(job, exit_code=3), Ending(3)),
    (lambda job: replace(job, exit_code=0), Ending(0)),
    (lambda job: replace(job, signal=9), Ending(None, "signal 9")),
    (lambda job: replace(job, signal=15, why="walltime"), Ending(None, "walltime")),
    (lambda job: replace(job, signal=9, why="memory"), Ending(None, "memory")),
    (lambda job: replace(job, why="cancelled"), Ending(None, "cancelled")),
]


@pytest.mark.parametrize(("end", "ending"), ENDS)
def test_how_a_job_ended(pool: Pool, end: Callable[[Job], Job], ending: Ending) -> None:
    name = pool.script("a/qsub.0")
    pool.submit(name, asked={"walltime": "90m"})
    pool.cluster.jobs[353143] = end(replace(pool.cluster.jobs[353143], ended=1.0))
    seen = pool.look((name, "353143"))
    assert seen.queue == {}
    assert seen.endings["353143"] == ending


def test_the_tail_of_what_a_job_wrote_is_found_where_the_script_put_it(pool: Pool) -> None:
    asked = (
        "#HTCONDOR Output = log.$(ClusterId).$(ProcId)\n#HTCONDOR error=$(cluster)-$(Process).err\n"
    )
    name = pool.script("a/qsub.0", f"#!/bin/sh\n{asked}")
    for file in ("log.353143.0", "353143-0.err", "qsub.0.o353143", "qsub.0.o353144"):
        (pool.run / "a" / file).write_text(f"I am {file}\n")
    tail = pool.look((name, "353143")).endings["353143"].tail
    said = {line for line in tail.splitlines() if line.startswith("I am")}
    assert said == {"I am log.353143.0", "I am 353143-0.err", "I am qsub.0.o353143"}
    assert pool.look((name, "353143")).endings["353143"].known is False


@pytest.mark.parametrize(
    "id", ["a b", "a$(x)", "a\\", "a'b", 'a"b', "a,b", "a\nb", "a#b", "é", "a;b"]
)
def test_names_which_a_description_would_change_are_refused(id: str) -> None:
    assert "HTCondor" in DIALECT.bad_name("/run", id)


@pytest.mark.parametrize("folder", ["/run/$$(x)", "/run/$$[x]", "/run/a\\"])
def test_folders_which_a_description_would_change_are_refused(folder: str) -> None:
    assert "HTCondor" in DIALECT.bad_name(folder, "0")


@pytest.mark.parametrize(
    ("folder", "id"), [("/run/a b'\"#,;$x\n", "0"), ("/run", "lda+U_1-2%~^:@")]
)
def test_other_names_are_good(folder: str, id: str) -> None:
    assert DIALECT.bad_name(folder, id) == ""


@pytest.mark.parametrize(
    ("text", "true"),
    [
        ('Owner == "Ada" || JobautoToken =!= undefined', True),
        ('Owner == "bob" || JobautoToken =!= undefined', False),
        ("ClusterId == 11 || ClusterId == 7", True),
        ("Missing == 1 || ClusterId == 7", True),
        ("Missing == 1 && ClusterId == 7", False),
        ('(Owner =?= "Ada")', False),
        ("ClusterId >= 7 && ClusterId < 8 && ClusterId != 9", True),
    ],
)
def test_the_accent_reads_constraints(text: str, true: bool) -> None:
    assert holds(text, {"Owner": "ada", "ClusterId": 7}) is true
