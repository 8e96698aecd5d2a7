"""Messages on their way: one that is stuck, and a service that keeps what it gets."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from places import wait_for

from jobauto.telling.causes import (
    Message,
)
from jobauto.telling.outbox import Outbox

SECRET = "s3same-0pen"
MESSAGE = Message("failed", "si: a failed", "a failed: exit-3", {"failed": 1})


@contextmanager
def warnings_kept() -> Iterator[list[str]]:
    """What is logged as a warning meanwhile."""
    said: list[str] = []

    class Keeper(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage())

    logger, handler = logging.getLogger("jobauto"), Keeper(logging.WARNING)
    logger.addHandler(handler)
    try:
        yield said
    finally:
        logger.removeHandler(handler)


def sent(box: Outbox, *messages: Message) -> list[str]:
    """Send, and wait for it; the warnings."""
    with warnings_kept() as said:
        for message in messages:
            box.put(message)
        wait_for(box.idle, 30)
    return said


class Stuck:
    """An outbox whose first message is on its way until it is let go."""

    def __init__(self) -> None:
        self.go, self.begun, self.sent = threading.Event(), threading.Event(), 0
        self.box = Outbox(self._send)
        self.box.put(MESSAGE)
        assert self.begun.wait(30)

    def _send(self, _message: Message) -> None:
        self.begun.set()
        self.go.wait(60)
        self.sent += 1


@pytest.fixture
def stuck() -> Iterator[Stuck]:
    made = Stuck()
    yield made
    made.go.set()


@dataclass
class Listener:
    """A small HTTP server that keeps what it gets, and answers when it is let."""

    port: int
    got: list[dict[str, Any]] = field(default_factory=list)
    status: int = 200
    asked: threading.Event = field(default_factory=threading.Event)
    go: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"json://me:{SECRET}@127.0.0.1:{self.port}/?+X-Token={SECRET}"


@pytest.fixture
def listener() -> Iterator[Listener]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            kept.asked.set()
            data = self.rfile.read(int(self.headers["Content-Length"]))
            kept.go.wait(60)
            kept.got.append(json.loads(data))
            self.send_response(kept.status)
            self.end_headers()

        def log_message(self, *_args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    kept = Listener(server.server_address[1])
    kept.go.set()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield kept
    kept.go.set()
    server.shutdown()
    thread.join()
    server.server_close()
