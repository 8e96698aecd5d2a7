"""From the zip of a batch to an init tree and a store of common files; the zip is not trusted."""

from __future__ import annotations

import errno
import hashlib
import lzma
import os
import re
import shutil
import stat
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from jobauto.batches.contents import KEY, Contents, linked, parse, stored
from jobauto.batches.packing import COMMON, TREE
from jobauto.errors import UserError
from jobauto.quoting import shown
from jobauto.remote.packing import MEMBER
from jobauto.tree import OWN_FILES

_CHUNK = 1 << 20
_MEMBER_LIMIT = 256 << 20  # bytes of batch.json
# No text deflates further than a thousandth, none that people compute to less than a hundredth.
_FREE, _RATIO = 100 << 20, 100
_RESERVE = 50 << 20  # bytes to leave free on a disk
# ValueError: of offsets and names; RuntimeError: encrypted, or packed in a way that zipfile lacks
_BROKEN = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error),
    *(EOFError, RuntimeError, ValueError),
)


@contextmanager
def opened(file: Path) -> Iterator[tuple[zipfile.ZipFile, Contents]]:
    """The zip of a batch, checked; UserError if it is none, is cut short or may not be unpacked."""
    try:
        with zipfile.ZipFile(file) as found:
            yield found, _checked(found, file)
    except OSError as error:
        if error.errno is None:  # of zipfile
            raise _damaged(file, error) from None
        what = error.strerror or str(error)
        raise UserError(what, str(error.filename or file), "put this right and try again") from None
    except _BROKEN as error:
        raise _damaged(file, error) from None


def _damaged(file: Path, error: Exception) -> UserError:
    what = f"not a whole zip of a batch: {shown(str(error))}"
    return UserError(what, str(file), "copy it again, or create it again; nothing was unpacked")


def _checked(found: zipfile.ZipFile, file: Path) -> Contents:
    names = [info.filename for info in found.infolist()]
    if len(set(names)) != len(names):
        raise zipfile.BadZipFile("a name is in it twice")
    if MEMBER not in names or found.getinfo(MEMBER).file_size > _MEMBER_LIMIT:
        raise zipfile.BadZipFile(f"no {MEMBER}")
    contents = parse(found.read(MEMBER), f"{file}: {MEMBER}")
    expected = {MEMBER, *(f"{COMMON}/{key}" for key in contents.common)}
    expected |= {f"{TREE}/{path}" for path in contents.own}
    odd = sorted(set(names) ^ expected)
    if odd:
        raise zipfile.BadZipFile(f"{odd[0]!r} is in the zip or in its {MEMBER}, not in both")
    _check_paths(contents)
    if not all(re.fullmatch(KEY, key) for key in contents.common):
        raise zipfile.BadZipFile("a common file has no checksum")
    if any(stat.S_ISLNK(info.external_attr >> 16) for info in found.infolist()):
        raise zipfile.BadZipFile("there is a link in it")
    total, packed = size(found, contents), file.stat().st_size
    if total > _FREE + _RATIO * packed:
        what = f"would become {total >> 20} MiB, of {packed >> 10} KiB: a zip bomb?"
        raise UserError(what, str(file), "nothing was unpacked; create the batch again")
    return contents


def _check_paths(contents: Contents) -> None:
    paths = [*contents.own, *(path for some in contents.common.values() for path in some)]
    files = set(paths)
    if len(files) != len(paths):
        raise zipfile.BadZipFile("two contents for one file")
    for path in [*paths, *contents.folders]:
        pure = PurePosixPath(path)
        plain = path.isprintable() and str(pure) == path
        if not plain or pure.is_absolute() or not pure.parts or ".." in pure.parts:
            raise zipfile.BadZipFile(f"{shown(path)!r} leads out of it")
        if pure.parts[0] in (MEMBER, *OWN_FILES):
            raise zipfile.BadZipFile(f"{shown(path)!r} is a name of the monitor's own files")
        if not files.isdisjoint(map(str, pure.parents)):
            raise zipfile.BadZipFile(f"{shown(path)!r} is below a file")
    if not files.isdisjoint(contents.folders):
        raise zipfile.BadZipFile("one name is a file and a folder")


