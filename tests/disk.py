"""The disk under a run folder: what of it survives a power cut, and faults while it is written.

Each effect on a file asks the Weather first, which may raise: OSError (no room), or Died. Durable
is the content of a file at its last fsync, and the names in a folder at the last fsync of that
folder. At a power cut each later change of a name is kept or lost by a throw of dice.
"""

from __future__ import annotations

import builtins
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from weather import Weather


class Died(BaseException):
    """The monitor's process is gone: nothing catches this, nothing tidies up."""


class PowerCut(Died):
    """The whole machine is gone, with all that was not flushed."""


_real: dict[str, Callable[..., Any]] = {
    "open": builtins.open,
    "fsync": os.fsync,
    "replace": os.replace,
    "unlink": os.unlink,
}


class Handle:
    """A file open for writing. What is in its buffer when the process dies is lost."""

    def __init__(self, disk: Disk, path: str, mode: str) -> None:
        self.disk, self.name = disk, os.path.basename(path)
        self.text = "b" not in mode
        disk.point("open", self.name)
        new = not os.path.exists(path)
        flags = os.O_RDWR | os.O_CREAT
        flags |= {"a": os.O_APPEND, "w": os.O_TRUNC, "x": os.O_EXCL}[mode[0]]
        self.descriptor = os.open(path, flags, 0o644)
        if new:  # the number of a file that is gone may come again
            disk.contents.pop(os.fstat(self.descriptor).st_ino, None)
        self.buffer = b""

    def __enter__(self) -> Handle:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def fileno(self) -> int:
        return self.descriptor

    def seek(self, offset: int, whence: int = 0) -> int:
        return os.lseek(self.descriptor, offset, whence)

    def write(self, data: Any) -> int:
        self.buffer += data.encode("utf-8", "surrogateescape") if self.text else data
        return len(data)

    def writelines(self, parts: Iterable[bytes]) -> None:
        for part in parts:
            self.write(part)

    def flush(self) -> None:
        data, self.buffer = self.buffer, b""
        try:
            if data:
                self.disk.point("write", self.name)
        except BaseException:  # in the middle of it
            os.write(self.descriptor, data[: self.disk.dice.randrange(len(data) + 1)])
            raise
        os.write(self.descriptor, data)

    def close(self) -> None:
        try:
            if not self.disk.weather.dead:
                self.flush()
        finally:
            os.close(self.descriptor)


class Disk:
    """The run folder `root` and its `.jobauto`. Job folders are not looked at."""

    def __init__(self, root: Path, weather: Weather) -> None:
        self.root, self.weather, self.dice = str(root), weather, weather.dice
        self.point = weather.on_disk
        self.folders = [self.root, f"{self.root}/.jobauto"]
        self.slow = 0.0  # seconds that quelist takes
        self.contents: dict[int, bytes] = {}  # inode -> content when it was flushed last
        self.names: dict[str, dict[str, int]] = {}  # folder -> name -> inode, as flushed last
        self.settle()

    def settle(self) -> None:
        """All that is there now is durable."""
        for folder in self.folders:
            self.names[folder] = _names(folder)
            for name, inode in self.names[folder].items():
                self.contents[inode] = _content(f"{folder}/{name}")

    def durable(self, name: str) -> bytes:
        """What a file of the run folder holds after any power cut."""
        inode = self.names[self.root].get(name)
        return self.contents.get(inode, b"") if inode is not None else b""

    def lose_power(self) -> None:
        """Keep what was flushed; of all else, what the dice say."""
        for folder in self.folders:
            before, after = self.names[folder], _names(folder)
            for name in sorted(before.keys() | after.keys()):
                kept = self.dice.choice((before, after)).get(name)
                path = f"{folder}/{name}"
                now = _content(path) if name in after else b""
                data = self._survives(kept, now if kept == after.get(name) else b"")
                with suppress(FileNotFoundError):
                    _real["unlink"](path)
                if kept is not None:
                    _write(path, data)
        self.settle()

    def _survives(self, inode: int | None, now: bytes) -> bytes:
        """The content of a file after the cut; `now` is what was on its way to the disk."""
        flushed = self.contents.get(inode, b"") if inode is not None else b""
        if now.startswith(flushed):  # some of what was added may have arrived
            return now[
                : self.dice.choice((len(flushed), self.dice.randint(len(flushed), len(now))))
            ]
        return flushed

    def _inside(self, path: Any) -> bool:
        return isinstance(path, str | Path) and os.path.dirname(path) in self.folders

    def open(self, path: Any, mode: str = "r", *rest: Any, **options: Any) -> Any:
        if not self._inside(path) or mode[0] not in "wax":
            return _real["open"](path, mode, *rest, **options)
        return Handle(self, str(path), mode)

    def fsync(self, descriptor: int) -> None:
        path = os.readlink(f"/proc/self/fd/{descriptor}")
        status = os.fstat(descriptor)
        if stat.S_ISDIR(status.st_mode):
            if path in self.folders:
                self.point("flush", os.path.basename(path))
                self.names[path] = _names(path)
        elif self._inside(path):
            self.point("flush", os.path.basename(path))
            if "quelist" in path:
                self.weather.clock.sleep(self.slow)
            self.contents[status.st_ino] = os.pread(descriptor, status.st_size, 0)
        self.point("flushed", os.path.basename(path))

    def replace(self, source: Any, target: Any) -> None:
        if self._inside(target):
            self.point("rename", os.path.basename(target))
        _real["replace"](source, target)
        if self._inside(target):
            self.point("renamed", os.path.basename(target))

    def unlink(self, path: Any, **options: Any) -> None:
        if self._inside(path):
            self.point("unlink", os.path.basename(path))
        _real["unlink"](path, **options)

    @contextmanager
    def patched(self) -> Iterator[None]:
        """Let the process write to this disk."""
        builtins.open = self.open  # type: ignore[assignment]
        os.fsync, os.replace, os.unlink = self.fsync, self.replace, self.unlink  # type: ignore
        try:
            yield
        finally:
            builtins.open = _real["open"]
            os.fsync, os.replace = _real["fsync"], _real["replace"]
            os.unlink = _real["unlink"]


def _names(folder: str) -> dict[str, int]:
    with os.scandir(folder) as entries:
        return {e.name: e.inode() for e in entries if e.is_file(follow_symlinks=False)}


def _content(path: str) -> bytes:
    with _real["open"](path, "rb") as file:
        return bytes(file.read())


def _write(path: str, data: bytes) -> None:
    with _real["open"](path, "wb") as file:
        file.write(data)
