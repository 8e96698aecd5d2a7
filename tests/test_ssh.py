"""The link: one login for a run, and one clear line for everything that can be wrong with it."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import places
import psutil
import pytest
from places import LAB, SCHEDULERS, Place, newest, wait_for, words
from trees import job, make, sleepers

from jobauto.host import Runner, SshHost
from jobauto.remote.probe import FindMarkers
from jobauto.run import open_run

pytestmark = pytest.mark.usefixtures("lab")


@pytest.fixture
def ldir(tmp_path: Path) -> Path:
    make(tmp_path / "L/init", {"a/qsub.0": job(""), "a/qsub.dependency.0": ""})
    return tmp_path / "L"


def masters(run: Path) -> list[psutil.Process]:
    """The connections that a run has open."""
    found = places.alive("-oControlMaster=yes")
    return [p for p in found if any(a.endswith(open_run(run).id) for a in p.cmdline())]


def refused(place: Place, ldir: Path, *options: str) -> tuple[int, str]:
    """Exit code and error of a start that must leave nothing behind here."""
    done = place.jobmon(ldir, *options)
    assert sorted(p.name for p in ldir.iterdir()) == ["init"]
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr


@pytest.mark.parametrize("place", ["slurm"], indirect=True)
def test_a_whole_run_logs_in_once(place: Place, ldir: Path) -> None:
    before = place.authentications()
    assert place.jobmon(ldir).returncode == 0
    assert place.authentications() == before + 1


@pytest.mark.parametrize("place", ["plain"], indirect=True)
@pytest.mark.parametrize(
    ("remote", "what", "hint"),
    [
        ("lab-stranger", "the host key of lab-stranger is not known yet", "ssh lab-stranger"),
        ("lab-denied", "lab-denied does not let us in", "ssh -o BatchMode=yes lab-denied true"),
        ("nobody@no.such.host.invalid", "no.such.host.invalid", "--remote"),
    ],
)
def test_a_login_that_fails_is_one_clear_line(
    place: Place, ldir: Path, remote: str, what: str, hint: str
) -> None:
    code, error = refused(place, ldir, "--remote", remote)
    assert code == 4
    assert what in error
    assert hint in error


@pytest.mark.parametrize("place", ["plain"], indirect=True)
def test_rsync_missing_there_is_said_before_anything_is_sent(place: Place, ldir: Path) -> None:
    code, error = refused(place, ldir, "--remote", "lab-norsync")
    assert code == 2
    assert "lab-norsync: rsync is not installed there" in error


@pytest.mark.parametrize("place", ["plain"], indirect=True)
@pytest.mark.parametrize("missing", ["rsync", "ssh"])
def test_a_program_missing_here_is_named(
    place: Place, ldir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    few = tmp_path / "bin"
    few.mkdir()
    for program in {"sh", "ssh", "rsync"} - {missing}:
        found = LAB / "bin/ssh" if program == "ssh" else shutil.which(program)
        (few / program).symlink_to(str(found))
    environment = {**place.environment, "PATH": str(few)}
    monkeypatch.setattr(Place, "environment", environment)
    code, error = refused(place, ldir)
    assert code == 2
    assert f"{missing} is not installed here" in error


@pytest.mark.parametrize("place", ["plain"], indirect=True)
@pytest.mark.parametrize("rdir", ["/proc/nothing", "/etc/passwd/x", "/nowhere"])
def test_a_folder_that_cannot_be_written_is_named(place: Place, ldir: Path, rdir: str) -> None:
    code, error = refused(place, ldir, "--rdir", rdir)
    assert code == 2
    assert f"lab-plain:{rdir}: cannot write there" in error


@pytest.mark.parametrize("place", ["plain"], indirect=True)
@pytest.mark.parametrize(
    ("remote", "says"),
    [("lab-plain", "no scheduler found on lab-plain"), ("lab-both", "has slurm and sge")],
)
def test_auto_that_cannot_decide_asks(place: Place, ldir: Path, remote: str, says: str) -> None:
    code, error = refused(place, ldir, "--remote", remote, "--scheduler", "auto")
    assert code == 2
    assert says in error
    assert "--scheduler" in error


@pytest.mark.parametrize("place", SCHEDULERS, indirect=True)
def test_auto_finds_what_the_remote_has(place: Place, ldir: Path) -> None:
    done = place.jobmon(ldir, "--scheduler", "auto")
    assert done.returncode == 0, done.stderr
    assert f'"scheduler": "{place.scheduler}"' in (newest(ldir) / ".jobauto/run.json").read_text()


@pytest.mark.parametrize("place", ["slurm"], indirect=True)
def test_a_scheduler_that_is_not_there_is_refused(place: Place, ldir: Path) -> None:
    code, error = refused(place, ldir, "--scheduler", "sge")
    assert code == 2
    assert "lab-slurm has no sge" in error


@pytest.mark.parametrize("place", ["slurm"], indirect=True)
def test_a_folder_below_home_and_a_tilde_are_the_same(place: Place, ldir: Path) -> None:
    below = place.folder.relative_to(places.HOME)
    assert place.jobmon(ldir, "--rdir", f"~/{below}").returncode == 0
    assert (place.there(newest(ldir)) / "a/qsub.finished.0").exists()


@pytest.mark.parametrize("place", ["slurm"], indirect=True)
def test_a_dead_connection_is_opened_again_and_no_verdict_changes(
    place: Place, tmp_path: Path
) -> None:
    ldir = tmp_path / "M"
    sleepers(ldir / "init", 2, 4)
    before = place.authentications()
    monitor = place.start(ldir)
    wait_for(lambda: len(list(place.folder.glob("*/s*/ran.0"))) == 2)
    [master] = masters(newest(ldir))
    master.kill()
    assert monitor.wait(60) == 0
    assert place.authentications() == before + 2
    assert all(w == ["started", "finished"] for w in words(newest(ldir)).values())


@pytest.mark.parametrize("place", ["slurm"], indirect=True)
def test_no_connection_outlives_the_run(place: Place, ldir: Path) -> None:
    place.jobmon(ldir)
    run = newest(ldir)
    sockets = Path(os.environ.get("XDG_RUNTIME_DIR", f"/tmp/jobauto-{os.getuid()}"))
    assert masters(run) == []
    assert [p for p in sockets.rglob("*") if p.name.startswith(open_run(run).id)] == []


@pytest.mark.parametrize("place", ["plain"], indirect=True)
def test_a_dry_run_sends_nothing_and_needs_no_login_when_all_is_named(
    place: Place, ldir: Path
) -> None:
    make(ldir / "init", {"a/qsub.0": "cd __cwd__; __binpath__/x\n"})
    before = place.authentications()
    done = place.jobmon(
        ldir, "--dry-run", "--scheduler", "slurm", "--rdir", "/r", "--binpath", "/bin"
    )
    assert done.returncode == 0, done.stderr
    assert place.authentications() == before
    assert "/a; /bin/x" in done.stdout
    assert "sbatch --parsable" in done.stdout
    assert "rsync -a" in done.stdout
    assert "nothing was sent" in done.stdout
    assert sorted(p.name for p in ldir.iterdir()) == ["init"]


@pytest.fixture
def one_at_a_time(place: Place, tmp_path: Path) -> Iterator[None]:
    """The place as one whose sshd lets nothing go on beside a shell (`MaxSessions 1`)."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    [old] = re.findall(r"127\.0\.0\.1:(\d+)", (LAB / "etc/sshd-plain").read_text())
    for file, new in ((LAB / "etc/sshd-plain", "sshd"), (LAB / "ssh_config", "ssh")):
        text = file.read_text().replace(old, port).replace("MaxSessions 50", "MaxSessions 1")
        text = text.replace("StrictHostKeyChecking yes", "StrictHostKeyChecking no")
        (tmp_path / new).write_text(text)
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin/ssh"
    program.write_text(f'#!/bin/sh\nexec /usr/bin/ssh -F {tmp_path}/ssh "$@"\n')
    program.chmod(0o755)
    place.variables["PATH"] = f"{program.parent}:{os.environ['PATH']}"
    server = subprocess.Popen(["/usr/sbin/sshd", "-D", "-f", str(tmp_path / "sshd")])
    try:
        wait_for(lambda: places.listens(int(port)))
        yield
    finally:
        server.terminate()
        server.wait(10)


