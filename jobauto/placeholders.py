"""`__name__` in a job script: replaced in the dated copy, and none may be left over."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

_NAME = re.compile(r"__([A-Za-z][A-Za-z0-9]*(?:_[A-Za-z0-9]+)*)__")

# Python's own: methods of object and of common classes, and what a module has.
_OF_CLASSES: tuple[type, ...] = (object, type, int, float, str, list, dict, BaseException)
_OTHERS = """
main name file package path version author all builtins import loader spec future doc
annotations slots enter exit call aenter aexit await post_init debug dict cached
"""
PYTHON = frozenset(_OTHERS.split()) | {
    name.strip("_") for kind in _OF_CLASSES for name in dir(kind) if name.startswith("__")
}

HINTS = {
    "binpath": "give --binpath DIR",
    "pythonpath": "give --pythonpath PROGRAM",
    "HEADER": "give --qsubheader FILE",
}


def expand(text: str, values: Mapping[str, str]) -> str:
    """Replace each `__key__` that has a value; the value of HEADER is itself expanded once."""
    if "HEADER" in values:
        text = text.replace("__HEADER__", values["HEADER"])
    return _NAME.sub(lambda m: values.get(m[1], m[0]), text)


def is_name(key: str) -> bool:
    """Whether `__key__` would be taken for a placeholder."""
    return _NAME.fullmatch(f"__{key}__") is not None


def left_over(text: str, keep: Iterable[str] = ()) -> list[tuple[int, str]]:
    """(line number from 1, name) of each placeholder that nothing replaced."""
    known = PYTHON | {k.strip("_") for k in keep}
    return [
        (number, m[1])
        for number, line in enumerate(text.split("\n"), 1)
        if "__" in line
        for m in _NAME.finditer(line)
        if m[1] not in known
    ]


def hint(name: str) -> str:
    """What to do about a placeholder that is left over."""
    return HINTS.get(name, f"give --set {name}=VALUE, or --keep {name} if it is to stay")
