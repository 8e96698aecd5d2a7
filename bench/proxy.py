"""A line that is long, not narrow: each byte comes half a round trip later, in either direction.

`proxied(port, 0.150)` listens on a free port of the loopback, in a thread of its own.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

CHUNK = 65536
UNDER_WAY = 256  # chunks in one direction; the sender waits when there are more


@contextmanager
def proxied(port: int, round_trip: float) -> Iterator[int]:
    """The port that leads to `port` of this machine; a round trip takes so many seconds more."""
    loop = asyncio.new_event_loop()
    line = Line(port, round_trip / 2)
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield asyncio.run_coroutine_threadsafe(line.listen(), loop).result(10)
    finally:
        asyncio.run_coroutine_threadsafe(line.close(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


class Line:
    """All connections through one port; `delay`: seconds in each direction."""

    def __init__(self, port: int, delay: float) -> None:
        self.port = port
        self.delay = delay
        self._server: asyncio.Server | None = None
        self._links: set[asyncio.Task[None]] = set()

    async def listen(self) -> int:
        self._server = await asyncio.start_server(self._link, "127.0.0.1", 0)
        found: int = self._server.sockets[0].getsockname()[1]
        return found

    async def close(self) -> None:
        assert self._server
        self._server.close()
        for link in self._links:
            link.cancel()
        await asyncio.gather(*self._links, return_exceptions=True)

    async def _link(self, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._links.add(task)
        writers = [back]
        try:
            await asyncio.sleep(2 * self.delay)  # a connection takes a round trip as well
            far, there = await asyncio.open_connection("127.0.0.1", self.port)
            writers.append(there)
            await asyncio.gather(self._carry(near, there), self._carry(far, back))
        except (OSError, asyncio.CancelledError):
            pass  # either end is gone, or the line is closed: so is the other
        finally:
            self._links.discard(task)
            for writer in writers:
                with suppress(OSError):
                    writer.close()

    async def _carry(self, source: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(UNDER_WAY)
        await asyncio.gather(self._take(source, under_way), self._give(under_way, to))

    async def _take(
        self, source: asyncio.StreamReader, under_way: asyncio.Queue[tuple[float, bytes]]
    ) -> None:
        data = b"-"
        while data:
            data = await source.read(CHUNK)
            due = asyncio.get_running_loop().time() + self.delay
            await under_way.put((due, data))

    async def _give(
        self, under_way: asyncio.Queue[tuple[float, bytes]], to: asyncio.StreamWriter
    ) -> None:
        while True:
            due, data = await under_way.get()
            await asyncio.sleep(due - asyncio.get_running_loop().time())
            if not data:
                break
            to.write(data)
            await to.drain()
        if to.can_write_eof():
            to.write_eof()
