"""Questions and answers on a terminal: each is asked again until the answer is of use."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from jobauto.errors import UserError
from jobauto.quoting import shown, shown_lines

T = TypeVar("T")
Lines = Callable[[str], str]
_NUMBER = re.compile("[0-9]{1,6}")


class Back(Exception):
    """The person goes one step back: `b`, or an empty line."""


class Dialogue:
    """Asks by `lines`, a function from a prompt to a line (EOFError when there are no more)."""

    def __init__(self, lines: Lines, console: Console) -> None:
        self._lines, self.console = lines, console

    def say(self, text: str = "") -> None:
        """Lines for the person."""
        self.console.print(escape(shown_lines(text)))

    def title(self, text: str) -> None:
        """What the next questions are about."""
        self.console.print(f"\n[bold]{escape(shown(text))}")

    def problem(self, error: Exception) -> None:
        """What is wrong with an answer, or went wrong."""
        self.console.print(f"[red]{escape(str(error))}")

    def table(self, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Rows with a number before each."""
        columns = [Column(head, overflow="fold") for head in heads]
        number = Column("", justify="right", no_wrap=True)
        table = Table(number, *columns, box=None, pad_edge=False)
        for n, row in enumerate(rows, start=1):
            table.add_row(str(n), *(escape(shown(cell)) for cell in row))
        self.console.print(table)

    def choices(self, texts: Iterable[str]) -> None:
        """Numbered texts, one a line."""
        for n, text in enumerate(texts, start=1):
            self.console.print(f"  {n} {escape(text)}")

    def ask(self, prompt: str, read: Callable[[str], T]) -> T:
        """What `read` makes of a line, asked again after each UserError. `Back` for `b` or none."""
        while True:
            try:
                line = self._line(f"{shown(prompt)}: ")
                if line.lower() in ("", "b"):
                    raise Back
                return read(line)
            except UserError as error:
                self.problem(error)

    def _line(self, prompt: str) -> str:
        try:
            line = self._lines(prompt).strip()
        except UnicodeDecodeError:
            line = "\0"
        if not line.isprintable():
            raise UserError("there are control characters in this line", hint="type it again")
        return line

    def number(self, prompt: str, low: int, high: int) -> int:
        """A whole number from `low` to `high`."""
        return self.ask(prompt, lambda line: whole(line, low, high))

    def numbers(self, prompt: str, number: int, most: int) -> list[int]:
        """Up to `most` different numbers from 1 to `number`, in the order typed; none for `0`."""
        return self.ask(prompt, lambda line: several(line, number, most))


def whole(text: str, low: int, high: int) -> int:
    """The number that a text is; UserError for any other text, and outside of `low` to `high`."""
    if not _NUMBER.fullmatch(text) or not low <= int(text) <= high:
        raise UserError(f"{_quoted(text)} is not a number from {low} to {high}")
    return int(text)


def several(text: str, number: int, most: int) -> list[int]:
    """Different numbers from 1 to `number` with blanks or commas between; UserError else."""
    if text == "0":
        return []
    found = [whole(word, 1, number) for word in re.split(r"[\s,]+", text.strip(", "))]
    for one in found:
        if found.count(one) > 1:
            raise UserError(f"{one} stands there twice")
    if len(found) > most:
        raise UserError(f"{len(found)} are too many: at most {most}")
    return found


def _quoted(text: str) -> str:
    return shown(repr(text if len(text) < 40 else f"{text[:36]} ..."))
