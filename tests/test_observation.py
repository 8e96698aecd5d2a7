"""One request at a time, run for real by every shell that is here, among programs that lie.

`sbatch`, `squeue` and the others are small scripts of each test. Each of them notes its call
first: `Remote.calls` then tells what was really run. Besides them, only TOOLS are on the PATH: no
test can reach a real scheduler, and a remote needs no more than these.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import psutil
import pytest
from places import ask

from jobauto.errors import CouldNotAsk
from jobauto.host import Runner
from jobauto.judge import Absence, Judge, Patience, Verdict, accepted
from jobauto.ledger import Entry
from jobauto.model import Attempt, Claim, Ending, InQueue, Job, Queued, Seen
from jobauto.remote.framing import Answer, Request
from jobauto.remote.killing import Kill
from jobauto.remote.observation import Observe, Suspect
from jobauto.remote.probe import Probe
from jobauto.remote.submission import REFUSALS, Submit
from jobauto.schedulers import DIALECTS
from jobauto.schedulers.slurm import Slurm

T = TypeVar("T")
SLURM, SGE, LOCAL = DIALECTS["slurm"], DIALECTS["sge"], DIALECTS["local"]
TOOLS = ["sed", "uname", "id", "timeout", "mkdir", "rmdir", "rm", "tail", "head", "grep"]
TOOLS_OF_LOCAL_JOBS = ["setsid", "chmod", "cat"]
TOOLS_OF_TESTS = ["ls", "sleep", "touch"]
EMPTY_QSTAT = "<?xml version='1.0'?><job_info><queue_info/><job_info/></job_info>"


def shells() -> list[str]:
    """The POSIX shells of this machine, each once, whatever `sh` is a name of."""
    names = ("sh", "dash", "bash", "ksh", "mksh", "yash", "busybox")
    paths = map(shutil.which, names)
    found = {os.path.realpath(path): None for path in paths if path}
    return list(found)


@dataclass
class Remote:
    """A machine to log in to: its programs in `bin`, a run in `run`, jobs in `run/job`."""

    tmp: Path

    @property
    def bin(self) -> Path:
        return self.tmp / "bin"

    @property
    def run(self) -> Path:
        return self.tmp / "run"

    @property
    def claims(self) -> Path:
        return self.run / ".jobauto" / "claims"

    def program(self, name: str, text: str) -> None:
        """Put a program on the PATH: `text` is run by sh after the call was noted."""
        note = 'printf "%s\\0" "${0##*/}" "$PWD" "$@" end >>"$REMOTE/calls"\n'
        path = self.bin / name
        path.write_text(f"#!/bin/sh\n{note}{text}\n")
        path.chmod(0o755)

    def calls(self, name: str) -> list[list[str]]:
        """Arguments of each call of a program, as it got them, behind the folder it ran in."""
        log = self.tmp / "calls"
        text = os.fsdecode(log.read_bytes()) if log.exists() else ""
        calls = [call.split("\0") for call in text.split("\0end\0")[:-1]]
        return [words[1:] for words in calls if words[0] == name]

    def attempt(self, job_id: str = "1", folder: str = "job", number: int = 1) -> Attempt:
        """An attempt of a job whose script lies in the run."""
        job = Job(folder, job_id)
        path = self.run / job.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("#!/bin/sh\n")
        return Attempt(job, number, f"ja0-{abs(hash((folder, job_id))):x}-{number}")

    def submit(self, *attempts: Attempt) -> Submit:
        return Submit(SLURM, str(self.run), attempts)

    def observe(self, **asked: Any) -> Observe:
        return Observe(SLURM, str(self.run), **asked)

    def ask(self, request: Request[T]) -> T:
        return ask(request)

    def answer(self, request: Request[object]) -> Answer:
        """What comes over the line, before it is read."""
        return Runner().run(["sh", "-s"], request.script(), request.timeout)

    def start(self, request: Request[object]) -> subprocess.Popen[str]:
        """The same without waiting; the script has been sent."""
        process = subprocess.Popen(
            ["sh", "-s"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert process.stdin
        process.stdin.write(request.script())
        process.stdin.close()
        process.stdin = None
        return process

    def wrap_shell(self, text: str) -> None:
        """Let `sh` be a script; $SHELL_HERE in it is the real one."""
        (self.bin / "sh").unlink()
        (self.bin / "sh").write_text(f"#!/bin/sh\n{text}\n")
        (self.bin / "sh").chmod(0o755)


every_shell = pytest.mark.parametrize("remote", shells(), ids=os.path.basename, indirect=True)


@pytest.fixture
def remote(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Remote:
    """A remote with this machine's sh, or (every_shell) with each shell in turn."""
    shell = getattr(request, "param", shells()[0])
    made, tools = Remote(tmp_path), tmp_path / "tools"
    for folder in (made.bin, made.run, tools):
        folder.mkdir()
    (made.bin / "sh").symlink_to(shell)
    for name in (*TOOLS, *TOOLS_OF_LOCAL_JOBS, *TOOLS_OF_TESTS):
        (tools / name).symlink_to(shutil.which(name) or name)
    monkeypatch.setenv("PATH", f"{made.bin}:{tools}")
    monkeypatch.setenv("REMOTE", str(tmp_path))
    monkeypatch.setenv("SHELL_HERE", shell)
    made.program("squeue", "echo '11|RUNNING|ja0-x-1|None'; echo '12|PENDING|ja0-y-1|Resources'")
    made.program("sbatch", "echo 353143")
    made.program("scancel", "")
    made.program("scontrol", "echo 'JobState=FAILED Reason=NonZeroExitCode ExitCode=3:0'")
    return made


