"""Coming in: links that are good for one login, tokens, sessions in a cookie; who is refused."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlencode

import pytest
from served import CHAIN, Answer, Served, serve, world

from jobauto.web import sessions
from jobauto.web.sessions import Role, Sessions, Tokens, ticket

__all__ = ["serve", "world"]  # fixtures

FORM = {"Content_Type": "application/x-www-form-urlencoded"}
BROWSER = {"Accept": "text/html,application/xhtml+xml"}
TOKENS = Tokens("owner" * 6, "reader" * 5)


class Time:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def _sessions() -> tuple[Sessions, Time]:
    time = Time()
    return Sessions(TOKENS, time, time), time


# --- tickets and sessions -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("token", "role"), [(TOKENS.owner, Role.OWNER), (TOKENS.reader, Role.READER)]
)
def test_a_ticket_is_good_for_one_login(token: str, role: Role) -> None:
    made, time = _sessions()
    first = ticket(token, time())
    session = made.enter(first)
    assert session
    assert made.role(session) is role
    assert made.enter(first) is None
    other = made.enter(ticket(token, time()))
    assert other not in (None, session)


def test_a_ticket_is_void_after_its_minutes_and_stays_used_until_then() -> None:
    made, time = _sessions()
    late, used = ticket(TOKENS.owner, time()), ticket(TOKENS.owner, time())
    assert made.enter(used)
    time.now += 60 * sessions.MINUTES - 1
    assert made.enter(used) is None
    assert made.enter(ticket(TOKENS.owner, time()))
    time.now += 1
    assert made.enter(late) is None
    assert made.enter(used) is None


def test_a_ticket_that_was_changed_is_refused() -> None:
    made, time = _sessions()
    until, nonce, signature = ticket(TOKENS.owner, time()).split(".")
    for wrong in (
        f"{int(until) + 1}.{nonce}.{signature}",
        f"{until}.{nonce}x.{signature}",
        f"{until}.{nonce}.{signature[:-1]}",
        f"{until}.{nonce}.",
        f"x.{nonce}.{signature}",
        "..",
        "",
        "\udcff.\udcff.\udcff",
        ticket("another token of sorts", time()),
    ):
        assert made.enter(wrong) is None, wrong


def test_sessions_end_by_time_by_leaving_and_when_there_are_too_many() -> None:
    made, time = _sessions()
    first = made.enter(TOKENS.owner)
    assert first
    second = made.enter(TOKENS.reader)
    assert second
    made.leave(second)
    assert made.role(second) is Role.NOBODY
    for _ in range(sessions.MOST - 1):
        assert made.enter(TOKENS.owner)
    assert made.role(first) is Role.OWNER
    last = made.enter(TOKENS.owner)
    assert last
    assert made.role(first) is Role.NOBODY
    time.now += sessions.LONGEST
    assert made.role(last) is Role.NOBODY
    assert made.role("") is Role.NOBODY


# --- through HTTP ---------------------------------------------------------------------------------


def _log_in(s: Served, secret: str, **more: str) -> Answer:
    return s.ask("POST", "/login", urlencode({"secret": secret, **more}), **FORM)


def _cookie(s: Served, secret: str = "") -> dict[str, str]:
    got = _log_in(s, secret or s.facts["token"])
    return {"Cookie": got.headers["set-cookie"].partition(";")[0]}


def test_a_login_gives_a_cookie_that_no_script_and_no_other_site_gets(
    serve: Callable[..., Served],
) -> None:
    s = serve(CHAIN)
    got = _log_in(s, ticket(s.facts["token"], s.world.clock.now()))
    assert (got.status, got.headers["location"]) == (303, "/")
    parts = {part.strip().lower() for part in got.headers["set-cookie"].split(";")[1:]}
    assert {"httponly", "samesite=strict", "path=/"} <= parts
    assert s.facts["token"] not in got.headers["set-cookie"]
    name = got.headers["set-cookie"].partition("=")[0]
    assert name == f"jobauto-{s.port}"


def test_a_cookie_reads_and_changes(serve: Callable[..., Served]) -> None:
    s = serve(CHAIN)
    cookie, here = _cookie(s), {"Origin": f"http://127.0.0.1:{s.port}"}
    assert s.ask("GET", "/api/status", **cookie).data["role"] == "owner"
    assert s.ask("GET", "/", **cookie).status == 200
    kind = {"Content_Type": "application/json"}
    assert s.ask("POST", "/api/verbs/stop", "{}", **cookie, **kind, **here).status == 202
    assert [verb for verb, *_ in s.ordered()] == ["stop"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"Origin": ""},  # a browser always says where a change comes from
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "http://evil.example"},
        {"Sec_Fetch_Site": "same-site"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Cookie": "jobauto-{port}=x"},
        {"Cookie": "jobauto-1={session}"},
        {"Authorization": "Bearer wrong"},  # beside a good cookie
    ],
)
def test_a_cookie_alone_changes_nothing_from_elsewhere(
    serve: Callable[..., Served], wrong: dict[str, str]
) -> None:
    s = serve(CHAIN)
    cookie = _cookie(s)
    session = cookie["Cookie"].partition("=")[2]
    headers = {**cookie, "Origin": f"http://127.0.0.1:{s.port}", "Content_Type": "application/json"}
    headers |= {key: text.format(port=s.port, session=session) for key, text in wrong.items()}
    got = s.ask("POST", "/api/verbs/stop", "{}", **headers)
    assert got.status in (401, 403), got
    form = urlencode({"action": "STOP"})
    got = s.ask("POST", "/process", form, **(headers | FORM))
    assert got.status == 403, got
    assert s.ordered() == []


def test_who_may_only_look_is_told_so(serve: Callable[..., Served]) -> None:
    s = serve(CHAIN)
    cookie = _cookie(s, ticket(s.facts["read_only_token"], s.world.clock.now()))
    assert s.ask("GET", "/api/status", **cookie).data["role"] == "reader"
    headers = {"Origin": f"http://127.0.0.1:{s.port}", "Content_Type": "application/json"}
    assert s.ask("POST", "/api/verbs/stop", "{}", **cookie, **headers).status == 403
    assert s.ordered() == []


@pytest.mark.parametrize("secret", ["", "wrong", "x" * 32, "1.2.3"])
def test_a_wrong_token_gives_no_cookie(serve: Callable[..., Served], secret: str) -> None:
    got = _log_in(serve(CHAIN), secret)
    assert got.status == 403
    assert "set-cookie" not in got.headers
    assert "jobauto page" in got.text


def test_a_login_from_a_foreign_page_is_refused(serve: Callable[..., Served]) -> None:
    s = serve(CHAIN)
    form = urlencode({"secret": s.facts["token"]})
    got = s.ask("POST", "/login", form, **FORM, Origin="http://evil.example")
    assert got.status == 403
    assert "set-cookie" not in got.headers


@pytest.mark.parametrize(
    ("to", "place"),
    [
        ("/runs/0123/", "/runs/0123/"),
        ("", "/"),
        ("//evil.example/", "/"),
        ("https://evil.example/runs/", "/"),
        ("/api/status", "/"),
    ],
)
def test_a_login_leads_to_no_other_server(
    serve: Callable[..., Served], to: str, place: str
) -> None:
    s = serve(CHAIN)
    assert _log_in(s, s.facts["token"], to=to).headers["location"] == place


def test_guesses_are_few_and_do_not_lock_out_who_is_in(serve: Callable[..., Served]) -> None:
    s = serve(CHAIN)
    cookie = _cookie(s)
    codes = {_log_in(s, f"guess{n}").status for n in range(40)}
    assert codes == {403, 429}
    assert s.ask("GET", "/api/status", **cookie).status == 200


def test_who_leaves_is_out(serve: Callable[..., Served]) -> None:
    s = serve(CHAIN)
    cookie = _cookie(s)
    got = s.ask("POST", "/logout", "", **cookie, Origin=f"http://127.0.0.1:{s.port}")
    assert got.status == 204
    assert s.ask("GET", "/api/status", **cookie).status == 401


# --- pages ----------------------------------------------------------------------------------------


def test_a_browser_without_login_is_sent_to_it_and_sees_nothing_of_the_run(
    serve: Callable[..., Served],
) -> None:
    s = serve(CHAIN)
    got = s.ask("GET", "/", **BROWSER)
    assert (got.status, got.headers["location"]) == (303, "/login")
    shown = s.ask("GET", "/login", **BROWSER)
    assert shown.status == 200
    assert s.world.folder.name not in shown.text
    assert s.ask("GET", "/api/status").status == 401


def test_pages_run_no_script_but_ours_and_say_where_a_form_comes_from(
    serve: Callable[..., Served],
) -> None:
    s = serve(CHAIN)
    for path in ("/", "/login"):
        got = s.ask("GET", path, **s.owner)
        policy = got.headers["content-security-policy"].split("; ")
        assert "default-src 'none'" in policy
        assert "script-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert not [part for part in policy if "unsafe" in part or "*" in part or "data:" in part]
        assert got.headers["referrer-policy"] == "same-origin"
        assert got.headers["x-content-type-options"] == "nosniff"
        assert " style=" not in got.text
        assert "<script>" not in got.text
        assert "://" not in got.text
    said = s.get("/api/status").headers["content-security-policy"]
    assert "script-src" not in said


def test_assets_are_those_files_and_no_others(serve: Callable[..., Served]) -> None:
    s = serve(CHAIN)
    found = s.ask("GET", "/assets/run.js")
    assert (found.status, found.headers["content-type"]) == (200, "text/javascript; charset=utf-8")
    for name in ("run.html", "../pages.py", "..%2fpages.py", "%2e%2e/pages.py", "", "x.js", "/"):
        assert s.ask("GET", f"/assets/{name}", **s.owner).status == 404, name
