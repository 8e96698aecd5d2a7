"""The text of a sweep's file, as a person would write it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from jobauto.errors import UserError
from jobauto.quoting import shown
from jobauto.sweep.numbers import Value, written
from jobauto.sweep.planning import Plan, plan

WIDTH = 100
Units = Mapping[str, str]


def as_toml(data: Mapping[str, Any], head: Sequence[str] = (), units: Units | None = None) -> str:
    """`data`, of the form that `spec.Spec` reads, below comments; units stand behind what varies.

    Tables must be `variables`, `vary` and `repeat`; texts must be printable.
    """
    blocks = ["\n".join(f"# {shown(line)}" for line in head)] if head else []
    tables = ("variables", "vary", "repeat")
    blocks.append("\n".join(_lines({k: v for k, v in data.items() if k not in tables}, {})))
    for name, table in data.get("variables", {}).items():
        blocks.append("\n".join([f"[variables.{name}]", *_lines(table, {})]))
    for group in data.get("vary", ()):
        blocks.append("\n".join(["[[vary]]", *_lines(group, units or {})]))
    if "repeat" in data:
        blocks.append("\n".join(["[repeat]", *_lines(data["repeat"], {})]))
    return "\n\n".join(blocks) + "\n"


def _lines(table: Mapping[str, Any], units: Units) -> Iterator[str]:
    for key, value in table.items():
        unit = units.get(key) if isinstance(value, list | dict) else None
        line = f"{key} = {_value(value)}"
        if isinstance(value, list) and len(line) > WIDTH:
            line = f"{key} = [\n{_rows(value)}\n]"
        yield f"{line}    # {shown(unit)}" if unit else line


def _value(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_scalar, value))}]"
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{key} = {_scalar(one)}' for key, one in value.items())} }}"
    return _scalar(value)


def _rows(values: Sequence[Value]) -> str:
    """The values of a long list, some in each line."""
    rows = [""]
    for text in map(_scalar, values):
        if rows[-1] and len(rows[-1]) + len(text) > WIDTH - 8:
            rows.append("")
        rows[-1] += f" {text}," if rows[-1] else f"    {text},"
    return "\n".join(rows)


def _scalar(value: Value) -> str:
    # without control characters a text of JSON is one of TOML
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else written(value)


def write(text: str, file: Path) -> Plan:
    """Write a sweep's file and plan it. UserError if it exists or cannot be planned; then, as after
    any other exception, nothing is left of it.
    """
    try:
        opened = file.open("x", encoding="utf-8")
    except FileExistsError:
        raise UserError(f"{file} is there already", hint="choose another name") from None
    except OSError as error:
        raise UserError(f"cannot be written: {error.strerror}", str(file)) from None
    try:
        with opened:
            opened.write(text)
        return plan(file)
    except BaseException as error:
        file.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise UserError(f"{error.strerror or error}", str(error.filename or file)) from None
        raise
