"""Clients that follow a run: each gets what changed, and one that does not read is let go."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from sse_starlette import ServerSentEvent

from jobauto.web.changes import event
from jobauto.web.snapshot import Snapshot

CLIENTS = 32
BEHIND = 32  # events that a client may not have read yet


class Hub:
    """Spreads events to all clients. `publish` is for the monitor's thread and never waits."""

    def __init__(self) -> None:
        self.loop: asyncio.AbstractEventLoop | None = None  # of the server, while it runs
        self._clients: set[asyncio.Queue[ServerSentEvent | None]] = set()

    def full(self) -> bool:
        """Whether there are as many clients as there may be."""
        return len(self._clients) >= CLIENTS

    def followed(self) -> bool:
        """Whether there are any clients."""
        return bool(self._clients)

    def publish(self, before: Snapshot, now: Snapshot) -> None:
        """Tell all clients of a change."""
        self._call(before, now)

    def close(self) -> bool:
        """Let all clients go when they have read what there is; whether there were any."""
        self._call(None, None)
        return bool(self._clients)

    def _call(self, before: Snapshot | None, now: Snapshot | None) -> None:
        if self.loop is not None:
            with contextlib.suppress(RuntimeError):  # the server has ended
                self.loop.call_soon_threadsafe(self._spread, before, now)

    def _spread(self, before: Snapshot | None, now: Snapshot | None) -> None:
        told = event(before, now) if before and now and self._clients else None
        for client in self._clients:
            if client.full():  # it does not read: let it go
                while not client.empty():
                    client.get_nowait()
                client.put_nowait(None)
            else:
                client.put_nowait(told)

    async def follow(self) -> AsyncIterator[ServerSentEvent]:
        """Events until the run is over or the client is too far behind."""
        mine: asyncio.Queue[ServerSentEvent | None] = asyncio.Queue(BEHIND)
        self._clients.add(mine)
        try:
            yield ServerSentEvent(comment="following")
            while (news := await mine.get()) is not None:
                yield news
        finally:
            self._clients.discard(mine)
