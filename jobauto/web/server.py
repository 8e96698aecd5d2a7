"""The server: a thread of the monitor's process, from the first tick of a run to its last."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from uvicorn import Config, Server

from jobauto.clock import Clock
from jobauto.ledger import files
from jobauto.monitor import Monitor
from jobauto.run import Run
from jobauto.web.app import ROUTES, make
from jobauto.web.door import Door, Task, by_monitor, kill_from_outside
from jobauto.web.guards import Entrance
from jobauto.web.hub import Hub
from jobauto.web.listening import Impatient, listen
from jobauto.web.sessions import FILE, Sessions, Tokens
from jobauto.web.snapshot import Board

log = logging.getLogger("jobauto")

LAST_WORDS = 3.0  # seconds that clients have who follow a run to its end
FAREWELL = 5.0  # seconds for the server to end


@contextmanager
def serving(monitor: Monitor, port: int | None) -> Iterator[Board | None]:
    """Serve until the end of the block. None, and a warning, if that is not possible."""
    run = monitor.run
    with contextlib.ExitStack() as stack:
        try:
            listener = listen(port)
            stack.callback(listener.close)
            entrance = _entrance(listener, monitor.clock)
            note(run.private / FILE, entrance)
        except OSError as error:
            why = error.strerror or error
            log.warning("no HTTP: port %s: %s", port or "from 8080 on", why)
            yield None
            return
        stack.callback((run.private / FILE).unlink, missing_ok=True)
        log.info("%s (tokens: .jobauto/%s)", entrance.url, FILE)
        board, hub, folder = Board(monitor), Hub(), run.folder
        board.tell, board.followed = hub.publish, hub.followed
        door = Door(board, by_monitor, lambda: kill_from_outside(folder), hub, _task(monitor))
        app = make(entrance, monitor.clock.elapsed, lambda _key: door, ROUTES)
        with _thread(app, listener, hub):
            yield board


def _task(monitor: Monitor) -> Task | None:
    if monitor.submitting.shared is None:
        return None
    # of an extra
    from jobauto.sharing import Sharing
    from jobauto.web.task import Asked

    assert isinstance(monitor.submitting.shared, Sharing)
    return Asked(monitor.submitting.shared.task, monitor.clock)


def url(run: Run) -> str:
    """Where a run is served, as its file says."""
    return str(json.loads(files.read(run.private / FILE))["url"])


def _entrance(listener: socket.socket, clock: Clock) -> Entrance:
    sessions = Sessions(Tokens.new(), clock.now, clock.elapsed)
    return Entrance(listener.getsockname()[1], sessions)


def note(path: Path, entrance: Entrance) -> dict[str, Any]:
    """Tell the person's programs where and with which tokens, and nobody else; what was told."""
    facts = {
        "url": entrance.url,
        "port": entrance.port,
        "token": entrance.sessions.tokens.owner,
        "read_only_token": entrance.sessions.tokens.reader,
    }
    files.replace(path, json.dumps(facts, indent=1) + "\n", mode=0o600)
    return facts


def server_of(app: Starlette, **options: Any) -> Server:
    """A server for an application, which says nothing by itself."""
    for name in ("uvicorn", "uvicorn.error"):
        logger = logging.getLogger(name)
        logger.propagate, logger.handlers = False, [logging.NullHandler()]
    return Server(
        Config(
            app,
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
            **options,
        )
    )


@contextmanager
def _thread(app: Starlette, listener: socket.socket, hub: Hub) -> Iterator[None]:
    server = server_of(app)

    at_work: asyncio.Task[None] | None = None

    async def serve() -> None:
        nonlocal at_work
        hub.loop, at_work = asyncio.get_running_loop(), asyncio.current_task()
        await server.serve(sockets=[listener])

    def run() -> None:
        try:
            asyncio.run(serve())
        except asyncio.CancelledError:
            log.debug("HTTP ended, as nobody was connected")
        except Exception:
            log.exception("HTTP ended")

    thread = threading.Thread(target=run, name="http", daemon=True)
    thread.start()
    try:
        yield
        if hub.close():  # pages ask for what they show of the end
            thread.join(LAST_WORDS)
    finally:
        hub.close()
        server.should_exit = True
        if at_work and hub.loop and not server.server_state.connections:
            with contextlib.suppress(RuntimeError):  # the server has ended
                hub.loop.call_soon_threadsafe(at_work.cancel)
        thread.join(FAREWELL)
