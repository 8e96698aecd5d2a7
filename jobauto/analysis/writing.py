"""Files of an analysis: each appears whole or not at all, and nothing else is touched."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from jobauto.errors import UserError


def folder(path: Path) -> None:
    """Make the folder if it is not there; UserError if that cannot be."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot be made: {error.strerror}", str(path)) from None


def replace(path: Path, write: Callable[[Path], object]) -> Path:
    """Have `write` write beside `path`, and rename that into place; the path."""
    beside = path.with_name(f".{path.name}.new")
    try:
        beside.unlink(missing_ok=True)
        try:
            write(beside)
            os.replace(beside, path)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(f"cannot be written: {error.strerror or error}", str(path)) from None
    return path
