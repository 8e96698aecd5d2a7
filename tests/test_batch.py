"""`jobauto batch` as a person uses it: real monitors, on this machine and on the lab's Slurm."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import places
import psutil
import pytest
from places import Place, wait_for
from trees import job, make

from jobauto import lock

# A job that reads a common file through a program that is common, too.
PROGRAM = (
    "#!/bin/sh\n# program {n}\nread x <input; echo $((x * 2)) >result; echo junk >scratch.tmp\n"
)
TEMPLATE = {
    "qsub.0": job("./program"),
    "qsub.dependency.0": "",
    "program": PROGRAM,
    "data": "the same for all\n" * 20,
    "input": "@x@\n",
}
SPEC = """template = "mine"
outputs = ["result"]
[variables.x]
type = "int"
[[vary]]
x = [1, 2, 3]
"""

Batch = Callable[..., subprocess.CompletedProcess[str]]
on = pytest.mark.parametrize("place", ["mirror", "slurm"], indirect=True)
here = pytest.mark.parametrize("place", ["mirror"], indirect=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project with a template and the file of a sweep."""
    make(tmp_path / "P/mine", TEMPLATE)
    (tmp_path / "P/mine/program").chmod(0o755)
    (tmp_path / "P/a.toml").write_text(SPEC)
    return tmp_path / "P"


@pytest.fixture
def batch(place: Place, folder: Path) -> Batch:
    """`jobauto batch` in that project; options of the place are added to `submit`."""
    config = [f"remote = {place.remote!r}", f"scheduler = {place.scheduler!r}", "interval = 0.3"]
    config += [f"rdir = {str(place.folder)!r}"] if place.mirrored else []
    (folder / "jobmon.toml").write_text("\n".join([*config, "no_http = true\n"]))

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return place.jobauto("batch", "--dir", str(folder), *words)

    return run


def done(result: subprocess.CompletedProcess[str], code: int = 0) -> str:
    assert result.returncode == code, result.stdout + result.stderr
    assert "Traceback" not in result.stderr
    return result.stdout + result.stderr


def runs(folder: Path, name: str = "a") -> list[Path]:
    return sorted(p.parent.parent for p in folder.glob(f"batches/{name}/*/.jobauto/run.json"))


def note(run: Path) -> dict[str, object]:
    file = run / ".jobauto/received.json"
    return dict(json.loads(file.read_text())) if file.exists() else {}


def over(run: Path) -> bool:
    """No monitor is there any more."""
    return lock.watcher(run / ".jobauto") is None


def results(folder: Path, run: Path) -> dict[str, str]:
    place = folder / "output_files" / run.parent.name / run.name
    return {p.parent.name: p.read_text() for p in place.glob("*/result")}


ANSWERS = {"x1": "2\n", "x2": "4\n", "x3": "6\n"}


@on
def test_from_a_sweep_to_results_here_and_nothing_left_there(
    place: Place, folder: Path, batch: Batch
) -> None:
    assert "3 jobs" in done(batch("create", str(folder / "a.toml"), "-o", "a"))
    assert "not submitted" in done(batch("list"))
    done(batch("submit", "a", "--yes"))
    (run,) = runs(folder)
    wait_for(lambda: bool(note(run).get("removed")) and over(run))
    assert results(folder, run) == ANSWERS
    received = folder / "output_files/a" / run.name
    names = {p.relative_to(received).as_posix() for p in received.rglob("*") if p.is_file()}
    assert names == {f"{n}/result" for n in ANSWERS} | {
        "sweep.csv",
        "sweep.toml",
        "sweep.json",
        "batch.json",
    }
    assert not (place.folder / "a" / run.name).exists()
    assert sorted(p.name for p in (place.folder / "a").iterdir()) == []
    assert "received" in done(batch("list"))
    assert "removed on the remote" in done(batch("status", "a"))


@on
def test_two_submissions_are_two_runs_and_common_files_are_sent_once(
    place: Place, folder: Path, batch: Batch
) -> None:
    done(batch("create", str(folder / "a.toml"), "-o", "a"))
    done(batch("submit", "a", "--yes"))
    store = place.folder / ".common"
    wait_for(lambda: len(list(store.glob("*/*"))) == 2)
    before = {p: (p.stat().st_ino, p.stat().st_ctime_ns) for p in store.glob("*/*")}
    assert {p.name for p in before} == {"program", "data"}
    done(batch("submit", "a", "--yes", "--keep-remote"))
    first, second = runs(folder)
    wait_for(lambda: all("removed" in note(run) and over(run) for run in (first, second)))
    assert results(folder, first) == results(folder, second) == ANSWERS
    assert not (place.folder / "a" / first.name).exists()
    there = place.folder / "a" / second.name
    assert note(second)["kept"] == "as --keep-remote says"
    # the very file of the store is in each job's folder, and nobody wrote a second one
    assert {p: p.stat().st_ino for p in before} == {p: ino for p, (ino, _) in before.items()}
    inodes = {(there / n / "program").stat().st_ino for n in ANSWERS}
    assert inodes == {before[p][0] for p in before if p.name == "program"}
    rows = json.loads(done(batch("list", "--json")))
    assert [(row["name"], row["jobs"], row["submitted"]) for row in rows] == [("a", 3, 2)]
    assert rows[0]["last"] == second.name


