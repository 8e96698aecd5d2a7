"""Many trials of the real scripts in real shells: cut, raced, killed, on full disks.

A trial is judged by what the stand-in scheduler really has: each submission is a folder of its
queue, made in one step, so that none is missed and none is counted that never was. `trial` plays
the monitor: it looks, judges and sends again until nothing is open. Whatever was done to the
shells, no token may stand twice in the queue, and no verdict may contradict it.
"""

# ruff: noqa: F811  (pytest finds the fixture `remote` by its name)

from __future__ import annotations

import contextlib
import os
import platform
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_observation import LOCAL, SLURM, Remote, every_shell, remote  # noqa: F401

from jobauto.judge import Absence, Judge, Patience, Verdict, accepted
from jobauto.ledger import Entry
from jobauto.model import Attempt, Job
from jobauto.remote.clearing import Clear, Gone
from jobauto.remote.framing import Answer, Request
from jobauto.remote.killing import Kill
from jobauto.remote.observation import Observe
from jobauto.remote.submission import Submit
from jobauto.schedulers import Dialect

# The queue of the stand-ins: a folder JOBID@TOKEN for each submission, for ever.
SQUEUE = """
for job in "$REMOTE"/queue/*@*; do
  [ -d "$job" ] || continue
  job=${job##*/}; echo "${job%%@*}|RUNNING|${job#*@}|None"
done
"""
ACCEPT = 'mkdir "$REMOTE/queue/$$@${2#--comment=}"; '
PAUSE = "sleep 0.00$(($$ % 8)); "


def cluster(remote: Remote, sbatch: str = ACCEPT + "echo $$") -> None:
    """Give the remote a queue, and an sbatch that does this."""
    (remote.tmp / "queue").mkdir(exist_ok=True)
    remote.program("squeue", SQUEUE)
    remote.program("sbatch", sbatch)


def submissions(remote: Remote) -> dict[str, list[str]]:
    """Token to the JOBIDs of all its submissions."""
    found: dict[str, list[str]] = {}
    for entry in os.listdir(remote.tmp / "queue"):
        jobid, _, token = entry.partition("@")
        found.setdefault(token, []).append(jobid)
    return found


