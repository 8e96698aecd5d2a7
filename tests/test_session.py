"""The shell that stays: what scripts must not notice of one another, and how it ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from jobauto.errors import CouldNotAsk, Interrupted, UserError
from jobauto.host.process import Runner
from jobauto.host.session import Session
from jobauto.model import Attempt, Job
from jobauto.remote.framing import Answer, Frame
from jobauto.remote.observation import Observe
from jobauto.remote.submission import Submit
from jobauto.schedulers import DIALECTS


@pytest.fixture(params=["sh", "bash"])
def session(request: pytest.FixtureRequest) -> Iterator[Session]:
    made = Session(Runner(), [request.param, "-s"])
    yield made
    made.close()


def said(session: Session, body: str, timeout: float = 20.0) -> Answer:
    return session.ask(f"{{\n{body}\n}}\n", timeout)


def test_many_scripts_take_one_process(session: Session) -> None:
    answers = [said(session, f"echo {n}; echo e{n} >&2; exit {n}") for n in range(20)]
    assert [(a.out, a.err, a.exit_code) for a in answers] == [
        (f"{n}\n", f"e{n}\n", n) for n in range(20)
    ]
    assert sum(session.runner.calls.values()) == 1


def test_no_script_leaves_anything_to_the_next(session: Session, tmp_path: Path) -> None:
    said(session, f"cd {tmp_path}; x=1; f() {{ :; }}; trap '' HUP; umask 777; exec 5>&1; exit 3")
    answer = said(session, "echo $x; pwd; command -v f; umask; echo five >&5")
    assert str(tmp_path) not in answer.out
    assert answer.out.split()[0] == str(Path.cwd())
    assert answer.out.split()[1] != "0777"
    assert "five" not in answer.out


def test_a_program_that_reads_gets_nothing_of_the_next_script(session: Session) -> None:
    assert said(session, "cat").out == ""
    assert said(session, "echo next").out == "next\n"


def test_odd_bytes_and_a_missing_newline_come_back(session: Session) -> None:
    answer = said(session, r"printf 'a\377b'; printf 'c' >&2")
    assert (answer.out, answer.err) == ("a\udcffb", "c")


def test_much_may_go_both_ways_at_once(session: Session) -> None:
    lines = "".join(f"echo {n:060}\n" for n in range(20000))
    assert said(session, lines).out == "".join(f"{n:060}\n" for n in range(20000))


def test_when_time_is_over_the_shell_and_what_it_runs_end(session: Session) -> None:
    said(session, "echo $$")
    assert session._process
    pid = session._process.pid
    children: list[psutil.Process] = []

    def look() -> None:
        while not children:
            children.extend(psutil.Process(pid).children(recursive=True))

    looking = threading.Thread(target=look)
    looking.start()
    with pytest.raises(CouldNotAsk, match="no answer within"):
        said(session, "sleep 100", timeout=0.5)
    looking.join()
    assert not psutil.pid_exists(pid)
    _, alive = psutil.wait_procs(children, 5)
    assert not alive
    assert said(session, "echo again").out == "again\n"
    assert sum(session.runner.calls.values()) == 2


def test_a_shell_that_ends_tells_its_status_and_another_is_started(session: Session) -> None:
    # as ssh does when its connection is gone
    answer = said(session, "echo begun; echo gone >&2; kill -s KILL $$; sleep 1")
    assert (answer.out, answer.err) == ("begun\n", "gone\n")
    assert answer.exit_code == -9
    assert said(session, "echo again").out == "again\n"


def test_a_wish_to_stop_ends_a_script(session: Session) -> None:
    timer = threading.Timer(0.3, session.runner.stop)
    timer.start()
    begun = time.monotonic()
    with pytest.raises(Interrupted):
        said(session, "sleep 100", timeout=90)
    assert time.monotonic() - begun < 60
    with pytest.raises(Interrupted):
        said(session, "echo no more")
    session.runner.resume()
    assert said(session, "echo tidy").out == "tidy\n"


def test_a_program_that_is_not_there_is_named() -> None:
    with pytest.raises(UserError, match="nosuchshell is not installed here"):
        Session(Runner(), ["nosuchshell"]).ask("{\n:\n}\n", 5)


def test_after_an_answer_that_cannot_be_trusted_the_shell_is_given_up(session: Session) -> None:
    class Liar:
        timeout = 5.0
        frame = Frame()

        def script(self) -> str:
            return "{\necho no frame\n}\n"

        def read(self, answer: Answer) -> list[str]:
            return self.frame.body(answer)

    liar = Liar()
    with pytest.raises(CouldNotAsk):
        session.read(liar, session.ask(liar.script(), liar.timeout))
    said(session, ":")
    assert sum(session.runner.calls.values()) == 2


def test_a_submitting_subshell_that_was_killed_is_known_to_be_dead(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though the shell that stays lives on: a claim names the subshell."""
    programs = tmp_path / "bin"
    programs.mkdir()
    # the first line of `begun` is the pid of whoever submits
    text = "#!/bin/sh\nread -r pid _ <../.jobauto/claims/token/begun\nkill -s KILL $pid\nsleep 1\n"
    for name, script in (("sbatch", text), ("squeue", "#!/bin/sh\n")):
        (programs / name).write_text(script)
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    job = Job("m", "1")
    (tmp_path / "run" / "m").mkdir(parents=True)
    (tmp_path / "run" / job.name).touch()
    slurm, attempt = DIALECTS["slurm"], Attempt(job, 1, "token")
    submit = Submit(slurm, str(tmp_path / "run"), [attempt])
    with pytest.raises(CouldNotAsk):
        session.read(submit, session.ask(submit.script(), 20))
    look = Observe(slurm, str(tmp_path / "run"), doubtful=[attempt])
    claim = session.read(look, session.ask(look.script(), 20)).claims["token"]
    assert (claim.begun, claim.answered, claim.alive) == (True, False, False)


def test_closing_leaves_alone_what_a_script_started(session: Session, tmp_path: Path) -> None:
    """A local job may not have its own session yet."""
    for number in range(5):
        file = tmp_path / str(number)
        said(session, f"(sleep 0.2; touch {file}) >/dev/null 2>&1 </dev/null &")
        session.close()
        end = time.monotonic() + 20
        while not file.exists():
            assert time.monotonic() < end
            time.sleep(0.01)
