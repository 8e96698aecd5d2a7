"""Which folders of a run changed, as the kernel tells (inotify), so that nobody has to look.

Where it cannot tell, as others may write over a network, or there is no room for so many watches,
there is no Watching, and folders are looked at again and again.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import sys
from pathlib import Path

from jobauto import tree
from jobauto.errors import UserError

if sys.platform == "linux":
    from inotify_simple import INotify, flags

    # not MODIFY: a job that writes its output line by line would be an event for each
    MASK = flags.CREATE | flags.CLOSE_WRITE | flags.ATTRIB | flags.ONLYDIR | flags.DONT_FOLLOW
    MASK |= flags.MOVED_TO | flags.MOVED_FROM | flags.DELETE
    CAME, WENT = flags.CREATE | flags.MOVED_TO, flags.DELETE | flags.MOVED_FROM

log = logging.getLogger("jobauto")

MOUNTS = Path("/proc/self/mounts")
_ESCAPED = re.compile(r"\\([0-7]{3})")
# of all others it is not known that nobody writes from another machine
LOCAL = {
    *("ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs", "jfs", "reiserfs", "bcachefs"),
    *("tmpfs", "ramfs", "overlay"),
}


class Watching:
    """The folders below `root` that may hold jobs. OSError if they cannot be watched."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._begin()

    def _begin(self) -> None:
        self._flat = tree.is_flat(self.root)
        self._kernel = INotify()
        self._folders: dict[int, str] = {}  # watch -> folder
        self._watches: dict[str, int] = {}
        self._below: dict[str, set[str]] = {}
        self._changed: set[str] = set()
        try:
            self._come("")
        except OSError:
            self.close()
            raise
        self._changed.clear()  # whoever begins to watch looks at all folders afterwards

    def close(self) -> None:
        """Watch no more."""
        self._kernel.close()

    def changed(self) -> set[str] | None:
        """The folders in which something changed since the last call, that came or that are gone;
        None if that is not known, as there was too much. OSError: watching is at an end."""
        for event in self._kernel.read(timeout=0):
            if event.mask & flags.Q_OVERFLOW:
                self.close()
                self._begin()
                return None
            folder = self._folders.get(event.wd)
            if folder is None:  # of a folder that is gone by now
                continue
            if event.mask & flags.ISDIR:
                self._moved(folder, event.name, event.mask)
            elif tree.matters(folder, event.name):
                self._changed.add(folder)
        found, self._changed = self._changed, set()
        return found

    def _moved(self, folder: str, name: str, mask: int) -> None:
        if name.startswith(".") or (self._flat and folder):
            return
        path = f"{folder}/{name}" if folder else name
        if mask & (CAME | WENT):  # one that comes may have been there before, if much happened
            self._go(path)
        if mask & CAME:
            self._come(path)

    def _come(self, top: str) -> None:
        """Watch a folder and those below; each before it is read, so that nothing is missed."""
        problems: list[UserError] = []  # they are found again by those who look for jobs
        waiting = [top]
        while waiting:
            folder = waiting.pop()
            if not self._watch(folder):
                continue
            self._changed.add(folder)
            _, below = tree.listed(self.root, folder, problems)
            if not (self._flat and folder):
                waiting += [f"{folder}/{name}" if folder else name for name in below]

    def _watch(self, folder: str) -> bool:
        try:
            watch = self._kernel.add_watch(f"{self.root}/{folder}", MASK)
        except (FileNotFoundError, NotADirectoryError):  # gone again, which is told as well
            return False
        self._folders[watch], self._watches[folder] = folder, watch
        if folder:
            self._below.setdefault(folder.rpartition("/")[0], set()).add(folder)
        return True

    def _go(self, folder: str) -> None:
        if folder not in self._watches:
            return
        for each in list(self._below.get(folder, ())):
            self._go(each)
        self._below.pop(folder, None)
        watch = self._watches.pop(folder)
        self._below[folder.rpartition("/")[0]].discard(folder)
        if self._folders.get(watch) == folder:
            del self._folders[watch]
            with contextlib.suppress(OSError):  # the kernel was quicker
                self._kernel.rm_watch(watch)
        self._changed.add(folder)


def watch(root: Path) -> Watching | None:
    """Watch the folders below `root` if that is possible, and tells all that happens there."""
    if sys.platform != "linux":
        return None
    kinds = file_systems(root)
    if not kinds <= LOCAL:
        log.debug("%s: on %s, so it is looked at again and again", root, ", ".join(kinds - LOCAL))
        return None
    try:
        return Watching(root)
    except OSError as error:
        log.info("%s cannot be watched (%s), so it is looked at again and again", root, error)
        return None


def file_systems(root: Path) -> set[str]:
    """The kinds of the file system that `root` is on, and of those mounted below."""
    place = os.path.realpath(root)
    on, kinds = ("", "unknown"), set()
    try:
        lines = MOUNTS.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return {"unknown"}
    for line in lines:
        _, mounted, kind, *_ = line.split(" ")
        point = _ESCAPED.sub(lambda m: chr(int(m[1], 8)), mounted)
        if f"{place}/".startswith(f"{point.rstrip('/')}/") and len(point) >= len(on[0]):
            on = (point, kind)
        elif point.startswith(f"{place}/"):
            kinds.add(kind)
    return {on[1], *kinds}
