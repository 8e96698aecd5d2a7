"""A login that wants a person: a key with a passphrase, asked for at a real terminal."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from places import LAB, ROOT, Place, newest, wait_for, words
from test_ssh import masters
from trees import job, make, sleepers

pytestmark = [
    pytest.mark.usefixtures("lab"),
    pytest.mark.parametrize("place", ["slurm"], indirect=True),
]

SECRET = "open sesame"
CONFIG = """
Host lab-code
    HostName 127.0.0.1
    Port {port}
    User hpc
    IdentitiesOnly yes
    IdentityAgent none
    IdentityFile {key}
    UserKnownHostsFile {lab}/known_hosts
    StrictHostKeyChecking yes
"""


class Door:
    """The way in: `open` is a key without a passphrase, `locked` one with."""

    def __init__(self, tmp: Path) -> None:
        self.open, self.locked = LAB / "keys/user", tmp / "locked"
        self.config = tmp / "ssh_config"
        self.bin = tmp / "bin"
        self.bin.mkdir()
        program = f'#!/bin/sh\nexec /usr/bin/ssh -F {self.config} "$@"\n'
        (self.bin / "ssh").write_text(program)
        (self.bin / "ssh").chmod(0o755)
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", SECRET, "-f", str(self.locked)], check=True
        )

    def use(self, key: Path) -> None:
        lines = (LAB / "ssh_config").read_text().split("Host lab-slurm\n", 1)[1].split()
        self.config.write_text(CONFIG.format(port=lines[1], key=key, lab=LAB))


@pytest.fixture
def door(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Door]:
    """The lab takes a new key, and `lab-code` is the host where it is used."""
    made = Door(tmp_path)
    authorized = LAB / "keys/authorized_keys"
    before = authorized.read_text()
    authorized.write_text(before + made.locked.with_suffix(".pub").read_text())
    environment = {**place.environment, "PATH": f"{made.bin}:{os.environ['PATH']}"}
    monkeypatch.setattr(Place, "environment", environment)
    place.remote = "lab-code"
    try:
        yield made
    finally:
        authorized.write_text(before)


def at_a_terminal(place: Place, *argv: str, answer: str = SECRET) -> tuple[int, str]:
    """Run a program of ours at a terminal where a person answers; exit code and what was shown."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(place.tmp)
        os.execvpe(sys.executable, [sys.executable, *argv], place.environment)
    shown, end = b"", time.monotonic() + 90
    while time.monotonic() < end:
        if not select.select([terminal], [], [], 1)[0]:
            continue
        try:
            shown += os.read(terminal, 4096)
        except OSError:  # it has ended
            break
        if shown.endswith(b": ") and b"passphrase" in shown.splitlines()[-1]:
            os.write(terminal, answer.encode() + b"\n")
            shown += b"\n"
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown.decode()


def conditions(place: Place, run: Path) -> list[str]:
    told = json.loads(place.jobauto("status", "--json", str(run)).stdout)
    return [condition["what"] for condition in told["conditions"]]


def test_a_key_that_is_no_longer_enough_waits_for_login_and_goes_on_after_it(
    place: Place, door: Door, tmp_path: Path
) -> None:
    ldir = tmp_path / "L"
    sleepers(ldir / "init", 2, 3)
    door.use(door.open)
    monitor = place.start(ldir)
    wait_for(lambda: len(list(place.folder.glob("*/s*/ran.0"))) == 2)
    run = newest(ldir)
    door.use(door.locked)
    [master] = masters(run)
    master.kill()
    wait_for(lambda: conditions(place, run) == ["waiting for login"])
    status = place.jobauto("status", str(run)).stdout
    assert "waiting for login since 2" in status
    assert "lab-code does not let us in without a question; jobauto login RUN" in status
    assert all(word[-1] == "started" for word in words(run).values())
    code, shown = at_a_terminal(place, str(ROOT / "jobauto"), "login", str(run))
    assert code == 0, shown
    assert "connected; the monitor (pid" in " ".join(shown.split())
    begun = time.monotonic()
    wait_for(lambda: conditions(place, run) == [], 10)
    assert monitor.wait(60) == 0, begun
    assert "all is well again (waiting for login since" in (run / "jobmon.log").read_text()
    assert masters(run) == []
    assert all(word == ["started", "finished"] for word in words(run).values())


def test_a_start_at_a_terminal_asks_there(place: Place, door: Door, tmp_path: Path) -> None:
    ldir = tmp_path / "L"
    make(ldir / "init", {"a/qsub.0": job(""), "a/qsub.dependency.0": ""})
    door.use(door.locked)
    code, shown = at_a_terminal(place, str(ROOT / "jobmon.py"), *place.options(ldir))
    assert code == 0, shown
    assert words(newest(ldir)) == {"a/qsub.0": ["started", "finished"]}


def test_a_start_under_nohup_says_what_to_do(place: Place, door: Door, tmp_path: Path) -> None:
    ldir = tmp_path / "L"
    make(ldir / "init", {"a/qsub.0": job(""), "a/qsub.dependency.0": ""})
    door.use(door.locked)
    done = place.jobmon(ldir)
    assert done.returncode == 4
    assert "without a question" in done.stderr
    assert "--initonly" in done.stderr
    assert sorted(p.name for p in ldir.iterdir()) == ["init"]


def test_a_wrong_answer_is_one_clear_line(place: Place, door: Door, tmp_path: Path) -> None:
    ldir = tmp_path / "L"
    make(ldir / "init", {"a/qsub.0": job(""), "a/qsub.dependency.0": ""})
    door.use(door.locked)
    code, shown = at_a_terminal(
        place, str(ROOT / "jobmon.py"), *place.options(ldir), answer="wrong"
    )
    assert code == 4
    assert "could not log in to lab-code" in shown
    assert "Traceback" not in shown


def test_kill_at_a_terminal_asks_there(place: Place, door: Door, tmp_path: Path) -> None:
    ldir = tmp_path / "L"
    sleepers(ldir / "init", 1, 300)
    door.use(door.open)
    monitor = place.start(ldir)
    wait_for(lambda: any(place.folder.glob("*/s*/ran.0")))
    run = newest(ldir)
    wait_for(lambda: "started" in (run / "quelist").read_text())
    door.use(door.locked)
    monitor.kill()
    monitor.wait()
    [master] = masters(run)
    master.kill()
    refused = place.run_kill(run)
    assert refused.returncode == 4
    assert "without a question" in refused.stderr
    assert words(run) == {"s0/qsub.0": ["started"]}
    code, shown = at_a_terminal(place, str(ROOT / "jobauto"), "kill", str(run))
    assert code == 0, shown
    assert words(run) == {"s0/qsub.0": ["started", "killed"]}
