"""What is in a batch: `batch.json` of its zip, and of each run that was made of it."""

from __future__ import annotations

import posixpath
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from jobauto.errors import UserError
from jobauto.ledger import files
from jobauto.quoting import shown
from jobauto.remote.packing import MEMBER
from jobauto.tree import OWN_FILES

#: sha256 of a content, and behind it `x` if the file is executable, or `r` if it is large: what has
#: such a letter is a link in each job folder, and read-only; anything else is a copy there
KEY = r"[0-9a-f]{64}[xr]?"
# scripts, markers and such; not the qsub.0.o77 of Grid Engine, which is output
_OURS = re.compile(r"qsub\.((dependency|finished|held|resources|inputs|outputs)\.)?[^.]+")


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("control characters in it")
    return text


def _pattern(text: str) -> str:
    if not PurePosixPath(text).parts:
        raise ValueError("an empty pattern")
    return _printable(text)


_Text = Annotated[str, AfterValidator(_printable)]
_Pattern = Annotated[str, AfterValidator(_pattern)]


class Contents(BaseModel):
    """Facts of a batch. Paths are relative to the tree, in POSIX form.

    `common` has the paths of each content that is kept once, by key; `own` all other files;
    `folders` those without any file.
    `outputs`: patterns of files to bring home (none: all that jobs write); nothing of the folders
    `apart` is brought.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    format: int = Field(ge=1, le=1)
    made: _Text
    source: _Text
    jobs: int = Field(ge=1)
    outputs: tuple[_Pattern, ...] = Field((), strict=False)
    apart: tuple[_Text, ...] = Field((), strict=False)
    common: dict[str, tuple[str, ...]] = Field(default_factory=dict, strict=False)
    own: tuple[str, ...] = Field((), strict=False)
    folders: tuple[str, ...] = Field((), strict=False)

    def sent_once(self) -> Iterator[tuple[str, str]]:
        """Key and path of what is sent once and put in place on the remote: all common files but
        those that the monitor reads or fills."""
        for key, paths in self.common.items():
            for path in paths:
                if not posixpath.basename(path).startswith("qsub."):
                    yield key, path

    def sets(self) -> list[tuple[tuple[str, ...], list[str]]]:
        """Files of the store that belong together, and the folders which get them."""
        by_folder = defaultdict[str, list[str]](list)
        for key, path in self.sent_once():
            folder, name = posixpath.split(path)
            by_folder[folder].append(stored(key, name))
        found = defaultdict[tuple[str, ...], list[str]](list)
        for folder, names in by_folder.items():
            found[tuple(sorted(names))].append(folder)
        return list(found.items())

    def wanted(self, there: Iterable[str], written: Collection[str] = ()) -> list[str]:
        """Which of the files on the remote are outputs: not sent, unless a job changed them (so
        they are among those `written` since), no scripts, no markers.
        """
        common = {path for paths in self.common.values() for path in paths}
        sent = common | {path for path in self.own if path not in written}
        return sorted(path for path in there if path not in sent and self._is_output(path))

    def _is_output(self, path: str) -> bool:
        pure = PurePosixPath(path)
        if _OURS.fullmatch(pure.name) or pure.parts[0] in self.apart:
            return False
        if path in (MEMBER, *OWN_FILES):  # those are there where jobs ran in the folder itself
            return False
        return not self.outputs or any(pure.match(pattern) for pattern in self.outputs)


def linked(key: str) -> bool:
    """Whether a content is linked into job folders, not copied."""
    return len(key) > 64


def stored(key: str, name: str) -> str:
    """The path in the store of a file with this content and name."""
    return f"{key}/{name}"


def parse(text: str | bytes, where: str) -> Contents:
    """The facts as they are written; UserError if they cannot be read."""
    try:
        return Contents.model_validate_json(text)
    except ValidationError as error:
        hint = "create it again; a newer jobauto may have written it"
        raise UserError(f"this is no batch: {first_problem(error)}", where, hint) from None


def first_problem(error: ValidationError) -> str:
    """The field that is wrong, and why."""
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    return f"{shown(key)}: {first['msg']}"


def of_run(folder: Path) -> Contents | None:
    """The facts of the batch that a run was made of; None for any other run."""
    file = folder / MEMBER
    return parse(files.read(file), str(file)) if file.is_file() else None
