"""The command lines, as a person types them, on this machine with the local engine."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
from places import Place, newest, wait_for, words
from trees import job, make, sleepers

from jobauto.cli.commands import parser as jobauto_parser
from jobauto.cli.main import main as jobauto
from jobauto.lock import holder

pytestmark = pytest.mark.parametrize("place", ["local"], indirect=True)
ONE = {"a/qsub.0": job(""), "a/qsub.dependency.0": ""}


def test_without_arguments_it_teaches(place: Place) -> None:
    for words_ in ([], ["--help"]):
        shown = place.run(*words_)
        assert shown.returncode == 0
        assert "qsub.dependency.<id>" in shown.stdout
        assert "examples:" in shown.stdout
        assert "exit:" in shown.stdout


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        (["--maxqsb", "3"], "unknown option --maxqsb\n  -> did you mean --maxqsub?"),
        (["--ldir", "/nowhere"], "/nowhere/init: there is no such folder"),
        (["--maxqsub", "many", "--ldir", "."], "--maxqsub: "),
        (["--remote", "me@cluster", "--ldir", "."], "--rdir is missing"),
        (["stray"], "unexpected argument 'stray'"),
        (["--datedir", "20200101_000000", "--ldir", "."], "no such run"),
    ],
)
def test_a_typo_is_one_clear_line_and_exit_2(place: Place, typed: list[str], says: str) -> None:
    done = place.run(*typed)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_a_bad_tree_sends_nothing(place: Place, tmp_path: Path) -> None:
    make(tmp_path / "L/init", {**ONE, "b/qsub.0": "echo __nope__", "b/qsub.dependency.1": ""})
    done = place.jobmon(tmp_path / "L")
    assert done.returncode == 2
    assert "b/qsub.dependency.1:1: there is no b/qsub.1" in done.stderr
    assert [p.name for p in (tmp_path / "L").iterdir()] == ["init"]


def test_a_placeholder_left_over_names_file_and_line(place: Place, tmp_path: Path) -> None:
    make(tmp_path / "L/init", {**ONE, "b/qsub.0": "#!/bin/sh\ncd __binpath__\n"})
    done = place.jobmon(tmp_path / "L")
    assert done.returncode == 2
    assert "b/qsub.0:2: placeholder __binpath__ is left over\n  -> give --binpath" in done.stderr
    assert [p.name for p in (tmp_path / "L").iterdir()] == ["init"]


def test_initonly_makes_the_copy_and_submits_nothing(place: Place, tmp_path: Path) -> None:
    make(tmp_path / "L/init", {**ONE, "a/qsub.0": job("echo __jobname__ __maxcore__ __x__ > out")})
    done = place.jobmon(tmp_path / "L", "--initonly", "--set", "x=y")
    assert done.returncode == 0, done.stderr
    run = newest(tmp_path / "L")
    assert "echo a 16 y" in (run / "a/qsub.0").read_text()
    assert not (run / "quelist").exists()
    assert place.jobmon(run, new=False).returncode == 0
    assert (run / "a/out").read_text() == "a 16 y\n"


def test_restart_by_datedir(place: Place, tmp_path: Path) -> None:
    make(tmp_path / "L/init", ONE)
    place.jobmon(tmp_path / "L", "--initonly")
    run = newest(tmp_path / "L")
    done = place.jobmon(tmp_path / "L", "--datedir", run.name, new=False)
    assert done.returncode == 0, done.stderr
    assert words(run) == {"a/qsub.0": ["started", "finished"]}


def test_a_run_stays_where_its_jobs_are(place: Place, tmp_path: Path) -> None:
    make(tmp_path / "L/init", ONE)
    place.jobmon(tmp_path / "L", "--initonly")
    done = place.jobmon(newest(tmp_path / "L"), "--remote", "other", "--rdir", "x", new=False)
    assert done.returncode == 2
    assert "this run is on local" in done.stderr


def test_once_for_cron(place: Place, tmp_path: Path) -> None:
    make(tmp_path / "L/init", {**ONE, "a/qsub.1": job("", "1"), "a/qsub.dependency.1": "ran.0\n"})
    place.jobmon(tmp_path / "L", "--initonly")
    run = newest(tmp_path / "L")
    assert place.jobmon(run, "--once", new=False).returncode == 0
    wait_for(lambda: (run / "a/qsub.finished.0").exists())
    assert place.jobmon(run, "--once", new=False).returncode == 0
    wait_for(lambda: (run / "a/qsub.finished.1").exists())
    assert place.jobmon(run, "--once", new=False).returncode == 0
    assert {w[-1] for w in words(run).values()} == {"finished"}


def test_settings_of_the_project_and_of_the_environment(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path / "L", {"jobmon.toml": "maxcore = 7\n[set]\nx = 'toml'\n"})
    make(tmp_path / "L/init", {**ONE, "a/qsub.0": job("echo __maxcore__ __x__ > out")})
    assert place.jobmon(tmp_path / "L").returncode == 0
    assert (newest(tmp_path / "L") / "a/out").read_text() == "7 toml\n"


@pytest.mark.parametrize("ignored", [True, False], ids=["nohup", "terminal"])
def test_hang_up(place: Place, tmp_path: Path, ignored: bool) -> None:
    sleepers(tmp_path / "L/init", 1, 1)
    monitor = place.start(tmp_path / "L", nohup=ignored)
    wait_for(lambda: any((tmp_path / "L").glob("2*/quelist")))
    monitor.send_signal(signal.SIGHUP)
    assert monitor.wait(30) == (0 if ignored else 3)


def test_status_counts_lists_and_answers_programs(place: Place, tmp_path: Path) -> None:
    make(
        tmp_path / "L/init",
        {
            **ONE,
            "a/qsub.1": job("exit 4", "1"),
            "a/qsub.dependency.1": "qsub.finished.0\n",
            "a/qsub.2": job("", "2"),
            "a/qsub.dependency.2": "qsub.finished.1\n",
            "b/qsub.0": job(""),
        },
    )
    assert place.jobmon(tmp_path / "L").returncode == 1
    status = place.jobauto("status", str(tmp_path / "L"))
    assert status.returncode == 1
    for line in ["failed 1", "blocked 1", "held 1", "finished 1"]:
        state, number = line.split()
        assert any(row.split()[:2] == [state, number] for row in status.stdout.splitlines()), line
    data = json.loads(place.jobauto("status", "--json", str(tmp_path / "L")).stdout)
    assert data["counts"] == {"finished": 1, "failed": 1, "blocked": 1, "held": 1}
    assert data["jobs"]["a/qsub.1"]["words"][-1].endswith("@exit-4")
    assert "b/qsub.0" in place.jobauto("status", "--all", str(tmp_path / "L")).stdout


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("a/0", "a/qsub.0 is failed: exit-5 at"),
        ("a/qsub.1", "a/qsub.1 is blocked: it needs a/qsub.0, which failed (exit-5)"),
        ("h/0", "h/qsub.0 is held: there is no h/qsub.dependency.0; add one to release it"),
        (
            "w/0",
            "w/qsub.0 is blocked: it waits for the file w/never, which no job is known to make",
        ),
        ("f/0", "f/qsub.0 is finished: its marker exists"),
    ],
)
def test_why_in_one_line(place: Place, tmp_path: Path, name: str, says: str) -> None:
    make(
        tmp_path / "L/init",
        {
            "a/qsub.0": job("exit 5"),
            "a/qsub.dependency.0": "",
            "a/qsub.1": job("", "1"),
            "a/qsub.dependency.1": "qsub.finished.0\n",
            "h/qsub.0": job(""),
            "w/qsub.0": job(""),
            "w/qsub.dependency.0": "never\n",
            "f/qsub.0": job(""),
            "f/qsub.dependency.0": "",
        },
    )
    place.jobmon(tmp_path / "L")
    assert place.jobauto("why", name, str(tmp_path / "L")).stdout.startswith(says)


def test_why_of_a_running_and_of_a_waiting_job(place: Place, tmp_path: Path) -> None:
    sleepers(tmp_path / "L/init", 2, 30)
    place.start(tmp_path / "L", "--maxqsub", "1")
    wait_for(
        lambda: any(
            "RUN" in p.read_text() or " S" in p.read_text()
            for p in (tmp_path / "L").glob("2*/qstat")
        )
    )
    assert " running as " in place.jobauto("why", "s0/0", str(tmp_path / "L")).stdout
    waits = place.jobauto("why", "s0/1", str(tmp_path / "L")).stdout
    assert "it waits for s0/qsub.finished.0, which s0/qsub.0 makes (started)" in waits
    room = place.jobauto("why", "s1/0", str(tmp_path / "L")).stdout
    assert "s1/qsub.0 is ready: it waits for room in the queue (--maxqsub 1)" in room


def test_why_of_an_unknown_job_gets_the_nearest(place: Place, tmp_path: Path) -> None:
    make(tmp_path / "L/init", ONE)
    place.jobmon(tmp_path / "L")
    done = place.jobauto("why", "a/qsub.00", str(tmp_path / "L"))
    assert done.returncode == 2
    assert "did you mean a/qsub.0?" in done.stderr


def test_edited_quelist_that_cannot_be_read_names_file_and_line(
    place: Place, tmp_path: Path
) -> None:
    make(tmp_path / "L/init", ONE)
    place.jobmon(tmp_path / "L")
    run = newest(tmp_path / "L")
    with (run / "quelist").open("a") as file:
        file.write("a/qsub.1 fnished@today\n")
    done = place.jobmon(run, new=False)
    assert done.returncode == 2
    assert f"{run / 'quelist'}:2: cannot be read: unknown word 'fnished'" in done.stderr


def test_a_run_gives_its_lock_back(place: Place, tmp_path: Path) -> None:
    make(tmp_path / "L/init", ONE)
    place.jobmon(tmp_path / "L")
    assert holder(newest(tmp_path / "L") / ".jobauto") is None


def test_every_verb_has_help(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert jobauto([]) == 0
    shown = capsys.readouterr().out
    for verb in ("init", "status", "why", "kill"):
        assert f"\n    {verb} " in shown
        with pytest.raises(SystemExit) as ended:
            jobauto_parser().parse_args([verb, "--help"])
        assert ended.value.code == 0
