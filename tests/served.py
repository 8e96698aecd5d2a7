"""A run in memory that is served by HTTP, and a client of it."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from fake import FakeJob
from test_monitor import CHAIN, World, folders, world

from jobauto import orders
from jobauto.loop import Link
from jobauto.monitor import Monitor
from jobauto.web import server
from jobauto.web.sessions import FILE
from jobauto.web.snapshot import Board

__all__ = ["BAD", "CHAIN", "Answer", "Served", "World", "folders", "serve", "serving", "world"]

BAD = FakeJob(succeeds=False)


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    text: str

    @property
    def data(self) -> Any:
        return json.loads(self.text)


@dataclass
class Served:
    """A run that is served, and a client of it. `killed` counts kills of the whole run."""

    world: World
    monitor: Monitor
    board: Board
    facts: dict[str, Any]
    killed: list[Path] = field(default_factory=list)

    @property
    def port(self) -> int:
        return int(self.facts["port"])

    def ask(
        self, method: str, path: str, body: bytes | str | None = None, **headers: str
    ) -> Answer:
        """One request with exactly these headers (`_` for `-`), and a right Host by itself."""
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            link.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            given = {"Host": f"127.0.0.1:{self.port}"} | headers
            data = body.encode() if isinstance(body, str) else body
            if data is not None:
                given.setdefault("Content_Length", str(len(data)))
            for name, text in given.items():
                if text:
                    link.putheader(name.replace("_", "-"), text)
            link.endheaders(data)
            got = link.getresponse()
            return Answer(got.status, dict(got.getheaders()), got.read().decode())
        finally:
            link.close()

    def get(self, path: str, **query: str) -> Answer:
        return self.ask("GET", path + ("?" + urlencode(query) if query else ""), **self.owner)

    def verb(self, name: str, **body: Any) -> Answer:
        kind = {"Content_Type": "application/json"}
        return self.ask("POST", f"/api/verbs/{name}", json.dumps(body), **self.owner, **kind)

    def process(self, action: str, **fields: str) -> Answer:
        form = {"action": action, "token": self.facts["token"]} | fields
        kind = {"Content_Type": "application/x-www-form-urlencoded"}
        return self.ask("POST", "/process", urlencode(form), **kind)

    @property
    def owner(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.facts['token']}"}

    @property
    def reader(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.facts['read_only_token']}"}

    def ordered(self) -> list[tuple[str, tuple[str, ...], dict[str, str], str]]:
        """Orders that wait for the monitor."""
        found = [order for _, order in orders.waiting(self.world.run.private)]
        return [(order.verb, order.jobs, order.values, order.who) for order in found]

    def tick(self, seconds: float = 10) -> None:
        self.monitor.tick()
        self.board.publish(self.monitor, Link())
        self.world.clock.sleep(seconds)


@contextmanager
def serving(w: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    killed: list[Path] = []
    monkeypatch.setattr(server, "kill_from_outside", killed.append)
    monitor = w.monitor()
    with server.serving(monitor, None) as board:
        assert board
        facts = json.loads((w.run.private / FILE).read_text())
        yield Served(w, monitor, board, facts, killed)


@pytest.fixture
def serve(
    world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Served]]:
    """Serve a run of this tree; the clock of its buckets is real, as the world's stands still."""
    open_now = []

    def begin(tree: dict[str, str], *ended: tuple[str, FakeJob], **options: Any) -> Served:
        w = world(tree, **options)
        w.cluster.plans.update(ended)
        w.clock.elapsed = time.monotonic  # type: ignore[method-assign]
        entered = serving(w, monkeypatch)
        made = entered.__enter__()
        open_now.append(entered)
        return made

    yield begin
    for entered in open_now:
        entered.__exit__(None, None, None)
