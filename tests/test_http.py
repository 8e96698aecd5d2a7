"""HTTP over a run in memory: every request, and what follows a run."""

from __future__ import annotations

import http.client
import json
import logging
import socket
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from fake import FakeJob
from places import wait_for
from served import BAD, CHAIN, Served, World, folders, serve, serving, world

from jobauto.actions.status import status
from jobauto.loop import Link, loop
from jobauto.model import State
from jobauto.monitor import Monitor
from jobauto.web import hub, openapi, server
from jobauto.web.app import ROUTES

__all__ = ["serve", "world"]  # fixtures


# --- reading --------------------------------------------------------------------------------------


def test_status_has_counts_progress_and_limits(serve: Callable[..., Served]) -> None:
    s = serve(CHAIN, maxpending=2)
    s.tick()
    found = s.get("/api/status").data
    assert found["run"] == s.world.folder.name
    assert found["counts"] == {"started": 1, "waiting": 2}
    assert found["progress"] == {"total": 3, "done": 0, "left": 3, "rate": None, "end": None}
    assert (found["project"], found["monitor"], found["role"]) == (
        s.world.folder.parent.name,
        True,
        "owner",
    )
    assert found["limits"] == {"maxqsub": 4, "maxpending": 2, "interval": 10.0}
    assert found["conditions"] == []
    assert str(s.world.folder.parent) not in json.dumps(found)


def test_jobs_come_in_pages_filtered_by_state_and_pattern(serve: Callable[..., Served]) -> None:
    s = serve(folders(5), ("m002/qsub.0", BAD))
    for _ in range(3):
        s.tick()
    names, after = [], ""
    while True:
        page = s.get("/api/jobs", limit="4", after=after).data
        assert page["total"] == 15
        assert len(page["jobs"]) <= 4
        names += [job["name"] for job in page["jobs"]]
        if page["next"] is None:
            break
        after = page["next"]
    assert names == sorted(s.board.now.status.states)
    failed = s.get("/api/jobs", state="failed,killed").data["jobs"]
    assert [(job["name"], job["state"]) for job in failed] == [("m002/qsub.0", "failed")]
    assert s.get("/api/jobs", like="m00[23]/qsub.0").data["total"] == 2


def test_a_job_has_its_words_why_needs_and_tail(serve: Callable[..., Served]) -> None:
    s = serve(CHAIN, ("a/qsub.0", BAD))
    for _ in range(20):
        s.tick()
    failed = s.get("/api/jobs/a/qsub.0").data
    assert failed["state"] == "failed"
    assert [word.split("@")[0] for word in failed["words"]] == ["started", "failed"]
    blocked = s.get("/api/jobs/a/1").data
    assert "it needs a/qsub.0, which failed" in blocked["why"]
    assert blocked["needs"] == [
        {
            "file": "a/qsub.finished.0",
            "absent": False,
            "there": False,
            "maker": "a/qsub.0",
            "state": "failed",
        }
    ]
    assert failed["verbs"] == ["retry"]
    assert failed["after"] == {"jobs": [{"name": "a/qsub.1", "state": "blocked"}], "more": 0}


def test_the_log_of_a_job_is_for_all_and_that_of_the_monitor_for_the_owner(
    serve: Callable[..., Served],
) -> None:
    s = serve(CHAIN)
    for _ in range(4):
        s.tick()
    written = s.get("/api/log", job="a/0").data["lines"]
    assert [line.split()[1] for line in written[:2]] == ["intent", "accepted"]
    assert s.get("/api/log", job="a/0", lines="1").data["lines"] == written[-1:]
    (s.world.folder / "jobmon.log").write_text(f"old\nrun {s.world.folder}\nlast\n")
    told = s.get("/api/log", lines="2").data["lines"]
    assert told == [f"run {s.world.folder.name}", "last"]
    assert s.ask("GET", "/api/log?job=a/0", **s.reader).status == 200
    assert s.ask("GET", "/api/log", **s.reader).status == 403