@pytest.mark.usefixtures("one_at_a_time")
@pytest.mark.parametrize("place", ["plain"], indirect=True)
def test_where_only_one_session_may_be_open_files_are_copied_all_the_same(
    place: Place, ldir: Path
) -> None:
    make(ldir, {"init/b/qsub.0": job(""), "init/b/qsub.dependency.0": "../a/qsub.finished.0\n"})
    done = place.jobmon(ldir, "--scheduler", "local", "--give-up", "10", "--interval", "0.5")
    assert done.returncode == 0, done.stderr
    assert (newest(ldir) / "b/qsub.finished.0").exists()
    log = (newest(ldir) / "jobmon.log").read_text()
    assert "trying again" not in log
    assert "tried again" not in log


@pytest.fixture
def host(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SshHost]:
    """The place's host, connected, with two markers in the folder `a` of `there`."""
    monkeypatch.setenv("PATH", place.environment["PATH"])
    make(place.folder, {"there/a/qsub.finished.0": "", "there/a/qsub.finished.1": ""})
    made = SshHost(place.remote, tmp_path / "socket", Runner(place.environment))
    made.open()
    yield made
    made.close()
    assert not places.alive(str(tmp_path / "socket"))


def pulled(host: SshHost, place: Place, home: Path) -> int:
    """Bring both markers home anew, looking meanwhile; how many rsyncs that took."""
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir()
    before = host.runner.calls.get("rsync", 0)
    pull = host.pull(f"{place.folder}/there", home, [], ["a"])
    for _ in range(3):
        assert host.ask(FindMarkers(f"{place.folder}/there")) == {MARKERS[0], MARKERS[1]}
    wait_for(pull.over)
    pull.finish()
    assert sorted(path.name for path in (home / "a").iterdir()) == [m[2:] for m in MARKERS]
    return host.runner.calls["rsync"] - before


