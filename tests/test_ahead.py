"""Look-ahead: jobs that are handed in while what they need is still being made."""

# ruff: noqa: F811  (pytest finds the fixtures `remote` and `world` by their names)

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fake import FREE, FakeCluster, FakeJob, Held
from test_monitor import CHAIN, World, folders, world  # noqa: F401
from test_observation import Remote, every_shell, remote  # noqa: F401

from jobauto.actions.order import order
from jobauto.actions.status import status
from jobauto.errors import DONE, SOME_FAILED, UserError
from jobauto.host import Runner
from jobauto.judge import Absence, Judge, Patience, Verdict
from jobauto.ledger import Entry
from jobauto.meeting import check_look_ahead
from jobauto.model import Attempt, Claim, Ending, Job, Seen, State
from jobauto.remote.observation import Suspect
from jobauto.remote.submission import TURNED_BACK, Ahead, Submit
from jobauto.schedulers import DIALECTS
from jobauto.settings import Settings

SH = {name: "#!/bin/sh\n" for name in CHAIN if "dependency" not in name}


@pytest.fixture
def chain(world: Callable[..., World]) -> Callable[..., World]:
    """A chain of three jobs, or another tree, that is handed in ahead."""

    def build(tree: dict[str, str] | None = None, **options: Any) -> World:
        return world({**CHAIN, **SH, **(tree or {})}, native_deps=True, **options)

    return build


def submissions(w: World) -> int:
    return w.host.asked.count("SubmitThenLook")


def what(w: World, *wanted: str) -> list[tuple[str, str]]:
    """What really happened, of these kinds."""
    return [(did, name) for _, did, name in w.cluster.history if did in wanted]


def intents(w: World) -> list[str]:
    lines = (w.folder / "qsub.log").read_text().splitlines()
    return [line[16:] for line in lines if " intent " in line]


# --- what is handed in ----------------------------------------------------------------------------


def test_a_chain_is_handed_in_at_once_and_runs_in_order(chain: Callable[..., World]) -> None:
    w = chain()
    assert w.finish() == DONE
    assert submissions(w) == 1
    names = ["a/qsub.0", "a/qsub.1", "a/qsub.2"]
    assert w.cluster.submitted() == names
    steps = [(did, name) for name in names for did in ("run", "done")]
    assert what(w, "run", "done") == steps
    first, second, third = intents(w)
    assert "after=" not in first
    assert second.endswith(f"after={first.split('token=')[1]}")
    assert third.endswith(f"after={second.split('token=')[1].split()[0]}")


def test_without_the_option_nothing_is_handed_in_ahead(world: Callable[..., World]) -> None:
    w = world({**CHAIN, **SH})
    assert w.finish() == DONE
    assert submissions(w) == 3


def test_no_more_than_maxqsub_are_in_the_queue_and_what_is_ready_goes_first(
    world: Callable[..., World],
) -> None:
    tree = {n: t or "#!/bin/sh\n" * ("dependency" not in n) for n, t in folders(3).items()}
    w = world(tree, native_deps=True, maxqsub=5)
    w.monitor().tick()
    first, *ahead = w.cluster.submitted()[:3], *w.cluster.submitted()[3:]
    assert first == ["m000/qsub.0", "m001/qsub.0", "m002/qsub.0"]
    assert ahead == ["m000/qsub.1", "m001/qsub.1"]
    assert w.finish() == DONE
    assert len(w.cluster.submitted()) == 9


def test_a_job_waits_for_all_that_it_needs(chain: Callable[..., World]) -> None:
    w = chain(
        {"a/qsub.dependency.1": "", "a/qsub.dependency.2": "qsub.finished.0\nqsub.finished.1\n"}
    )
    w.cluster.plans["a/qsub.0"] = FakeJob(seconds=50)
    w.cluster.plans["a/qsub.1"] = FakeJob(seconds=5)
    assert w.finish() == DONE
    assert submissions(w) == 1
    assert what(w, "run")[-1] == ("run", "a/qsub.2")
    assert what(w, "done")[:2] == [("done", "a/qsub.1"), ("done", "a/qsub.0")]


