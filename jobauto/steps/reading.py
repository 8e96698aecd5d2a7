"""Reading a service file, and JSON files of parameters."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from jobauto.errors import UserError, near, raise_all
from jobauto.quoting import shown
from jobauto.steps.service import Done, Download, Retry, Service, Stamp, Step

_TABLES: dict[str, type[BaseModel]] = {
    **{"done": Done, "download": Download, "retry": Retry, "state": Stamp},
}


def read_service(file: Path) -> Service:
    """The service that a file describes; UserError with its place for each mistake."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise UserError(f"cannot be read: {error}", shown(str(file))) from None
    try:
        data = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        line = re.search(r"line (\d+)", str(error))
        place = shown(str(file)) + (f":{line[1]}" if line else "")
        raise UserError(f"not valid TOML: {error}", place) from None
    try:
        return Service.model_validate(data)
    except ValidationError as error:
        problems = [_problem(file, text, dict(one)) for one in error.errors()]
        raise_all(list({str(problem): problem for problem in problems}.values()))
        raise


def _problem(file: Path, text: str, error: dict[str, Any]) -> UserError:
    parts = [str(part) for part in error["loc"]]
    place = f"{shown(str(file))}:{_line(text, parts)}"
    key = ".".join(part for part in parts if not part.startswith(("function-", "tuple[")))
    if error["type"] == "extra_forbidden":
        return UserError(f"unknown key {shown(key)}", place, near(parts[-1], _known(parts)))
    if error["type"] == "missing":
        return UserError(f"{shown(key)} is missing", place)
    said = error["msg"].removeprefix("Value error, ")
    return UserError(": ".join(filter(None, [shown(key), shown(said)])), place)


def _known(parts: list[str]) -> list[str]:
    """The keys that may stand in the table in which the last of `parts` does."""
    table: type[BaseModel] = Service
    if parts[0] == "steps" and len(parts) == 3:
        table = Step
    elif len(parts) > 1:
        named = [part for part in parts[:-1] if part in _TABLES]
        table = _TABLES[named[-1]] if named else Step
    return [field.alias or name for name, field in table.model_fields.items()]


def _line(text: str, parts: list[str]) -> int:
    """The line of a key, or of the last table on the way to it that has one; 1 if there is none."""
    lines, found = text.splitlines(), 0
    for part in parts:
        if part.isdigit():
            continue
        name = rf"[\"']?{re.escape(part)}[\"']?"
        wanted = re.compile(rf"\s*\[+([^\]]*\.)?{name}[.\]]|(.*[{{,\s])?{name}\s*=")
        for number in range(found, len(lines)):
            if not lines[number].lstrip().startswith("#") and wanted.match(lines[number]):
                found = number
                break
    return found + 1


def read_json(file: Path) -> dict[str, Any]:
    """The table of parameters in a JSON file; UserError for anything else."""

    def refuse(text: str) -> Any:
        raise ValueError(f"{text} is no number of JSON")

    try:
        found = json.loads(file.read_text(encoding="utf-8"), parse_constant=refuse)
        json.dumps(found, allow_nan=False)
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"not valid JSON: {error}", shown(str(file))) from None
    if not isinstance(found, dict):
        raise UserError("not an object with keys and values", shown(str(file)), '{"key": 1}')
    return found
