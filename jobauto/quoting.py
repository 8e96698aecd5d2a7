"""The one place where a name becomes part of a shell script or of a line in our files, and a text
becomes bytes."""

from __future__ import annotations

import re
import shlex

from jobauto.errors import UserError

_PLAIN = re.compile(r"[A-Za-z0-9_@%+=:,./-]+\Z")
_NUMBER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*\Z")


def word(text: str) -> str:
    """One word for a POSIX shell, and one word of a line in quelist, qsub.now and qsub.log."""
    return text if _PLAIN.match(text) else shlex.quote(text)


def literal(text: str) -> str:
    """One word for a script of a tree; no run takes `__name__` in it for a placeholder."""
    return re.sub("_(?=_)", "_''", word(text))


def path(relative: str) -> str:
    """A path inside the run folder, as a shell word which no program takes for an option."""
    return word("./" + relative) if relative else "."


def plain(text: str) -> str:
    """A JOBID or a token, which stand in scripts as they are; UserError for any other text."""
    if not _NUMBER.match(text):
        raise UserError(
            f"{shown(text)!r} is no JOBID and no token of an attempt",
            "quelist or qsub.log",
            "a person or a fault changed one of these files: correct or delete the line",
        )
    return text


def words(line: str) -> list[str]:
    """The words of a line that `word` made; ValueError if a quote is not closed."""
    if "'" not in line and '"' not in line and "\\" not in line:
        return line.split()
    return shlex.split(line)


def shown(text: str) -> str:
    """A name made safe for a terminal: control characters and odd bytes become escapes."""
    safe = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in safe)


def shown_lines(text: str) -> str:
    """A text made safe for a terminal, line by line, without blank lines at its end."""
    return "\n".join(map(shown, text.expandtabs().rstrip().splitlines()))


def slug(text: str, longest: int = 80) -> str:
    """A reason as one word without blanks, short enough for a line of quelist."""
    return re.sub(r"[\s'\"\\]+", "-", shown(" ".join(text.split())))[:longest].strip("-") or "-"


def encoded(text: str) -> bytes:
    """A text, or a name, as it stands in a file; odd bytes survive a round trip."""
    return text.encode("utf-8", "surrogateescape")


def decoded(data: bytes | bytearray) -> str:
    """The text that `encoded` made into this."""
    return data.decode("utf-8", "surrogateescape")
