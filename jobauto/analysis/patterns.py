"""A number from the last place at which a regular expression matches."""

from __future__ import annotations

from collections import deque
from typing import Any

from jobauto.analysis.files import Text, Unusable
from jobauto.analysis.numbers import sure
from jobauto.errors import UserError

SECONDS, PATIENCE = 10.0, 3  # for one file, and files of one metric that may take longer


class Pattern:
    """A regular expression that gives up when it takes too long, as some do for ever."""

    def __init__(self, pattern: str, where: str, seconds: float = SECONDS) -> None:
        try:
            import regex  # an extra; unlike re it has a time limit
        except ImportError:
            hint = "pip install 'jobauto[analyse]'"
            raise UserError("pattern: regex is not installed", where, hint) from None
        try:
            self._pattern: Any = regex.compile(pattern, regex.MULTILINE)
        except regex.error as error:
            raise UserError(f"pattern: {error}", where) from None
        self._seconds, self._slow = seconds, 0

    def find(self, text: Text, file: str) -> float:
        """The number of the last match: its group, or all of it. Unusable if there is none."""
        if self._slow >= PATIENCE:
            raise Unusable(f"{file}: the pattern took too long in {PATIENCE} files before")
        try:
            found = self._pattern.finditer(text.text, timeout=self._seconds)
            last = next(iter(deque(found, maxlen=1)), None)
        except TimeoutError:
            self._slow += 1
            raise Unusable(f"{file}: the pattern took more than {self._seconds:g} s") from None
        if last is None:
            raise Unusable(f"{file}: the pattern matches nowhere")
        group = last[last.re.groups]
        if group is None:
            raise Unusable(f"{file}: the group of the last match is empty")
        return sure(group, file)
