"""Whether a folder in the inbox is whole: nothing in it has changed for a while."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

Look = tuple[tuple[str, int, int, int], ...]


def look(place: Path) -> Look:
    """Path, size, and times of change (ns) of all that is in a folder, or of a file."""
    found = [_one("", os.lstat(place))]
    for folder, below, names in os.walk(place):
        for name in (*below, *names):
            path = os.path.join(folder, name)
            found.append(_one(os.path.relpath(path, place), os.lstat(path)))
    return tuple(sorted(found))


def _one(path: str, status: os.stat_result) -> tuple[str, int, int, int]:
    return path, status.st_size, status.st_mtime_ns, status.st_ctime_ns


@dataclass(slots=True)
class Settling:
    """Remembers how each folder looked, and since when it looks like that.

    Only seconds of our own clock count: that of a file server may be wrong.
    """

    settle: float
    _since: dict[str, tuple[int, float]] = field(default_factory=dict)

    def settled(self, place: Path, now: float) -> bool:
        """Whether all looked the same for so long, up to now (seconds that never go back)."""
        try:
            looks = hash(look(place))
        except OSError:  # something is going on there
            self._since.pop(place.name, None)
            return False
        before, since = self._since.get(place.name, (None, now))
        if looks != before:
            since = now
        self._since[place.name] = looks, since
        return now - since >= self.settle

    def forget(self, others_than: Collection[str]) -> None:
        """Forget what is not there any more."""
        for name in self._since.keys() - set(others_than):
            del self._since[name]
