"""Sessions of `jobauto menu`, typed as lists of lines."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from jobauto.cli.menu import menu
from jobauto.errors import JobautoError

ROWS = [
    ("rings", "60", "2", "2026-11-20 10:00:00", "running"),
    ("a[b] c", "7", "0", "", "new"),
]
END, STOP = EOFError, KeyboardInterrupt


@dataclass
class Session:
    """What a session ended with, showed, and ran."""

    code: int = -1
    screen: str = ""
    ran: list[list[str]] = field(default_factory=list)
    unread: list[object] = field(default_factory=list)


def typed(
    *lines: str | type[BaseException] | BaseException,
    rows: Iterable[tuple[str, ...]] = ROWS,
    fails: JobautoError | None = None,
) -> Session:
    """Type these lines in the current folder, then Ctrl-D. An exception stands for its key."""
    left, session = list(lines), Session()
    console = Console(file=io.StringIO(), width=80, highlight=False)

    def line(prompt: str) -> str:
        console.print(prompt, end="", markup=False)
        if not left:
            raise EOFError
        said = left.pop(0)
        if not isinstance(said, str):
            raise said
        console.print(said, markup=False)
        return said

    def run(argv: list[str]) -> int:
        session.ran.append(argv)
        if fails:
            raise fails
        return 2

    session.code = menu(line, console, run, lambda: list(rows))
    session.unread = list(left)
    assert isinstance(console.file, io.StringIO)
    session.screen = console.file.getvalue()
    return session


def template(folder: Path) -> Path:
    """A template with a variable of each type; the folder `mine` in `folder`."""
    mine = folder / "mine"
    mine.mkdir()
    (mine / "template.toml").write_text(VARIABLES, encoding="utf-8")
    words = "t size k on p".split()
    (mine / "in").write_text("".join(f"{word} @{word}@\n" for word in words))
    (mine / "qsub.0").write_text("date > qsub.finished.0\n")
    (mine / "qsub.dependency.0").write_text("")
    return mine


VARIABLES = """\
variables.t = { type = "float", unit = "K", default = 300, min = 0, help = "of the bath" }
variables.size = { default = 10, allowed = "1..50" }
variables.k = { default = "one", allowed = "" }
variables.on = { default = true }
variables.p = { type = "float", allowed = ">0", default = 1.0 }
"""
