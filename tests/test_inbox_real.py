"""Real inboxes: on this machine, mirrored, and over ssh on the lab's schedulers."""

from __future__ import annotations

import atexit
import os
import random
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import inboxes
import pytest
from places import Place, wait_for

from jobauto.cli.main import main

WHERE = ["local", "mirror", "slurm", "sge"]


def setup(where: Place) -> Path:
    """A real inbox."""
    root = where.tmp / "jobs"
    done = where.jobauto("inbox", "--root", str(root), "--setup")
    assert done.returncode == 0, done.stderr
    return root


def runs_file() -> Path:
    """The file outside of all folders to which each job appends its name; pytest's own folder
    becomes private whenever another session begins."""
    folder = Path(tempfile.mkdtemp(prefix="jobauto-ran-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    folder.chmod(0o777)
    return folder / "runs"


def ran(runs: Path) -> Counter[str]:
    return Counter(runs.read_text().split() if runs.exists() else [])


def end(process: subprocess.Popen[str], code: int = 0) -> str:
    out, err = process.communicate(timeout=120)
    assert process.returncode == code, err + out
    return out


@pytest.mark.parametrize("place", WHERE, indirect=True)
def test_folders_are_run_and_given_back(place: Place) -> None:
    root, runs = setup(place), runs_file()
    inboxes.put(root, "a", runs)
    inboxes.put(root, "b", runs, more="cat ../a/result\necho 'it broke' >&2\nexit 3\n")
    (root / "inbox/b/qsub.dependency.job").write_text("a\n")
    inboxes.put(root, "c", runs)
    (root / "inbox/c/qsub.dependency.job").write_text("b\n")
    out = end(inboxes.start(place, root, "--once", "--grace", "2", "--finished-file", "DONE"), 1)
    assert "Starting Job Manager: use ctrl-C to quit" in out
    assert f"Watching inbox: {root}/inbox" in out
    assert "1 went well, 2 failed" in out
    assert sorted(os.listdir(root / "completed")) == ["a", "b", "c"]
    assert (root / "completed/a/result").read_text() == "a\n"
    assert (root / "completed/a/DONE").exists()
    error = (root / "completed/b/job_error.txt").read_text()
    assert "exit-3" in error and "it broke" in error  # noqa: PT018
    assert ran(runs) == {"a": 1, "b": 1}
    if place.scheduler == "local":
        output = (root / "completed/b/job_output.txt").read_text()
        assert output == "a\nit broke\n"
    if place.name == "slurm":  # a directive at the head of job.sh
        assert list((root / "completed/a").glob("slurm-*.out"))
    if place.mirrored:
        [remote] = place.folder.iterdir()
        assert [path.name for path in remote.iterdir()] == [".jobauto"]
        assert list((remote / ".jobauto/going").iterdir()) == []


@pytest.mark.parametrize("place", ["local", "mirror"], indirect=True)
def test_names_are_never_run_by_a_shell(place: Place) -> None:
    root, runs = setup(place), runs_file()
    names = ["a b", "a'b", "$(touch x)", "a;b", "#a", "*", "ä"]
    for name in names:
        folder = root / "inbox" / name
        folder.mkdir()
        (folder / "job.sh").write_text(f"echo run >>'{runs}'\necho >result\n")
    end(inboxes.start(place, root, "--once", "--maxjobs", "20"))
    assert sorted(os.listdir(root / "completed")) == sorted(names)
    assert all((root / "completed" / name / "result").exists() for name in names)
    assert runs.read_text() == "run\n" * len(names)
    assert not list(place.tmp.rglob("x"))


@pytest.mark.parametrize("place", ["mirror"], indirect=True)
def test_what_is_kept_on_the_remote_is_out_of_the_way(place: Place) -> None:
    root, runs = setup(place), runs_file()
    for _ in range(2):
        inboxes.put(root, "a", runs)
        end(inboxes.start(place, root, "--once", "--keep-remote"))
    [remote] = place.folder.iterdir()
    kept = list((remote / ".jobauto/kept").iterdir())
    assert [path.name.partition(".")[0] for path in kept] == ["a", "a"]
    assert all((path / "result").exists() for path in kept)
    assert not (remote / "a").exists()


@pytest.mark.parametrize("place", ["mirror"], indirect=True)
def test_links_that_are_not_brought_stay_there(place: Place) -> None:
    root, runs = setup(place), runs_file()
    inboxes.put(root, "a", runs, more="ln -s /etc/passwd out\n")
    out = end(inboxes.start(place, root, "--once"))
    assert "a: has symbolic links" in out
    assert not (root / "completed/a/out").exists()
    [remote] = place.folder.iterdir()
    [kept] = (remote / ".jobauto/kept").iterdir()
    assert (kept / "out").is_symlink()


@pytest.mark.parametrize("place", ["local"], indirect=True)
def test_a_slow_copy_is_not_taken_early(place: Place) -> None:
    root, runs = setup(place), runs_file()
    process = inboxes.start(place, root)
    (place.tmp / "x/inbox").mkdir(parents=True)
    inboxes.put(place.tmp / "x", "a", runs, more="ls >seen\n")
    target = root / "inbox/a"
    target.mkdir()
    shutil.copy(place.tmp / "x/inbox/a/job.sh", target / "job.sh")
    for number in range(20):
        time.sleep(0.15)  # it takes six times as long as a folder has to be unchanged
        (target / f"part{number}").write_text("x")
    wait_for(lambda: (root / "completed/a").exists())
    seen = (root / "completed/a/seen").read_text().split()
    assert len([name for name in seen if name.startswith("part")]) == 20
    os.kill(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 3
    assert "go on with: jobauto inbox --root" in err
    assert "0 job(s) stay in the queue" in out


def kills(where: Place, root: Path, number: int, dice: random.Random) -> int:
    """Start the monitor and kill it with -9, so many times; how many it survived."""
    killed = 0
    for _ in range(number):
        process = inboxes.start(where, root, "--maxjobs", "8")
        time.sleep(dice.uniform(0.3, 2.5))
        killed += process.poll() is None
        process.kill()
        process.communicate()
    return killed


@pytest.mark.parametrize("place", ["local", "mirror"], indirect=True)
def test_thirty_folders_and_six_kills(place: Place) -> None:
    root, runs = setup(place), runs_file()
    names = [f"n{number:02}" for number in range(30)]

    def arrive() -> None:
        for name in names:
            inboxes.put(root, name, runs)
            time.sleep(0.2)

    arriving = threading.Thread(target=arrive)
    arriving.start()
    try:
        assert kills(place, root, 6, random.Random(8)) == 6
    finally:
        arriving.join()
    end(inboxes.start(place, root, "--once", "--maxjobs", "8"))
    assert ran(runs) == dict.fromkeys(names, 1)
    assert sorted(os.listdir(root / "completed")) == names
    assert all((root / "completed" / name / "result").exists() for name in names)
    assert os.listdir(root / "inbox") == []


@pytest.mark.parametrize("place", ["local"], indirect=True)
def test_verbs_know_an_inbox(place: Place) -> None:
    root, runs = setup(place), runs_file()
    inboxes.put(root, "a", runs, seconds=60)
    process = inboxes.start(place, root)
    wait_for(lambda: bool(ran(runs)))
    status = place.jobauto("status", str(root))
    assert "1     in the queue or running" in status.stdout, status.stdout
    process.kill()
    process.communicate()
    status = place.jobauto("status", str(root))
    assert f"go on with: jobauto inbox --root {root}" in status.stdout
    killed = place.jobauto("kill", str(root))
    assert "1 job(s) killed" in killed.stdout
    end(inboxes.start(place, root, "--once"), 1)
    assert (root / "completed/a/job_error.txt").read_text().startswith("killed: ")


@pytest.mark.parametrize("place", ["local"], indirect=True)
def test_a_second_monitor_is_refused(place: Place) -> None:
    root = setup(place)
    process = inboxes.start(place, root)
    wait_for(lambda: (root / "pending/.jobauto/monitor.json").exists())
    other = inboxes.start(place, root)
    _, err = other.communicate(timeout=60)
    assert other.returncode == 2
    assert "a monitor runs already" in err
    process.terminate()
    process.communicate(timeout=30)
    assert process.returncode == 3


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--root", "{root}", "-e", "engines.SlurnEngine"], "did you mean slurm?"),
        (["--root", "{root}", "--presubmit-file", "a/b"], "a file's name, without a folder"),
        (["--root", "{root}", "--settle", "-1"], "--settle: "),
        (["--root", "{root}/none"], "--setup"),
        (["--root", "{root}", "--remote", "me@there"], "--rdir is missing"),
        ([], "--root"),
    ],
)
def test_what_is_wrong_is_said(
    words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["inbox", "-r", str(tmp_path), "-s"]) == 0
    assert "jobauto inbox --root" in capsys.readouterr().out
    assert main(["inbox", *(word.format(root=tmp_path) for word in words)]) == 2
    assert said in capsys.readouterr().err


def test_old_names_of_engines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inbox", f"-r{tmp_path}", "-s"]) == 0
    (tmp_path / "inbox/a").mkdir()
    (tmp_path / "inbox/a/job.sh").write_text("echo out\n")
    words = [f"--root={tmp_path}", "-e", "engines.LocalEngine", "-p0.2", "--settle=0", "--once"]
    assert main(["inbox", *words]) == 0
    assert (tmp_path / "completed/a/job_output.txt").read_text() == "out\n"
    assert "1 went well" in capsys.readouterr().out
