"""Putting a value into an input file: JSON, TOML, CSV, or lines `key value` and `key = value`.

All but the value stays as it was. A key that is not there is an error with near names.
"""

from __future__ import annotations

import copy
import csv
import io
import json
import re
import tomllib
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

from jobauto.errors import UserError, near
from jobauto.quoting import shown
from jobauto.sweep.numbers import Value, written

_BLANK = re.compile(r"[ \t\n\r]*")
_SCAN = json.JSONDecoder().raw_decode
_HEAD = re.compile(r"\s*\[([^\[\]]+)\]\s*(#.*)?")
_LINE = re.compile(r"(\s*)([^=#!\s][^=]*?)(\s*=\s*)(.*)")
_WORDS = re.compile(r"(\s*)(\S+)(\s+)(.*)")
_COMMENT = re.compile(r"\s+[#!].*$|\s*$")


class NoKey(Exception):
    """The key is not in the file; the keys that are."""

    def __init__(self, known: list[str]) -> None:
        super().__init__()
        self.known = known


def put(name: str, text: str, key: str, value: Value) -> str:
    """The text of the file `name` with this value at `key`; UserError names file and key."""
    ending = name.rpartition(".")[2].lower()
    try:
        return _FORMATS.get(ending, _in_lines)(text, key, value)
    except NoKey as error:
        hint = near(key, error.known) if error.known else "there is no key in this file"
        raise UserError(f"there is no key {shown(repr(key))}", name, hint) from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{shown(repr(key))} cannot be put here: {error}", name) from None


# --- JSON


def _in_json(text: str, key: str, value: Value) -> str:
    json.loads(text)
    begin, end = _span(text, 0, key.split("."))
    return text[:begin] + _as_json(value) + text[end:]


def _as_json(value: Value) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else written(value)


def _span(text: str, at: int, keys: list[str]) -> tuple[int, int]:
    at = _skip(text, at)
    if not keys:
        return at, _SCAN(text, at)[1]
    members = list(_members(text, at)) if text[at] in "{[" else []
    for key, begin in reversed(members):  # of two equal keys the last one counts
        if key == keys[0]:
            return _span(text, begin, keys[1:])
    raise NoKey([key for key, _ in members])


def _members(text: str, at: int) -> Iterator[tuple[str, int]]:
    """Each key, or index in a list, and where its value begins; the JSON is known to be right."""
    named, number = text[at] == "{", 0
    at = _skip(text, at + 1)
    while text[at] not in "}]":
        key = str(number)
        if named:
            key, at = _SCAN(text, at)
            at = _skip(text, _skip(text, at) + 1)  # behind the colon
        yield key, at
        at = _skip(text, _SCAN(text, at)[1])
        at = _skip(text, at + 1) if text[at] == "," else at
        number += 1


def _skip(text: str, at: int) -> int:
    found = _BLANK.match(text, at)
    return found.end() if found else at


# --- TOML


def _in_toml(text: str, key: str, value: Value) -> str:
    before = tomllib.loads(text)
    *tables, last = key.split(".")
    table: Any = before
    for name in [*tables, last]:
        if not isinstance(table, dict) or name not in table:
            raise NoKey(_paths(before))
        table = table[name]
    lines, inside = text.splitlines(keepends=True), not tables
    for number, line in enumerate(lines):
        if found := _HEAD.fullmatch(line.rstrip("\r\n")):
            inside = [part.strip().strip("\"'") for part in found[1].split(".")] == tables
        found = re.match(rf"\s*[\"']?{re.escape(last)}[\"']?\s*=\s*", line)
        if inside and found:
            changed = _with_value(line, found.end(), value)
            after = "".join([*lines[:number], changed, *lines[number + 1 :]])
            if _differs_only_there(before, after, [*tables, last], value):
                return after
    raise ValueError("only a whole line `key = value` below its [table] can be changed")


def _with_value(line: str, begin: int, value: Value) -> str:
    """The line with the shortest piece behind `begin` that is a value replaced."""
    rest = line[begin:].rstrip("\r\n")
    ends = (found.start() for found in re.finditer(r"\s*#|\s*$", rest))
    for end in ends:
        try:
            tomllib.loads(f"v = {rest[:end]}")
        except ValueError:
            continue
        return line[:begin] + _as_toml(value) + line[begin + end :]
    return line


def _as_toml(value: Value) -> str:
    text = _as_json(value)  # of a text without control characters this is TOML as well
    whole = isinstance(value, Decimal) and not re.search("[.E]", text)
    return f"{text}.0" if whole else text  # there 1 and 1.0 are of different types


def _differs_only_there(before: Any, after: str, keys: list[str], value: Value) -> bool:
    wanted = copy.deepcopy(before)
    table = wanted
    for key in keys[:-1]:
        table = table[key]
    table[keys[-1]] = tomllib.loads(f"v = {_as_toml(value)}")["v"]
    try:
        return bool(tomllib.loads(after) == wanted)
    except ValueError:
        return False


def _paths(table: dict[str, Any]) -> list[str]:
    found = []
    for key, value in table.items():
        below = _paths(value) if isinstance(value, dict) else []
        found += [key, *(f"{key}.{name}" for name in below)]
    return found


# --- CSV


def _in_csv(text: str, key: str, value: Value) -> str:
    lines = text.splitlines(keepends=True)
    bare = re.sub('"[^"]*"', "", lines[0]) if lines else ""
    delimiter = found[0] if (found := re.search("[;,]", bare)) else ","
    rows = [next(csv.reader([line], delimiter=delimiter), []) for line in lines]
    head = [cell.strip().lower() for cell in rows[0]] if rows else []
    column = head.index("value") if "value" in head else 1
    keys = [row[0].strip() if row else "" for row in rows]
    if key not in keys:
        raise NoKey([name for name in keys if name])
    number = _only([n for n, name in enumerate(keys) if name == key], key)
    row = rows[number]
    if len(row) <= column:
        raise ValueError(f"its row has no column {column + 1}")
    row[column] = written(value)
    changed = io.StringIO()
    ending = lines[number][len(lines[number].rstrip("\r\n")) :]
    csv.writer(changed, delimiter=delimiter, lineterminator=ending).writerow(row)
    return "".join([*lines[:number], changed.getvalue(), *lines[number + 1 :]])


def _only(found: list[int], key: str) -> int:
    if len(found) > 1:
        said = " and ".join(str(number + 1) for number in found[:2])
        raise ValueError(f"{key} stands twice, in lines {said}")
    return found[0]


# --- lines


def _in_lines(text: str, key: str, value: Value) -> str:
    lines = text.splitlines(keepends=True)
    bare = [line.rstrip("\r\n") for line in lines]
    equal, plain = [_LINE.fullmatch(line) for line in bare], [_WORDS.fullmatch(b) for b in bare]
    found = {n: match for n, match in enumerate(equal) if match and match[2] == key}
    found = found or {n: match for n, match in enumerate(plain) if match and match[2] == key}
    if not found:
        pairs = zip(equal, plain, strict=True)
        raise NoKey([match[2] for one, two in pairs if (match := one or two)])
    number = _only(list(found), key)
    match = found[number]
    comment = _COMMENT.search(match[4])
    tail = match[4][comment.start() :] if comment else ""
    ending = lines[number][len(bare[number]) :]
    lines[number] = f"{match[1]}{match[2]}{match[3]}{written(value)}{tail}{ending}"
    return "".join(lines)


_FORMATS: dict[str, Callable[[str, str, Value], str]] = {
    "json": _in_json,
    "toml": _in_toml,
    "csv": _in_csv,
}
