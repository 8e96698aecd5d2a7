"""Writing small trees of files for tests."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def make(root: Path, files: Mapping[str, str]) -> Path:
    """Write `files` (path below `root` to text); returns `root`."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root
