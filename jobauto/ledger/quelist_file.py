"""The file `quelist` as something that two write: the monitor, and a person with an editor."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

from jobauto.errors import UserError
from jobauto.ledger import files, quelist
from jobauto.ledger.entries import Entry
from jobauto.ledger.quelist import Word
from jobauto.quoting import decoded, encoded

log = logging.getLogger("jobauto")

UNREADABLE = "quelist.unreadable"
BLOCK = 512  # lines; a change in one of them has all of them made again

Words = dict[str, list[Word]]
Signature = tuple[int, int, int]


class QuelistFile:
    """Reads and writes the file whole, and knows when somebody else has changed it since.

    What was written is kept as it was, in blocks of lines by the `place` of their entries.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._texts: list[bytes] = []  # what the last `read` or `write` left in it
        self._names: list[list[str]] | None = None  # of each block; None: to be made from scratch
        self._stale: set[int] = set()  # blocks
        self._last = -1  # the last place in them
        self._ours: Signature | None = None

    def read(self) -> Words | None:
        """What stands in it, None if there is no such file. UserError if it cannot be read."""
        signature = self._signature()
        text = files.read(self.path) if signature else ""
        found = quelist.parse(text, str(self.path)) if signature else None
        self._texts, self._names, self._ours = [encoded(text)], None, signature
        return found

    def note(self, name: str, place: int) -> None:
        """The line of this job is new, has changed, or is to go with the next `write`."""
        if self._names is None:
            return
        block = place // BLOCK
        while len(self._names) <= block:
            self._names.append([])
        if place > self._last:
            self._names[block].append(name)
            self._last = place
        self._stale.add(block)

    def write(self, entries: Mapping[str, Entry]) -> None:
        """Write the lines of all entries; only blocks with changes are formatted again."""
        names = self._names
        if names is None:
            names = _in_blocks(entries)
            texts, stale = [b""] * len(names), set(range(len(names)))
            self._last = max((entry.place for entry in entries.values()), default=-1)
        else:
            texts, stale = self._texts + [b""] * (len(names) - len(self._texts)), self._stale
        for block in stale:
            kept = (n for n in names[block] if n in entries and entries[n].place // BLOCK == block)
            lines = {name: entries[name].words for name in kept}
            text = quelist.format_lines(lines)
            names[block], texts[block] = list(lines), encoded(text)
        files.replace(self.path, texts)
        self._texts, self._names, self._ours = texts, names, self._signature()
        self._stale = set()

    def edited(self) -> tuple[Words, Words] | None:
        """What the last `read` or `write` left, and what a person made of it since; None if
        nothing, or no such file.

        What cannot be read is put aside as quelist.unreadable and told, with the line.
        """
        signature = self._signature()
        if signature is None or signature == self._ours:
            return None
        try:
            before, now = decoded(b"".join(self._texts)), self.read()
            return (quelist.parse(before), now) if now is not None else None
        except UserError as error:
            aside = self.path.with_name(UNREADABLE)
            self.path.replace(aside)
            log.error("%s\n  your text is kept in %s; quelist is written anew", error, aside)
            return None

    def lost(self) -> bool:
        """There is no such file, though it was written once."""
        return self._ours is not None and self._signature() is None

    def _signature(self) -> Signature | None:
        try:
            status = self.path.stat()
        except FileNotFoundError:
            return None
        return status.st_ctime_ns, status.st_size, status.st_ino


def _in_blocks(entries: Mapping[str, Entry]) -> list[list[str]]:
    found: list[list[str]] = []
    for name, entry in entries.items():
        block = entry.place // BLOCK
        found += [[] for _ in range(block + 1 - len(found))]
        found[block].append(name)
    return found
