"""The socket, and clients that are slow or many: none of them may cost the monitor anything."""

from __future__ import annotations

import asyncio
import errno
import socket
from itertools import count

from uvicorn.protocols.http.h11_impl import H11Protocol

ADDRESS = "127.0.0.1"
FIRST = 8080
TRIED = 200  # ports from the first one on
CONNECTIONS = 64  # at a time: the monitor needs file descriptors, too
PATIENCE = 10.0  # seconds without any progress of a client that we wait for


def listen(port: int | None, address: str = ADDRESS) -> socket.socket:
    """A socket that listens on this port, or on the first free one; OSError if there is none."""
    if port is not None:
        return _bound(port, address)
    for tried in count(FIRST):
        try:
            return _bound(tried, address)
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES) or tried >= FIRST + TRIED:
                raise
    raise AssertionError


def _bound(port: int, address: str) -> socket.socket:
    family, _, _, _, place = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0]
    made = socket.socket(family)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(place)
        made.listen(CONNECTIONS)
    except OSError:
        made.close()
        raise
    return made


class Impatient(H11Protocol):
    """Lets a client go which neither sends a whole request nor reads its answer.

    uvicorn by itself waits for ever for the head of a request and for a reader. It refuses what is
    no HTTP by an answer without a length, whose end a client that still sends does not see.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._watch: asyncio.TimerHandle | None = None
        self._before: tuple[object, int] | None = None
        if len(self.connections) >= CONNECTIONS:
            transport.abort()
        super().connection_made(transport)
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._watch:
            self._watch.cancel()
        super().connection_lost(exc)

    def _look(self) -> None:
        unread = self.transport.get_write_buffer_size()
        at_work = self.cycle is not None and not self.cycle.response_complete
        now = (self.cycle, unread)
        if self._before is not None and (unread or not at_work) and now == self._before:
            self._let_go(at_work or unread > 0)
            return
        self._before = now
        self._watch = self.loop.call_later(PATIENCE, self._look)

    def _let_go(self, answering: bool) -> None:
        if not answering and self.cycle is None:
            self._refuse("408 Request Timeout")
        else:
            self.transport.abort()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP (uvicorn calls this)."""
        self._refuse("400 Bad Request")

    def _refuse(self, status: str) -> None:
        text = f"HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
        self.transport.write(text.encode("ascii"))
        self.transport.close()
