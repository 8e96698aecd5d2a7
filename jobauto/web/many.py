"""The server of `jobauto web`: all runs of a person on this machine, finished ones too."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import os
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route, Router

from jobauto import registry
from jobauto.clock import Clock
from jobauto.errors import UserError
from jobauto.ledger import files
from jobauto.web import openapi, pages
from jobauto.web.app import ROUTES, make
from jobauto.web.guards import Entrance, as_json
from jobauto.web.listening import ADDRESS, listen
from jobauto.web.reading import Runs
from jobauto.web.server import note, server_of
from jobauto.web.sessions import Sessions, Tokens

FILE = "web.json"
SHORTEST = 16  # characters of a token that a person chose


@dataclass(frozen=True, slots=True)
class Where:
    """Where to listen. Elsewhere than on the loopback only with TLS and a token of one's own."""

    port: int | None = None
    address: str = ADDRESS
    tls_cert: Path | None = None
    tls_key: Path | None = None
    token_file: Path | None = None

    @property
    def tls(self) -> dict[str, Any]:
        """What uvicorn wants to know of TLS."""
        if self.tls_cert is None:
            return {}
        return {"ssl_certfile": self.tls_cert, "ssl_keyfile": self.tls_key}


def serve(where: Where, clock: Clock, ready: Callable[[dict[str, Any]], None]) -> None:
    """Serve until a signal ends it. `ready` gets what the file tells, as soon as it listens.

    If there is such a server already, `ready` gets what its file tells, and nothing is started.
    """
    token = checked(where)
    folder = registry.folder()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / "web.lock", timeout=0):
            _serve(where, Tokens.new(token), folder / FILE, clock, ready)
    except Timeout:
        try:
            ready(json.loads(files.read(folder / FILE)))
        except FileNotFoundError:
            raise UserError("another one is just beginning, or ending", hint="try again") from None


def checked(where: Where) -> str:
    """The token of the person's choice, or ''; UserError if it must not be served like that."""
    if where.port is not None and not 1 <= where.port <= 65535:
        raise UserError(f"--port {where.port}: a number from 1 to 65535")
    if not _loopback(where.address) and not (where.tls_cert and where.token_file):
        raise UserError(
            f"--address {where.address} can be reached from other machines",
            hint="give --tls-cert and --token-file, or come by ssh -L 8080:127.0.0.1:8080",
        )
    if where.tls_cert:
        try:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(where.tls_cert, where.tls_key)
        except (OSError, ssl.SSLError) as error:
            raise UserError(f"--tls-cert: {error}", str(where.tls_cert)) from None
    return _token(where.token_file) if where.token_file else ""


def _loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


def _token(file: Path) -> str:
    try:
        text, mode = files.read(file).strip(), file.stat().st_mode
    except OSError as error:
        raise UserError(f"--token-file: {error.strerror}", str(file)) from None
    if mode & 0o077:
        raise UserError("--token-file: others can read it", str(file), f"chmod 600 {file}")
    if len(text) < SHORTEST or not (text.isascii() and text.isprintable()) or " " in text:
        hint = f"one line of at least {SHORTEST} letters, digits and signs"
        raise UserError("--token-file: this is no good token", str(file), hint)
    return text


def _serve(
    where: Where,
    tokens: Tokens,
    file: Path,
    clock: Clock,
    ready: Callable[[dict[str, Any]], None],
) -> None:
    try:
        listener = listen(where.port, where.address)
    except OSError as error:
        raise UserError(f"cannot listen: {error.strerror or error}", where.address) from None
    sessions = Sessions(tokens, clock.now, clock.elapsed)
    port = listener.getsockname()[1]
    entrance = Entrance(port, sessions, _names(where.address), bool(where.tls_cert))
    with contextlib.ExitStack() as stack:
        stack.callback(listener.close)
        ready(note(file, entrance))
        stack.callback(file.unlink, missing_ok=True)
        stack.enter_context(contextlib.suppress(KeyboardInterrupt))
        asyncio.run(server_of(application(entrance, clock), **where.tls).serve([listener]))


def _names(address: str) -> tuple[str, ...]:
    """What a browser may call this host when it is reached at this address."""
    if _loopback(address):
        return ("127.0.0.1", "localhost", "::1")
    host = socket.gethostname()
    own = (address, host, socket.getfqdn())
    return own[1:] if address in ("0.0.0.0", "::") else own


def application(entrance: Entrance, clock: Clock) -> Starlette:
    """The application over all runs."""
    runs = Runs(clock)

    def listed(_request: Request) -> Response:
        return as_json({"runs": [_line(key, folder) for key, folder in runs.keys().items()]})

    one = Router(ROUTES, redirect_slashes=False)
    routes = [
        Route("/", lambda _request: pages.page("runs.html")),
        Route("/api/runs", listed),
        Route("/api/openapi.json", lambda _request: as_json(openapi.MANY)),
        Mount("/runs/{run}", one),
    ]
    return make(entrance, clock.elapsed, runs.find, routes)


def _line(key: str, folder: Path) -> dict[str, str]:
    return {"key": key, "project": folder.parent.name, "run": os.fsdecode(folder.name)}
