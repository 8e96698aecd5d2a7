"""A small web service that simulates: it keeps a state for each model, takes time, and has faults.

What it plots depends on all parameters that it truly holds, and on the order in which they came.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import socket
import struct
import threading
import zlib
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

NEEDS = {
    **{"galaxy1": [], "galaxy2": [], "merge": ["galaxy1", "galaxy2"], "interact": ["merge"]},
    **{"prepare": [], "relax": ["prepare"]},
}
LAST = {"plot": "interact", "score": "relax"}


def word(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(seed: str, size: int = 60_000) -> bytes:
    """A picture that is another one for each seed."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0))
    noise = chunk(b"teXt", b"seed\0" + seed.encode() + random.Random(seed).randbytes(size))
    dot = chunk(b"IDAT", zlib.compress(b"\0" + bytes.fromhex(seed[:6])))
    return b"\x89PNG\r\n\x1a\n" + head + noise + dot + chunk(b"IEND", b"")


@dataclass
class Simulator:
    """`faults`: how often each kind strikes, of 1; `work`: what was really done, in order."""

    faults: dict[str, float] = field(default_factory=dict)
    seed: int = 1
    seconds: float = 0.002  # that a step takes
    held: dict[str, dict[str, str]] = field(default_factory=dict)
    busy: dict[str, float] = field(default_factory=dict)
    work: list[tuple[str, str, Any]] = field(default_factory=list)
    struck: Counter[str] = field(default_factory=Counter)
    asked: Counter[str] = field(default_factory=Counter)
    headers: list[dict[str, str]] = field(default_factory=list)
    fails: set[str] = field(default_factory=set)  # steps that end badly
    overlaps: int = 0
    stall: threading.Event | None = None  # downloads stop in the middle until it is set
    address: str = ""

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._now: Counter[str] = Counter()
        self._plots: dict[str, bytes] = {}

    def strikes(self, kind: str) -> bool:
        hit = self._random.random() < self.faults.get(kind, 0)
        self.struck[kind] += hit
        return hit

    def done(self, model: str | None = None) -> list[tuple[str, str]]:
        """Steps that were really done, with the names of what came of them."""
        return [(m, step) for m, step, _ in self.work if model in (None, m)]

    async def step(self, request: Request) -> Response:
        model, step = request.path_params["model"], request.path_params["step"]
        self.asked[step] += 1
        self.headers.append(dict(request.headers))
        self._now[model] += 1
        self.overlaps += self._now[model] > 1
        try:
            if self.strikes("early"):
                return Response("<html>Bad Gateway</html>", 502)
            if self.strikes("hang"):
                await asyncio.sleep(30)
            answer = await self._do(model, step, await request.json())
            return Response("<html>Bad Gateway</html>", 502) if self.strikes("late") else answer
        finally:
            self._now[model] -= 1

    async def _do(self, model: str, step: str, given: Any) -> Response:
        await asyncio.sleep(self.seconds)
        held = self.held.setdefault(model, {})
        kind = step.rstrip("0123456789")
        if step in self.fails:
            return JSONResponse({"error": "negative mass"}, 400)
        if kind in LAST:
            if LAST[kind] not in held:
                return JSONResponse({"error": "nothing is held"}, 409)
            self.work.append((model, kind, given))
            name = word(given, sorted(held.items()))
            self._plots[name] = png(name)
            return JSONResponse(
                {"id": name, "sha256": hashlib.sha256(self._plots[name]).hexdigest()}
            )
        if any(need not in held for need in NEEDS[step]):
            return JSONResponse({"error": "something is missing"}, 409)
        self.work.append((model, step, given))
        for other in [name for name in held if step in self._all_needs(name)]:
            del held[other]
        held[step] = word(step, given, [held[need] for need in NEEDS[step]])
        self.busy[model] = asyncio.get_running_loop().time() + 5 * self.seconds
        return JSONResponse({"taken": step})

    def _all_needs(self, step: str) -> set[str]:
        return {n for need in NEEDS[step] for n in (need, *self._all_needs(need))}

    async def status(self, request: Request) -> Response:
        self.headers.append(dict(request.headers))
        if self.strikes("early"):
            return Response("", 503)
        over = asyncio.get_running_loop().time() >= self.busy.get(request.path_params["model"], 0)
        held = self.held.get(request.path_params["model"])
        return JSONResponse({"status": "idle" if not held else "done" if over else "running"})

    async def stamp(self, request: Request) -> Response:
        return JSONResponse({"stamp": word(self.held.get(request.path_params["model"], {}))})

    async def picture(self, request: Request) -> Response:
        data = self._plots[request.path_params["name"]]
        self.asked["download"] += 1
        if self.strikes("page"):
            return Response("<html>please wait</html>", 200)
        cut = self.strikes("cut")

        async def pieces() -> AsyncIterator[bytes]:
            yield data[: len(data) // 2]
            while self.stall and not self.stall.is_set():
                await asyncio.sleep(0.02)
            if cut:
                raise ConnectionResetError
            yield data[len(data) // 2 :]

        return StreamingResponse(pieces(), headers={"content-length": str(len(data))})

    async def away(self, request: Request) -> Response:
        target = request.query_params["to"]
        return Response("", 302, headers={"location": target})

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/model/{model}/status", self.status),
                Route("/model/{model}/stamp", self.stamp),
                Route("/model/{model}/{step}", self.step, methods=["POST"]),
                Route("/picture/{name}", self.picture),
                Route("/away", self.away),
            ]
        )


@contextmanager
def simulating(**settings: Any) -> Iterator[Simulator]:
    """A simulator at a free port of the loopback, in a thread, until the end of the block."""
    made = Simulator(**settings)
    listening = socket.create_server(("127.0.0.1", 0))
    made.address = f"http://127.0.0.1:{listening.getsockname()[1]}"
    config = uvicorn.Config(made.app(), log_level="critical", timeout_graceful_shutdown=0)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.should_exit = True
        if made.stall:
            made.stall.set()
        thread.join(20)
        listening.close()


SERVICE = """\
address = "{address}"
timeout = 0.5
[retry]
for = 20
first = 0.01
longest = 0.05
[steps.galaxy1]
path = "/model/{{model}}/galaxy1"
repeatable = true
[steps.galaxy2]
path = "/model/{{model}}/galaxy2"
repeatable = true
[steps.merge]
after = ["galaxy1", "galaxy2"]
path = "/model/{{model}}/merge"
repeatable = true
[steps.interact]
after = ["merge"]
path = "/model/{{model}}/interact"
repeatable = true
done = {{ path = "/model/{{model}}/status", field = "status", value = "done", every = 0.005 }}
[steps."plot*"]
after = ["interact"]
path = "/model/{{model}}/{{step}}"
repeatable = true
download = {{ path = "/picture/{{answer.id}}", to = "{{step}}.png", type = "png" }}
"""


def service(simulator: Simulator, text: str = SERVICE) -> str:
    """The service file of a simulator."""
    return text.format(address=simulator.address)
