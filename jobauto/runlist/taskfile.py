"""A task file: the options under their long names, in TOML or YAML, with $VARIABLES."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jobauto.errors import UserError
from jobauto.quoting import shown
from jobauto.runlist.task import ALSO

_VARIABLE = re.compile(r"\$(?:\$|(\w+)|\{(\w+)\})", re.ASCII)
ENDINGS = (".toml", ".yaml", ".yml")


def read(file: Path, environment: Mapping[str, str] = os.environ) -> dict[str, tuple[Any, str]]:
    """Keys with `_`, their values with variables replaced, and `file:line` of each.

    UserError for what cannot be read and for a variable that is not set. `$$` is a dollar.
    """
    if file.suffix not in ENDINGS:
        hint = f"its name ends in {', '.join(ENDINGS)}"
        raise UserError("not a task file", shown(str(file)), hint)
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise UserError(f"cannot be read: {error}", shown(str(file))) from None
    data = _toml(file, text) if file.suffix == ".toml" else _yaml(file, text)
    if not isinstance(data, dict):
        raise UserError("no table of keys and values", shown(str(file)), "task: NAME")
    found: dict[str, tuple[Any, str]] = {}
    for written, value in data.items():
        key = str(written).replace("-", "_")
        key, where = ALSO.get(key, key), _where(file, text, str(written))
        if key in found:
            raise UserError(f"{shown(key)} stands twice", where, f"first at {found[key][1]}")
        found[key] = _expanded(value, file, text, environment), where
    return found


def _toml(file: Path, text: str) -> Any:
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        line = re.search(r"line (\d+)", str(error))
        place = shown(str(file)) + (f":{line[1]}" if line else "")
        raise UserError(f"not valid TOML: {error}", place) from None


def _yaml(file: Path, text: str) -> Any:
    try:
        import yaml
    except ImportError:
        hint = "pip install 'jobauto[runlist]', or write it as .toml"
        raise UserError("YAML needs a package that is not here", shown(str(file)), hint) from None
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        place = shown(str(file)) + (f":{mark.line + 1}" if mark else "")
        what = getattr(error, "problem", None) or str(error)
        raise UserError(f"not valid YAML: {shown(what)}", place) from None


def _expanded(value: Any, file: Path, text: str, environment: Mapping[str, str]) -> Any:
    if isinstance(value, list):
        return [_expanded(one, file, text, environment) for one in value]
    if not isinstance(value, str):
        return value

    def one(found: re.Match[str]) -> str:
        name = found[1] or found[2]
        if name is None:
            return "$"
        if name not in environment:
            line = _line(text, re.escape(found[0]) + r"(?!\w)")
            place = f"{shown(str(file))}:{line}"
            hint = f"export {name}=..., or write $$ for a dollar sign"
            raise UserError(f"the variable {name} is not set", place, hint)
        return environment[name]

    return _VARIABLE.sub(one, value)


def _where(file: Path, text: str, key: str) -> str:
    pattern = r"^[ \t{]*[\"']?" + re.escape(key) + r"[\"']?\s*[=:]"
    return f"{shown(str(file))}:{_line(text, pattern)}"


def _line(text: str, pattern: str) -> int:
    """The number of the first line, comments apart, with this pattern; 1 if there is none."""
    lines = [(n, s) for n, s in enumerate(text.splitlines(), 1) if s.lstrip()[:1] != "#"]
    return next((number for number, line in lines if re.search(pattern, line)), 1)
