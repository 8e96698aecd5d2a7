"""What a tick asks of all entries, kept up as they change: those that are ready, and the bad."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from heapq import merge

from jobauto.ledger.entries import Entry
from jobauto.model import State


class Index:
    """Entries by state. `bad`: the names of those that ended badly."""

    def __init__(self, entries: Mapping[str, Entry]) -> None:
        self.bad: dict[str, None] = {}
        self._entries = entries
        self._states: dict[str, State] = {}
        self._last = -1  # the place of the last line
        self._ready: dict[str, None] = {}  # in the order of quelist
        self._again: dict[str, None] = {}  # ready too, but of places further up
        self._sorted = True  # whether `_again` is in order
        for entry in entries.values():
            entry.place = -1
        for name in entries:
            self.note(name)

    def note(self, name: str) -> None:
        """Take an entry in that is new, has changed, or is gone."""
        entry = self._entries.get(name)
        if entry is not None and entry.place < 0:
            self._last += 1
            entry.place = self._last
        before, now = self._states.get(name), entry.state if entry else None
        if before is now:
            return
        if now is None:
            del self._states[name]
        else:
            self._states[name] = now
        if before is State.READY:
            self._ready.pop(name, None)
            self._again.pop(name, None)
        elif before is not None and before.bad:
            self.bad.pop(name, None)
        if entry is not None and now is State.READY:
            if entry.place == self._last:
                self._ready[name] = None
            else:
                self._again[name] = None
                self._sorted = False
        elif now is not None and now.bad:
            self.bad[name] = None

    def ready(self) -> Iterator[str]:
        """The names of those that are ready, in the order of quelist."""
        place: Callable[[str], int] = lambda name: self._entries[name].place  # noqa: E731
        if not self._sorted:
            self._again = dict.fromkeys(sorted(self._again, key=place))
            self._sorted = True
        return merge(self._ready, self._again, key=place) if self._again else iter(self._ready)