def test_names_with_odd_characters_are_found(
    serve: Callable[..., Served],
) -> None:
    odd = ["b c?d#e%2F&/qsub.0", "\u00e4\u6f22/qsub.0", "-x/qsub.a b"]
    s = serve(dict.fromkeys(odd, ""))
    found = s.get("/api/jobs").data["jobs"]
    assert sorted(job["name"] for job in found) == sorted(odd)
    for job in found:
        assert s.get("/api/jobs/" + quote(job["name"])).data["name"] == job["name"]


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/api/jobs?state=faild", 400),
        ("/api/jobs?limit=x", 400),
        ("/api/jobs?limit=-1", 400),
        ("/api/jobs?limit=0", 400),
        ("/api/jobs?limit=1001", 400),
        ("/api/log?lines=0", 400),
        ("/api/log?job=nobody/7", 404),
        ("/api/jobs?like=" + "*a" * 200, 400),
        ("/api/jobs/nobody/qsub.7", 404),
        ("/api/jobs/", 404),
        ("/api/nothing", 404),
    ],
)
def test_what_makes_no_sense_is_said(serve: Callable[..., Served], path: str, code: int) -> None:
    got = serve(CHAIN).get(path)
    assert (got.status, list(got.data)) == (code, ["error"])


def test_openapi_tells_of_every_request_and_of_no_other(
    serve: Callable[..., Served], tmp_path: Path
) -> None:
    s = serve(CHAIN, task="T", db=f"sqlite:///{tmp_path}/tasks.db", site="here")
    assert s.get("/api/openapi.json").data == openapi.DESCRIPTION
    for path, kinds in openapi.DESCRIPTION["paths"].items():
        if "{" not in path and "get" in kinds and "events" not in path:
            assert s.get(path).status == 200, path
    routes = {route.path.replace(":path", "") for route in ROUTES}
    assert routes - {"/"} == set(openapi.DESCRIPTION["paths"])


# --- verbs ----------------------------------------------------------------------------------------


def test_verbs_reach_the_monitor_in_its_next_tick(serve: Callable[..., Served]) -> None:
    s = serve(folders(3), ("m001/qsub.0", BAD), maxqsub=1)
    s.tick()
    assert s.verb("limit", values={"maxqsub": 7, "interval": 3}, who="ann").status == 202
    assert s.verb("hold", jobs=["m002/*"]).data["jobs"] == [f"m002/qsub.{n}" for n in range(3)]
    assert [who for *_, who in s.ordered()] == ["ann", "http"]
    s.tick()
    assert s.ordered() == []
    assert s.get("/api/status").data["limits"]["maxqsub"] == 7
    assert s.get("/api/jobs", state="held").data["total"] == 3
    for _ in range(15):
        s.tick()
    assert s.verb("retry", jobs=["failed"]).data["jobs"] == ["m001/qsub.0"]
    assert s.verb("release", jobs=["held"]).status == 202
    assert s.verb("kill", jobs=["m002/qsub.2"]).status == 202
    s.tick()
    assert s.world.last_words()["m002/qsub.2"] == "killed"
    assert s.world.quelist()[-1].endswith("@http")
    assert s.killed == []


def test_the_whole_run_is_killed_only_where_that_was_said(serve: Callable[..., Served]) -> None:
    s = serve(CHAIN)
    assert s.verb("kill").status == 400
    assert s.verb("kill", jobs=[]).status == 400
    assert s.verb("kill", jobs=["a/0"], run=True).status == 400
    assert (s.killed, s.ordered()) == ([], [])
    assert s.verb("kill", run=True, who="ann").status == 202
    assert s.killed == [s.world.folder]


@pytest.mark.parametrize(
    ("verb", "body"),
    [
        ("retry", {}),
        ("hold", {"run": True}),
        ("retry", {"jobs": ["a/qsub.0"]}),  # it did not fail
        ("hold", {"jobs": ["nobody"]}),
        ("hold", {"jobs": ["../../etc/passwd"]}),
        ("stop", {"jobs": ["a/qsub.0"]}),
        ("stop", {"values": {"maxqsub": 1}}),
        ("limit", {}),
        ("limit", {"values": {"maxqsub": 0}}),
        ("limit", {"values": {"maxqsub": "many"}}),
        ("limit", {"values": {"maxqsub": [1]}}),
        ("switchq", {"run": True}),
        ("switchq", {"run": True, "values": {"queue": "a b; rm"}}),
        ("stop", {"who": "x" * 41}),
        ("stop", {"shell": "rm"}),
        ("kill", {"run": "yes"}),
        ("kill", {"run": 1}),
        ("stop", []),
    ],
)
def test_orders_that_make_no_sense_change_nothing(
    serve: Callable[..., Served], verb: str, body: Any
) -> None:
    s = serve(CHAIN)
    s.tick()
    kind = {"Content_Type": "application/json"}
    got = s.ask("POST", f"/api/verbs/{verb}", json.dumps(body), **s.owner, **kind)
    assert got.status == 400, got.text
    assert str(s.world.folder.parent) not in got.text
    assert s.ordered() == []


