"""`{model}`, `{step}` and `{answer.KEY}` in paths and fields of a service file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

_HOLE = re.compile(r"\{([^{}]*)\}")
_ANSWER = "answer."


class Missing(ValueError):
    """An answer lacks a key that is needed."""


def check(text: str, answer: bool) -> None:
    """ValueError for a hole that nothing fills; `answer`: whether there is one by then."""
    for name in _HOLE.findall(text):
        if name in ("model", "step") or (answer and name.startswith(_ANSWER)):
            continue
        known = "{model}, {step}" + ", {answer.KEY}" * answer
        raise ValueError(f"{{{name}}} is not known here: {known}")


def check_all(value: Any) -> None:
    """The same for all texts in a value of TOML."""
    for text in _texts(value):
        check(text, answer=False)


def _texts(value: Any) -> list[str]:
    if isinstance(value, Mapping):
        return [text for one in value.values() for text in _texts(one)]
    if isinstance(value, list | tuple):
        return [text for one in value for text in _texts(one)]
    return [value] if isinstance(value, str) else []


def filled(value: Any, known: Mapping[str, str]) -> Any:
    """A value of TOML with the holes in its texts filled."""
    if isinstance(value, Mapping):
        return {key: filled(one, known) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [filled(one, known) for one in value]
    if isinstance(value, str):
        return _HOLE.sub(lambda hole: known.get(hole[1], hole[0]), value)
    return value


def path(text: str, known: Mapping[str, str], answer: Any) -> str:
    """A path with its holes filled; one that is nothing but `{answer.KEY}` may be a whole address.

    Raises Missing if the answer has no such key.
    """
    only = _HOLE.fullmatch(text)
    if only and only[1].startswith(_ANSWER):
        return field(answer, only[1].removeprefix(_ANSWER))

    def one(hole: re.Match[str]) -> str:
        name = hole[1]
        found = known[name] if name in known else field(answer, name.removeprefix(_ANSWER))
        return quote(found, safe="")

    return _HOLE.sub(one, text)


def look(answer: Any, key: str) -> Any:
    """What stands at `a.b.0` of an answer. Raises Missing if there is no such thing."""
    found = answer
    for part in key.split("."):
        try:
            found = found[int(part)] if isinstance(found, list) else found[part]
        except (KeyError, IndexError, TypeError, ValueError):
            raise Missing(f"the answer has no {key}") from None
    return found


def field(answer: Any, key: str) -> str:
    """The same as a text."""
    found = look(answer, key)
    if isinstance(found, bool) or not isinstance(found, str | int | float):
        raise Missing(f"{key} of the answer is neither a text nor a number")
    return str(found)