NOT_AHEAD = {
    "a script of another language": {"a/qsub.1": "#!/usr/bin/env python3\n"},
    "a script that does not say by what it is run": {"a/qsub.1": "touch x\n"},
    "a file that no job makes": {"a/qsub.dependency.1": "qsub.finished.0\nmade\n"},
    "a file that must be away": {"a/qsub.dependency.1": "qsub.finished.0\nnot busy\n"},
    "its own dependencies": {"a/qsub.1": "#!/bin/sh\n#SBATCH -n 1 -d singleton\n"},
    "tokens": {"a/qsub.resources.1": "tokens = licence\n"},
    "a key for reuse": {f"a/qsub.inputs.{n}": "" for n in range(3)},
}


@pytest.mark.parametrize("why", NOT_AHEAD)
def test_what_something_else_decides_about_is_not_handed_in_ahead(
    chain: Callable[..., World], why: str
) -> None:
    w = chain(NOT_AHEAD[why])
    w.monitor().tick()
    assert w.cluster.submitted() == ["a/qsub.0"]
    w.cluster.files.add("a/made")
    assert w.finish() == DONE
    assert ("run", "a/qsub.2") in what(w, "run")


@pytest.mark.parametrize("first", ["#!/bin/bash -l", "#! /usr/bin/env bash", "#!/bin/csh -f"])
def test_shells_of_all_kinds_are_handed_in_ahead(chain: Callable[..., World], first: str) -> None:
    w = chain({"a/qsub.1": f"{first}\n"})
    w.monitor().tick()
    assert len(w.cluster.submitted()) == 3


def test_a_scheduler_without_dependencies_says_so(chain: Callable[..., World]) -> None:
    w = chain()
    w.run.scheduler = "local"
    with pytest.raises(UserError, match="local lets no job wait for others"):
        check_look_ahead(w.run, w.chosen)


def test_a_shared_task_and_look_ahead_exclude_each_other() -> None:
    with pytest.raises(ValueError, match="does not go with --native-deps"):
        Settings(ldir=Path(), native_deps=True, task="t")


# --- what goes wrong ------------------------------------------------------------------------------


@pytest.mark.parametrize("accent", ["slurm", "sge", "pbs", "lsf"])
@pytest.mark.parametrize("silent", [False, True], ids=["status 1", "status 0"])
def test_what_needs_a_failed_job_leaves_the_queue_and_is_blocked(
    chain: Callable[..., World], silent: bool, accent: str
) -> None:
    w = chain()
    use(w, accent)
    w.cluster.plans["a/qsub.0"] = FakeJob(succeeds=False, silent=silent)
    assert w.finish() == SOME_FAILED
    assert what(w, "run") == [("run", "a/qsub.0")]
    assert w.cluster.queue() == []
    now = status(w.folder)
    assert now.states == {
        "a/qsub.0": State.FAILED,
        "a/qsub.1": State.BLOCKED,
        "a/qsub.2": State.BLOCKED,
    }
    # and when it is mended, all run, each once
    w.cluster.plans["a/qsub.0"] = FakeJob()
    order(w.folder, "retry", ["a/qsub.0"], w.clock, Runner())
    assert w.finish() == DONE
    ran = [name for _, name in what(w, "run")]
    assert ran == ["a/qsub.0", "a/qsub.0", "a/qsub.1", "a/qsub.2"]


def use(w: World, accent: str) -> None:
    """Let the cluster be one of this kind."""
    from speech import speech

    w.cluster.speech = speech(accent)
    w.run.scheduler = accent
    w.run.save()


def test_a_job_that_is_refused_for_what_it_waits_for_is_handed_in_again_in_time(
    chain: Callable[..., World],
) -> None:
    w = chain()
    w.cluster.plans["a/qsub.1"] = FakeJob(refuse="Job dependency problem\n")
    monitor = w.monitor()
    monitor.tick()
    w.cluster.plans["a/qsub.1"] = FakeJob()
    assert w.finish(monitor) == DONE
    assert [name for _, name in what(w, "run")] == ["a/qsub.0", "a/qsub.1", "a/qsub.2"]
    assert len([line for line in intents(w) if "qsub.1 2" in line]) == 1


def test_a_job_put_on_hold_while_it_waits_in_the_queue_leaves_it(
    chain: Callable[..., World],
) -> None:
    w = chain()
    w.cluster.plans["a/qsub.0"] = FakeJob(seconds=100)
    monitor = w.monitor()
    monitor.tick()
    (w.folder / "a/qsub.dependency.2").unlink()
    assert w.finish(monitor) == SOME_FAILED
    assert [name for _, name in what(w, "run")] == ["a/qsub.0", "a/qsub.1"]
    assert status(w.folder).states["a/qsub.2"] is State.HELD


