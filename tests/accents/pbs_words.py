"""The words of PBS: options in a script, resources, and lines of at most 80 columns."""

from __future__ import annotations

import getopt
import shlex
from collections.abc import Sequence


class Wrong(Exception):
    """A program ends: exit status and stderr."""

    def __init__(self, code: int, err: str) -> None:
        super().__init__(err)
        self.code, self.err = code, err


def parsed(program: str, words: list[str], options: str) -> tuple[list[tuple[str, str]], list[str]]:
    """Options with their values, and what is left."""
    try:
        return getopt.getopt(words, options)
    except getopt.GetoptError as error:
        raise Wrong(2, f"{program}: {error.msg}\nusage: {program} ...\n") from None


def directives(script: str) -> list[list[str]]:
    """The words of each `#PBS` line above the first line that does something. One that ends with a
    backslash goes on in the next line."""
    found: list[str] = []
    going_on = False
    for line in script.splitlines():
        if going_on:
            found[-1] += line
        elif line.lstrip().startswith("#PBS"):
            found.append(line.lstrip().removeprefix("#PBS"))
        elif line.strip() and not line.lstrip().startswith("#") and not line.startswith(":"):
            break
        else:
            continue
        going_on = found[-1].endswith("\\")
        found[-1] = found[-1].removesuffix("\\")
    return [shlex.split(line) for line in found]


def merge(
    given: Sequence[tuple[str, str]], asked: dict[str, str], resources: dict[str, str]
) -> None:
    """Later ones win; -l adds up."""
    for option, value in given:
        if option == "-l":
            resources |= dict(word.partition("=")[::2] for word in value.split(","))
        else:
            asked[option] = value


def seconds(text: str) -> int:
    """`[[hours:]minutes:]seconds`."""
    found = 0
    for part in text.split(":"):
        found = found * 60 + int(part)
    return found


def wrapped(attribute: tuple[str, str]) -> str:
    """prt_attr() in qstat.c: broken at a comma where that can be, else anywhere, before column 79.
    What goes on begins with a tab."""
    name, value = attribute
    said, start, first = f"    {name} = ", len(name) + 7, True
    parts = [part for part in value.split(",") if part]
    for n, part in enumerate(parts):
        if start + len(part) < 78:
            said, start = said + part, start + len(part)
        else:
            if not first:
                said, start = f"{said}\n\t", 9
            for letter in part:
                said, start = said + letter, start + 1
                if start > 78:
                    said, start = f"{said}\n\t", 8
        if n < len(parts) - 1:
            said, first = f"{said},", False
    return f"{said}\n"
