"""jobmon.py tells, as a person types it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from places import ROOT, Place, newest, wait_for
from postbox import SECRET, Listener, listener
from trees import job, make

from jobauto.errors import DONE, SOME_FAILED
from jobauto.telling.causes import (
    ENDED,
    FAILED,
)

__all__ = ["listener"]  # a fixture


# jobmon.py, as a person types it

local = pytest.mark.parametrize("place", ["local"], indirect=True)
TREE = {
    "a/qsub.0": job("env"),
    "a/qsub.dependency.0": "",
    "b/qsub.0": job("exit 3"),
    "b/qsub.dependency.0": "",
}
OPTIONS = ["--scheduler", "local", "--interval", "0.3", "--no-http"]
EVENT = """#!/bin/sh
env
echo "$JOBAUTO_EVENT" >>events
"""


def jobmon(place: Place, *words: str, notify: str = "") -> subprocess.CompletedProcess[str]:
    """jobmon.py without HTTP, and with this variable."""
    extra = {"JOBMON_NOTIFY": json.dumps([notify])} if notify else {}
    return subprocess.run(
        [sys.executable, str(ROOT / "jobmon.py"), *OPTIONS, *words],
        env={**place.environment, **extra},
        cwd=place.tmp,
        capture_output=True,
        text=True,
        timeout=120,
    )


def holding(folder: Path, text: str) -> list[Path]:
    """Files below a folder in which this text stands."""
    return [p for p in folder.rglob("*") if p.is_file() and text.encode() in p.read_bytes()]


@local
def test_a_real_run_tells_services_and_command(
    place: Place, tmp_path: Path, listener: Listener
) -> None:
    ldir = make(tmp_path / "L", {f"init/{name}": text for name, text in TREE.items()})
    make(tmp_path, {"tell.sh": EVENT})
    on_event = f"sh {tmp_path}/tell.sh"
    done = jobmon(place, "--ldir", str(ldir), "--on-event", on_event, notify=listener.url)
    assert done.returncode == SOME_FAILED, done.stderr
    run = newest(ldir)
    assert (run / "events").read_text().split() == [FAILED, ENDED]
    assert [got["title"] for got in listener.got] == [
        f"L/{run.name}: b/qsub.0 failed",
        f"L/{run.name}: ended, some jobs failed or are blocked",
    ]
    assert holding(run, "JOBAUTO_COUNTS"), "the command's output is in jobmon.log"
    assert holding(ldir, SECRET) == []
    assert SECRET not in done.stdout + done.stderr

    again = jobmon(place, "--ldir", str(run), "--once", notify=listener.url)
    assert again.returncode == SOME_FAILED, again.stderr
    assert len(listener.got) == 2
    assert (run / "events").read_text().split() == [FAILED, ENDED]
    assert holding(ldir, SECRET) == []


@local
def test_a_service_in_the_persons_own_file_is_told_by_once(
    place: Place, tmp_path: Path, listener: Listener
) -> None:
    ldir = make(tmp_path / "L", {"init/a/qsub.0": job(""), "init/a/qsub.dependency.0": ""})
    make(tmp_path, {"config/jobauto/jobmon.toml": f'notify = ["{listener.url}"]\n'})
    assert jobmon(place, "--ldir", str(ldir), "--initonly").returncode == DONE
    run = newest(ldir)

    def over() -> bool:
        done = jobmon(place, "--ldir", str(run), "--once")
        assert done.returncode == DONE, done.stderr
        return bool(listener.got)

    wait_for(over)
    over()
    assert [got["title"] for got in listener.got] == [f"L/{run.name}: all jobs finished"]


@local
def test_a_url_that_is_wrong_is_refused_before_anything_is_made(
    place: Place, tmp_path: Path
) -> None:
    ldir = make(tmp_path / "L", {f"init/{name}": text for name, text in TREE.items()})
    for words in ([], ["--dry-run"], ["--initonly"]):
        done = jobmon(place, "--ldir", str(ldir), "--notify", f"jsn://{SECRET}@x", *words)
        assert done.returncode == 2
        said = "command line: --notify: Value error, apprise does not understand this URL (jsn://)"
        assert said in done.stderr
        assert SECRET not in done.stdout + done.stderr
    stray = place.run("--ldir", str(ldir), "--once", f"json://{SECRET}@x")
    assert stray.stderr.startswith("jobmon.py: unexpected argument 'json://'\n")
    for text in (f'notify = ["json://{SECRET}", 3]', f'notify = "json://{SECRET}"'):
        make(ldir, {"jobmon.toml": text})
        done = jobmon(place, "--ldir", str(ldir))
        assert (done.returncode, SECRET in done.stderr) == (2, False)
        assert done.stderr.startswith(f"jobmon.py: {ldir / 'jobmon.toml'}:1: --notify: ")
    assert sorted(path.name for path in ldir.iterdir()) == ["init", "jobmon.toml"]


@local
def test_a_dry_run_tells_nobody(place: Place, tmp_path: Path, listener: Listener) -> None:
    ldir = make(tmp_path / "L", {f"init/{name}": text for name, text in TREE.items()})
    on_event = f"touch {tmp_path}/told"
    options = ["--ldir", str(ldir), "--dry-run", "--on-event", on_event]
    done = jobmon(place, *options, notify=listener.url)
    assert done.returncode == DONE, done.stderr
    assert listener.got == []
    assert not (tmp_path / "told").exists()
    assert SECRET not in done.stdout
