"""Everything that HTTP must refuse, without effect: foreign, forged, huge, slow, many."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from contextlib import suppress
from http.client import HTTPResponse
from select import select
from urllib.parse import urlencode

import pytest
from places import wait_for
from served import CHAIN, Served, serve, world

from jobauto.web import guards, listening

__all__ = ["serve", "world"]  # fixtures


WRONG: dict[str, dict[str, str]] = {
    "no token": {"Authorization": ""},
    "wrong token": {"Authorization": "Bearer " + "x" * 32},
    "token that is no text": {"Authorization": "Bearer \xff\xfe"},
    "other scheme": {"Authorization": "Basic eDp5"},
    "no host": {"Host": ""},
    "wrong host": {"Host": "evil.example"},
    "DNS rebinding": {"Host": "evil.example:{port}"},
    "host without port": {"Host": "127.0.0.1"},
    "other port": {"Host": "127.0.0.1:1"},
    "any address": {"Host": "0.0.0.0:{port}"},
    "foreign origin": {"Origin": "http://evil.example"},
    "origin of a sandbox": {"Origin": "null"},
    "origin of another port": {"Origin": "http://127.0.0.1:1"},
    "origin by another name": {"Origin": "http://localhost:{port}"},
}


@pytest.mark.parametrize("attack", WRONG)
def test_no_request_comes_through_with_wrong_headers(
    serve: Callable[..., Served], attack: str
) -> None:
    s = serve(CHAIN)
    wrong = {k: v.format(port=s.port) for k, v in WRONG[attack].items()}
    kind = {"Content_Type": "application/json"}
    for path in ("/api/status", "/api/jobs/a/qsub.0", "/api/events", "/api/openapi.json", "/x"):
        got = s.ask("GET", path, **(s.owner | wrong))
        assert 400 <= got.status < 500, (path, got)
        assert "counts" not in got.text
    for path, body in (("/api/verbs/stop", "{}"), ("/api/verbs/kill", '{"run": true}')):
        got = s.ask("POST", path, body, **(s.owner | kind | wrong))
        assert 400 <= got.status < 500, (path, got)
    assert (s.ordered(), s.killed) == ([], [])


@pytest.mark.parametrize("headers", [{"Origin": "http://evil.example"}, {"Host": "evil.example"}])
def test_a_form_of_a_foreign_page_has_no_effect_even_with_the_token(
    serve: Callable[..., Served], headers: dict[str, str]
) -> None:
    s = serve(CHAIN)
    form = urlencode({"action": "KILL", "token": s.facts["token"]})
    kind = {"Content_Type": "application/x-www-form-urlencoded"}
    assert s.ask("POST", "/process", form, **kind, **headers).status == 403
    for kind in ({"Content_Type": "text/plain"}, {"Content_Type": "multipart/form-data"}, {}):
        got = s.ask("POST", "/api/verbs/stop", "{}", **s.owner, **kind)
        assert got.status == 415
    assert (s.ordered(), s.killed) == ([], [])


def test_two_hosts_are_none(serve: Callable[..., Served]) -> None:
    s = serve(CHAIN)
    head = f"GET /api/status HTTP/1.1\r\nHost: localhost:{s.port}\r\nHost: evil.example\r\n"
    assert _raw(s, f"{head}Authorization: Bearer {s.facts['token']}\r\n\r\n".encode())[9:10] == b"4"


def test_what_is_no_http_is_answered_whole_though_its_body_comes_later(
    serve: Callable[..., Served],
) -> None:
    s = serve(CHAIN)
    with socket.create_connection(("127.0.0.1", s.port), timeout=10) as link:
        link.sendall(b"POST /api/verbs/stop HTTP/1.1\r\nContent-Length: 2\r\n\r\n")  # no Host
        got = HTTPResponse(link)
        got.begin()
        link.sendall(b"{}")  # to a closed connection: it is reset
        assert (got.status, got.length, got.read()) == (400, 0, b"")


def test_the_same_host_by_its_name_and_its_own_origin_come_through(
    serve: Callable[..., Served],
) -> None:
    s = serve(CHAIN)
    host = f"localhost:{s.port}"
    assert s.ask("GET", "/api/status", **s.owner, Host=host).status == 200
    assert s.ask("GET", "/api/status", **s.owner, Host=host, Origin=f"http://{host}").status == 200


def test_a_reader_reads_and_changes_nothing(serve: Callable[..., Served]) -> None:
    s = serve(CHAIN)
    assert s.ask("GET", "/api/status", **s.reader).status == 200
    kind = {"Content_Type": "application/json"}
    for verb in ("stop", "kill", "nothing"):
        got = s.ask("POST", f"/api/verbs/{verb}", '{"run": true}', **s.reader, **kind)
        assert got.status == 403
    assert (s.ordered(), s.killed) == ([], [])


@pytest.mark.parametrize(
    "path",
    [
        "../run.json",
        "..%2f..%2f..%2fetc%2fpasswd",
        "%2e%2e/%2e%2e/etc/passwd",
        "/etc/passwd",
        "a/../../.jobauto/http.json",
        ".jobauto/http.json",
        "a/qsub.0%00",
        "a/qsub.dependency.0",
    ],
)
def test_a_name_is_never_a_path(serve: Callable[..., Served], path: str) -> None:
    s = serve(CHAIN)
    got = s.get(f"/api/jobs/{path}")
    assert got.status == 404
    assert s.facts["token"] not in got.text
    assert "root:" not in got.text


def test_huge_bodies_are_refused_before_they_are_read(serve: Callable[..., Served]) -> None:
    s = serve(CHAIN)
    kind = {"Content_Type": "application/json"}
    for length in ("70000", "99999999999999999999", "-1", "x"):
        got = _raw(s, _head(s, f"Content-Length: {length}"))
        assert got[9:10] == b"4", (length, got)
    assert s.ask("POST", "/api/verbs/stop", " " * 65537, **s.owner, **kind).status == 413
    chunk = b"fff0\r\n" + b" " * 0xFFF0 + b"\r\n"
    got = _raw(s, _head(s, "Transfer-Encoding: chunked") + 3 * chunk)
    assert got[9:12] == b"413"
    assert s.ask("GET", "/api/status", **s.owner, Cookie="x" * 20_000).status == 431
    assert s.ordered() == []


def test_files_in_a_form_are_refused(serve: Callable[..., Served]) -> None:
    s = serve(CHAIN)
    part = 'Content-Disposition: form-data; name="action"; filename="x"\r\n\r\nKILL'
    body = f"--b\r\n{part}\r\n--b--\r\n"
    kind = {"Content_Type": "multipart/form-data; boundary=b"}
    assert s.ask("POST", "/process", body, **s.owner, **kind).status == 400
    assert s.killed == []


def _head(s: Served, *more: str) -> bytes:
    lines = [
        "POST /api/verbs/stop HTTP/1.1",
        f"Host: 127.0.0.1:{s.port}",
        f"Authorization: Bearer {s.facts['token']}",
        "Content-Type: application/json",
        *more,
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def _raw(s: Served, data: bytes, seconds: float = 10) -> bytes:
    """Send these bytes; what came back until the server closed."""
    with socket.create_connection(("127.0.0.1", s.port), timeout=seconds) as link:
        with suppress(ConnectionError):
            link.sendall(data)
        got = b""
        with suppress(ConnectionError):
            while chunk := link.recv(65536):
                got += chunk
                if b"\r\n\r\n" in got and b"HTTP/1.1 2" in got:
                    break
        return got


@pytest.mark.parametrize(
    "half",
    ["", "GET /api/status HT", "body"],
    ids=["says nothing", "half a head", "half a body"],
)
def test_a_slow_client_is_let_go(
    serve: Callable[..., Served], monkeypatch: pytest.MonkeyPatch, half: str
) -> None:
    monkeypatch.setattr(listening, "PATIENCE", 0.3)
    monkeypatch.setattr(guards, "PATIENCE", 0.3)
    s = serve(CHAIN)
    data = _head(s, "Content-Length: 10") + b"{" if half == "body" else half.encode()
    begun = time.monotonic()
    assert b" 408 " in _raw(s, data)
    assert time.monotonic() - begun < 5
    assert s.ordered() == []


def test_a_flood_without_a_token_does_not_lock_the_owner_out(serve: Callable[..., Served]) -> None:
    s = serve(CHAIN)
    codes = {s.ask("GET", "/api/status").status for _ in range(80)}
    assert codes == {401, 429}
    assert s.get("/api/status").status == 200


def test_an_owner_is_slowed_down_too(
    serve: Callable[..., Served], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guards, "KNOWN", (1.0, 5.0))
    s = serve(CHAIN)
    assert [s.get("/api/status").status for _ in range(8)].count(429) >= 2


def test_connections_are_bounded(
    serve: Callable[..., Served], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "CONNECTIONS", 5)
    s = serve(CHAIN)
    links = [socket.create_connection(("127.0.0.1", s.port), timeout=10) for _ in range(8)]
    try:
        wait_for(lambda: len(select(links, [], [], 0)[0]) >= 3)
        closed = select(links, [], [], 0)[0]
        assert len(closed) == 3
        for link in links:
            with suppress(ConnectionError):
                link.sendall(b"GET / HTTP/1.1\r\n\r\n")
                assert bool(link.recv(100)) == (link not in closed)
    finally:
        for link in links:
            link.close()


def test_every_answer_forbids_to_keep_and_to_frame_it(serve: Callable[..., Served]) -> None:
    s = serve(CHAIN)
    for got in (s.get("/api/status"), s.get("/x"), s.ask("GET", "/"), s.process("STOP")):
        headers = {name.lower(): text for name, text in got.headers.items()}
        assert headers["cache-control"] == "no-store"
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert headers["x-content-type-options"] == "nosniff"
        assert "server" not in headers


def test_a_fault_of_ours_says_nothing_of_us(
    serve: Callable[..., Served], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    s = serve(CHAIN)

    def fault(_at: object) -> None:
        raise RuntimeError("/home/secret")

    monkeypatch.setattr("jobauto.web.answers.overview", fault)
    got = s.get("/api/status")
    assert (got.status, got.data) == (500, {"error": "a fault of ours; see jobmon.log"})
    assert "/home/secret" in caplog.text
