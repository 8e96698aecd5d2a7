"""Folders that come, and go, as one `NAME.tar.gz`."""

from __future__ import annotations

import gzip
import os
import shutil
import tarfile
import zlib
from pathlib import Path

from jobauto.batches.unpacking import check_room
from jobauto.errors import UserError
from jobauto.inbox.places import ARCHIVE, ENDED, SCRIPT
from jobauto.inbox.wrapping import has_script
from jobauto.ledger import files
from jobauto.quoting import shown

_BROKEN = (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, ValueError, LookupError)


def unpack(archive: Path, partial: Path) -> Path:
    """Unpack into `partial`, which is made anew; the folder with the job.sh, below it or itself.

    UserError for an archive that is broken, has no job, or leads out: with devices, absolute
    paths, `..`, or links to elsewhere. OSError if there is no room.
    """
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    try:
        with tarfile.open(archive, "r:gz") as tar:
            members = tar.getmembers()
            check_room(partial, sum(member.size for member in members))
            for member in members:
                tar.extract(member, partial, filter="data")
    except _BROKEN as error:
        raise UserError(f"cannot be unpacked: {shown(str(error))}", shown(archive.name)) from None
    inside = list(partial.iterdir())
    if not has_script(partial) and len(inside) == 1 and not inside[0].is_symlink():
        partial = inside[0]
    if not has_script(partial):
        raise UserError(f"there is no {SCRIPT} in it", shown(archive.name))
    return partial


def put_in_place(partial: Path, source: Path, target: Path) -> None:
    """Rename what was unpacked; `source` is `partial` or the folder in it."""
    os.rename(source, target)
    if source != partial:
        partial.rmdir()


def pack(folder: Path, target: Path) -> None:
    """Make the archive of a folder; it appears whole. How the job ended comes first in it."""
    beside = target.with_name(f".{target.name}.new")
    with open(beside, "wb") as out:
        with tarfile.open(fileobj=out, mode="w:gz") as tar:
            name = folder.name
            tar.add(folder / ENDED, f"{name}/{ENDED}")
            tar.add(folder, name, filter=lambda m: None if m.name == f"{name}/{ENDED}" else m)
        out.flush()
        os.fsync(out.fileno())
    os.replace(beside, target)
    files.flush_folder(target.parent)


def ended_text(archive: Path) -> str:
    """What ENDED says in an archive that `pack` made; empty for any other."""
    try:
        with tarfile.open(archive, "r:gz") as tar:
            first = tar.next()
            if first is None or first.name.rpartition("/")[2] != ENDED:
                return ""
            content = tar.extractfile(first)
            return content.read(4096).decode("utf-8", "replace") if content else ""
    except (OSError, *_BROKEN):
        return ""


def names_in(archive: Path) -> set[str]:
    """The paths inside, without their first folder; none if it cannot be read."""
    try:
        with tarfile.open(archive, "r:gz") as tar:
            return {name.partition("/")[2] for name in tar.getnames()}
    except (OSError, *_BROKEN):
        return set()


def is_archive(path: Path) -> bool:
    """Whether a file in the inbox is a folder packed up, by its name."""
    return path.name.endswith(ARCHIVE) and path.is_file() and not path.is_symlink()