TWO = {
    "11": InQueue("11", Queued.RUNNING, "RUNNING", "None", "ja0-x-1"),
    "12": InQueue("12", Queued.PENDING, "PENDING", "Resources", "ja0-y-1"),
}
# shell: the process that runs the request, which noted itself in the claim
FIND_SHELL = 'read -r shell host <"$(ls -td "$REMOTE"/run/.jobauto/claims/*/begun | head -n 1)"\n'


# --- looking: "I could not ask" is not "it is gone" -----------------------------------------------


@every_shell
def test_a_look_shows_the_queue_and_which_files_exist(remote: Remote) -> None:
    (remote.run / "job").mkdir()
    (remote.run / "job" / "qsub.finished.1").touch()
    files = ["job/qsub.finished.1", "job/qsub.finished.2", "gone/x"]
    seen = remote.ask(remote.observe(jobids=["11", "12"], files=files))
    assert seen.queue == TWO
    assert seen.there == {"job/qsub.finished.1"}
    assert seen.missing == {"job/qsub.finished.2", "gone/x"}


def test_the_scheduler_is_asked_once_however_many_jobs_there_are(remote: Remote) -> None:
    remote.ask(remote.observe(jobids=[str(n) for n in range(300)]))
    assert len(remote.calls("squeue")) == 1


def test_the_queue_is_looked_at_before_the_files(remote: Remote) -> None:
    """A job that ends in between has left the queue *and* shows its marker: never neither."""
    remote.program("squeue", 'touch "$REMOTE/run/qsub.finished.1"')
    seen = remote.ask(remote.observe(jobids=["11"], files=["qsub.finished.1"]))
    assert seen.queue == {}
    assert seen.there == {"qsub.finished.1"}


FAILING = {
    "exit status 1": "exit 1",
    "exit status 1 after a whole answer": "echo '11|RUNNING|x|None'; exit 1",
    "exit status 255 with words": "echo 'lost' >&2; exit 255",
    "killed": "kill -9 $$",
    "killed after a part": "echo '11|RUNNING|x|None'; kill -9 $$",
    "words on stderr": "echo '11|RUNNING|x|None'; echo 'squeue: error: Invalid user' >&2",
    "words on stderr without a newline": "printf 'squeue: error' >&2",
    "words on stderr that look like a status": "echo 'r 0' >&2",
    "a line cut short": "printf '11|RUN'",
    "an error on stdout": "echo 'slurm_load_jobs error: Unable to contact slurm controller'",
    "a line that looks like the end": "echo '@queue'; echo 'r 0'",
    "wrong bytes": r"printf '\377\376\n'",
}


@every_shell
@pytest.mark.parametrize("how", FAILING)
def test_a_scheduler_that_fails_in_any_way_could_not_be_asked(remote: Remote, how: str) -> None:
    remote.program("squeue", FAILING[how])
    with pytest.raises(CouldNotAsk):
        remote.ask(remote.observe(jobids=["11"]))


def test_a_scheduler_that_is_not_there_could_not_be_asked(remote: Remote) -> None:
    (remote.bin / "squeue").unlink()
    with pytest.raises(CouldNotAsk, match="127"):
        remote.ask(remote.observe(jobids=["11"]))


@every_shell
def test_a_scheduler_that_hangs_is_ended_and_could_not_be_asked(remote: Remote) -> None:
    shorten_timeout(remote)
    remote.program("squeue", "exec sleep 60")
    before = time.monotonic()
    with pytest.raises(CouldNotAsk, match="124"):
        remote.ask(remote.observe(jobids=["11"]))
    assert time.monotonic() - before < 10


def shorten_timeout(remote: Remote) -> None:
    """A minute of patience becomes a fifth of a second."""
    remote.program("timeout", 'shift; exec "$REMOTE/tools/timeout" 0.2 "$@"')


@every_shell
def test_an_answer_without_a_last_newline_is_whole(remote: Remote) -> None:
    remote.program("squeue", "printf '11|RUNNING|ja0-x-1|None\\n12|PENDING|ja0-y-1|Resources'")
    assert remote.ask(remote.observe(jobids=["11"])).queue == TWO


def test_an_empty_queue_is_an_answer(remote: Remote) -> None:
    remote.program("squeue", "exit 0")
    assert remote.ask(remote.observe(jobids=["11"])).queue == {}