@here
def test_a_failed_job_keeps_the_remote_until_it_was_tried_again(
    place: Place, folder: Path, batch: Batch
) -> None:
    make(
        folder / "mine", {"qsub.0": job(f"./program; [ $(cat input) != 2 ] || [ -e {folder}/ok ]")}
    )
    done(batch("create", str(folder / "a.toml"), "-o", "a"))
    done(batch("submit", "a", "--yes", "--grace", "0"))
    (run,) = runs(folder)
    wait_for(lambda: bool(note(run)) and over(run))
    assert note(run)["kept"] == "1 job(s) did not finish"
    assert "over, 2 of 3 done, 1 failed; received, kept there" in done(batch("list"))
    assert "kept on the remote: 1 job(s) did not finish" in done(batch("status", "a"), 1)
    # by hand it changes nothing: what failed may still be wanted there
    assert "kept on the remote" in done(batch("receive", "a"))
    (folder / "ok").touch()
    done(place.jobauto("retry", "failed", str(run)))
    finished = place.jobmon(run, new=False)
    assert finished.returncode == 0, finished.stderr
    assert note(run)["removed"] is True
    assert results(folder, run) == ANSWERS
    again = place.jobmon(run, new=False)
    assert again.returncode == 2
    assert "jobauto batch submit a" in again.stderr


@on
def test_a_monitor_that_died_is_started_again_and_receives(
    place: Place, folder: Path, batch: Batch
) -> None:
    go = place.folder / "go"  # where the jobs can see it, whoever runs them
    waits = f"while [ ! -e {shlex.quote(str(go))} ]; do sleep 0.1; done"
    make(folder / "mine", {"qsub.0": job(f"./program; {waits}")})
    done(batch("create", str(folder / "a.toml"), "-o", "a"))
    done(batch("submit", "a", "--yes"))
    (run,) = runs(folder)
    wait_for(lambda: (run / "quelist").exists() and "started" in (run / "quelist").read_text())
    holder = lock.watcher(run / ".jobauto")
    assert holder
    os.kill(holder.pid, signal.SIGKILL)
    wait_for(lambda: over(run))
    assert "may be in the queue" in done(batch("receive", "a"), 2)
    assert "stopped" in done(batch("list"))
    go.touch()
    finished = place.jobmon(run, new=False)
    assert finished.returncode == 0, finished.stderr
    assert note(run)["removed"] is True
    assert results(folder, run) == ANSWERS
    assert {name: words.count("started") for name, words in places.words(run).items()} == {
        f"{name}/qsub.0": 1 for name in ANSWERS
    }


