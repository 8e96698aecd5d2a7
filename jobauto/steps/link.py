"""Requests to a service, tried again as far as that does no harm.

Trouble
├── NotTaken   surely not received, or refused for now: may always be sent again
└── Doubt      perhaps received: may be sent again if doing it twice is no harm
StepFailed     the service said no, or trouble did not end: this job fails
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import stamina

from jobauto.errors import SOME_FAILED, JobautoError, UserError
from jobauto.quoting import shown
from jobauto.steps.service import SECRET, Service

MOST = 64 * 1024 * 1024  # bytes of an answer that is no download
_HOPS = 5
_SHOWN = 200
_TRANSIENT = (502, 503, 504)
_REFUSED = (408, 425, 429)
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


class Trouble(Exception):
    """A request without an answer that counts; `after`: seconds that the service asks to wait."""

    def __init__(self, said: str, after: float | None = None) -> None:
        super().__init__(said)
        self.after = after


class NotTaken(Trouble):
    """The service surely did not do it."""


class Doubt(Trouble):
    """Nobody knows whether the service did it."""


class StepFailed(JobautoError):
    """A step that cannot be done; its job fails, and others go on."""

    exit_code = SOME_FAILED


Take = Callable[[httpx.Response], Any]


@dataclass(slots=True)
class Link:
    """The way to a service; its secrets come from `environment` and are in no message."""

    service: Service
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    _headers: dict[str, str] = field(init=False)
    _secrets: list[str] = field(init=False, default_factory=list)
    _client: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        self._headers = {name: self._header(text) for name, text in self.service.headers.items()}
        patience = httpx.Timeout(self.service.timeout, connect=min(self.service.timeout, 30.0))
        self._client = httpx.Client(timeout=patience, headers={"Accept-Encoding": "identity"})

    def _header(self, text: str) -> str:
        found = SECRET.fullmatch(text)
        if not found:
            return text
        secret = self.environment.get(found[2], "")
        if not secret:
            hint = f"the service file names it: export {found[2]}=..."
            raise UserError(f"the variable {found[2]} is not set", hint=hint)
        if not (secret.isascii() and secret.isprintable()):
            raise UserError(f"the variable {found[2]} has odd signs, or more than one line")
        self._secrets.append(secret)
        return (found[1] or "") + secret

    def url(self, path: str) -> str:
        """The address of a path of the service; a whole address stays as it is."""
        if path.startswith(("http://", "https://")):
            return path
        return f"{self.service.address}/{path.lstrip('/')}"

    def patiently(self, ask: Callable[[], Any], twice: bool) -> Any:
        """What `ask` gives, tried again after `NotTaken`, and after `Doubt` if `twice` is no harm.

        StepFailed when the time for that is over; Doubt, if it must not be tried again.
        """

        def wait(error: Exception) -> bool | float:
            again = isinstance(error, NotTaken) or (twice and isinstance(error, Doubt))
            after = getattr(error, "after", None)
            return after if again and after is not None else again

        retry = self.service.retry
        attempts = stamina.retry_context(
            on=wait,
            attempts=None,
            timeout=retry.span,
            wait_initial=retry.first,
            wait_max=retry.longest,
            wait_jitter=retry.first,
        )
        try:
            for attempt in attempts:
                with attempt:
                    return ask()
        except Trouble as error:
            if isinstance(error, Doubt) and not twice:
                raise
            what = f"given up after {retry.span:g} s: {error}"
            raise StepFailed(what, hint="when the service is well again: jobauto retry") from None

    def ask(self, method: str, url: str, take: Take, **sent: Any) -> Any:
        """What `take` makes of the answer to one request. Raises Trouble, or StepFailed."""
        where = url
        for _ in range(_HOPS):
            with self._answer(method, where, sent) as response:
                if not response.has_redirect_location:
                    self._check(response, method)
                    return take(response)
                onward = str(response.url.join(response.headers["location"]))
            if method != "GET" or not onward.startswith(("http://", "https://")):
                what = f"{method} {_plain(url)} was sent on to {_plain(onward)}"
                raise StepFailed(what, hint="put the right address into the service file")
            where, sent = onward, {}
        raise StepFailed(f"{_plain(url)} leads on and on")

    @contextmanager
    def _answer(self, method: str, url: str, sent: Mapping[str, Any]) -> Iterator[httpx.Response]:
        try:
            ours = _origin(url) == _origin(self.service.address)
            headers = self._headers if ours else {}
            with self._client.stream(method, url, headers=headers, **sent) as response:
                yield response
        except _NEVER_SENT as error:
            raise NotTaken(self._said(method, url, error)) from None
        except httpx.TransportError as error:
            raise Doubt(self._said(method, url, error)) from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise StepFailed(self._said(method, url, error)) from None

    def _said(self, method: str, url: str, error: Exception) -> str:
        kind = type(error).__name__
        return self.clean(f"{method} {_plain(url)}: {kind} {error}".strip())

    def _check(self, response: httpx.Response, method: str) -> None:
        status = response.status_code
        if status < 300:
            return
        where = f"{method} {_plain(str(response.url))}: {status} {response.reason_phrase}"
        if status in _REFUSED or status in _TRANSIENT:
            after = response.headers.get("retry-after", "")
            seconds = min(float(after), self.service.retry.longest) if after.isdigit() else None
            raise (NotTaken if status in _REFUSED else Doubt)(where, seconds)
        text = b""
        for piece in response.iter_bytes():
            text += piece
            if len(text) > _SHOWN:
                break
        said = text.decode("utf-8", "replace")[:_SHOWN]
        raise StepFailed(self.clean(f"{where}: {said}" if said.strip() else where))

    def clean(self, text: str) -> str:
        """A text without secrets, safe for a terminal."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return shown(" ".join(text.split()))

    def close(self) -> None:
        """Close all connections."""
        self._client.close()


def _origin(url: str) -> tuple[str, str, int | None]:
    found = httpx.URL(url)
    return found.scheme, found.host, found.port


def _plain(url: str) -> str:
    """An address without what may be a secret in it."""
    return url.partition("?")[0]


def as_json(response: httpx.Response) -> Any:
    """What an answer says in JSON; None if it says nothing, or not in JSON."""
    text = b""
    for piece in response.iter_bytes():
        text += piece
        if len(text) > MOST:
            raise StepFailed(f"the answer has more than {MOST} bytes: give it as a download")
    try:
        return httpx.Response(200, content=text).json()
    except ValueError:
        return None
