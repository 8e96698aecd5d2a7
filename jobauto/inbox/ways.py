"""What only an inbox can be told: kept in its run folder, so that a restart needs no options."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, ValidationError, field_validator

from jobauto.errors import UserError
from jobauto.ledger import files
from jobauto.settings import option
from jobauto.tree import FLAT


class Ways(BaseModel, frozen=True):
    """How folders are taken and given back. Field descriptions are the `--help` texts."""

    presubmit_file: str = Field(
        "", description="a folder is whole when this file stands in it (default: see --settle)"
    )
    settle: float = Field(
        10, ge=0, description="else when nothing in it has changed for so many seconds"
    )
    finished_file: str = Field(
        "", description="stands in each folder of completed/, for programs that wait for it"
    )
    group_writable: bool = Field(False, description="let your group write into completed/")

    @field_validator("presubmit_file", "finished_file")
    @classmethod
    def _a_name(cls, name: str) -> str:
        if "/" in name or name in (".", "..") or not (name.isprintable() or not name):
            raise ValueError("a file's name, without a folder")
        return name


def load(pending: Path, given: dict[str, Any]) -> Ways:
    """What was given over what is remembered. UserError for bad values."""
    file = pending / FLAT
    kept: dict[str, Any] = {}
    try:
        if file.is_file():
            kept = Ways.model_validate_json(files.read(file)).model_dump()
        return Ways(**(kept | given))
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else ""
        where = "command line" if name in given else str(file)
        raise UserError(f"{option(name)}: {first['msg']}", where) from None


def keep(pending: Path, ways: Ways) -> None:
    """Remember them; with this file the run folder is that of an inbox."""
    file = pending / FLAT
    file.parent.mkdir(mode=0o700, exist_ok=True)
    files.replace(file, ways.model_dump_json(indent=1) + "\n")