def test_the_actions_of_pybatch(serve: Callable[..., Served]) -> None:
    s = serve(CHAIN, ("a/qsub.0", FakeJob(seconds=1000)))
    s.tick()
    s.tick()  # now it is seen to run: nothing that could be moved
    assert s.process("STOP").text == "submission stops, what is in the queue goes on\n"
    assert s.process("RESUME").text == "submission goes on\n"
    assert s.process("SWITCHQ", QUEUE="long").text == "pending and future jobs go to long\n"
    assert s.process("CHANGEMAXJ", MAXJOBS="9").text == "at most 9 jobs in the queue\n"
    checked = s.process("CHECK", who="ann")
    assert checked.text == "1 in the queue (1 running); 1 started, 2 waiting\n"
    assert s.ordered() == [
        ("stop", (), {}, "http"),
        ("resume", (), {}, "http"),
        ("switchq", (), {"queue": "long"}, "http"),
        ("limit", (), {"maxqsub": "9"}, "http"),
        ("check", (), {}, "ann"),
    ]
    s.tick()
    assert s.monitor.limits.maxqsub == 9
    assert s.monitor.run.moved == {"": "long"}
    assert s.process("KILL").text == "the monitor and all jobs are being killed\n"
    assert s.killed == [s.world.folder]


@pytest.mark.parametrize(
    ("action", "fields", "code"),
    [
        ("KIL", {}, 400),
        ("", {}, 400),
        ("SWITCHQ", {}, 400),
        ("SWITCHQ", {"QUEUE": "$(id)"}, 400),
        ("CHANGEMAXJ", {}, 400),
        ("CHANGEMAXJ", {"MAXJOBS": "-1"}, 400),
        ("KILL", {"token": ""}, 403),
        ("KILL", {"token": "x" * 32}, 403),
        ("KILL", {f"field{n}": "x" for n in range(30)}, 400),
    ],
)
def test_actions_that_make_no_sense(
    serve: Callable[..., Served], action: str, fields: dict[str, str], code: int
) -> None:
    s = serve(CHAIN)
    assert s.process(action, **fields).status == code
    assert (s.ordered(), s.killed) == ([], [])


def test_the_token_of_a_form_may_stand_in_the_header(serve: Callable[..., Served]) -> None:
    s = serve(CHAIN)
    kind = {"Content_Type": "application/x-www-form-urlencoded"}
    assert s.ask("POST", "/process", "action=STOP", **s.owner, **kind).status == 200
    assert s.ask("POST", "/process", "action=STOP", **s.reader, **kind).status == 403
    assert s.process("STOP", token=s.facts["read_only_token"]).status == 403
    assert len(s.ordered()) == 1


# --- the file, the port, the end ------------------------------------------------------------------


