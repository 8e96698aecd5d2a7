"""From inbox/ to pending/: in the order of names, whole folders only, each by one rename.

A folder is made ready where it stands and then renamed. An archive is unpacked beside its place to
be, and renamed into pending/.NAME.tar.gz, from which moment it is taken; what was unpacked follows,
and the archive goes. `tidy` ends what a crash left in between.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from jobauto.errors import UserError
from jobauto.inbox import archives
from jobauto.inbox.places import ARCHIVE, ARCHIVED, SCRIPT, Places, odd
from jobauto.inbox.settling import Settling
from jobauto.inbox.ways import Ways
from jobauto.inbox.wrapping import has_script, prepare, wanted
from jobauto.ledger.files import flush_folder
from jobauto.quoting import shown
from jobauto.tree import PARTIAL

log = logging.getLogger("jobauto")

OVER = ".over"  # behind the name of a folder in pending/ of which the archive is in completed/
WATCHED = 1000  # so many folders are looked into in a tick, as far as they could be jobs


@dataclass(slots=True)
class Taking:
    """Takes from the inbox. `refused`: why the scheduler would not have a folder of some name.

    `names`: what stands in the inbox, by names of folders, since the last look.
    """

    places: Places
    ways: Ways
    redirected: bool
    refused: Callable[[str], str]
    names: dict[str, Path] = field(default_factory=dict)
    soon: set[str] = field(default_factory=set)  # what will be taken, if nothing goes wrong
    _half: set[str] = field(default_factory=set)  # archives that were taken, and not unpacked yet
    _settling: Settling = field(init=False)
    _told: set[str] = field(default_factory=set)
    _whole: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._settling = Settling(self.ways.settle)

    def tidy(self) -> None:
        """End what a crash left half done in pending/ and completed/."""
        pending = self.places.pending
        for path in sorted(pending.glob(f".?*{OVER}")):
            shutil.rmtree(path)
        for path in sorted(pending.glob(f".?*{ARCHIVE}")):
            self._settle_archive(path.name[1:].removesuffix(ARCHIVE))
        for path in pending.glob(f".?*{PARTIAL}"):
            shutil.rmtree(path)
        for path in self.places.completed.glob(f".?*{ARCHIVE}.new"):
            path.unlink()

    def look(self, now: float) -> None:
        """See what is in the inbox and which of it is whole; `now` as in Settling."""
        for name in sorted(self._half):
            self._settle_archive(name)
        self.names, self._whole = {}, []
        self.soon.clear()
        watched = 0
        for path in sorted(self.places.inbox.iterdir()):
            archive = archives.is_archive(path)
            name = path.name.removesuffix(ARCHIVE) if archive else path.name
            if not (archive or (path.is_dir() and not path.is_symlink())):
                if not path.name.startswith("."):
                    self._tell(path.name, f"no folder and no {ARCHIVE}, so it is not taken")
                continue
            if name in self.names:
                self._tell(path.name, "there is a folder of this name too; this waits for it")
                continue
            if not self._could_be(path, name, archive, now):
                continue
            self.names[name] = path
            watched += 1
            if watched <= WATCHED and self._is_whole(path, archive, now):
                self._whole.append(name)
        self._settling.forget({path.name for path in self.places.inbox.iterdir()})

    def _could_be(self, path: Path, name: str, archive: bool, now: float) -> bool:
        """Whether this may ever be taken; if not, why is told once."""
        if why := odd(name) or self.refused(name):
            self._tell(path.name, why)
            return False
        if archive or has_script(path):
            return True
        if self._settling.settled(path, now):  # before that it may still be copied
            self._tell(path.name, f"there is no {SCRIPT} in it, so it is not taken")
        return False

    def _is_whole(self, path: Path, archive: bool, now: float) -> bool:
        mark = self.ways.presubmit_file
        if mark and not archive:
            whole = (path / mark).exists()
            self.soon |= {path.name} if whole else set()
            return whole
        self.soon.add(path.name)
        return self._settling.settled(path, now)

    def take(self, most: int) -> list[str]:
        """Take up to so many folders that the last look found whole; their names."""
        taken: list[str] = []
        for name in list(self._whole):
            if len(taken) >= most:
                break
            there = (name, f".{name}{ARCHIVE}")
            if any(os.path.lexists(self.places.pending / each) for each in there):
                self._tell(self.names[name].name, "waits for the one of this name in pending/")
                continue
            self._whole.remove(name)
            if self._take_one(name):
                taken.append(name)
        if taken:
            flush_folder(self.places.pending)
            flush_folder(self.places.inbox)
        return taken

    def _take_one(self, name: str) -> bool:
        path = self.names[name]
        self.soon.discard(path.name)
        try:
            if path.name.endswith(ARCHIVE):
                self._take_archive(path, name)
            else:
                prepare(path, name, self.redirected)
                os.rename(path, self.places.pending / name)
        except (UserError, OSError) as error:
            self._tell(path.name, str(error))
            return False
        del self.names[name]
        self._told = {told for told in self._told if told.partition("\0")[0] != path.name}
        log.info("%s taken", shown(path.name))
        return True

    def _take_archive(self, path: Path, name: str) -> None:
        partial = self.places.pending / f".{name}{PARTIAL}"
        try:
            source = archives.unpack(path, partial)
            self._prepare_unpacked(source, name)
            os.sync()
            ours = self.places.pending / f".{name}{ARCHIVE}"
            os.rename(path, ours)
        except Exception:
            shutil.rmtree(partial, ignore_errors=True)
            raise
        self._half.add(name)
        archives.put_in_place(partial, source, self.places.pending / name)
        flush_folder(self.places.pending)
        ours.unlink()
        self._half.discard(name)

    def _prepare_unpacked(self, folder: Path, name: str) -> None:
        prepare(folder, name, self.redirected)
        (folder / ARCHIVED).touch()

    def _settle_archive(self, name: str) -> None:
        """Go on with an archive that was taken: its folder is there, or is made once more."""
        ours, target = self.places.pending / f".{name}{ARCHIVE}", self.places.pending / name
        if not os.path.lexists(target):
            partial = self.places.pending / f".{name}{PARTIAL}"
            source = archives.unpack(ours, partial)
            self._prepare_unpacked(source, name)
            archives.put_in_place(partial, source, target)
            flush_folder(self.places.pending)
        ours.unlink(missing_ok=True)
        self._half.discard(name)

    def wanted(self) -> set[str]:
        """The folders that those in the inbox need, as far as they are not packed up."""
        found: set[str] = set()
        for name, path in self.names.items():
            try:
                found |= wanted(path, name) if path.is_dir() else set()
            except OSError:  # something is going on there
                continue
        return found

    def _tell(self, name: str, why: str) -> None:
        """Say once why something in the inbox stays there."""
        key = f"{name}\0{why}"
        if key not in self._told:
            self._told.add(key)
            log.warning("inbox/%s: %s", shown(name), why)
