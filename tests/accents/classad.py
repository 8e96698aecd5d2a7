"""As much of the ClassAd language as constraints and attributes of jobs need.

https://htcondor.readthedocs.io/en/24.0/classads/classad-mechanism.html: an attribute that an ad
lacks is undefined, which `==` passes on, and `=?=` and `=!=` compare.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

Ad = dict[str, Any]

_TOKEN = re.compile(r'\s*("(?:[^"\\]|\\.)*"|=[?!]=|[=!<>]=|\|\||&&|[()<>]|[\w.]+)')
_SAME: dict[str, Callable[[Any, Any], bool]] = {
    "=?=": lambda a, b: type(a) is type(b) and a == b,
    "=!=": lambda a, b: type(a) is not type(b) or a != b,
}
_COMPARED: dict[str, Callable[[Any, Any], bool]] = {
    "==": lambda a, b: bool(_folded(a) == _folded(b)),
    "!=": lambda a, b: bool(_folded(a) != _folded(b)),
    "<": lambda a, b: bool(a < b),
    ">": lambda a, b: bool(a > b),
    "<=": lambda a, b: bool(a <= b),
    ">=": lambda a, b: bool(a >= b),
}


def holds(text: str, ad: Ad) -> bool:
    """Whether an expression is true of an ad; undefined is not true. ValueError if it is none."""
    return _Reader(text, ad).whole() is True


def value(text: str) -> Any:
    """The value of a literal; an expression as JSON shows one for anything else."""
    text = text.strip()
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    try:
        return json.loads(text)
    except ValueError:
        return f"/Expr({text})/"


def _folded(found: Any) -> Any:
    return found.lower() if isinstance(found, str) else found


class _Reader:
    """Reads and evaluates at once; None is undefined."""

    def __init__(self, text: str, ad: Ad) -> None:
        self.ad = {name.lower(): found for name, found in ad.items()}
        self.tokens = [match[1] for match in _TOKEN.finditer(text)]
        if "".join(self.tokens) != re.sub(r'("(?:[^"\\]|\\.)*")|\s+', r"\1", text):
            raise ValueError(f"Parse error in constraint expression {text!r}")

    def whole(self) -> Any:
        found = self._any()
        if self.tokens:
            raise ValueError(f"unexpected {self.tokens}")
        return found

    def _next(self, *wanted: str) -> str:
        return self.tokens.pop(0) if self.tokens and self.tokens[0] in wanted else ""

    def _any(self) -> Any:
        found = [self._all()]
        while self._next("||"):
            found.append(self._all())
        return True if True in found else None if None in found else found[0]

    def _all(self) -> Any:
        found = [self._compared()]
        while self._next("&&"):
            found.append(self._compared())
        return False if False in found else None if None in found else found[0]

    def _compared(self) -> Any:
        left = self._one()
        operator = self._next(*_SAME, *_COMPARED)
        if not operator:
            return left
        right = self._one()
        if operator in _SAME:
            return _SAME[operator](left, right)
        return None if None in (left, right) else _COMPARED[operator](left, right)

    def _one(self) -> Any:
        token = self.tokens.pop(0)
        if token == "(":
            found = self._any()
            if not self._next(")"):
                raise ValueError("a parenthesis is not closed")
            return found
        if token[0] in '"0123456789' or token.lower() in ("true", "false"):
            return value(token)
        return None if token.lower() == "undefined" else self.ad.get(token.lower())
