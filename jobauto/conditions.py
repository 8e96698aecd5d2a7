"""What keeps a run from going on as it should, for everybody who asks: `.jobauto/conditions.json`.

Written by the monitor when it changes; there is no such file while all is well.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter

from jobauto.ledger import files

_FILE = "conditions.json"


@dataclass(frozen=True, slots=True)
class Condition:
    """`what` (waiting for login, no connection, no answer, trouble on this machine or on the
    remote, paused, waiting for tokens), why, since when, and when it is tried again or ends; dates
    as in quelist."""

    what: str
    why: str
    since: str
    until: str

    def __str__(self) -> str:
        again = f" (next try {self.until})" if self.until else ""
        return f"{self.what} since {self.since}: {self.why}{again}"


_CONDITIONS = TypeAdapter(list[Condition])


def write(private: Path, conditions: Sequence[Condition]) -> None:
    """Let others know; an empty list takes the file away."""
    path = private / _FILE
    if not conditions:
        path.unlink(missing_ok=True)
    elif list(conditions) != read(private):
        text = json.dumps([asdict(c) for c in conditions], indent=1) + "\n"
        files.replace(path, text, durable=False)


def read(private: Path) -> list[Condition]:
    """What was written last; nothing if it cannot be read."""
    try:
        return _CONDITIONS.validate_json(files.read(private / _FILE))
    except (OSError, ValueError):
        return []
