"""The file `quelist` as something that two write: the monitor, and a person with an editor."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

from jobauto.errors import UserError
from jobauto.ledger import files, quelist
from jobauto.ledger.quelist import Word

log = logging.getLogger("jobauto")

UNREADABLE = "quelist.unreadable"

Words = dict[str, list[Word]]
Signature = tuple[int, int, int]


class QuelistFile:
    """Reads and writes the file whole, and knows when somebody else has changed it since."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.base: Words = {}  # what the last `read` or `write` left in it
        self._ours: tuple[int, int, int] | None = None

    def read(self) -> Words | None:
        """What stands in it, None if there is no such file. UserError if it cannot be read."""
        signature = self._signature()
        found = quelist.parse(files.read(self.path), str(self.path)) if signature else None
        self._keep(found or {}, signature)
        return found

    def write(self, words: Mapping[str, list[Word]]) -> None:
        files.replace(self.path, quelist.format_lines(words))
        self._keep(words, self._signature())

    def _keep(self, words: Mapping[str, list[Word]], signature: Signature | None) -> None:
        self.base = {name: list(line) for name, line in words.items()}
        self._ours = signature

    def edited(self) -> Words | None:
        """What a person wrote since the last `read` or `write`; None if nothing, or no such file.

        What cannot be read is put aside as quelist.unreadable and told, with the line.
        """
        signature = self._signature()
        if signature is None or signature == self._ours:
            return None
        try:
            return self.read()
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
