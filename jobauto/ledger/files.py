"""Writing files of the run folder so that no reader and no crash ever sees half of one."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from jobauto.quoting import decoded, encoded


def replace(
    path: Path, text: str | Iterable[bytes], mode: int = 0o644, durable: bool = True
) -> None:
    """Write a text, or its parts, beside `path`, flush it to disk if `durable`, and rename it into
    place.

    What stands beside it from a crash goes first, so that nothing is written through a link.
    """
    beside = path.with_name(f".{path.name}.new")
    beside.unlink(missing_ok=True)
    private = partial(os.open, mode=0o600)  # until it is whole: it may hold a password
    with open(beside, "xb", opener=private) as file:
        file.writelines([encoded(text)] if isinstance(text, str) else text)
        if durable:
            file.flush()
            os.fsync(file.fileno())
    os.chmod(beside, mode)
    os.replace(beside, path)
    if durable:
        flush_folder(path.parent)


def flush_folder(folder: Path) -> None:
    """Make a rename inside `folder` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def put(path: Path, data: Mapping[str, Any], durable: bool = True) -> None:
    """Write what is known of some names as JSON, in the way of `replace`."""
    replace(path, json.dumps(data, indent=1) + "\n", durable=durable)


def get(path: Path) -> dict[str, Any]:
    """What `put` wrote; nothing if it cannot be read."""
    try:
        found = json.loads(read(path))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def sha256(path: Path) -> str:
    """The checksum of a file; empty if there is none."""
    if not path.is_file():
        return ""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read(path: Path, begin: int = 0) -> str:
    """The text of a file, from byte `begin` on; odd bytes survive a round trip."""
    with open(path, "rb") as file:
        file.seek(begin)
        return decoded(file.read())