def test_a_persons_defaults_for_squeue_hide_no_job(
    remote: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen on Slurm 22.05: with SQUEUE_STATES=R pending jobs are missing, and all else is well."""
    filters = ["STATES", "PARTITION", "ACCOUNT", "QOS", "NAMES", "LICENSES"]
    for name in filters:
        monkeypatch.setenv(f"SQUEUE_{name}", "R")
    hide = "; ".join(f'[ -z "$SQUEUE_{name}" ] || exit 0' for name in filters)
    hidden = 'case " $* " in *" -a "*) ;; *) exit 0;; esac'  # squeue(1): jobs in hidden partitions
    remote.program("squeue", f"{hide}\n{hidden}\necho '11|RUNNING|x|None'")
    assert set(remote.ask(remote.observe(jobids=["11"])).queue) == {"11"}


def test_a_persons_defaults_for_qstat_hide_no_job(remote: Remote) -> None:
    """Seen on SGE 8.1.9: with `-s r` in ~/.sge_qstat only `-s a` shows pending jobs."""
    job = "<job_list><JB_job_number>7</JB_job_number><state>qw</state></job_list>"
    full = EMPTY_QSTAT.replace("<queue_info/>", f"<queue_info>{job}</queue_info>")
    remote.program(
        "qstat", f'case "$*" in *"-s a"*) echo "{full}";; *) echo "{EMPTY_QSTAT}";; esac'
    )
    assert set(remote.ask(Observe(SGE, str(remote.run), ["7"])).queue) == {"7"}


def test_without_a_name_for_the_user_qstat_could_not_be_asked(remote: Remote) -> None:
    remote.program("id", "echo 'id: cannot find name for user ID 1001' >&2; exit 1")
    remote.program("qstat", f'echo "{EMPTY_QSTAT}"')
    with pytest.raises(CouldNotAsk):
        remote.ask(Observe(SGE, str(remote.run), ["7"]))


@every_shell
def test_banners_of_a_login_around_the_answer_are_passed_over(remote: Remote) -> None:
    remote.wrap_shell(
        "echo 'Welcome to the cluster'; echo '@queue'; echo 'o 99|RUNNING|x|None'\n"
        "echo 'begin 0123456789abcdef'; echo 'quota exceeded' >&2\n"
        '"$SHELL_HERE" "$@"\n'
        "code=$?; echo '@t 0'; echo 'end 0123456789abcdef'; echo logout; exit $code"
    )
    attempt = remote.attempt()
    seen = remote.ask(remote.observe(jobids=["11"], files=["job/qsub.finished.1"]))
    assert seen.queue == TWO
    assert seen.there == frozenset()
    claims = remote.ask(remote.submit(attempt))
    assert accepted(claims[attempt.token], SLURM) == "353143"


def test_a_run_folder_that_is_gone_could_not_be_asked(remote: Remote) -> None:
    """It may be a file system that is not mounted: no marker is missing there."""
    remote.run.rename(remote.tmp / "elsewhere")
    with pytest.raises(CouldNotAsk, match="run folder"):
        remote.ask(remote.observe(jobids=["11"], files=["job/qsub.finished.1"]))
    assert remote.calls("squeue") == []


@every_shell
def test_an_answer_cut_at_any_byte_is_never_a_look(remote: Remote) -> None:
    attempt = remote.attempt()
    remote.ask(remote.submit(attempt))
    for request in (
        remote.observe(jobids=["11"], files=["job/qsub.1"], doubtful=[attempt]),
        remote.submit(attempt),
        Kill(SLURM, str(remote.run), ["11"], ["job/qsub.1"], [attempt]),
    ):
        whole = remote.answer(request)
        request.read(whole)
        for n in range(len(whole.out.rstrip("\n"))):
            with pytest.raises(CouldNotAsk):
                request.read(Answer(0, whole.out[:n], whole.err))


@every_shell
def test_how_a_missing_job_ended_is_told_with_the_tail_of_its_output(remote: Remote) -> None:
    attempt = remote.attempt(folder="it's $(odd)")
    (remote.run / attempt.job.folder / "slurm-99.out").write_text("one\n@queue\nr 0\nlast words")
    seen = remote.ask(remote.observe(jobids=["99"], suspects=[Suspect(attempt, "99")]))
    [words] = remote.calls("scontrol")
    assert words[-1] == "99"
    tail = "==> slurm-99.out\none\n@queue\nr 0\nlast words\n"
    assert seen.endings == {"99": Ending(3, "", tail)}
    assert seen.queue == TWO


def test_an_autopsy_that_fails_harms_nothing(remote: Remote) -> None:
    attempt = remote.attempt()
    remote.program("scontrol", "echo 'slurm_load_jobs error: Invalid job id' >&2; exit 1")
    seen = remote.ask(remote.observe(jobids=["99"], suspects=[Suspect(attempt, "99")]))
    assert seen.endings == {"99": Ending()}
    assert seen.queue == TWO


QSTAT_J = "job_number:  7\\ncontext:  jobauto=%s\\n"


@every_shell
@pytest.mark.parametrize(
    ("said", "found"),
    [
        (f"printf '{QSTAT_J}' ja0-z-1", "7"),
        ("printf 'Following jobs do not exist: \\n*\\n' >&2; exit 1", None),
    ],
    ids=["a job", "no job at all"],
)
def test_grid_engine_is_asked_for_tokens_when_in_doubt(
    remote: Remote, said: str, found: str | None
) -> None:
    remote.program("qstat", f'case $1 in -j) {said};; *) echo "{EMPTY_QSTAT}";; esac')
    doubtful = [remote.attempt()]
    seen = remote.ask(Observe(SGE, str(remote.run), doubtful=doubtful))
    assert seen.tokens_known
    assert seen.by_token("ja0-z-1") == found


@pytest.mark.parametrize(
    "said",
    [
        f"printf '{QSTAT_J}' ja0-z-1; exit 1",
        "echo 'error: commlib error: got select error (Connection refused)' >&2; exit 1",
        "exit 1",
        "exit 124",
        "printf 'Following jobs do not exist: \\n*\\n' >&2; exit 124",
        f"printf '{QSTAT_J}' ja0-z-1; kill -9 $$",
    ],
    ids=["part, then failure", "unreachable", "no words", "hung", "no job, hung", "killed"],
)
def test_tokens_that_could_not_be_asked_for_are_not_absent(remote: Remote, said: str) -> None:
    remote.program("qstat", f'case $1 in -j) {said};; *) echo "{EMPTY_QSTAT}";; esac')
    with pytest.raises(CouldNotAsk):
        remote.ask(Observe(SGE, str(remote.run), doubtful=[remote.attempt()]))


# --- submitting: at most once ---------------------------------------------------------------------


@every_shell
def test_a_job_is_submitted_from_its_folder_with_its_token(remote: Remote) -> None:
    attempt = remote.attempt("lda", "mp-149")
    claims = remote.ask(remote.submit(attempt))
    assert claims == {attempt.token: Claim(True, True, 0, "353143\n", "")}
    [[folder, *words]] = remote.calls("sbatch")
    assert folder == str(remote.run / "mp-149")
    assert words == ["--parsable", f"--comment={attempt.token}", "qsub.lda"]


@every_shell
@pytest.mark.parametrize("what", ["submit", "kill"])
def test_a_request_cut_at_any_byte_is_done_wholly_or_not_at_all(remote: Remote, what: str) -> None:
    attempts = [remote.attempt("1"), remote.attempt("2")]
    requests: dict[str, Request[Any]] = {
        "submit": remote.submit(*attempts),
        "kill": Kill(SLURM, str(remote.run), [str(n) for n in range(1200)], doubtful=attempts),
    }
    request = requests[what]
    program = {"submit": "sbatch", "kill": "scancel"}[what]
    script = request.script()
    length = len(script)
    cuts = sorted({*range(0, length, length // 60), *range(length - 20, length + 1)})
    whole = [n for n in cuts if sent_only(remote, script[:n], program)]
    assert whole == [n for n in cuts if script[:n].rstrip() == script.rstrip()]
    assert length in whole


def sent_only(remote: Remote, script: str, program: str) -> bool:
    """Whether this beginning of a script did all; AssertionError if it did a part."""
    (remote.tmp / "calls").unlink(missing_ok=True)
    shutil.rmtree(remote.run / ".jobauto", ignore_errors=True)
    answer = subprocess.run(["sh", "-s"], input=script, capture_output=True, text=True, timeout=20)
    calls = len(remote.calls(program))
    assert calls in (0, 2), f"{calls} calls after {script[-40:]!r}"
    assert (remote.run / ".jobauto").exists() == (calls == 2)
    assert ("\nend " in answer.stdout) == (calls == 2)
    return calls == 2


@every_shell
def test_the_same_attempt_sent_twice_is_submitted_once(remote: Remote) -> None:
    attempt = remote.attempt()
    first = remote.ask(remote.submit(attempt))
    remote.program("sbatch", "echo 999999")
    second = remote.ask(remote.submit(attempt))
    assert len(remote.calls("sbatch")) == 1
    for claims in (first, second):
        assert accepted(claims[attempt.token], SLURM) == "353143"


def test_a_refused_attempt_sent_again_is_not_submitted_again(remote: Remote) -> None:
    attempt = remote.attempt()
    remote.program("sbatch", "echo 'sbatch: error: no' >&2; exit 1")
    for _ in range(2):
        claim = remote.ask(remote.submit(attempt))[attempt.token]
        assert (claim.answered, claim.exit_code, claim.err) == (True, 1, "sbatch: error: no\n")
    assert len(remote.calls("sbatch")) == 1


def test_the_next_attempt_of_a_job_is_a_submission_of_its_own(remote: Remote) -> None:
    remote.ask(remote.submit(remote.attempt(number=1)))
    remote.ask(remote.submit(remote.attempt(number=2)))
    assert len(remote.calls("sbatch")) == 2


@every_shell
def test_two_shells_that_race_for_an_attempt_submit_it_once(remote: Remote) -> None:
    remote.program("sbatch", "sleep 0.02; echo 353143")
    for number in range(20):
        (remote.tmp / "calls").unlink(missing_ok=True)
        attempt = remote.attempt(number=number)
        requests = [remote.submit(attempt), remote.submit(attempt)]
        racing = [remote.start(request) for request in requests]
        for request, process in zip(requests, racing, strict=True):
            out, _ = process.communicate(timeout=20)
            claim = request.read(Answer(0, out, ""))[attempt.token]
            assert accepted(claim, SLURM) == "353143" or not claim.answered
        assert len(remote.calls("sbatch")) == 1


def test_the_loser_of_a_race_learns_that_the_winner_is_at_work(remote: Remote) -> None:
    attempt = remote.attempt()
    remote.program("sbatch", 'while [ ! -e "$REMOTE/go" ]; do sleep 0.01; done; echo 353143')
    winner = remote.start(remote.submit(attempt))
    wait_for(remote.claims / attempt.token / "out")
    claim = remote.ask(remote.submit(attempt))[attempt.token]
    assert (claim.begun, claim.answered, claim.alive) == (True, False, True)
    assert judged(attempt, remote, claim, LONG) == Verdict(absence=LONG)
    (remote.tmp / "go").touch()
    winner.communicate(timeout=20)
    assert len(remote.calls("sbatch")) == 1


def wait_for(path: Path, size: int = 0) -> None:
    end = time.monotonic() + 10
    while not (path.exists() and path.stat().st_size >= size):
        assert time.monotonic() < end, path
        time.sleep(0.01)


FIRST, LONG = Verdict(absence=Absence(1, 500.0)), Absence(1, 400.0)
LONGER = Absence(1, 300.0)


def judged(
    attempt: Attempt, remote: Remote, claim: Claim, before: Absence | None = None
) -> Verdict:
    """The verdict on an attempt without a JOBID after a look at the queue as it is now."""
    seen = remote.ask(remote.observe())
    look = Seen(seen.queue, tokens_known=True, claims={attempt.token: claim})
    entry = Entry(attempt.job, attempt=attempt, open=True)
    return Judge(SLURM, Patience(), 500.0).verdict(entry, look, before)


def test_banners_in_the_answer_of_sbatch_are_passed_over(remote: Remote) -> None:
    attempt = remote.attempt()
    remote.program("sbatch", "echo '*** 3 days to maintenance ***'; echo 353143; echo; echo 'ok.'")
    claim = remote.ask(remote.submit(attempt))[attempt.token]
    assert accepted(claim, SLURM) == "353143"


def test_a_job_accepted_with_an_error_is_found_by_its_token(remote: Remote) -> None:
    """Seen on Slurm 22.05: 'Socket timed out', exit status 1, and the job ran."""
    attempt = remote.attempt()
    remote.program("sbatch", "echo 'sbatch: error: Socket timed out' >&2; exit 1")
    claim = remote.ask(remote.submit(attempt))[attempt.token]
    assert judged(attempt, remote, claim) == FIRST
    remote.program("squeue", f"echo '77|PENDING|{attempt.token}|Priority'")
    assert judged(attempt, remote, claim, LONG) == Verdict("accepted", "77")


def test_a_jobid_next_to_an_error_is_not_believed(remote: Remote) -> None:
    """It may be that of a job which was ended with the sbatch that waited for it."""
    attempt = remote.attempt()
    remote.program("sbatch", "echo 353143; exit 124")
    claim = remote.ask(remote.submit(attempt))[attempt.token]
    assert (claim.answered, claim.exit_code, claim.out) == (True, 124, "353143\n")
    assert judged(attempt, remote, claim) == FIRST
    remote.program("squeue", f"echo '353143|PENDING|{attempt.token}|Priority'")
    assert judged(attempt, remote, claim) == Verdict("accepted", "353143")


def test_a_job_that_the_queue_never_shows_is_put_back_only_when_that_is_proven(
    remote: Remote,
) -> None:
    attempt = remote.attempt()
    remote.program("sbatch", "echo 'sbatch: error: Socket timed out' >&2; exit 1")
    claim = remote.ask(remote.submit(attempt))[attempt.token]
    assert judged(attempt, remote, claim).what == ""
    remote.program("squeue", "exit 1")
    with pytest.raises(CouldNotAsk):
        judged(attempt, remote, claim, LONG)
    remote.program("squeue", "exit 0")
    assert judged(attempt, remote, claim, LONG).what == ""
    assert judged(attempt, remote, claim, LONGER).what == "putback"


@every_shell
def test_a_submission_that_hangs_is_ended_and_the_next_ones_go_on(remote: Remote) -> None:
    shorten_timeout(remote)
    first, second = remote.attempt("1"), remote.attempt("2")
    remote.program("sbatch", "case $3 in *.1) exec sleep 60;; esac; echo 353143")
    before = time.monotonic()
    claims = remote.ask(remote.submit(first, second))
    assert time.monotonic() - before < 10
    assert (claims[first.token].answered, claims[first.token].exit_code) == (True, 124)
    assert accepted(claims[first.token], SLURM) is None
    assert accepted(claims[second.token], SLURM) == "353143"


@every_shell
def test_an_earlier_attempts_marker_is_removed_before_the_submission_and_never_after(
    remote: Remote,
) -> None:
    first = remote.attempt(number=1)
    marker = remote.run / first.job.marker
    marker.touch()
    (remote.run / "job" / "qsub.finished.10").touch()
    # a job so quick that it is done before sbatch has answered
    remote.program("sbatch", 'ls >"$REMOTE/seen"; touch qsub.finished.1; echo 353143')
    remote.ask(remote.submit(first))
    assert (remote.tmp / "seen").read_text().split() == ["qsub.1", "qsub.finished.10"]
    assert marker.exists()
    remote.ask(remote.submit(first))
    assert marker.exists()
    assert len(remote.calls("sbatch")) == 1


@every_shell
def test_claims_that_cannot_be_made_submit_nothing(remote: Remote) -> None:
    attempt = remote.attempt()
    (remote.run / ".jobauto").mkdir()
    (remote.run / ".jobauto" / "claims").write_text("in the way")
    assert remote.ask(remote.submit(attempt)) == {}
    assert remote.calls("sbatch") == []


def test_a_folder_of_claims_that_is_read_only_submits_nothing(remote: Remote) -> None:
    if os.geteuid() == 0:  # root may write everywhere, unless it is deprived of that
        setpriv = shutil.which("setpriv", path="/bin:/usr/bin")
        remote.wrap_shell(f'exec {setpriv} --bounding-set=-all "$SHELL_HERE" "$@"')
    attempt = remote.attempt()
    remote.claims.mkdir(parents=True)
    remote.claims.chmod(0o500)
    assert remote.ask(remote.submit(attempt)) == {}
    assert remote.calls("sbatch") == []


@every_shell
def test_a_full_disk_submits_nothing_and_gives_the_claim_back(remote: Remote) -> None:
    attempt = remote.attempt()
    # no file may grow: as on a full disk, folders and empty files can be made all the same
    remote.wrap_shell('trap "" XFSZ; ulimit -f 0; exec "$SHELL_HERE" "$@"')
    (remote.bin / "sbatch").write_text('#!/bin/sh\nmkdir "$REMOTE/submitted"\necho 353143\n')
    assert remote.ask(remote.submit(attempt)) == {}
    assert not (remote.tmp / "submitted").exists()
    assert [path for path in remote.claims.rglob("*") if path.is_file()] == []
    remote.wrap_shell('exec "$SHELL_HERE" "$@"')
    assert accepted(remote.ask(remote.submit(attempt))[attempt.token], SLURM) == "353143"


@every_shell
def test_a_job_folder_that_is_missing_is_a_refusal_with_words(remote: Remote) -> None:
    gone, good = remote.attempt(folder="gone"), remote.attempt()
    shutil.rmtree(remote.run / "gone")
    claims = remote.ask(remote.submit(gone, good))
    claim = claims[gone.token]
    assert (claim.begun, claim.answered, claim.exit_code) == (False, True, 1)
    assert "./gone" in claim.err
    assert not SLURM.limit.search(claim.err)
    assert accepted(claims[good.token], SLURM) == "353143"
    assert [words[0] for words in remote.calls("sbatch")] == [str(remote.run / "job")]


WEIRD = [
    "with blanks",
    "  two  ",
    "it's",
    'a "b" c',
    "a;touch pwned;b",
    "$(touch pwned)",
    "`touch pwned`",
    "a\\b\\",
    "-rf",
    "--help",
    "$HOME",
    "*",
    "[a-z]?",
    "a|touch pwned",
    "a&touch pwned",
    "a>pwned",
    "#a",
    "!!",
    "{a,b}",
    "~",
    "a\ttab",
    "two\nlines",
    "炭素",
    "\udcff\udcfe",
]


@every_shell
def test_no_name_is_ever_run_by_a_shell(remote: Remote) -> None:
    attempts = [remote.attempt(name, f"{name}/{name}") for name in WEIRD]
    scripts, markers = [a.job.name for a in attempts], [a.job.marker for a in attempts]
    for number, attempt in enumerate(attempts):
        (remote.run / attempt.job.marker).touch()
        output = remote.run / attempt.job.folder / f"slurm-{number}.out"
        output.write_text(f"last words of {number}\n")
    claims = remote.ask(remote.submit(*attempts))
    assert [accepted(claims[a.token], SLURM) for a in attempts] == ["353143"] * len(WEIRD)
    called = [(words[0], words[-1]) for words in remote.calls("sbatch")]
    assert called == [(f"{remote.run}/{name}/{name}", f"qsub.{name}") for name in WEIRD]
    seen = remote.ask(remote.observe(files=scripts + markers, doubtful=attempts))
    assert seen.there == set(scripts)
    assert seen.missing == set(markers)
    suspects = [Suspect(attempt, str(number)) for number, attempt in enumerate(attempts)]
    endings = remote.ask(remote.observe(suspects=suspects)).endings
    assert {jobid: ending.tail for jobid, ending in endings.items()} == {
        str(n): f"==> slurm-{n}.out\nlast words of {n}\n" for n in range(len(WEIRD))
    }
    assert remote.ask(Kill(SLURM, str(remote.run), [], scripts)).markers == set(scripts)
    assert [p for p in remote.tmp.rglob("*") if p.name == "pwned"] == []
    assert not Path("pwned").exists()


def test_a_run_folder_with_a_weird_name_is_entered(remote: Remote) -> None:
    odd = remote.tmp / "-it's $(touch pwned); \\ run"
    remote.run.rename(odd)
    assert remote.ask(Observe(SLURM, str(odd), ["11"])).queue == TWO
    assert not (remote.tmp / "pwned").exists()


def refusing(remote: Remote, *ids: str) -> None:
    """An sbatch that refuses the jobs with these ids."""
    remote.program("sbatch", f"case ${{3#qsub.}} in {'|'.join(ids)}) exit 1;; esac; echo 353143")


@every_shell
def test_after_some_refusals_in_a_row_the_rest_of_a_batch_is_left_alone(remote: Remote) -> None:
    attempts = [remote.attempt(str(n)) for n in range(REFUSALS + 3)]
    refusing(remote, *map(str, range(99)))
    claims = remote.ask(remote.submit(*attempts))
    assert list(claims) == [attempt.token for attempt in attempts[:REFUSALS]]
    assert len(remote.calls("sbatch")) == REFUSALS
    refusing(remote, "none")
    claims = remote.ask(remote.submit(*attempts))
    later = [accepted(claims[attempt.token], SLURM) for attempt in attempts]
    assert later == [None] * REFUSALS + ["353143"] * 3


def test_refusals_that_are_not_in_a_row_stop_nothing(remote: Remote) -> None:
    attempts = [remote.attempt(str(n)) for n in range(8)]
    refusing(remote, "0", "1", "3", "4", "6")
    claims = remote.ask(remote.submit(*attempts))
    jobids = [accepted(claims[attempt.token], SLURM) for attempt in attempts]
    assert jobids == [None, None, "353143", None, None, "353143", None, "353143"]


@every_shell
def test_a_hangup_in_the_middle_of_a_batch_loses_no_record(remote: Remote) -> None:
    attempts = [remote.attempt(str(n)) for n in range(3)]
    remote.program("sbatch", f'{FIND_SHELL}kill -s HUP "$shell"; echo 353143')
    request = remote.submit(*attempts)
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # as sshd starts a shell
    try:
        process = remote.start(request)  # a Runner's processes ignore it anyway
    finally:
        signal.signal(signal.SIGHUP, before)
    claims = request.read(Answer(0, process.communicate(timeout=20)[0], ""))
    assert [accepted(claims[a.token], SLURM) for a in attempts] == ["353143"] * 3
    assert len(remote.calls("sbatch")) == 3


@every_shell
def test_an_answer_that_nobody_reads_any_more_loses_no_record(remote: Remote) -> None:
    attempts = [remote.attempt(str(n)) for n in range(3)]
    remote.program("sbatch", 'while [ ! -e "$REMOTE/go" ]; do sleep 0.01; done; echo 353143')
    process = remote.start(remote.submit(*attempts))
    wait_for(remote.claims / attempts[0].token / "out")
    assert process.stdout
    process.stdout.close()  # the connection is gone
    (remote.tmp / "go").touch()
    process.wait(timeout=20)
    assert len(remote.calls("sbatch")) == 3
    claims = remote.ask(remote.submit(*attempts))
    assert [accepted(claims[a.token], SLURM) for a in attempts] == ["353143"] * 3
    assert len(remote.calls("sbatch")) == 3


@every_shell
def test_a_shell_killed_between_a_submission_and_its_record_leaves_doubt(remote: Remote) -> None:
    attempt = remote.attempt()
    claim = submit_and_kill_the_shell(remote, attempt, "")
    assert (claim.begun, claim.answered, claim.alive) == (True, False, False)
    assert judged(attempt, remote, claim).what == ""
    assert judged(attempt, remote, claim, LONG) == Verdict("unsure", "submission-cut-off")
    remote.program("squeue", f"echo '77|RUNNING|{attempt.token}|None'")
    assert judged(attempt, remote, claim, LONG) == Verdict("accepted", "77")


def submit_and_kill_the_shell(remote: Remote, attempt: Attempt, then: str) -> Claim:
    """The claim that is left; sending the attempt again submits nothing."""
    remote.program("sbatch", f'{FIND_SHELL}kill -s KILL "$shell"; {then}\ntouch "$REMOTE/done"')
    with pytest.raises(CouldNotAsk):
        remote.ask(remote.submit(attempt))
    wait_for(remote.tmp / "done")
    remote.program("sbatch", "echo 999999")
    claim = remote.ask(remote.submit(attempt))[attempt.token]
    assert len(remote.calls("sbatch")) == 1
    return claim


def test_a_jobid_that_was_kept_before_the_shell_died_is_taken(remote: Remote) -> None:
    attempt = remote.attempt()
    claim = submit_and_kill_the_shell(remote, attempt, "echo 353143")
    assert judged(attempt, remote, claim) == Verdict("accepted", "353143")


@every_shell
def test_half_a_jobid_is_none(remote: Remote) -> None:
    claim = submit_and_kill_the_shell(remote, remote.attempt(), "printf 3531")
    assert not claim.answered
    assert accepted(claim, SLURM) is None


# --- killing --------------------------------------------------------------------------------------


def test_many_jobs_are_ended_by_few_commands(remote: Remote) -> None:
    jobids = [str(n) for n in range(1000, 2100)]
    killed = remote.ask(Kill(SLURM, str(remote.run), jobids))
    calls = remote.calls("scancel")
    assert [len(words) - 1 for words in calls] == [1000, 100]
    assert [jobid for words in calls for jobid in words[1:]] == jobids
    assert killed.queue == TWO


def test_what_scancel_says_is_kept_and_the_queue_decides(remote: Remote) -> None:
    remote.program("scancel", "echo 'scancel: error: Invalid job id 99' >&2; exit 1")
    killed = remote.ask(Kill(SLURM, str(remote.run), ["11", "99"]))
    assert killed.said.strip() == "scancel: error: Invalid job id 99"
    assert killed.queue == TWO
    remote.program("squeue", "exit 1")
    with pytest.raises(CouldNotAsk):
        remote.ask(Kill(SLURM, str(remote.run), ["11"]))


@every_shell
def test_a_killed_attempt_can_never_be_submitted_any_more(remote: Remote) -> None:
    attempt = remote.attempt()
    killed = remote.ask(Kill(SLURM, str(remote.run), [], doubtful=[attempt]))
    assert killed.claims[attempt.token].exit_code == 1
    remote.ask(remote.submit(attempt))
    assert remote.calls("sbatch") == []


def test_only_of_a_claim_without_an_answer_it_is_asked_who_is_at_work(remote: Remote) -> None:
    """Reading of a process costs more than all else of a claim."""
    answered, open_ = remote.attempt("1"), remote.attempt("2")
    remote.ask(remote.submit(answered))
    claim = remote.claims / open_.token
    claim.mkdir()
    (claim / "begun").write_text((remote.claims / answered.token / "begun").read_text())
    claims = remote.ask(remote.observe(doubtful=[answered, open_])).claims
    assert (claims[answered.token].begun, claims[answered.token].alive) == (True, None)
    assert (claims[open_.token].begun, claims[open_.token].alive) == (True, False)


class AnsweredMeanwhile(Slurm):
    """Whoever made a claim answers, and is over, when it is asked whether it is at work."""

    prelude = 'kill() { echo 0 >"$c/rc"; command kill "$@"; }\n'


def test_who_has_answered_meanwhile_is_not_called_dead(remote: Remote) -> None:
    attempt = remote.attempt()
    submit_and_kill_the_shell(remote, attempt, "")
    asked = Observe(AnsweredMeanwhile(), str(remote.run), doubtful=[attempt])
    claim = remote.ask(asked).claims[attempt.token]
    assert (claim.begun, claim.answered, claim.alive) == (True, False, None)
    assert remote.ask(remote.observe(doubtful=[attempt])).claims[attempt.token].answered


def test_a_kill_shows_the_claim_of_an_attempt_that_was_submitted_before_it(remote: Remote) -> None:
    attempt = remote.attempt()
    remote.ask(remote.submit(attempt))
    killed = remote.ask(Kill(SLURM, str(remote.run), [], doubtful=[attempt]))
    assert accepted(killed.claims[attempt.token], SLURM) == "353143"


# --- jobs that are processes of the remote, and which scheduler is there --------------------------


@every_shell
def test_a_local_job_runs_once_and_tells_how_it_ended(remote: Remote) -> None:
    attempt = remote.attempt("1", "it's $(odd)")
    script = remote.run / attempt.job.name
    script.write_text('echo ran >>runs; echo last words; while [ ! -e go ]; do sleep 0.01; done\n'
                      "exit 3\n")  # fmt: skip
    request = Submit(LOCAL, str(remote.run), [attempt])
    jobid = accepted(remote.ask(request)[attempt.token], LOCAL)
    assert jobid
    assert accepted(remote.ask(request)[attempt.token], LOCAL) == jobid
    look = Observe(LOCAL, str(remote.run), [jobid])
    assert set(remote.ask(look).queue) == {jobid}
    (script.parent / "go").touch()
    wait_for(remote.claims / attempt.token / "exit", size=2)
    while remote.ask(look).queue:
        time.sleep(0.01)
    seen = remote.ask(Observe(LOCAL, str(remote.run), suspects=[Suspect(attempt, jobid)]))
    pid = jobid.partition("-")[0]
    assert seen.endings == {jobid: Ending(3, "", f"==> qsub.1.o{pid}\nlast words\n")}
    assert (script.parent / "runs").read_text() == "ran\n"


@every_shell
@pytest.mark.parametrize("first", ["#!/bin/sh", "#!/bin/sh -u", "#! /bin/sh", "echo", "#!/no/sh"])
def test_a_local_script_is_run_as_its_first_line_says(remote: Remote, first: str) -> None:
    attempt = remote.attempt()
    script = remote.run / attempt.job.name
    script.write_text(f'{first}\necho "$0 $#" >said\nexit 7\n')
    before = script.stat().st_ctime_ns
    remote.ask(Submit(LOCAL, str(remote.run), [attempt]))
    end = remote.claims / attempt.token / "exit"
    wait_for(end, size=2)
    there = first != "#!/no/sh"
    assert end.read_text() == ("7\n" if there else "127\n")
    assert not there or (script.parent / "said").read_text() == "./qsub.1 0\n"
    if first in ("#!/bin/sh", "echo"):  # what the monitor would take for an edited script
        assert script.stat().st_ctime_ns == before


@every_shell
def test_a_killed_local_job_ends_with_all_that_it_started_and_no_other(remote: Remote) -> None:
    attempts = [remote.attempt("1", folder) for folder in ("first", "second")]
    for attempt in attempts:
        (remote.run / attempt.job.name).write_text(
            "trap '' TERM\nsleep 60 & echo $! >child; echo $$ >self; wait\n"
        )
    claims = remote.ask(Submit(LOCAL, str(remote.run), attempts))
    first, second = (accepted(claims[a.token], LOCAL) or "" for a in attempts)
    pids = {folder: processes(remote.run / folder) for folder in ("first", "second")}
    try:
        killed = remote.ask(Kill(LOCAL, str(remote.run), [first]))
        assert killed.queue == {}
        assert not any(map(runs, pids["first"]))
        assert all(map(runs, pids["second"]))
        look = remote.ask(Observe(LOCAL, str(remote.run), [first, second]))
        assert set(look.queue) == {second}
    finally:
        for jobid in (first, second):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(int(jobid.partition("-")[0]), signal.SIGKILL)


def test_a_process_that_got_the_pid_of_an_old_job_is_left_alone(remote: Remote) -> None:
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as other:
        jobid = f"{other.pid}-12345"
        try:
            assert remote.ask(Observe(LOCAL, str(remote.run), [jobid])).queue == {}
            remote.ask(Kill(LOCAL, str(remote.run), [jobid]))
            assert other.poll() is None
        finally:
            other.kill()


def processes(folder: Path) -> list[int]:
    """The process of a job's script, and the one that it started."""
    wait_for(folder / "self")
    while not (folder / "self").read_text():
        time.sleep(0.01)
    return [int((folder / name).read_text()) for name in ("self", "child")]


def runs(pid: int) -> bool:
    """Whether a process is there and is no zombie."""
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


@every_shell
def test_a_local_job_that_outlives_a_signal_to_its_session_is_still_there(remote: Remote) -> None:
    attempt = remote.attempt()
    script = remote.run / attempt.job.name
    script.write_text(
        "#!/bin/sh\ntrap 'touch got' TERM\necho $$ >child; echo $$ >self\n"
        "while [ ! -e go ]; do sleep 0.01; done\nexit 7\n"
    )
    jobid = accepted(remote.ask(Submit(LOCAL, str(remote.run), [attempt]))[attempt.token], LOCAL)
    assert jobid
    processes(script.parent)
    os.killpg(int(jobid.partition("-")[0]), signal.SIGTERM)
    wait_for(script.parent / "got")
    assert set(remote.ask(Observe(LOCAL, str(remote.run), [jobid])).queue) == {jobid}
    (script.parent / "go").touch()
    wait_for(remote.claims / attempt.token / "exit", size=2)
    assert (remote.claims / attempt.token / "exit").read_text() == "7\n"


SAYS_IT_IS = {
    "SGE 8.1.9": ("sge",),
    "UGE 8.6.18": ("sge",),
    "Open Grid Scheduler": (),
    "usage: qstat [-f] [-J] [-p] [-t] [-x]": (),
}


@pytest.mark.parametrize("words", SAYS_IT_IS)
def test_a_qstat_of_another_kind_is_not_taken_for_grid_engine(remote: Remote, words: str) -> None:
    for name in ("sbatch", "squeue", "scancel"):
        (remote.bin / name).unlink()
    for name in ("qsub", "qstat", "qdel"):
        remote.program(name, f"echo {words!r}; echo more; exit 1")
    assert remote.ask(Probe(str(remote.run))).schedulers == SAYS_IT_IS[words]


def test_a_part_of_slurm_is_no_slurm(remote: Remote) -> None:
    assert remote.ask(Probe(str(remote.run))).schedulers == ("slurm",)
    (remote.bin / "scancel").unlink()
    assert remote.ask(Probe(str(remote.run))).schedulers == ()


def test_programs_of_other_schedulers_are_tried_only_where_the_wanted_one_is_missing(
    remote: Remote,
) -> None:
    """Each takes its time, which every start would wait for."""
    for name in ("qsub", "qdel"):
        remote.program(name, "")
    remote.program("qstat", 'echo >>"$REMOTE/tried"; echo SGE 8.1.9')
    tried = remote.tmp / "tried"
    assert remote.ask(Probe(str(remote.run), wanted="slurm")).schedulers == ("slurm",)
    assert remote.ask(Probe(str(remote.run), wanted="local")).schedulers == ()
    assert not tried.exists()
    assert remote.ask(Probe(str(remote.run))).schedulers == ("slurm", "sge")
    (remote.bin / "scancel").unlink()
    assert remote.ask(Probe(str(remote.run), wanted="slurm")).schedulers == ("sge",)
    assert tried.read_text() == "\n\n"


@pytest.mark.parametrize("sums", ["md5 md4 none", "xxh128 xxh3 md5"])
def test_what_the_rsync_there_can_sum_is_found_out(remote: Remote, sums: str) -> None:
    remote.program("rsync", f"echo 'Checksum list:'; echo '    {sums}'")
    found = remote.ask(Probe(str(remote.run)))
    assert (found.rsync, found.sums) == (True, "xxh128" in sums)