@here
def test_the_monitor_outlives_the_terminal(place: Place, folder: Path, batch: Batch) -> None:
    make(folder / "mine", {"qsub.0": job("./program; sleep 1")})
    done(batch("create", str(folder / "a.toml"), "-o", "a"))
    words = [sys.executable, "-m", "jobauto", "batch", "--dir", str(folder), "submit", "a", "--yes"]
    shell = subprocess.Popen(
        ["sh", "-c", '"$@"; sleep 60', "sh", *words],
        env=place.environment,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    place.started.append(shell)  # type: ignore[arg-type]
    wait_for(lambda: bool(runs(folder)) and not over(runs(folder)[0]))
    (run,) = runs(folder)
    holder = lock.watcher(run / ".jobauto")
    assert holder
    assert os.getsid(holder.pid) not in (os.getsid(0), shell.pid)
    os.killpg(shell.pid, signal.SIGHUP)
    shell.wait()
    assert psutil.pid_exists(holder.pid)
    wait_for(lambda: bool(note(run).get("removed")) and over(run))
    assert results(folder, run) == ANSWERS


@on
def test_cancel_ends_the_jobs_and_receive_brings_what_there_is(
    place: Place, folder: Path, batch: Batch
) -> None:
    make(folder / "mine", {"qsub.0": job("./program; [ $(cat input) = 1 ] || sleep 300")})
    done(batch("create", str(folder / "a.toml"), "-o", "a"))
    done(batch("submit", "a", "--yes"))
    (run,) = runs(folder)
    wait_for(lambda: (run / "x1/qsub.finished.0").exists())
    assert "its monitor is at work" in done(batch("receive", "a"), 2)
    assert "its monitor is at work" in done(batch("delete", "a", "--yes"), 2)
    assert "2 job(s) killed" in done(batch("cancel", "a"))
    assert "2 job(s) did not finish" in done(batch("receive", "a"))
    assert results(folder, run)["x1"] == "2\n"
    assert (place.folder / "a" / run.name).is_dir()
    done(batch("delete", "a", "--yes"))
    assert not (place.folder / "a" / run.name).exists()
    assert results(folder, run)["x1"] == "2\n"
    assert sorted(p.name for p in (folder / "batches").iterdir()) == [".common"]


@here
def test_what_is_wrong_is_said_before_anything_is_sent(
    place: Place, folder: Path, batch: Batch
) -> None:
    done(batch("create", str(folder / "a.toml"), "-o", "rings"))
    assert "there is a batch rings" in done(
        batch("create", str(folder / "a.toml"), "-o", "rings"), 2
    )
    assert "cannot name a batch" in done(batch("create", str(folder / "a.toml"), "-o", "../a"), 2)
    assert "did you mean rings?" in done(batch("submit", "ring", "--yes"), 2)
    assert "never submitted" in done(batch("status", "rings"), 2)
    assert "--yes" in done(batch("submit", "rings"), 2)
    assert "--yes" in done(batch("delete", "rings"), 2)
    (folder / "file").touch()
    wrong = batch("submit", "rings", "--yes", "--receive-path", str(folder / "file/x"))
    assert "choose another --receive-path" in done(wrong, 2)
    shown = done(batch("submit", "rings", "--dry-run"))
    assert f"{place.folder}/rings/<date>" in shown
    assert "output_files/rings/<date>" in shown.replace("\n", "").replace(" ", "")
    assert "removed when all is here" in shown
    text = (folder / "batches/rings.zip").read_bytes()
    (folder / "batches/rings.zip").write_bytes(text[: len(text) // 2])
    assert "not a whole zip" in done(batch("submit", "rings", "--yes"), 2)
    assert "not a whole zip" in done(batch("list"))
    assert not place.folder.exists()
    assert runs(folder, "rings") == []


@on
def test_a_tree_is_a_batch_too_and_dates_name_runs(
    place: Place, folder: Path, batch: Batch
) -> None:
    tree = {"m/qsub.0": job("echo 1 >result; echo 2 >>log"), "m/qsub.dependency.0": ""}
    make(folder / "si/init", {**tree, "m/log": "1\n", "m/input": "as it was sent\n"})
    done(batch("create", str(folder / "si"), "-o", "si"))
    done(batch("submit", "si", "--yes"))
    (run,) = runs(folder, "si")
    wait_for(lambda: bool(note(run).get("removed")) and over(run))
    assert results(folder, run) == {"m": "1\n"}
    received = folder / "output_files/si" / run.name / "m"
    assert (received / "log").read_text() == "1\n2\n"
    assert not [
        name for name in ("input", "qsub.0", "qsub.finished.0") if (received / name).exists()
    ]
    assert run.name in done(batch("status", "si", "--run", run.name))
    assert "has no run" in done(batch("status", "si", "--run", "20200101_000000"), 2)
    assert "removed on the remote" in done(batch("receive", "si"))


@pytest.mark.parametrize("place", ["local"], indirect=True)
def test_jobs_on_this_machine_bring_their_outputs_too(
    place: Place, folder: Path, batch: Batch
) -> None:
    done(batch("create", str(folder / "a.toml"), "-o", "a"))
    done(batch("submit", "a", "--yes"))
    (run,) = runs(folder)
    wait_for(lambda: bool(note(run)) and over(run))
    assert results(folder, run) == ANSWERS
    assert note(run)["kept"] == "the jobs ran here"
    assert "received" in done(batch("list"))


@here
def test_a_sweep_can_be_kept_as_a_batch_at_once(place: Place, folder: Path, batch: Batch) -> None:
    words = [sys.executable, "-m", "jobauto", "sweep", "a.toml", "-o", "a"]
    made = subprocess.run(words, cwd=folder, env=place.environment, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    rows = json.loads(done(batch("list", "--json")))
    assert [(row["name"], row["jobs"], row["submitted"]) for row in rows] == [("a", 3, 0)]