def size(found: zipfile.ZipFile, contents: Contents) -> int:
    """Bytes that it would take on a disk here."""
    total = sum(info.file_size for info in found.infolist())
    once = {path for _, path in contents.sent_once()}
    for key, paths in contents.common.items():
        copies = sum(path not in once for path in paths)
        total += found.getinfo(f"{COMMON}/{key}").file_size * copies
    return total


def check_room(folder: Path, needed: int) -> None:
    """OSError (no space left) unless so many bytes fit on the disk of `folder`."""
    free = shutil.disk_usage(folder).free
    if needed + _RESERVE > free:
        what = f"{needed >> 20} MiB and some reserve do not fit: {free >> 20} MiB are free"
        raise OSError(errno.ENOSPC, what, str(folder))


def unpack(file: Path, init: Path, store: Path) -> Contents:
    """Make the tree `init` of a batch, without what is linked on the remote: that goes to `store`.

    An `init` that is there, of a submission that was cut off, is replaced.
    """
    with opened(file) as (found, contents):
        init.parent.mkdir(parents=True, exist_ok=True)
        store.mkdir(parents=True, exist_ok=True)
        check_room(init.parent, size(found, contents))
        with tempfile.TemporaryDirectory(prefix=".init-", dir=init.parent) as temporary:
            built, apart = Path(temporary, "init"), Path(temporary, "store")
            _build(found, contents, built)
            stored_now = dict(_stored(contents))
            for place, member in stored_now.items():
                _extract_common(found, member, apart / place)
            for place in stored_now:  # all that is in the zip has been read by now
                _keep(apart / place, store / place)
            if init.exists():
                shutil.rmtree(init)
            built.rename(init)
        return contents


def _stored(contents: Contents) -> Iterator[tuple[str, str]]:
    for key, path in contents.sent_once():
        yield stored(key, PurePosixPath(path).name), f"{COMMON}/{key}"


def _build(found: zipfile.ZipFile, contents: Contents, built: Path) -> None:
    for path in contents.own:
        info = found.getinfo(f"{TREE}/{path}")
        _extract(found, info, built / path, 0o755 if info.external_attr >> 16 & 0o100 else 0o644)
    once = {path for _, path in contents.sent_once()}
    for path in once:
        (built / path).parent.mkdir(parents=True, exist_ok=True)
    for key, paths in contents.common.items():
        copies = [built / path for path in paths if path not in once]
        for first in copies[:1]:
            mode = 0o755 if key.endswith("x") else 0o644
            _extract(found, found.getinfo(f"{COMMON}/{key}"), first, mode)
        for copy in copies[1:]:
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(copies[0], copy)
    for path in contents.folders:
        (built / path).mkdir(parents=True, exist_ok=True)
    (built / MEMBER).write_bytes(found.read(MEMBER))


def _extract(found: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path, mode: int) -> str:
    """Write a new file; its sha256."""
    target.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with found.open(info) as source, target.open("xb") as written:
        while chunk := source.read(_CHUNK):
            digest.update(chunk)
            written.write(chunk)
        written.flush()
        os.fchmod(written.fileno(), mode)
    return digest.hexdigest()


def _extract_common(found: zipfile.ZipFile, member: str, target: Path) -> None:
    key = target.parent.name
    # what is linked is shared by jobs, so none may write into it
    mode = 0o555 if key.endswith("x") else 0o444 if linked(key) else 0o644
    if _extract(found, found.getinfo(member), target, mode) != key[:64]:
        raise zipfile.BadZipFile(f"{member} is not what its name says")


def _keep(file: Path, target: Path) -> None:
    """Move a common file into the store, unless it is there with its content."""
    if target.is_file():
        with target.open("rb") as there:
            if hashlib.file_digest(there, "sha256").hexdigest() == target.parent.name[:64]:
                return
    target.parent.mkdir(exist_ok=True)
    with file.open("rb") as written:
        os.fsync(written.fileno())
    os.replace(file, target)
