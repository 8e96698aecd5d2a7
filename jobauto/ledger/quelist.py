"""The grammar of `quelist`: a line a job, in the order in which they became runnable.

    mp-149/qsub.1 started@20261120_231500@353143 finished@20261120_233012

A name, then words `what@DATE` or `what@DATE@detail`; the last word is the state.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from jobauto import quoting
from jobauto.errors import UserError
from jobauto.model import Job, State

_WITHOUT = "a job without a line starts anew, unless it is in the queue or its marker is there"
_DATE = re.compile(r"\d{8}_\d{6}\Z")

# What the last word of a line makes of a job that is not in flight; no word at all: ready.
# `started` is last only if a person deleted the verdict behind it, to have the job run again.
MEANING = {
    "started": State.READY,
    "finished": State.FINISHED,
    "skipped": State.SKIPPED,
    "failed": State.FAILED,
    "killed": State.KILLED,
    "unsure": State.UNSURE,
    "retry": State.READY,
}


class Word(NamedTuple):
    """One thing that happened to a job: `what` (a key of MEANING), date, and a detail or ''."""

    what: str
    date: str
    detail: str = ""

    def __str__(self) -> str:
        text = f"{self.what}@{self.date}" + (f"@{self.detail}" if self.detail else "")
        return quoting.word(text)


def format_lines(words: Mapping[str, list[Word]]) -> str:
    """The text of quelist for job names and their words, in their order."""
    return "".join(
        " ".join([quoting.word(name), *map(str, line)]) + "\n" for name, line in words.items()
    )


def parse(text: str, where: str = "quelist") -> dict[str, list[Word]]:
    """The inverse of `format_lines`; a person may have edited the text.

    Blank lines and lines of comment (#) are skipped. Raises UserError with the line's number.
    """
    found: dict[str, list[Word]] = {}
    if text and not text.endswith("\n"):
        raise UserError(
            "the last line has no end: the file was cut short",
            f"{where}:{text.count(chr(10)) + 1}",
            "complete the line and end it with a newline, or delete it: " + _WITHOUT,
        )
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            name, *rest = quoting.words(line)
            Job.from_name(name)
            words = [_word(token) for token in rest]
            if name in found:
                raise ValueError(f"second line for {quoting.shown(name)}")
        except ValueError as error:
            raise UserError(
                f"cannot be read: {error}",
                f"{where}:{number}",
                "correct the line, or delete it: " + _WITHOUT,
            ) from None
        found[name] = words
    return found


def _word(token: str) -> Word:
    what, _, rest = token.partition("@")
    date, _, detail = rest.partition("@")
    if what not in MEANING:
        raise ValueError(f"unknown word {quoting.shown(what)!r} (known: {', '.join(MEANING)})")
    if not _DATE.match(date):
        raise ValueError(f"no date like 20261120_231500 in {quoting.shown(token)!r}")
    return Word(what, date, detail)
