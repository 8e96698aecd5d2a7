"""Reading result files, which may be anything: huge, cut, binary, links to elsewhere."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from jobauto.sweep.results import inside

LARGEST = 50_000_000  # bytes that are read of one file
HEAD = 100_000  # bytes of the beginning that are kept of a larger one


class Unusable(Exception):
    """Why there is no number, in words for a person."""


@dataclass(frozen=True, slots=True)
class Text:
    """A file's text. Of one that is too large, `text` is the end and `head` the beginning."""

    text: str
    head: str = ""

    @property
    def cut(self) -> bool:
        """Whether only the end was read."""
        return bool(self.head)


def read(results: Path, name: str, file: str, largest: int = LARGEST) -> Text:
    """The file of one job folder below `results`, a path without links; Unusable if it cannot or
    must not be read.
    """
    if not inside(file):
        raise Unusable(f"{file!r} leads out of the job folder")
    path = results / name / file
    try:
        real = path.resolve(strict=True)
        if not real.is_relative_to(results):
            raise Unusable(f"{file} is a link that leads out of the results")
        found = real.stat()
        if not stat.S_ISREG(found.st_mode):
            what = "a folder" if stat.S_ISDIR(found.st_mode) else "no plain file"
            raise Unusable(f"{file} is {what}")
        return _text(real, found.st_size, largest)
    except FileNotFoundError:
        raise Unusable(f"no {file}" if path.parent.is_dir() else "no folder") from None
    except (OSError, RuntimeError, ValueError) as error:
        said = error.strerror if isinstance(error, OSError) else None
        raise Unusable(f"{file} cannot be read: {said or error}") from None


def _text(path: Path, size: int, largest: int) -> Text:
    with path.open("rb") as opened:
        if size <= largest:
            return Text(_decoded(opened.read(largest)))
        head = opened.read(min(HEAD, largest))
        opened.seek(size - largest, os.SEEK_SET)
        _, _, end = opened.read(largest).partition(b"\n")  # not the rest of a line
    return Text(_decoded(end), _decoded(head.rpartition(b"\n")[0]) or "\n")


def _decoded(content: bytes) -> str:
    return content.decode("utf-8-sig", "replace")
