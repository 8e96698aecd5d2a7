"""The server: a thread of the monitor's process, from the first tick of a run to its last."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import secrets
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from uvicorn import Config, Server

from jobauto.host.detached import detached
from jobauto.ledger import files
from jobauto.monitor import Monitor
from jobauto.run import Run
from jobauto.web.app import make
from jobauto.web.door import Door
from jobauto.web.guards import Tokens
from jobauto.web.listening import ADDRESS, Impatient, listen
from jobauto.web.snapshot import Board

log = logging.getLogger("jobauto")

FILE = "http.json"
FAREWELL = 5.0  # seconds for the server to end


@contextmanager
def serving(monitor: Monitor, port: int | None) -> Iterator[Board | None]:
    """Serve until the end of the block. None, and a warning, if that is not possible."""
    run = monitor.run
    with contextlib.ExitStack() as stack:
        try:
            door, listener = _door(monitor, port)
            stack.callback(listener.close)
            _note(run, door)
        except OSError as error:
            why = error.strerror or error
            log.warning("no HTTP: port %s: %s", port or "from 8080 on", why)
            yield None
            return
        stack.callback((run.private / FILE).unlink, missing_ok=True)
        log.info("http://%s:%d (tokens: .jobauto/%s)", ADDRESS, door.port, FILE)
        with _thread(door, listener):
            yield door.board


def url(run: Run) -> str:
    """Where a run is served, as its file says."""
    return str(json.loads(files.read(run.private / FILE))["url"])


def _door(monitor: Monitor, port: int | None) -> tuple[Door, socket.socket]:
    listener = listen(port)
    number = listener.getsockname()[1]
    tokens = Tokens(secrets.token_urlsafe(24), secrets.token_urlsafe(24))
    folder = monitor.run.folder
    door = Door(Board.of(monitor), number, tokens, lambda: kill_from_outside(folder), monitor.clock)
    door.board.tell = door.hub.publish
    return door, listener


def kill_from_outside(folder: Path) -> None:
    """Start the `kill` of a run; what it says goes to jobmon.log."""
    detached(["sh", str(folder / "kill")], folder / "jobmon.log")


def _note(run: Run, door: Door) -> None:
    """Tell the person's programs where and with which tokens, and nobody else."""
    facts = {
        "url": f"http://{ADDRESS}:{door.port}",
        "port": door.port,
        "token": door.tokens.owner,
        "read_only_token": door.tokens.reader,
    }
    files.replace(run.private / FILE, json.dumps(facts, indent=1) + "\n", mode=0o600)


@contextmanager
def _thread(door: Door, listener: socket.socket) -> Iterator[None]:
    for name in ("uvicorn", "uvicorn.error"):
        logger = logging.getLogger(name)
        logger.propagate, logger.handlers = False, [logging.NullHandler()]
    server = Server(
        Config(
            make(door),
            http=Impatient,
            ws="none",
            lifespan="off",
            loop="asyncio",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=5,
            timeout_graceful_shutdown=1,
        )
    )

    async def serve() -> None:
        door.hub.loop = asyncio.get_running_loop()
        await server.serve(sockets=[listener])

    def run() -> None:
        try:
            asyncio.run(serve())
        except Exception:
            log.exception("HTTP ended")

    thread = threading.Thread(target=run, name="http", daemon=True)
    thread.start()
    try:
        yield
    finally:
        door.hub.close()
        server.should_exit = True
        thread.join(FAREWELL)
