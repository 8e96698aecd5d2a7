"""Telling people what a run needs or how it ended: `--notify` and `--on-event`.

What was told stands in `.jobauto/told.json`, so that a monitor that is started again, also every
few minutes by cron, does not tell it again.
"""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pydantic import TypeAdapter

from jobauto.errors import DONE, GAVE_UP, SOME_FAILED, Interrupted, JobautoError
from jobauto.ledger import Entry, files
from jobauto.ledger.quelist import Word
from jobauto.loop import HELPS, LOGIN, Link
from jobauto.model import State
from jobauto.monitor import Monitor
from jobauto.settings import Settings
from jobauto.states import all_states, count
from jobauto.telling.causes import Facts, Told, Trouble, decide
from jobauto.telling.outbox import Outbox, farewell, to_command, to_services

log = logging.getLogger("jobauto")

FILE = "told.json"
ENDS = {
    DONE: "all jobs finished",
    SOME_FAILED: "ended, some jobs failed or are blocked",
    GAVE_UP: "gave up on the remote",
}
_TOLD = TypeAdapter(Told)


@dataclass(slots=True)
class Teller:
    """Sees each tick and the end of a run, and tells what is due. `once`: this is one look of
    many, so that its end is not that of the run."""

    monitor: Monitor
    boxes: Sequence[Outbox]
    once: bool = False
    _told: Told = field(init=False)
    _trouble: Trouble | None = None
    _going: bool = True

    def __post_init__(self) -> None:
        self._told = recall(self.monitor.run.private)

    def look(self, monitor: Monitor, link: Link) -> None:
        """After a tick."""
        if not self.boxes:
            return
        why = link.why.removesuffix(HELPS)
        self._trouble = Trouble(link.what, why, link.what == LOGIN) if link.what else None
        self._going = bool(link.what) or not monitor.over()
        # while the remote cannot be asked nothing is known of what there is to do
        self._tell(self._facts(going=self._going and not link.what))

    def ended(self, code: int) -> None:
        """The loop has returned with this exit code."""
        if self.boxes and not (self.once and self._going):
            why = f"{self._trouble.what}: {self._trouble.why}" if self._trouble else ""
            self._tell(self._facts(end=ENDS[code], why=why, alive=code == GAVE_UP))

    def broke_off(self, error: Exception) -> None:
        """The monitor ends with an error, which under nohup nobody may see."""
        if self.boxes:
            line = str(error.what if isinstance(error, JobautoError) else error).split("\n")[0]
            kind = "" if isinstance(error, JobautoError) else f"{type(error).__name__}: "
            why = f"{kind}{line}\njobs in the queue go on"
            self._tell(self._facts(end="the monitor broke off", why=why))

    def _facts(
        self, going: bool = False, end: str = "", why: str = "", alive: bool = True
    ) -> Facts:
        standing, ledger = self.monitor.standing, self.monitor.ledger
        standing.update()
        counted = standing.counts
        if not alive:
            counted = count(all_states(self.monitor.graph, ledger.entries, alive)[0].values())
        failures = {
            name: (word.date, f"{word.what}: {word.detail}" if word.detail else word.what)
            for name, word in (*self.monitor.gone.items(), *_failures(ledger.bad()))
        }
        counts = {state.word: number for state, number in counted.items()}
        folder = str(self.monitor.run.folder)
        return Facts(folder, counts, failures, self._trouble, going, end, why)

    def _tell(self, facts: Facts) -> None:
        messages, told = decide(facts, self._told, self.monitor.clock.now())
        if told != self._told:
            self._told = told
            with contextlib.suppress(OSError):  # a full disk is something to be told of
                remember(self.monitor.run.private, told)
        for message in messages:
            log.info("telling (%s): %s", message.cause, message.title)
            for box in self.boxes:
                box.put(message)


def _failures(bad: Iterable[Entry]) -> Iterator[tuple[str, Word]]:
    """Jobs that a person should know of, with the word that says why."""
    for entry in bad:
        if entry.state in (State.FAILED, State.UNSURE):
            yield entry.job.name, entry.words[-1]


def recall(private: Path) -> Told:
    """What was told by the monitors of this run; nothing if that cannot be read."""
    try:
        return _TOLD.validate_json(files.read(private / FILE))
    except (OSError, ValueError):
        return Told()


def remember(private: Path, told: Told) -> None:
    """Keep what was told, before it is sent: rather once too seldom than again and again."""
    files.replace(private / FILE, json.dumps(asdict(told), indent=1) + "\n")


@contextmanager
def telling(monitor: Monitor, chosen: Settings, pause: Callable[[float], None]) -> Iterator[Teller]:
    """Somebody who tells, until the end of the block; also of the error that ends it.

    `pause` is how to wait, and raises Interrupted when a person wants the monitor to stop.
    """
    boxes = [to_services(chosen.notify)] if chosen.notify else []
    boxes += [to_command(chosen.on_event, monitor.run.folder)] if chosen.on_event else []
    teller = Teller(monitor, boxes, chosen.once)
    try:
        yield teller
    except Interrupted:
        raise
    except Exception as error:
        teller.broke_off(error)
        raise
    finally:
        farewell(boxes, pause, monitor.clock)
