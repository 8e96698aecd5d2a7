"""Files from a service: each appears whole and checked, or not at all.

`.step.<id>` in the job's folder says of which key the files of a step are, and their sha256.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from jobauto.ledger import files
from jobauto.steps import holes, whole
from jobauto.steps.folders import Todo
from jobauto.steps.link import Doubt, StepFailed
from jobauto.steps.service import Download

_PIECE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Wanted:
    """The files of one step in its job folder."""

    folder: Path
    todo: Todo
    downloads: tuple[Download, ...]

    def name(self, one: Download) -> str:
        """What a file is called here."""
        return str(holes.filled(one.to, {"step": self.todo.id}))

    @property
    def names(self) -> list[str]:
        """What all of them are called."""
        return [self.name(one) for one in self.downloads]

    @property
    def _note(self) -> Path:
        return self.folder / f".step.{self.todo.id}"

    def there(self) -> bool:
        """Whether all files are here, whole, and of this very key."""
        try:
            said = json.loads(files.read(self._note))
            sums = self._sums()
            return bool(said == {"key": self.todo.key, "files": sums} and all(sums.values()))
        except (OSError, ValueError, KeyError, TypeError):
            return False

    def clear(self) -> None:
        """Remove what is left of an earlier time, so that nobody takes it for ours."""
        for name in (self._note.name, *self.names):
            (self.folder / name).unlink(missing_ok=True)

    def note(self) -> None:
        """Note that all files are here."""
        data = {"key": self.todo.key, "files": self._sums()}
        files.replace(self._note, json.dumps(data) + "\n")

    def _sums(self) -> dict[str, str]:
        return {name: files.sha256(self.folder / name) for name in self.names}


def keep(response: httpx.Response, one: Download, target: Path, answer: Any) -> None:
    """Write an answer to `target`, checked: length, hash and type, as far as they are known.

    Raises Doubt for what did not arrive as it should, StepFailed for what cannot be checked.
    """
    length = response.headers.get("content-length")
    framed = length is not None or "chunked" in response.headers.get("transfer-encoding", "")
    if not (framed or one.type or one.sha256):
        what = f"nothing tells whether {target.name} is whole"
        raise StepFailed(what, hint="give it a type or a sha256 in the service file")
    expected = _expected(one, response.headers, answer)
    part = target.with_name(f".{target.name}.part")
    part.unlink(missing_ok=True)
    with open(part, "xb") as file:
        for piece in response.iter_bytes(_PIECE):
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())
    wrong = _short(response, length) or whole.fault(part, one.type)
    if not wrong and expected and files.sha256(part) != expected:
        wrong = "it has another sha256 than the service says"
    if wrong:
        part.unlink()
        raise Doubt(f"{target.name}: {wrong}")
    os.replace(part, target)
    files.flush_folder(target.parent)


def _short(response: httpx.Response, length: str | None) -> str:
    got = response.num_bytes_downloaded
    return f"{got} bytes came of {length}" if length is not None and got != int(length) else ""


def _expected(one: Download, headers: Mapping[str, str], answer: Any) -> str:
    kind, _, name = one.sha256.partition(":")
    if not kind:
        return ""
    found = headers.get(name, "") if kind == "header" else holes.field(answer, name)
    if not found:
        raise StepFailed(f"the service does not say the sha256 of {one.to} in {name}")
    return found.lower().removeprefix("sha256:").strip()
