"""A real monitor on this machine, steered by curl as the users of pybatch do."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from places import ROOT, Place, alive, cannot, newest, wait_for, words
from trees import job, make, sleepers

pytestmark = pytest.mark.parametrize("place", ["local"], indirect=True)

SLEEP = f"3571.{os.getpid():07d}"  # seconds; nobody else sleeps just as long


@pytest.fixture
def need_curl() -> None:
    if not shutil.which("curl"):
        cannot("there is no curl")


def facts(run: Path) -> dict[str, str]:
    return dict(json.loads((run / ".jobauto" / "http.json").read_text()))


def curl(run: Path, action: str, *fields: str) -> tuple[int, str]:
    """The command of pybatch's README; the status and the answer."""
    here = facts(run)
    given = [f"action={action}", *fields, f"token={here['token']}"]
    done = subprocess.run(
        ["curl", "-s", "-w", "%{http_code}", "-X", "POST", f"localhost:{here['port']}/process"]
        + [word for field in given for word in ("-F", field)],
        capture_output=True,
        text=True,
        timeout=30,
    )
    return int(done.stdout[-3:]), done.stdout[:-3]


def started(run: Path) -> int:
    """How many jobs are in the queue, by what quelist says."""
    if not (run / "quelist").exists():
        return 0
    return sum(line[-1:] == ["started"] for line in words(run).values())


@pytest.mark.usefixtures("need_curl")
def test_every_action_of_pybatch_by_curl(place: Place, tmp_path: Path) -> None:
    ldir = tmp_path / "L"
    sleepers(ldir / "init", 5, SLEEP)
    process = place.start(ldir, "--maxqsub", "1")
    wait_for(lambda: bool(list(ldir.glob("2*/.jobauto/http.json"))))
    run = newest(ldir)
    log = run / "jobmon.log"
    wait_for(lambda: started(run) == 1)

    assert curl(run, "STOP") == (200, "submission stops, what is in the queue goes on\n")
    wait_for(lambda: "stop by http" in log.read_text())
    assert curl(run, "CHANGEMAXJ", "MAXJOBS=3")[0] == 200
    wait_for(lambda: "limit by http: maxqsub 3" in log.read_text())
    assert "1 in the queue" in curl(run, "CHECK")[1]
    wait_for(lambda: "check by http" in log.read_text())
    assert started(run) == 1
    assert curl(run, "RESUME")[0] == 200
    wait_for(lambda: started(run) == 3)
    code, text = curl(run, "SWITCHQ", "QUEUE=long")
    assert (code, text.split(":")[0]) == (400, "local cannot express queue")
    assert curl(run, "CHANGEMAXJ")[0] == 400
    assert curl(run, "NOTHING")[0] == 400

    assert curl(run, "KILL", "who=ann") == (200, "the monitor and all jobs are being killed\n")
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 3
    assert f"http    {'http://127.0.0.1:'}" in out
    wait_for(lambda: "3 job(s) killed" in log.read_text())
    assert "kill by ann: the whole run" in log.read_text()
    assert not alive(f"sleep {SLEEP}")
    assert sorted(line[-1] for line in words(run).values() if line) == ["killed"] * 3
    assert not (run / ".jobauto" / "http.json").exists()


@pytest.mark.usefixtures("need_curl")
def test_the_commands_of_the_readme(place: Place, tmp_path: Path) -> None:
    text = (ROOT / "README.md").read_text().split("**Steer it by HTTP**")[1]
    script = text.split("```sh\n")[1].split("```")[0].replace("cd si/20261120_231500\n", "")
    ldir = tmp_path / "L"
    sleepers(ldir / "init", 1, SLEEP)
    make(ldir / "init", {"bad/qsub.0": job("exit 3"), "bad/qsub.dependency.0": ""})
    place.start(ldir, "--grace", "0")
    wait_for(lambda: bool(list(ldir.glob("2*/quelist"))))
    run = newest(ldir)
    wait_for(lambda: "failed" in words(run)["bad/qsub.0"])
    done = subprocess.run(
        ["sh", "-euc", script.replace("curl ", "curl -sf ")],
        cwd=run,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert "at most 20 jobs in the queue" in done.stdout
    assert '"verb": "retry", "jobs": ["bad/qsub.0"]' in done.stdout
    wait_for(lambda: "retry" in words(run)["bad/qsub.0"])


def test_tokens_stand_in_no_file_that_others_read(place: Place, tmp_path: Path) -> None:
    ldir = tmp_path / "L"
    sleepers(ldir / "init", 1, SLEEP)
    place.start(ldir, "--rdir", str(tmp_path / "R"))
    wait_for(lambda: bool(list(ldir.glob("2*/.jobauto/http.json"))))
    run = newest(ldir)
    here = facts(run)
    wait_for(lambda: started(run) == 1)
    assert here["url"] in (run / "jobmon.log").read_text()
    found = [p for root in (run, tmp_path / "R") for p in root.rglob("*") if p.is_file()]
    assert any(p.name == "qsub.0" and tmp_path / "R" in p.parents for p in found)
    for path in (p for p in found if p != run / ".jobauto/http.json"):
        assert here["token"] not in path.read_text(errors="replace"), path
        assert here["read_only_token"] not in path.read_text(errors="replace"), path


def test_a_wanted_port_and_none(place: Place, tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    sleepers(tmp_path / "L/init", 1, 0)
    wanted = place.jobmon(tmp_path / "L", "--port", str(port))
    assert f"http    http://127.0.0.1:{port}\n" in wanted.stdout
    run = newest(tmp_path / "L")
    kept = json.loads((run / ".jobauto/run.json").read_text())["settings"]
    assert (kept["port"], kept["no_http"]) == (port, False)
    assert "http " not in place.jobmon(run, "--no-http", new=False).stdout
    assert "http " not in place.jobmon(run, new=False).stdout
    assert "http " in place.jobmon(run, "--port", str(port), new=False).stdout


def test_a_port_that_is_taken_is_a_warning(place: Place, tmp_path: Path) -> None:
    sleepers(tmp_path / "L/init", 1, 0)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = place.jobmon(tmp_path / "L", "--port", str(port))
    assert done.returncode == 0
    assert f"warning: no HTTP: port {port}: Address already in use\n" in done.stdout
    assert "http " not in done.stdout


@pytest.mark.parametrize("option", ["--once", "--initonly", "--dry-run", "--no-http"])
def test_calls_that_open_no_port(place: Place, tmp_path: Path, option: str) -> None:
    sleepers(tmp_path / "L/init", 1, 0)
    done = place.jobmon(tmp_path / "L", option)
    assert done.returncode == 0
    assert "http" not in done.stdout.replace(option, "")


def test_a_start_does_not_import_what_few_runs_need(place: Place) -> None:
    code = "import sys, jobauto.cli.jobmon, jobauto.web.server; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert "jobauto.graph" in done.stdout.split()
    assert not {"networkx", "sqlalchemy", "jinja2"} & set(done.stdout.split())


def test_help_and_once_import_no_server(place: Place) -> None:
    code = "import sys, jobauto.cli.jobmon, jobauto.cli.main; print('uvicorn' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "False\n"
