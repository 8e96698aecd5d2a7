"""bench/RESULTS.md: each program replaces its own section and leaves the others alone."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Sequence
from datetime import date
from pathlib import Path

RESULTS = Path(__file__).resolve().parent / "RESULTS.md"
HEAD = "# Measured\n\n"


def origin(command: str) -> str:
    """How, when and on what something was measured."""
    machine = f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"
    return f"`{command}`, {date.today()}, {machine}."


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows as a table; the first is its head."""
    ruled = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
    return "\n".join(" | ".join(["", *row, ""]).strip() for row in ruled)


def put(heading: str, text: str, path: Path = RESULTS) -> None:
    """Replace the section below `## heading`, or add it at the end."""
    before = path.read_text() if path.exists() else HEAD
    section = f"## {heading}\n\n{text.strip()}\n"
    old = re.compile(rf"^## {re.escape(heading)}\n.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)
    if old.search(before):
        after = old.sub(lambda _: section + "\n", before)
    else:
        after = f"{before.rstrip()}\n\n{section}"
    path.write_text(after.rstrip() + "\n")
    print(section)
