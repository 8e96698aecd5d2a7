"""What stands before every request: where it comes from, who sends it, how much and how often."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from jobauto.web.sessions import Role, Sessions

log = logging.getLogger("jobauto")

BODY, HEAD = 64 * 1024, 16 * 1024  # bytes
PATIENCE = 10.0  # seconds for a body to arrive
KNOWN = (50.0, 200.0)  # requests a second, and at once, with a token
STRANGE = (5.0, 40.0)  # the same without, or with a wrong one
ASSETS = "/assets/"
OPEN = ("/login", "/process")  # which look at tokens themselves
_OWN_PAGE = ("same-origin", "none")  # Sec-Fetch-Site; none: typed by a person
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True, slots=True)
class Entrance:
    """Where a server is reached, by which names of its host, and by whom."""

    port: int
    sessions: Sessions
    names: tuple[str, ...] = ("127.0.0.1", "localhost")
    tls: bool = False

    @property
    def scheme(self) -> str:
        return "https" if self.tls else "http"

    @property
    def url(self) -> str:
        name = self.names[0]
        return f"{self.scheme}://{f'[{name}]' if ':' in name else name}:{self.port}"

    @property
    def hosts(self) -> set[str]:
        """What a request may call this host."""
        names = [f"[{name}]" if ":" in name else name.lower() for name in self.names]
        usual = self.port == (443 if self.tls else 80)
        return {f"{name}:{self.port}" for name in names} | set(names if usual else ())

    @property
    def cookie(self) -> str:
        """A browser shows a cookie to all ports of a host, so each has a name of its own."""
        return f"jobauto-{self.port}"

    def role(self, request: Request) -> Role:
        """Whose request this is: that of a token, or of a session in a cookie.

        A cookie counts only for a page of this server: a browser names where a change comes from.
        """
        given = bearer(request.headers)
        if given:
            return self.sessions.tokens.role(given)
        session = request.cookies.get(self.cookie, "")
        if not session or request.headers.get("sec-fetch-site", "none") not in _OWN_PAGE:
            return Role.NOBODY
        if request.method not in ("GET", "HEAD") and "origin" not in request.headers:
            return Role.NOBODY
        return self.sessions.role(session)


@dataclass(slots=True)
class Bucket:
    """Allows `rate` requests a second, and `burst` at once."""

    rate: float
    burst: float
    elapsed: Callable[[], float]
    _left: float = field(init=False)
    _then: float = field(init=False)

    def __post_init__(self) -> None:
        self._left, self._then = self.burst, self.elapsed()

    def take(self) -> bool:
        """Whether one more is allowed now."""
        now = self.elapsed()
        self._left = min(self.burst, self._left + (now - self._then) * self.rate)
        self._then = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Refused(Exception):
    """A request that goes no further: its status and one sentence."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status, self.why = status, why


def as_json(data: Any, status: int = 200) -> Response:
    """JSON in ASCII, so that odd bytes (in the tail of an output) survive."""
    return Response(json.dumps(data), status, media_type="application/json")


def refusal(status: int, why: str, headers: Mapping[str, str] | None = None) -> Response:
    """An error in the form that all have."""
    response = as_json({"error": why}, status)
    response.headers.update(headers or {})
    return response


class Guards:
    """Lets a request through whole, its body read, with `role` in its state."""

    def __init__(self, app: ASGIApp, entrance: Entrance, elapsed: Callable[[], float]) -> None:
        self.app, self.entrance, self.hosts = app, entrance, entrance.hosts
        self.known, self.strange = Bucket(*KNOWN, elapsed), Bucket(*STRANGE, elapsed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        headers, stamped = Headers(scope=scope), _Stamped(send)
        try:
            body = await _body(headers, receive)  # first: unread, it makes a client miss our answer
            role = self._admitted(Request(scope))
        except Refused as refused:
            await _refusal(refused, scope)(scope, receive, stamped)
            return
        scope.setdefault("state", {})["role"] = role
        try:
            await self.app(scope, _again(body, receive), stamped)
        except Exception:
            log.exception("HTTP: %s failed", scope["method"])
            if stamped.begun:
                raise
            await refusal(500, "a fault of ours; see jobmon.log")(scope, receive, stamped)

    def _admitted(self, request: Request) -> Role:
        headers = request.headers
        if sum(len(name) + len(text) for name, text in headers.raw) > HEAD:
            raise Refused(431, "the headers are too large")
        hosts, origins = headers.getlist("host"), headers.getlist("origin")
        if len(hosts) != 1 or hosts[0].lower() not in self.hosts:
            raise Refused(403, "wrong Host; with ssh -L the ports on both sides must be the same")
        here = f"{self.entrance.scheme}://{hosts[0].lower()}"
        if any(origin.lower() != here for origin in origins):
            raise Refused(403, "wrong Origin")
        role = self.entrance.role(request)
        if not (self.strange if role is Role.NOBODY else self.known).take():
            raise Refused(429, "too many requests")
        path = request.url.path
        if role is Role.NOBODY and path not in OPEN and not path.startswith(ASSETS):
            raise Refused(401, "no token, or a wrong one")
        return role


def _refusal(refused: Refused, scope: Scope) -> Response:
    """A person who looks for a page is sent to the login."""
    asked = Headers(scope=scope).get("accept", "")
    if refused.status == 401 and scope["method"] == "GET" and "text/html" in asked:
        return RedirectResponse("/login", 303)
    response = refusal(refused.status, refused.why)
    response.headers["Connection"] = "close"  # its body may be still on the way
    if refused.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def bearer(headers: Headers) -> str:
    """The token of the header `Authorization`, or nothing."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


async def _body(headers: Headers, receive: Receive) -> bytes:
    length = headers.get("content-length", "0")
    if not (length.isascii() and length.isdigit()) or len(length) > 9 or int(length) > BODY:
        raise Refused(413, "the body is too large")
    body, more = bytearray(), True
    try:
        async with asyncio.timeout(PATIENCE):
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Refused(400, "cut off")
                body += message.get("body", b"")
                more = message.get("more_body", False)
                if len(body) > BODY:
                    raise Refused(413, "the body is too large")
    except TimeoutError:
        raise Refused(408, "too slow") from None
    return bytes(body)


def _again(body: bytes, receive: Receive) -> Receive:
    """Hands out a body that was read already, then whatever follows it."""
    left = [body]

    async def first_the_body() -> Message:
        if left:
            return {"type": "http.request", "body": left.pop(), "more_body": False}
        return await receive()

    return first_the_body


class _Stamped:
    """Sends with our headers, and knows whether an answer has begun."""

    def __init__(self, send: Send) -> None:
        self.begun = False
        self._send = send

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.begun = True
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
        await self._send(message)
