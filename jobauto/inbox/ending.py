"""From pending/ to completed/: how a job ended is noted in its folder, then that is renamed.

Once ENDED stands in a folder it is no job any more, and nothing else is done with it than to bring
it to completed/.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from jobauto.inbox import archives
from jobauto.inbox.places import ARCHIVE, ARCHIVED, ENDED, ERROR, Places
from jobauto.inbox.taking import OVER
from jobauto.inbox.ways import Ways
from jobauto.ledger import files
from jobauto.ledger.quelist import MEANING, Word
from jobauto.quoting import shown

log = logging.getLogger("jobauto")

TAIL = 20  # lines
TAIL_BYTES = 8192


@dataclass(frozen=True, slots=True)
class Ended:
    """What ENDED says: the last word of quelist, and for an archive its name in completed/."""

    word: str
    target: str = ""

    @property
    def done(self) -> bool:
        """Whether the job ended well."""
        meaning = MEANING.get(self.word.partition("@")[0])
        return meaning is not None and meaning.done

    def text(self) -> str:
        """The content of the file."""
        return f"{self.word}\n{self.target}\n"


def parsed(text: str) -> Ended:
    """The inverse of `Ended.text`."""
    word, _, rest = text.partition("\n")
    return Ended(word, rest.partition("\n")[0])


def note(folder: Path, word: Word, error: str) -> None:
    """Note in its folder how a job ended; `error` is the text for people if it did not end well."""
    ended = Ended(str(word))
    if not ended.done:
        files.replace(folder / ERROR, error)
    files.replace(folder / ENDED, ended.text())


@dataclass(frozen=True, slots=True)
class Completing:
    """Brings folders that have ENDED to completed/."""

    places: Places
    ways: Ways

    def noted(self) -> Iterator[str]:
        """The folders in pending/ that have ended."""
        for entry in os.scandir(self.places.pending):
            if not entry.name.startswith(".") and os.path.lexists(f"{entry.path}/{ENDED}"):
                yield entry.name

    def complete(self, name: str, now: float) -> bool:
        """Bring one over; whether its job ended well. OSError: do it again later."""
        folder = self.places.pending / name
        ended = parsed(files.read(folder / ENDED))
        os.chmod(folder, os.stat(folder).st_mode | 0o700)  # or it cannot be renamed
        if self.ways.finished_file:
            files.replace(folder / self.ways.finished_file, ended.text())
        if self.ways.group_writable:
            _let_group_write(folder)
        if (folder / ARCHIVED).exists():
            target = self._pack(folder, ended, now)
        else:
            target = self.places.free(name, "", now)
            os.rename(folder, self.places.completed / target)
            files.flush_folder(self.places.completed)
        files.flush_folder(self.places.pending)
        log.info("%s is in completed/%s", shown(name), shown(target))
        return ended.done

    def _pack(self, folder: Path, ended: Ended, now: float) -> str:
        """The archive's name is noted before it appears: found there, it is this one's."""
        if not ended.target:
            ended = Ended(ended.word, self.places.free(folder.name, ARCHIVE, now))
            files.replace(folder / ENDED, ended.text())
        archive = self.places.completed / ended.target
        if not archive.exists():
            archives.pack(folder, archive)
            if self.ways.group_writable:
                _let_group_write(archive)
        over = folder.with_name(f".{folder.name}{OVER}")
        os.rename(folder, over)
        shutil.rmtree(over, ignore_errors=True)
        return ended.target


def _let_group_write(place: Path) -> None:
    """As chmod -R g+rwX does; links are left alone."""
    for folder, below, names in [("", [], [str(place)]), *os.walk(place)]:
        for path in (os.path.join(folder, name) for name in (*below, *names)):
            if not os.path.islink(path):
                mode = os.stat(path).st_mode
                execute = 0o010 if mode & 0o111 or os.path.isdir(path) else 0
                os.chmod(path, mode | 0o060 | execute)


def tail_of(path: Path) -> str:
    """The last lines of a file, if there is one."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, file.seek(0, 2) - TAIL_BYTES))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-TAIL:])
