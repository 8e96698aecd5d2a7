"""What completed/ says of jobs that others need."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from jobauto.inbox import archives
from jobauto.inbox.ending import Ended, parsed
from jobauto.inbox.places import ARCHIVE, ENDED, plain
from jobauto.ledger import files

_NOTHING = Ended("")


@dataclass(slots=True)
class Completed:
    """Looks into completed/, anew whenever something came or went there."""

    folder: Path
    _seen: int = 0
    _names: dict[str, list[str]] = field(default_factory=dict)
    _ended: dict[str, Ended] = field(default_factory=dict)

    def newest(self, name: str) -> tuple[str, Ended] | None:
        """The last one that was called `name` in the inbox, as it is called there, and how it
        ended; None if there is none."""
        self._look()
        found = [(entry, self._how(entry)) for entry in self._names.get(name, ())]
        known = [(entry, ended) for entry, ended in found if ended.word]
        return max(known, key=lambda pair: pair[1].word.partition("@")[2]) if known else None

    def holds(self, entry: str, file: str) -> bool:
        """Whether there is a file in one of them."""
        if entry.endswith(ARCHIVE):
            return file in archives.names_in(self.folder / entry)
        return (self.folder / entry / file).exists()

    def _look(self) -> None:
        changed = self.folder.stat().st_mtime_ns
        if changed == self._seen:
            return
        self._seen = changed
        self._names.clear()
        self._ended.clear()
        for entry in os.listdir(self.folder):
            for name in {plain(entry), entry.removesuffix(ARCHIVE)}:
                self._names.setdefault(name, []).append(entry)

    def _how(self, entry: str) -> Ended:
        if entry not in self._ended:
            path = self.folder / entry
            try:
                archive = entry.endswith(ARCHIVE)
                text = archives.ended_text(path) if archive else files.read(path / ENDED)
                self._ended[entry] = parsed(text)
            except OSError:  # not one of ours
                self._ended[entry] = _NOTHING
        return self._ended[entry]