MARKERS = ["a/qsub.finished.0", "a/qsub.finished.1"]


@pytest.mark.usefixtures("one_at_a_time")
@pytest.mark.parametrize("place", ["plain"], indirect=True)
def test_where_only_one_session_may_be_open_no_look_is_refused_and_that_is_found_out_once(
    place: Place, host: SshHost, tmp_path: Path
) -> None:
    assert pulled(host, place, tmp_path / "home") == 1, "there is no shell yet"
    assert pulled(host, place, tmp_path / "home") == 2, "refused beside the shell, and again"
    assert pulled(host, place, tmp_path / "home") == 1
    assert pulled(host, place, tmp_path / "home") == 1


@pytest.mark.parametrize("place", ["plain"], indirect=True)
def test_files_come_home_beside_the_looks_without_another_login(
    place: Place, host: SshHost, tmp_path: Path
) -> None:
    before = place.authentications()
    for _ in range(3):
        assert pulled(host, place, tmp_path / "home") == 1
    shells = host.runner.calls["ssh"]
    assert pulled(host, place, tmp_path / "home") == 1
    assert (host.runner.calls["ssh"], place.authentications()) == (shells, before)


@pytest.mark.parametrize("place", ["plain"], indirect=True)
def test_closing_the_host_ends_what_is_on_its_way(
    place: Place, host: SshHost, tmp_path: Path
) -> None:
    with open(place.folder / "there/a/x", "wb") as file:
        file.truncate(10**9)
    host.ask(FindMarkers(f"{place.folder}/there"))
    pull = host.pull(f"{place.folder}/there", tmp_path / "home", ["x"], ["a"])
    assert not pull.over()
    host.close()
    assert pull.over()
    assert not places.alive(f"{place.folder}/there/")
