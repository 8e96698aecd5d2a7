"""From the archive of a run's outputs to files here: nothing but what was asked for, or nothing."""

from __future__ import annotations

import errno
import gzip
import os
import shutil
import tarfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from jobauto.batches.unpacking import check_room
from jobauto.errors import CouldNotAsk
from jobauto.ledger.files import flush_folder
from jobauto.quoting import shown

_CHUNK = 1 << 20
_HEADERS = 16 << 10  # bytes of an archive's heads for one file, more than tar ever writes
# the last four: numbers, texts and nested heads that no tar writes
_BROKEN = (
    *(tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile),
    *(ValueError, ArithmeticError, LookupError, RecursionError),
)
_LONG_HEADS = (
    *(tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE),
    *(tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK),
)


class Damaged(CouldNotAsk):
    """The archive is not what it should be: it must be packed anew."""


class _Bounded:
    """A stream that is given up when it becomes longer than it may be."""

    def __init__(self, stream: IO[bytes], longest: int) -> None:
        self._stream, self._left = stream, longest

    def read(self, number: int) -> bytes:
        data = self._stream.read(number)
        self._left -= len(data)
        if self._left < 0:
            raise Damaged("the archive holds more than the files that it was made of")
        return data


class _Head(tarfile.TarInfo):
    """The head of a file, which tarfile reads into memory whole: no longer than tar writes it."""

    def _proc_member(self, tar: tarfile.TarFile) -> tarfile.TarInfo:
        if self.type in _LONG_HEADS and self.size > _HEADERS:
            raise Damaged("the archive holds the head of a file that is too long")
        return super()._proc_member(tar)  # type: ignore[misc,no-any-return]


def unpack(archive: Path, place: Path, files: Mapping[str, int]) -> None:
    """Put the files of an archive into the folder `place`, over earlier ones of the same names.

    `files` has the size in bytes of each that must be there, by its path. All of them are on the
    disk, apart, before the first is moved to its place. Damaged if it holds anything else; OSError
    for a disk that is full or may not be written: `place` is then as it was.
    """
    _check_paths(files)
    place.parent.mkdir(parents=True, exist_ok=True)
    with _apart(place) as apart:
        check_room(place.parent, sum(files.values()))
        try:
            _extract(archive, apart, files)
        except _BROKEN as error:
            raise Damaged(f"the archive cannot be read: {shown(str(error))}") from None
        os.sync()
        folders = {(place / path).parent for path in files}
        _check_inside(place, folders)
        for folder in {place, *folders}:
            folder.mkdir(parents=True, exist_ok=True)
        for path in files:
            os.replace(apart / path, place / path)
    os.sync()
    flush_folder(place.parent)


@contextmanager
def _apart(place: Path) -> Iterator[Path]:
    """A folder beside `place`. One that is left by a process that was killed goes first."""
    apart = place.with_name(f".{place.name}.partial")
    if apart.exists():
        shutil.rmtree(apart)
    apart.mkdir()
    try:
        yield apart
    finally:
        shutil.rmtree(apart, ignore_errors=True)


def _check_paths(files: Iterable[str]) -> None:
    for path in files:
        pure = PurePosixPath(path)
        if str(pure) != path or pure.is_absolute() or not pure.parts or ".." in pure.parts:
            raise Damaged(f"{shown(path)!r} leads out of the run's folder")


def _check_inside(place: Path, folders: Iterable[Path]) -> None:
    """OSError if a link that somebody put below `place` leads out of it."""
    inside = os.path.realpath(place)
    for folder in folders:
        if not Path(os.path.realpath(folder)).is_relative_to(inside):
            raise NotADirectoryError(errno.ENOTDIR, "a link leads out of it", str(folder))


def _extract(archive: Path, apart: Path, files: Mapping[str, int]) -> None:
    longest = sum(files.values()) + _HEADERS * (len(files) + 2)
    missing = set(files)
    with gzip.open(archive) as stream:
        bounded = _Bounded(stream, longest)  # type: ignore[arg-type]
        with tarfile.open(fileobj=bounded, mode="r|", tarinfo=_Head) as tar:  # type: ignore[call-overload]
            for member in tar:
                path = member.name.removeprefix("./")
                if path not in missing:
                    raise Damaged(f"the archive holds {shown(path)!r}, which was not asked for")
                missing.remove(path)
                _write(tar, member, apart, files)
        while bounded.read(_CHUNK):  # up to the checksum of gzip
            pass
    if missing:
        raise Damaged(f"the archive lacks {shown(min(missing))!r} and {len(missing) - 1} more")


def _write(
    tar: tarfile.TarFile, member: tarfile.TarInfo, apart: Path, files: Mapping[str, int]
) -> None:
    path = member.name.removeprefix("./")
    target = apart / path
    target.parent.mkdir(parents=True, exist_ok=True)
    if member.islnk():  # two names of one file on the remote
        first = member.linkname.removeprefix("./")
        if first not in files or not (apart / first).is_file():
            raise Damaged(f"{shown(path)!r} is a link to {shown(first)!r}")
        shutil.copy2(apart / first, target)
    elif not member.isreg():
        raise Damaged(f"{shown(path)!r} is no file")
    elif member.size != files[path]:  # before it is written: holes of a sparse file take no room
        raise Damaged(f"{shown(path)!r} was changed while it was packed")
    else:
        source = tar.extractfile(member)
        assert source
        with target.open("xb") as written:
            shutil.copyfileobj(source, written, _CHUNK)
        os.chmod(target, 0o755 if member.mode & 0o100 else 0o644)
        os.utime(target, (member.mtime, member.mtime))
    if target.stat().st_size != files[path]:
        raise Damaged(f"{shown(path)!r} was changed while it was packed")
