"""Sending without delaying anybody: one thread, and a queue that does not grow without bound."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from json import dumps
from pathlib import Path
from queue import Full, Queue

from pydantic import SecretStr

from jobauto.clock import Clock
from jobauto.errors import Interrupted
from jobauto.host.detached import guarded
from jobauto.services import opened
from jobauto.settings import without_secrets
from jobauto.telling.causes import Message

log = logging.getLogger("jobauto")

ROOM = 20  # messages that may wait
FAREWELL = 10.0  # seconds that the end of the monitor waits for them
PATIENCE = 60  # seconds for a command


@dataclass(slots=True)
class Outbox:
    """Messages on their way. `send` may take as long as it likes, and raise what it likes."""

    send: Callable[[Message], None]
    _waiting: Queue[Message] = field(default_factory=lambda: Queue(ROOM))
    _thread: threading.Thread | None = None

    def put(self, message: Message) -> None:
        """Have a message sent; returns at once."""
        try:
            self._waiting.put_nowait(message)
        except Full:
            log.warning("not told (%s): those before it are not sent yet", message.cause)
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="telling", daemon=True)
            self._thread.start()

    def idle(self) -> bool:
        """Whether everything was sent, or failed."""
        return self._waiting.unfinished_tasks == 0

    def _work(self) -> None:
        while True:
            message = self._waiting.get()
            try:
                self.send(message)
            except Exception as error:  # its text may hold a secret
                log.warning("not told (%s): %s", message.cause, type(error).__name__)
            finally:
                self._waiting.task_done()


def to_services(urls: Sequence[SecretStr]) -> Outbox:
    """An outbox to all services of `--notify`, one after the other."""
    services = [opened(url.get_secret_value()) for url in urls]

    def send(message: Message) -> None:
        for service in services:
            if not service.send(message.title, message.text):
                log.warning("not told (%s): %s did not take it", message.cause, service.scheme)

    return Outbox(send)


def to_command(command: str, folder: Path) -> Outbox:
    """An outbox to the command of `--on-event`, in the run folder."""

    def send(message: Message) -> None:
        code = guarded(
            command,
            folder,
            without_secrets(os.environ) | _variables(message, folder),
            folder / "jobmon.log",
            PATIENCE,
        )
        if code:
            why = f"ended after {PATIENCE} s" if code == -9 else f"exit status {code}"
            log.warning("--on-event (%s): %s", message.cause, why)

    return Outbox(send)


def _variables(message: Message, folder: Path) -> dict[str, str]:
    return {
        "JOBAUTO_EVENT": message.cause,
        "JOBAUTO_TITLE": message.title,
        "JOBAUTO_TEXT": message.text,
        "JOBAUTO_RUN": str(folder),
        "JOBAUTO_COUNTS": dumps(dict(message.counts)),
    }


def farewell(boxes: Sequence[Outbox], pause: Callable[[float], None], clock: Clock) -> None:
    """Wait until all is sent, but not for long, and not against a person's wish to stop."""
    end = clock.elapsed() + FAREWELL
    try:
        while not all(box.idle() for box in boxes):
            if clock.elapsed() >= end:
                log.warning("messages are not sent yet; leaving them")
                return
            pause(0.05)
    except Interrupted:
        return