def test_a_job_that_fails_by_itself_has_failed(chain: Callable[..., World]) -> None:
    w = chain()
    w.cluster.plans["a/qsub.1"] = FakeJob(succeeds=False)
    assert w.finish() == SOME_FAILED
    assert status(w.folder).states["a/qsub.1"] is State.FAILED
    assert status(w.folder).states["a/qsub.2"] is State.BLOCKED


def test_a_monitor_that_comes_later_without_the_option_keeps_the_guards(
    chain: Callable[..., World],
) -> None:
    w = chain()
    w.host.faults = ["", "hang"]  # of the submission nothing arrives
    monitor = w.monitor()
    with pytest.raises(Exception, match="no answer in time"):
        monitor.tick()
    assert w.cluster.submitted() == []
    w.chosen.native_deps = False
    assert w.finish() == DONE
    held = [bool(job.held[1]) for job in w.cluster.jobs.values()]
    assert held == [False, True, True]
    assert [name for _, name in what(w, "run")] == ["a/qsub.0", "a/qsub.1", "a/qsub.2"]


def forgetful(cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """As OpenPBS without job history: those for which a job is to wait end just before it comes,
    and are not known any more. The job is taken, and aborted at once (post_doq)."""
    take = cluster.take

    def late(name: str, token: str, held: Held = FREE) -> str:
        for jobid in held[0]:
            cluster.clock.sleep(5)
            cluster.advance()
            assert cluster.jobs[jobid].ended is not None
            cluster.jobs[jobid].marked = False  # as if it had never been: that it went well, too
        return take(name, token, held)

    monkeypatch.setattr(cluster, "take", late)


def test_a_job_that_never_began_has_not_failed(
    chain: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    w = chain()
    forgetful(w.cluster, monkeypatch)
    assert w.finish() == DONE, w.quelist()
    assert ("cancelled", "a/qsub.1") in what(w, "cancelled")
    assert [name for _, name in what(w, "run")] == list(w.last_words())
    assert set(w.last_words().values()) == {"finished"}


def test_jobs_that_wait_in_the_queue_are_not_called_strange(chain: Callable[..., World]) -> None:
    w = chain()
    use(w, "sge")
    w.cluster.plans["a/qsub.0"] = FakeJob(seconds=100)
    monitor = w.monitor()
    monitor.tick()
    waiting = [job for job in w.cluster.jobs.values() if job.held[0]]
    w.cluster.states = {job.jobid: "hqw" for job in waiting}
    w.clock.sleep(10)
    monitor.tick()
    assert [q.code for q in status(w.folder).queue.values()] == ["r", "hqw", "hqw"]
    assert status(w.folder).strange() == {}
    # when nothing is missing any more, a person holds it
    w.cluster.files.add("a/qsub.finished.0")
    w.clock.sleep(10)
    monitor.tick()
    assert list(status(w.folder).strange()) == ["a/qsub.1"]


# --- the verdicts ---------------------------------------------------------------------------------

AHEAD = Entry(Job("a", "1"), attempt=Attempt(Job("a", "1"), 1, "t", ("t0",)), jobid="7", open=True)


@pytest.mark.parametrize(
    ("ending", "seconds", "verdict"),
    [
        (Ending(began=False), 0, "early"),
        (Ending(1, began=False), 91, "early"),
        (Ending(1, began=True), 0, "failed"),
        (Ending(0, began=True), 0, ""),
        (Ending(0, began=True), 91, "failed"),
        (Ending(1), 91, ""),  # whether it began is asked again
    ],
)
def test_what_becomes_of_a_job_that_is_gone(ending: Ending, seconds: float, verdict: str) -> None:
    judge = Judge(DIALECTS["slurm"], Patience(), 1000.0)
    missing = frozenset([AHEAD.job.marker])
    seen = Seen(missing=missing, endings={"7": ending}, tokens_known=True)
    assert judge.verdict(AHEAD, seen, Absence(1, 1000.0 - seconds)).what == verdict


def test_a_refusal_of_a_job_that_is_ahead_is_not_final() -> None:
    judge = Judge(DIALECTS["slurm"], Patience(), 1000.0)
    refused = Claim(True, True, 1, "", "sbatch: error: Job dependency problem\n")
    seen = Seen(claims={"t": refused}, tokens_known=True)
    doubtful = Entry(AHEAD.job, attempt=AHEAD.attempt, open=True)
    found = judge.verdict(doubtful, seen, Absence(1, 1000.0))
    assert found == Verdict("early", "refused:-sbatch:-error:-Job-dependency-problem")
    plain = Entry(AHEAD.job, attempt=Attempt(AHEAD.job, 1, "t"), open=True)
    assert judge.verdict(plain, seen, Absence(1, 1000.0)).what == "failed"


OWN = {
    "slurm": ["#SBATCH --dependency=afterok:1", "#SBATCH -dsingleton"],
    "sge": ["#$ -cwd -hold_jid 12", "#$ -hold_jid_ad 12"],
    "pbs": ["#PBS -W depend=afterok:12", "#PBS -l mem=1gb -W x=y,depend=on:2"],
    "lsf": ['#BSUB -w "done(12)"'],
}
NOT_OWN = [
    "#SBATCH --partition=long-d",
    "#$ -N hold_jid",
    "#PBS -N depend",
    "#BSUB -W 12",
    "# -w x",
]


@pytest.mark.parametrize("dialect", OWN)
def test_dependencies_of_the_scripts_own_are_seen(dialect: str) -> None:
    for line in OWN[dialect]:
        assert DIALECTS[dialect].waits.search(f"#!/bin/sh\n{line}\n")
    for line in NOT_OWN:
        assert not DIALECTS[dialect].waits.search(f"#!/bin/sh\n{line}\n")


# --- the guard, in real shells --------------------------------------------------------------------

# what sbatch does here: keep the script, and say a JOBID
SBATCH = 'for script; do :; done; cat "$script" >"$REMOTE/script"; echo 353143'
BODY = "date >body\ntouch qsub.finished.1\n"
NAMES = ["job", "o'dd $(touch x) name", "-dash", "a\\b"]


def ahead(remote: Remote, attempt: Attempt, words: Ahead, dialect: str = "slurm") -> Submit:
    remote.program("sbatch", SBATCH)
    told = {attempt.token: words}
    return Submit(DIALECTS[dialect], str(remote.run), [attempt], ahead=told)


@every_shell
@pytest.mark.parametrize("folder", NAMES)
def test_the_script_begins_with_the_guard_behind_its_directives(
    remote: Remote, folder: str
) -> None:
    attempt = remote.attempt(folder=folder)
    head = "#!/bin/sh\n#SBATCH -n 1\n\n   # a note\n \t\n"
    (remote.run / attempt.job.name).write_text(head + BODY)
    claims = remote.ask(ahead(remote, attempt, Ahead(["12", "7"], [], [f"{folder}/needed"])))
    assert claims[attempt.token].out == "353143\n"
    (call,) = remote.calls("sbatch")
    assert "--dependency=afterok:12:7" in call
    assert Path(call[-1]).name == "qsub.1"
    script = (remote.tmp / "script").read_text()
    assert script.startswith(head)
    assert script.endswith(BODY)
    (line,) = script.removeprefix(head).removesuffix(BODY).splitlines()
    assert line.startswith("sh ")
    # it turns the job back, and lets it begin once the file is there
    assert run(remote, folder) == TURNED_BACK
    fate = remote.claims / attempt.token / "fate"
    assert [path.name for path in fate.iterdir()] == ["turned-back"]
    assert not (remote.run / folder / "body").exists()
    shutil.rmtree(fate)
    (remote.run / folder / "needed").touch()
    assert run(remote, folder) == 0
    assert [path.name for path in fate.iterdir()] == ["begins"]
    assert (remote.run / folder / "body").exists()
    assert not (remote.run / folder / "x").exists()
    # queued again by the scheduler it begins again
    (remote.run / folder / "body").unlink()
    assert run(remote, folder) == 0
    assert (remote.run / folder / "body").exists()


@every_shell
def test_a_look_takes_the_right_to_begin_from_a_job_that_has_left_the_queue(
    remote: Remote,
) -> None:
    attempt = replace(remote.attempt(), after=("t0",))
    (remote.run / attempt.job.name).write_text("#!/bin/sh\n" + BODY)
    remote.ask(ahead(remote, attempt, Ahead(["12"], [], ["job/needed"])))
    (remote.run / "job" / "needed").touch()
    suspect = Suspect(attempt, "353143")
    for _ in range(2):  # it stays so
        seen = remote.ask(remote.observe(suspects=[suspect]))
        assert seen.endings["353143"].began is False
        assert run(remote, "job") == TURNED_BACK
    assert not (remote.run / "job" / "body").exists()
    shutil.rmtree(remote.claims / attempt.token / "fate")
    assert run(remote, "job") == 0
    assert remote.ask(remote.observe(suspects=[suspect])).endings["353143"].began
    shutil.rmtree(remote.claims / attempt.token)  # a person's doing: nobody can tell any more
    assert remote.ask(remote.observe(suspects=[suspect])).endings["353143"].began


def run(remote: Remote, folder: str) -> int:
    """Run what sbatch was given, without the guard's pauses."""
    (remote.bin / "sleep").unlink(missing_ok=True)
    remote.program("sleep", ":")
    shell = remote.bin / "sh"
    return subprocess.run([shell, remote.tmp / "script"], cwd=remote.run / folder).returncode


@pytest.mark.parametrize(
    "text", ["", "#!/bin/sh\n# nothing", "#!/bin/sh\ntouch x", "#!/bin/sh\n\n\techo '\\n' %s\n\\\n"]
)
def test_nothing_of_a_script_is_changed_but_that_line(remote: Remote, text: str) -> None:
    attempt = remote.attempt()
    (remote.run / attempt.job.name).write_text(text)
    remote.ask(ahead(remote, attempt, Ahead(["12"], [], ["needed"])))
    lines = (remote.tmp / "script").read_text().splitlines()
    assert [line for line in lines if "/guard" not in line] == text.splitlines()
    commands = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    assert len(lines) - len(text.splitlines()) == bool(commands)


@every_shell
def test_a_job_waits_for_one_of_the_same_submission(remote: Remote) -> None:
    first, second = remote.attempt("0"), remote.attempt("1")
    remote.program("sbatch", "echo 12; true")
    told = {second.token: Ahead(["7"], [first.token], ["job/qsub.finished.0"])}
    remote.ask(Submit(DIALECTS["slurm"], str(remote.run), [first, second], ahead=told))
    one, two = remote.calls("sbatch")
    assert not [word for word in one if "afterok" in word]
    assert "--dependency=afterok:7:12" in two


@every_shell
@pytest.mark.parametrize("sbatch", ["echo no >&2; exit 1", "echo welcome; echo 12", "true"])
def test_what_waits_for_a_job_that_was_not_taken_is_not_handed_in(
    remote: Remote, sbatch: str
) -> None:
    first, second = remote.attempt("0"), remote.attempt("1")
    remote.program("sbatch", sbatch)
    told = {second.token: Ahead([], [first.token], ["job/qsub.finished.0"])}
    found = remote.ask(Submit(DIALECTS["slurm"], str(remote.run), [first, second], ahead=told))
    assert len(remote.calls("sbatch")) == 1
    claim = found[second.token]
    assert (claim.exit_code, claim.err) == (1, f"what it waits for was not taken: {first.token}\n")


ANSWERS = {
    "slurm": ("353143;cluster", "353143"),
    "sge": ("353143", "353143"),
    "pbs": ("353143.server.example", "353143.server.example"),
    "lsf": ("Job <353143> is submitted to queue <normal>.", "353143"),
}


@every_shell
@pytest.mark.parametrize("dialect", ANSWERS)
def test_each_dialect_reads_the_jobid_in_the_shell_as_it_does_here(
    remote: Remote, dialect: str
) -> None:
    said, jobid = ANSWERS[dialect]
    assert DIALECTS[dialect].jobid(f"{said}\n") == jobid
    text = f"jobid='{said}'\n{DIALECTS[dialect].told}\necho \"$jobid\"\n"
    done = subprocess.run(["sh", "-c", text], capture_output=True, text=True, env=os.environ)
    assert done.stdout == f"{jobid}\n"


def test_nothing_is_left_of_one_job_for_the_next(remote: Remote) -> None:
    first, second = remote.attempt("0"), remote.attempt("1")
    told = {first.token: Ahead(["7"], [], ["needed"])}
    remote.ask(Submit(DIALECTS["slurm"], str(remote.run), [first, second], ahead=told))
    # also where the first is not handed in any more
    remote.ask(Submit(DIALECTS["slurm"], str(remote.run), [first, second], ahead=told))
    one, two = remote.calls("sbatch")
    assert "--dependency=afterok:7" in one
    assert not [word for word in two if "afterok" in word]
    assert not (remote.claims / second.token / "guard").exists()