def test_port_and_tokens_are_for_the_person_alone_and_end_with_the_run(
    world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    w = world(CHAIN)
    file = w.run.private / "http.json"
    with serving(w, monkeypatch) as s:
        assert file.stat().st_mode & 0o777 == 0o600
        assert sorted(s.facts) == ["port", "read_only_token", "token", "url"]
        assert s.facts["token"] != s.facts["read_only_token"]
        with serving(w, monkeypatch) as other:
            assert other.port != s.port
    assert not file.exists()
    with socket.socket() as free:
        free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        free.bind(("127.0.0.1", s.port))


def test_a_port_that_cannot_be_had_is_a_warning(
    world: Callable[..., World], caplog: pytest.LogCaptureFixture
) -> None:
    w = world(CHAIN)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with server.serving(w.monitor(), port) as board:
            assert board is None
        assert f"no HTTP: port {port}: Address already in use" in caplog.text
    assert not (w.run.private / "http.json").exists()


# --- events, and clients that do not read ---------------------------------------------------------


def _follow(s: Served) -> http.client.HTTPResponse:
    link = http.client.HTTPConnection("127.0.0.1", s.port, timeout=10)
    headers = {name.replace("_", "-"): text for name, text in s.reader.items()}
    link.request("GET", "/api/events", headers=headers)
    got = link.getresponse()
    assert got.status == 200
    assert got.readline() == b": following\r\n"
    return got


def _event(stream: http.client.HTTPResponse) -> dict[str, Any]:
    while True:
        line = stream.readline()
        assert line, "the stream ended"
        if line.startswith(b"data: "):
            return dict(json.loads(line[6:]))


def test_an_event_for_each_tick_that_changed_something(serve: Callable[..., Served]) -> None:
    s = serve(CHAIN, ("a/qsub.0", FakeJob(seconds=55)))
    stream = _follow(s)
    s.tick()
    s.tick()
    first = _event(stream)
    assert first["changed"] == {"a/qsub.0": "started"}
    assert first["counts"] == {"started": 1, "waiting": 2}
    for _ in range(10):
        s.tick()
    seen = [_event(stream)["changed"] for _ in range(3)]
    assert {"a/qsub.0": "finished", "a/qsub.1": "started"} in seen


def test_clients_that_follow_are_bounded_and_leave(
    serve: Callable[..., Served], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "CLIENTS", 2)
    s = serve(CHAIN)
    first, second = _follow(s), _follow(s)
    assert s.ask("GET", "/api/events", **s.owner).status == 429
    first.close()
    end = time.monotonic() + 10
    while s.ask("GET", "/api/status", **s.owner).status == 200 and time.monotonic() < end:
        try:
            _follow(s).close()
            break
        except AssertionError:
            time.sleep(0.2)
    else:
        pytest.fail("the place was not given back")
    second.close()


def test_a_client_that_never_reads_delays_no_tick(serve: Callable[..., Served]) -> None:
    """Twenty ticks of 3000 jobs, with and without clients that ask for much and read nothing."""
    tree = folders(1000)
    s = serve(tree, maxqsub=50)
    s.tick()

    def ticks() -> float:
        begun = time.monotonic()
        for _ in range(10):
            s.tick(0.1)
        return time.monotonic() - begun

    alone = ticks()
    links = []
    for path in ["/api/events"] * 8 + ["/api/jobs?limit=1000"] * 20:
        link = socket.socket()
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        link.connect(("127.0.0.1", s.port))
        head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{s.port}\r\n"
        link.sendall(f"{head}Authorization: Bearer {s.facts['token']}\r\n\r\n".encode())
        links.append(link)
    time.sleep(1.0)
    watched = ticks()
    for link in links:
        link.close()
    assert watched < 2 * alone + 1.0, (alone, watched)
    assert s.get("/api/status").status == 200


def test_a_run_is_served_from_its_first_tick_to_its_end(
    world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    w = world(CHAIN)
    asked = []
    with serving(w, monkeypatch) as s:

        def show(monitor: Monitor, link: Link) -> None:
            s.board.publish(monitor, link)
            asked.append(s.get("/api/status").data["progress"]["done"])

        w.clock.elapsed = lambda: w.clock.now()  # type: ignore[method-assign]
        assert loop(s.monitor, w.clock.sleep, show) == 0
        follower = _follow(s)
    assert follower.read() is not None
    assert asked[0] == 0
    assert asked[-1] == 3
    assert not [thread for thread in threading.enumerate() if thread.name == "http"]


def test_a_fault_in_the_snapshot_does_not_end_the_run(
    serve: Callable[..., Served], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    s = serve(CHAIN)

    def fault(*_: object) -> None:
        raise KeyError("a/qsub.0")

    monkeypatch.setattr("jobauto.web.snapshot.Copier.take", fault)
    s.tick()
    assert s.get("/api/status").data["tick"] == 0
    assert "no new snapshot" in caplog.text


def test_a_snapshot_is_what_status_reads_from_the_files(serve: Callable[..., Served]) -> None:
    s = serve(folders(4), ("m001/qsub.1", BAD), maxqsub=3)
    for _ in range(20):
        s.tick()
        told, read = s.board.now.status, status(s.world.folder)
        blocked = {n for n, state in read.states.items() if state is State.BLOCKED}
        assert {n: x for n, x in told.states.items() if n not in blocked} == {
            n: x for n, x in read.states.items() if n not in blocked
        }


# --- the end --------------------------------------------------------------------------------------


@pytest.fixture
def servers(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The servers that were made; each knows who is connected."""
    made: list[Any] = []
    make = server.server_of

    def noted(*args: Any, **options: Any) -> Any:
        made.append(make(*args, **options))
        return made[-1]

    monkeypatch.setattr(server, "server_of", noted)
    return made


@pytest.mark.parametrize("number", [0, 1])
def test_the_end_waits_for_those_who_are_connected_and_else_for_nothing(
    world: Callable[..., World],
    servers: list[Any],
    number: int,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, "jobauto")
    with ExitStack() as links, serving(world(CHAIN), monkeypatch) as served:
        served.get("/api/status")
        for _ in range(number):
            address = ("127.0.0.1", served.port)
            links.enter_context(socket.create_connection(address)).settimeout(20)
        wait_for(lambda: len(servers[0].server_state.connections) == number)
    assert ("HTTP ended, as nobody was connected" in caplog.text) == (number == 0)
    assert "http" not in [thread.name for thread in threading.enumerate()]
