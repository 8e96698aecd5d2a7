"""Whether a file is a whole one of its type, by its beginning and its end."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path


def fault(file: Path, kind: str) -> str:
    """What is wrong with a file of this type, '' if nothing is; '' is any type, but not empty."""
    if not file.stat().st_size:
        return "it is empty"
    return "" if not kind or _LOOKS[kind](file) else f"it is no whole {kind}"


def _ends(first: bytes, last: bytes) -> Callable[[Path], bool]:
    def look(file: Path) -> bool:
        with open(file, "rb") as opened:
            begins = opened.read(16).startswith(first)
            opened.seek(-min(file.stat().st_size, len(last)), 2)
            return begins and opened.read() == last

    return look


def _json(file: Path) -> bool:
    try:
        json.loads(file.read_bytes())
    except (ValueError, RecursionError):
        return False
    return True


def _zip(file: Path) -> bool:
    try:
        with zipfile.ZipFile(file) as opened:
            return opened.testzip() is None
    except (zipfile.BadZipFile, OSError, EOFError, ValueError, NotImplementedError, RuntimeError):
        return False


def _mp4(file: Path) -> bool:
    """Boxes, each with its length in front, up to the end of the file."""
    size, at, kinds = file.stat().st_size, 0, list[bytes]()
    with open(file, "rb") as opened:
        while at + 8 <= size:
            opened.seek(at)
            head = opened.read(16)
            length = int.from_bytes(head[:4], "big")
            length = int.from_bytes(head[8:16], "big") if length == 1 else length or size - at
            kinds.append(head[4:8])
            if length < 8:
                return False
            at += length
    return at == size and kinds[0] == b"ftyp" and b"moov" in kinds


def _gif(file: Path) -> bool:
    """Blocks up to the one that ends the file: its last byte alone may stand there by chance."""
    data = file.read_bytes()
    if data[:6] not in (b"GIF87a", b"GIF89a") or len(data) < 13:
        return False
    at = 13 + _colours(data[10])
    try:
        while data[at] in b"!,":
            at += 2 if data[at] == ord("!") else 11 + _colours(data[at + 9])
            while data[at]:  # pieces, each with its length in front, and a 0 behind the last
                at += data[at] + 1
            at += 1
        return data[at:] == b";"
    except IndexError:
        return False


def _colours(flags: int) -> int:
    """How many bytes a table of colours has."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


_LOOKS: Mapping[str, Callable[[Path], bool]] = {
    "png": _ends(b"\x89PNG\r\n\x1a\n", b"\x00\x00\x00\x00IEND\xaeB`\x82"),
    "jpeg": _ends(b"\xff\xd8\xff", b"\xff\xd9"),
    **{"gif": _gif, "json": _json, "zip": _zip, "mp4": _mp4},
}
