"""`jobauto page` and `jobauto web`: the ways in, all runs of this machine, and where it listens."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode

import pytest
from fake import FakeClock
from places import ROOT
from test_monitor import CHAIN, World, world

from jobauto import lock, registry
from jobauto.cli.main import main
from jobauto.clock import Clock
from jobauto.errors import BAD_USAGE
from jobauto.web import many, reading
from jobauto.web.guards import Entrance
from jobauto.web.many import Where, checked
from jobauto.web.reading import KEPT, STALE, Looks, Reading, Runs
from jobauto.web.sessions import Sessions, Tokens

__all__ = ["world"]  # a fixture


# --- reading runs from their files ----------------------------------------------------------------


def test_a_run_is_read_again_only_when_its_files_changed(
    world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    w, clock = world(CHAIN), FakeClock()
    board = Reading(w.folder, clock)
    first = board.now
    clock.sleep(5)
    assert board.now is first
    w.finish()
    second = board.now
    assert second is not first
    assert {state.word: n for state, n in second.counts.items()} == {"finished": 3}
    clock.sleep(STALE + 1)
    assert board.now is not second


def test_reading_takes_a_small_part_of_the_time(
    world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    w, clock = world(CHAIN), FakeClock()
    board = Reading(w.folder, clock)
    slow = board._read

    def read() -> Any:
        clock.sleep(2)
        return slow()

    monkeypatch.setattr(board, "_read", read)
    first = board.now
    w.finish()
    clock.sleep(19)
    assert board.now is first
    clock.sleep(2)
    assert board.now is not first


def test_keys_are_no_paths_and_only_the_last_runs_are_kept(
    world: Callable[..., World], tmp_path: Path
) -> None:
    w = world(CHAIN)
    listed = [w.folder, *(tmp_path / str(n) for n in range(2 * KEPT))]
    runs = Runs(FakeClock(), lambda: listed)
    keys = runs.keys()
    assert list(keys.values()) == listed
    assert all(re.fullmatch("[0-9a-f]{16}", key) for key in keys)
    key = next(iter(keys))
    door = runs.find(key)
    assert door is not None
    assert runs.find(key) is door
    for other in keys:
        runs.find(other)
    assert runs.find(key) is not door
    for wrong in ("", "..", str(w.folder), "0" * 16):
        assert runs.find(wrong) is None


# --- where it may listen --------------------------------------------------------------------------


def _token(file: Path, text: str = "a-token-of-my-own", mode: int = 0o600) -> Path:
    file.write_text(text + "\n")
    file.chmod(mode)
    return file


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of localhost and its key in one file, good for a day."""
    folder = tmp_path_factory.mktemp("tls")
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"]
    made += ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    made += ["-keyout", str(folder / "key"), "-out", str(folder / "cert")]
    subprocess.run(made, check=True, capture_output=True, timeout=60)
    both = folder / "both.pem"
    both.write_text((folder / "cert").read_text() + (folder / "key").read_text())
    return both


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "192.0.2.1", "cluster.example"])
def test_other_machines_need_tls_and_a_token_of_ones_own(
    address: str,
    tmp_path: Path,
    certificate: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def never(*_: object) -> None:
        pytest.fail("it listened")

    monkeypatch.setattr(many, "listen", never)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    token = str(_token(tmp_path / "token"))
    for given in ([], ["--tls-cert", str(certificate)], ["--token-file", token]):
        assert main(["web", "--address", address, *given]) == BAD_USAGE
        assert "can be reached from other machines" in capsys.readouterr().err
    assert checked(Where(None, address, certificate, None, Path(token))) == "a-token-of-my-own"


@pytest.mark.parametrize(
    ("text", "mode", "what"),
    [
        ("short", 0o600, "no good token"),
        ("with blanks in the middle", 0o600, "no good token"),
        ("ümlaut-ümlaut-ümlaut", 0o600, "no good token"),
        ("a-token-of-my-own", 0o640, "others can read it"),
        ("a-token-of-my-own", 0o604, "others can read it"),
    ],
)
def test_a_token_that_others_know_or_guess_is_refused(
    text: str, mode: int, what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = _token(tmp_path / "token", text, mode)
    assert main(["web", "--token-file", str(file)]) == BAD_USAGE
    told = capsys.readouterr().err
    assert what in told
    assert text not in told


@pytest.mark.parametrize("port", ["0", "-1", "65536"])
def test_a_port_that_is_none_is_refused(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["web", "--port", port]) == BAD_USAGE
    assert f"--port {port}: a number from 1 to 65535" in capsys.readouterr().err


def test_a_certificate_that_is_none_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for file in (tmp_path / "none", _token(tmp_path / "odd", "no certificate")):
        assert main(["web", "--tls-cert", str(file)]) == BAD_USAGE
        told = capsys.readouterr().err
        assert "--tls-cert: " in told
        assert str(file) in told


@pytest.mark.parametrize(
    ("port", "names", "tls", "hosts", "url"),
    [
        (
            8080,
            ("127.0.0.1", "localhost"),
            False,
            {"127.0.0.1:8080", "localhost:8080"},
            "http://127.0.0.1:8080",
        ),
        (443, ("WS.example",), True, {"ws.example:443", "ws.example"}, "https://WS.example:443"),
        (443, ("::1",), False, {"[::1]:443"}, "http://[::1]:443"),
    ],
)
def test_what_a_browser_may_call_us(
    port: int, names: tuple[str, ...], tls: bool, hosts: set[str], url: str
) -> None:
    entrance = Entrance(port, Sessions(Tokens.new(), time.time, time.monotonic), names, tls)
    assert (entrance.hosts, entrance.url) == (hosts, url)


def test_who_listens_everywhere_is_called_by_the_names_of_the_machine() -> None:
    host = socket.gethostname()
    assert many._names("0.0.0.0") == (host, socket.getfqdn())
    assert many._names("192.0.2.1") == ("192.0.2.1", host, socket.getfqdn())
    assert many._names("127.0.0.1") == ("127.0.0.1", "localhost", "::1")


# --- as a program ---------------------------------------------------------------------------------


@dataclass
class Web:
    process: subprocess.Popen[str]
    link: str
    context: ssl.SSLContext | None = None

    @property
    def url(self) -> str:
        return self.link.partition("/login#")[0]

    def ask(self, path: str, data: dict[str, str] | None = None, /, **headers: str) -> Any:
        body = urlencode(data).encode() if data is not None else None
        asked = urllib.request.Request(self.url + path, body, headers)
        return urllib.request.build_opener(
            urllib.request.HTTPSHandler(context=self.context), _Stay()
        ).open(asked, timeout=20)

    def log_in(self) -> dict[str, str]:
        got = self.ask("/login", {"secret": self.link.partition("#")[2]})
        assert got.status == 303
        return {"Cookie": got.headers["Set-Cookie"].partition(";")[0]}

    def get(self, path: str, **headers: str) -> Any:
        return json.loads(self.ask(path, **headers).read())


class _Stay(urllib.request.HTTPErrorProcessor):
    """Redirects are answers."""

    def http_response(self, request: Any, response: Any) -> Any:
        if response.status == 303:
            return response
        return super().http_response(request, response)

    https_response = http_response


@pytest.fixture
def web(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Web]]:
    """Start `jobauto web`; ended by Ctrl-C, and it must end well."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    started: list[subprocess.Popen[str]] = []

    def begin(*options: str, context: ssl.SSLContext | None = None) -> Web:
        argv = [sys.executable, "-m", "jobauto", "web", *options]
        process = subprocess.Popen(
            argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        started.append(process)
        assert process.stdout
        link = process.stdout.readline().strip()
        assert "/login#" in link, link + process.stdout.read()
        return Web(process, link, context)

    yield begin
    for process in started:
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0


def test_all_runs_are_served_and_nothing_tells_where_they_are(
    web: Callable[..., Web], world: Callable[..., World]
) -> None:
    w = world(CHAIN)
    w.finish()
    registry.note(w.folder)
    s = web()
    with pytest.raises(HTTPError, match="401"):
        s.ask("/api/runs")
    cookie = s.log_in()
    (run,) = s.get("/api/runs", **cookie)["runs"]
    assert (run["project"], run["run"]) == (w.folder.parent.name, w.folder.name)
    below = f"/runs/{run['key']}"
    found = s.get(f"{below}/api/status", **cookie)
    assert (found["counts"], found["monitor"]) == ({"finished": 3}, False)
    assert s.get(f"{below}/api/jobs/a/qsub.1", **cookie)["state"] == "finished"
    assert s.get(f"{below}/api/grid", **cookie)["folders"] == ["a"]
    for path in ("/", f"{below}/", "/api/openapi.json", f"{below}/api/openapi.json"):
        text = s.ask(path, **cookie).read().decode()
        assert str(w.folder.parent.parent) not in text + json.dumps(found)
    for path in ("/runs/0000/", "/runs/..%2f..%2f/api/status", f"{below}x/api/status", "/process"):
        with pytest.raises(HTTPError, match=r"40[45]"):
            s.ask(path, **cookie)


def test_verbs_work_on_runs_that_nobody_watches_and_are_told_to_those_who_do(
    web: Callable[..., Web], world: Callable[..., World]
) -> None:
    w = world(CHAIN)
    w.monitor().tick()
    registry.note(w.folder)
    s = web()
    cookie = s.log_in()
    key = s.get("/api/runs", **cookie)["runs"][0]["key"]
    headers = {**cookie, "Origin": s.url, "Content-Type": "application/json"}

    def verb(name: str, body: str) -> Any:
        path = f"{s.url}/runs/{key}/api/verbs/{name}"
        asked = urllib.request.Request(path, body.encode(), headers)
        with urllib.request.urlopen(asked, timeout=20) as got:
            return json.loads(got.read())

    assert verb("hold", '{"jobs": ["a/qsub.2"]}')["jobs"] == ["a/qsub.2"]
    assert (w.folder / "a/qsub.held.2").exists()
    with lock.held(w.run.private, Clock().date()):
        assert verb("release", '{"jobs": ["a/qsub.2"]}')["jobs"] == ["a/qsub.2"]
        assert (w.folder / "a/qsub.held.2").exists()
        assert len(list((w.run.private / "orders").iterdir())) == 1
    with pytest.raises(HTTPError, match="400"):
        verb("retry", '{"jobs": ["a/qsub.2"]}')


def test_a_client_that_follows_hears_of_a_run_that_another_process_watches(
    web: Callable[..., Web], world: Callable[..., World]
) -> None:
    w = world(CHAIN)
    registry.note(w.folder)
    s = web()
    cookie = s.log_in()
    key = s.get("/api/runs", **cookie)["runs"][0]["key"]
    stream = s.ask(f"/runs/{key}/api/events", **cookie)
    assert stream.readline() == b": following\r\n"
    w.finish()
    line = b""
    while not line.startswith(b"data: "):
        line = stream.readline()
        assert line, "the stream ended"
    assert json.loads(line[6:])["counts"] == {"finished": 3}
    stream.close()


def test_a_client_is_told_of_what_changes_as_soon_as_it_follows(
    world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "PACE", 0.01)
    w = world(CHAIN)
    told = []

    async def follow() -> None:
        events = Looks(Reading(w.folder, Clock())).follow()
        assert (await anext(events)).comment == "following"
        w.finish()
        told.append(str((await asyncio.wait_for(anext(events), 20)).data))

    with ThreadPoolExecutor(1) as own:  # a browser of other trials has a loop in this thread
        own.submit(asyncio.run, follow()).result()
    assert json.loads(told[0])["counts"] == {"finished": 3}


def test_a_second_one_gives_a_link_to_the_first(web: Callable[..., Web], tmp_path: Path) -> None:
    first = web()
    file = tmp_path / "state" / "jobauto" / "web.json"
    assert file.stat().st_mode & 0o777 == 0o600
    second = web()
    assert second.url == first.url
    assert second.link != first.link
    assert second.process.wait(20) == 0
    assert Web(first.process, second.link).log_in()
    first.process.send_signal(signal.SIGINT)
    assert first.process.wait(20) == 0
    assert not file.exists()


def test_with_tls_it_is_https_and_the_cookie_stays_there(
    web: Callable[..., Web], certificate: Path, tmp_path: Path
) -> None:
    context = ssl.create_default_context(cafile=str(certificate))
    token = _token(tmp_path / "token")
    options = ["--tls-cert", str(certificate), "--token-file", str(token)]
    s = web(*options, context=context)
    assert s.url.startswith("https://")
    got = s.ask("/login", {"secret": "a-token-of-my-own"})
    assert "; Secure" in got.headers["Set-Cookie"]
    assert s.get("/api/runs", Authorization="Bearer a-token-of-my-own") == {"runs": []}
    plain = "http://" + s.url.partition("://")[2]
    with pytest.raises((OSError, ValueError)):
        urllib.request.urlopen(plain, timeout=5)


# --- page -----------------------------------------------------------------------------------------


def test_page_prints_a_link_to_the_monitor_of_a_run(
    world: Callable[..., World],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    w = world(CHAIN)
    assert main(["page", str(w.folder)]) == BAD_USAGE
    assert "no monitor serves this run" in capsys.readouterr().err
    facts = {"url": "http://127.0.0.1:8081", "port": 8081, "token": "t", "read_only_token": "r"}
    (w.run.private / "http.json").write_text(json.dumps(facts))
    assert main(["page", str(w.folder)]) == BAD_USAGE  # of a monitor that was killed
    capsys.readouterr()
    monkeypatch.setenv("SSH_CONNECTION", "1 2 3 4")
    with lock.held(w.run.private, Clock().date()):
        assert main(["page", str(w.folder)]) == 0
        told = capsys.readouterr().out
        assert told.startswith("http://127.0.0.1:8081/login#")
        assert "ssh -L 8081:127.0.0.1:8081 " in told
        assert main(["page", "--read-only", str(w.folder)]) == 0
        assert "changes nothing" in capsys.readouterr().out