def begin(request: Request[object]) -> subprocess.Popen[bytes]:
    """Send a script to a shell with a process group of its own; its answer may be read."""
    process = subprocess.Popen(
        ["sh", "-s"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    assert process.stdin
    with contextlib.suppress(BrokenPipeError):
        process.stdin.write(os.fsencode(request.script()))
        process.stdin.close()
    process.stdin = None
    return process


def trial(remote: Remote, dialect: Dialect, attempts: Sequence[Attempt]) -> dict[str, Verdict]:
    """What a monitor comes to believe of attempts that it meant to submit, token by token."""
    waiting, absences = {a.token: a for a in attempts}, dict[str, Absence | None]()
    judge = Judge(dialect, Patience(0.0, 0.0), now=0.0)
    verdicts: dict[str, Verdict] = {}
    for _ in range(100):
        seen = remote.ask(Observe(dialect, str(remote.run), doubtful=list(waiting.values())))
        for token, attempt in list(waiting.items()):
            entry = Entry(attempt.job, attempt=attempt, open=True)
            verdict = judge.verdict(entry, seen, absences.get(token))
            absences[token] = verdict.absence
            if verdict.what:
                verdicts[token] = verdict
                del waiting[token]
        if not waiting:
            return verdicts
        again = [a for a in waiting.values() if a.token not in seen.claims]
        if again:
            remote.ask(Submit(dialect, str(remote.run), again))
    raise AssertionError(f"still open: {waiting}")


def kill(process: subprocess.Popen[bytes], all_of_it: bool) -> None:
    """End a shell at once; with `all_of_it` also what it started (not a job's own session)."""
    with contextlib.suppress(ProcessLookupError):
        if all_of_it:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    assert process.stdout
    process.stdout.close()
    process.wait(timeout=20)


# --- a script cut at any byte ---------------------------------------------------------------------


def run_all(remote: Remote, scripts: Iterable[bytes]) -> None:
    """Run scripts one after the other, in one go."""
    folder = remote.tmp / "cuts"
    folder.mkdir(exist_ok=True)
    for number, script in enumerate(scripts):
        (folder / f"{number:05}").write_bytes(script)
    loop = (
        'for cut in "$REMOTE"/cuts/*; do sh -s <"$cut" >>"$REMOTE/said" 2>/dev/null; done; exit 0'
    )
    subprocess.run(["sh", "-c", loop], check=True, timeout=120)
    shutil.rmtree(folder)


def assert_nothing_was_done(remote: Remote) -> None:
    assert submissions(remote) == {}
    assert not (remote.run / ".jobauto").exists()
    said = remote.tmp / "said"
    assert not said.exists() or said.read_bytes() == b""


@every_shell
@pytest.mark.parametrize("dialect", [SLURM, LOCAL], ids=["slurm", "local"])
def test_a_submission_cut_at_any_byte_submits_nothing(remote: Remote, dialect: Dialect) -> None:
    cluster(remote)
    attempts = [remote.attempt("1"), remote.attempt("it's", "a 'b'\n{ } ;")]
    script = os.fsencode(Submit(dialect, str(remote.run), attempts).script())
    length = len(script.rstrip())
    cuts = {*range(0, length, 9), *range(length - 40, length)}
    run_all(remote, (script[:n] for n in cuts))
    assert_nothing_was_done(remote)


byte_names = st.binary(min_size=1, max_size=12).map(
    lambda data: data.replace(b"\0", b"").replace(b"/", b"").replace(b".", b"") or b"x"
)
shell_words = st.sampled_from(
    [
        b"'",
        b'"',
        b"}",
        b"{",
        b"\n}\n",
        b";",
        b"$(",
        b"`",
        b"\\",
        b"#",
        b"end",
        b"<<E",
        b"done",
        b"&",
    ]
)
odd_names = st.builds(
    lambda parts: os.fsdecode(b"".join(parts)), st.lists(byte_names | shell_words, min_size=1)
).filter(lambda name: len(os.fsencode(name)) < 100)


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    names=st.lists(st.tuples(odd_names, odd_names), min_size=1, max_size=4),
    cuts=st.sets(st.floats(0, 1, exclude_max=True), min_size=20, max_size=40),
)
def test_no_name_makes_a_cut_script_run(
    remote: Remote, names: list[tuple[str, str]], cuts: set[float]
) -> None:
    cluster(remote)
    attempts = [Attempt(Job(f, i), 1, f"t{n}") for n, (f, i) in enumerate(names)]
    script = os.fsencode(Submit(SLURM, str(remote.run), attempts).script()).rstrip()
    calls = script.index(b"hand_in()")  # names stand behind this
    run_all(remote, (script[: calls + int(cut * (len(script) - calls))] for cut in cuts))
    assert_nothing_was_done(remote)


# --- the same attempt sent by several shells at the same time ------------------------------------


@every_shell
def test_of_many_shells_that_race_one_submits_and_all_tell_the_same(remote: Remote) -> None:
    cluster(remote, f"{PAUSE}{ACCEPT}{PAUSE}echo $$")
    for number in range(10):
        attempts = [remote.attempt(job_id, number=number) for job_id in "123"]
        requests = [remote.submit(*attempts) for _ in range(6)]
        racing = [begin(request) for request in requests]
        outs = [os.fsdecode(process.communicate(timeout=30)[0]) for process in racing]
        answers = [r.read(Answer(0, out, "")) for r, out in zip(requests, outs, strict=True)]
        known = submissions(remote)
        for token in (a.token for a in attempts):
            [jobid] = known[token]
            for claim in (claims[token] for claims in answers):
                told = accepted(claim, SLURM)
                assert told == jobid if claim.answered else told in (None, jobid)
                assert claim.answered or claim.alive is not False
        assert {v.detail for v in trial(remote, SLURM, attempts).values()} == {
            known[a.token][0] for a in attempts
        }


@every_shell
def test_a_kill_that_races_with_a_submission_leaves_no_doubt(remote: Remote) -> None:
    """Either the attempt was submitted, and the claim says as what, or it never can be."""
    cluster(remote, f"{PAUSE}{ACCEPT}echo $$")
    for number in range(15):
        attempt = remote.attempt(number=number)
        requests: list[Request[Any]] = [
            remote.submit(attempt),
            Kill(SLURM, str(remote.run), [], doubtful=[attempt]),
        ]
        racing = [begin(request) for request in requests[:: 1 if number % 2 else -1]]
        for process in racing:
            process.communicate(timeout=30)
        remote.ask(remote.submit(attempt))
        claim = remote.ask(remote.observe(doubtful=[attempt])).claims[attempt.token]
        assert claim.answered
        jobids = submissions(remote).get(attempt.token, [])
        assert jobids == ([claim.out.strip()] if claim.exit_code == 0 else [])


# --- shells that are killed -----------------------------------------------------------------------

DYING = {
    "accepts and answers": f"{PAUSE}{ACCEPT}{PAUSE}echo $$",
    "accepts and fails": f"{PAUSE}{ACCEPT}{PAUSE}echo 'error: Socket timed out' >&2; exit 1",
    "refuses": f"{PAUSE}echo 'error: Invalid partition' >&2; exit 1",
}


@every_shell
@pytest.mark.parametrize("how", DYING)
def test_a_shell_killed_at_any_moment_never_leads_to_two_submissions_or_a_wrong_verdict(
    remote: Remote, how: str
) -> None:
    cluster(remote, DYING[how])
    dice = random.Random(how)
    for number in range(8):
        attempts = [remote.attempt(job_id, number=number) for job_id in "12"]
        process = begin(remote.submit(*attempts))
        time.sleep(dice.uniform(0, 0.05))
        kill(process, all_of_it=dice.random() < 0.5)
        verdicts = trial(remote, SLURM, attempts)
        time.sleep(0.03)  # an sbatch that outlived its shell gets to its end
        for attempt in attempts:
            agree(verdicts[attempt.token], submissions(remote).get(attempt.token, []))


def agree(verdict: Verdict, jobids: list[str]) -> None:
    """What is believed of an attempt fits what the scheduler has of it, or is doubt."""
    assert len(jobids) <= 1, "submitted twice"
    if verdict.what == "accepted":
        assert jobids == [verdict.detail]
    elif verdict.what != "unsure":
        assert verdict.what in ("failed", "putback")
        assert jobids == [], f"{verdict} of a job that is there"


def begun_by(remote: Remote, text: str) -> bool | None:
    """Whether a shell that noted this in its claim is taken for alive."""
    attempt = remote.attempt()
    claim = remote.claims / attempt.token
    claim.mkdir(parents=True, exist_ok=True)
    (claim / "begun").write_text(f"{text}\n")
    found = remote.ask(remote.observe(doubtful=[attempt])).claims[attempt.token]
    assert found.begun
    return found.alive


def started(pid: int) -> str:
    """Field 22 of /proc/PID/stat: ticks from the boot to the start of the process."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[19]


@every_shell
def test_a_process_that_got_the_pid_of_a_dead_shell_is_not_taken_for_it(remote: Remote) -> None:
    """Else a submission that a reboot of the login node cut off would be waited for for ever."""
    here = platform.node()
    with subprocess.Popen(["sleep", "60"]) as other:
        try:
            assert begun_by(remote, f"{other.pid} {here} {started(other.pid)}") is True
            assert begun_by(remote, f"{other.pid} {here} 12345") is False
            assert begun_by(remote, f"{other.pid} {here}") is True, "an older claim"
            assert begun_by(remote, f"{other.pid} elsewhere 12345") is None
        finally:
            other.kill()
    assert begun_by(remote, f"{other.pid} {here} 12345") is False
    assert begun_by(remote, f"{other.pid} {here}") is False


@every_shell
def test_a_shell_notes_its_own_start_in_the_claim(remote: Remote) -> None:
    attempt = remote.attempt()
    find = 'read -r pid host start <"$(echo "$REMOTE"/run/.jobauto/claims/*/begun)"'
    cluster(
        remote, f'{find}; read -r stat </proc/$pid/stat; echo "$start in $stat" >"$REMOTE/noted"'
    )
    remote.ask(remote.submit(attempt))
    start, stat = (remote.tmp / "noted").read_text().split(" in ")
    assert start == stat.rpartition(") ")[2].split()[19]


@every_shell
def test_a_program_makes_those_folders_of_claims_that_are_not_there(remote: Remote) -> None:
    cluster(remote)
    remote.program("mkdir", '"$REMOTE/tools/mkdir" "$@"')
    attempts = [remote.attempt(str(n), number=5) for n in (1, 2, 3)]
    (remote.claims / attempts[1].token).mkdir(parents=True)
    claims = remote.ask(Submit(SLURM, str(remote.run), attempts))
    assert all(accepted(claims[attempt.token], SLURM) for attempt in attempts)
    made = [words for _, *words in remote.calls("mkdir") if "@" not in words[-1]]
    assert made == [["-p", *(f".jobauto/claims/{attempts[n].token}" for n in (0, 2))]]
    remote.ask(Submit(SLURM, str(remote.run), attempts))
    assert [words for _, *words in remote.calls("mkdir") if "@" not in words[-1]] == made
    assert all(len(jobids) == 1 for jobids in submissions(remote).values())


# --- a full disk ----------------------------------------------------------------------------------


def full_for(remote: Remote, file: str) -> None:
    """Let every write of this file of a claim fail, as on a full disk; "" for none."""
    plant = f'for d; do [ ! -d "$d" ] || [ -L "$d/{file}" ] || ln -s /dev/full "$d/{file}"; done'
    real = '"$REMOTE/tools/mkdir" "$@" || exit\n'
    here = f'case "$*" in *.jobauto/claims/*) {plant};; esac' if file else ""
    remote.program("mkdir", real + here)


def room_again(remote: Remote) -> None:
    """There is space again; of what could not be written there are empty files."""
    full_for(remote, "")
    for path in remote.claims.glob("*/*"):
        if path.is_symlink():
            path.unlink()
            path.touch()


@pytest.fixture
def linking(remote: Remote) -> Remote:
    """A remote whose mkdir can plant a full disk."""
    (remote.tmp / "tools" / "ln").symlink_to(shutil.which("ln", path="/bin:/usr/bin") or "ln")
    return remote


@every_shell
@pytest.mark.parametrize("file", ["err", "begun", "out", "rc"])
@pytest.mark.parametrize("how", DYING)
def test_a_disk_full_for_one_file_of_a_claim_submits_nothing_twice_and_nothing_is_believed(
    linking: Remote, file: str, how: str
) -> None:
    cluster(linking, DYING[how])
    attempts = [linking.attempt(job_id) for job_id in "12"]
    full_for(linking, file)
    first = linking.ask(linking.submit(*attempts))
    jobids = {token: found for token, [found] in submissions(linking).items()}
    for token, claim in first.items():
        assert accepted(claim, SLURM) in (None, jobids.get(token))
    room_again(linking)
    verdicts = trial(linking, SLURM, attempts)
    for attempt in attempts:
        agree(verdicts[attempt.token], submissions(linking).get(attempt.token, []))


def test_half_a_jobid_that_a_full_disk_left_is_none_even_with_a_status(remote: Remote) -> None:
    """The status was written when there was space again."""
    cluster(remote, f"{ACCEPT} printf '%.2s' $$")
    attempt = remote.attempt()
    claim = remote.ask(remote.submit(attempt))[attempt.token]
    assert (claim.answered, claim.exit_code, accepted(claim, SLURM)) == (True, 0, None)
    [[jobid]] = submissions(remote).values()
    assert trial(remote, SLURM, [attempt]) == {attempt.token: Verdict("accepted", jobid)}


def test_who_gives_a_claim_back_leaves_the_next_ones_alone(remote: Remote) -> None:
    """Between giving back and the end of `attempt` another shell may have made it its own."""
    cluster(remote)
    attempt = remote.attempt()
    claim = remote.claims / attempt.token
    (remote.tmp / "tools" / "ln").symlink_to(shutil.which("ln", path="/bin:/usr/bin") or "ln")
    full_for(remote, "begun")
    remote.program("rm", f'"$REMOTE/tools/rm" "$@"; [ -e {claim}/begun ] || echo 1 >{claim}/begun')
    remote.ask(remote.submit(attempt))
    assert [path.name for path in claim.iterdir()] == ["begun"]
    assert (claim / "begun").read_text() == "1\n"
    assert submissions(remote) == {}


@every_shell
def test_a_submission_that_comes_after_its_folder_was_cleared_submits_nothing(
    remote: Remote,
) -> None:
    cluster(remote)
    attempt = remote.attempt()
    remote.ask(remote.submit(attempt))
    remote.program("find", 'exec /usr/bin/find "$@"')
    remote.program("chmod", 'exec /bin/chmod "$@"')
    remote.program("mv", 'exec /bin/mv "$@"')
    gone = Gone(attempt.job.folder, attempt.token.removesuffix("-1"))
    cleared = remote.ask(Clear(str(remote.run), [gone]))
    assert (cleared.kept, cleared.stay) == (frozenset(), frozenset())
    assert [path.name for path in remote.claims.glob("*/*")] == ["begun"]
    remote.attempt()  # a folder of that name comes again
    remote.ask(remote.submit(attempt))
    assert len(submissions(remote)[attempt.token]) == 1


def test_a_marker_that_cannot_be_removed_is_a_refusal_with_words(remote: Remote) -> None:
    """Before, such a job was sent again for ever, and nobody was told."""
    cluster(remote)
    attempt = remote.attempt()
    (remote.run / attempt.job.marker).mkdir()
    claim = remote.ask(remote.submit(attempt))[attempt.token]
    assert (claim.begun, claim.answered, claim.exit_code) == (False, True, 1)
    assert attempt.job.marker.rpartition("/")[2] in claim.err
    assert submissions(remote) == {}


# --- jobs that are processes of the remote --------------------------------------------------------


def local_attempt(remote: Remote, job_id: str, number: int) -> Attempt:
    """An attempt of a job that notes each of its runs, and writes its marker."""
    attempt = remote.attempt(job_id, number=number)
    text = f"echo {number} >>ran.{job_id}\n: >qsub.finished.{job_id}\n"
    (remote.run / attempt.job.name).write_text(text)
    return attempt


def runs(remote: Remote, attempt: Attempt) -> int:
    """How often a job ran for this attempt."""
    path = remote.run / attempt.job.folder / f"ran.{attempt.job.id}"
    return path.read_text().split().count(str(attempt.number)) if path.exists() else 0


@every_shell
def test_of_many_shells_that_race_for_a_local_job_one_starts_it(remote: Remote) -> None:
    for number in range(5):
        attempts = [local_attempt(remote, job_id, number) for job_id in "12"]
        requests = [Submit(LOCAL, str(remote.run), attempts) for _ in range(5)]
        racing = [begin(request) for request in requests]
        outs = [os.fsdecode(process.communicate(timeout=30)[0]) for process in racing]
        answers = [r.read(Answer(0, out, "")) for r, out in zip(requests, outs, strict=True)]
        for attempt in attempts:
            wait_until(remote, attempt, 1)
            told = {accepted(claims[attempt.token], LOCAL) for claims in answers} - {None}
            assert len(told) == 1
    assert [runs(remote, local) for local in attempts] == [1, 1]


def wait_until(remote: Remote, attempt: Attempt, number: int) -> None:
    end = time.monotonic() + 10
    while runs(remote, attempt) < number:
        assert time.monotonic() < end, "it did not run"
        time.sleep(0.01)


@every_shell
def test_a_shell_killed_while_it_starts_local_jobs_never_leads_to_two_runs(remote: Remote) -> None:
    dice = random.Random(1)
    for number in range(15):
        attempts = [local_attempt(remote, job_id, number) for job_id in "12"]
        process = begin(Submit(LOCAL, str(remote.run), attempts))
        time.sleep(dice.uniform(0, 0.03))
        kill(process, all_of_it=dice.random() < 0.5)
        verdicts = trial(remote, LOCAL, attempts)
        for attempt in attempts:
            assert verdicts[attempt.token].what in ("accepted", "unsure", "finished")
        time.sleep(0.05)
        assert all(runs(remote, attempt) <= 1 for attempt in attempts)


@every_shell
@pytest.mark.parametrize("file", ["self", "out", "rc", "exit"])
def test_a_local_job_on_a_full_disk_runs_at_most_once_and_is_refused_only_if_it_does_not(
    linking: Remote, file: str
) -> None:
    attempt = local_attempt(linking, "1", 1)
    full_for(linking, file)
    linking.ask(Submit(LOCAL, str(linking.run), [attempt]))
    if file != "self":
        wait_until(linking, attempt, 1)
    room_again(linking)
    [verdict] = trial(linking, LOCAL, [attempt]).values()
    if file == "self":
        assert (verdict.what, verdict.detail) == ("failed", "refused:-it-could-not-be-started")
        time.sleep(0.05)
        assert runs(linking, attempt) == 0, "no run without a JOBID"
    else:
        assert verdict.what in ("accepted", "finished", "unsure")
        assert runs(linking, attempt) == 1
