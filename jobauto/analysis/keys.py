"""A number from JSON, by a key such as `magnetisation.mean` or `runs.0.energy`. Pure."""

from __future__ import annotations

import json
from itertools import islice
from typing import Any

from jobauto.analysis.files import Text, Unusable
from jobauto.analysis.numbers import quoted
from jobauto.errors import near

KNOWN = 50  # keys among which near names are sought


def from_key(text: Text, file: str, key: str) -> float:
    """The number at this key; in lists numbers count from 0. Unusable if there is none."""
    if text.cut:
        raise Unusable(f"{file} is too large to be read as JSON")
    try:
        data = json.loads(text.text)
    except (ValueError, RecursionError) as error:
        what = "is empty" if not text.text.strip() else f"is no JSON: {error}"
        raise Unusable(f"{file} {what}") from None
    return _as_number(_at(data, key.split("."), file, key), file, key)


def _at(data: Any, parts: list[str], file: str, key: str) -> Any:
    for done, part in enumerate(parts):
        members = _members(data)
        rest = ".".join(parts[done:])
        if rest in members:  # also a key that has dots itself
            return members[rest]
        if part not in members:
            inside = ".".join(parts[:done])
            names = [".".join([*parts[:done], name]) for name in islice(members, KNOWN)]
            hint = near(key, names) if names else f"{inside or 'the file'} has no keys"
            raise Unusable(f"{file} has no key {quoted(key)} ({hint})")
        data = members[part]
    return data


def _members(data: Any) -> dict[str, Any]:
    if isinstance(data, list):
        return {str(number): value for number, value in enumerate(data)}
    return data if isinstance(data, dict) else {}


def _as_number(value: Any, file: str, key: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        kinds = {dict: "an object", list: "a list", type(None): "null"}
        said = kinds.get(type(value)) or quoted(json.dumps(value))
        raise Unusable(f"{file}: {key} is {said}, not a number")
    try:
        return float(value)
    except OverflowError:
        raise Unusable(f"{file}: {key} is too large") from None
