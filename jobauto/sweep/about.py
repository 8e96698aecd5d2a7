"""What is known of the variables only while a sweep is planned, kept for its results."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Literal, cast

from pydantic import TypeAdapter

from jobauto.errors import UserError
from jobauto.sweep.numbers import Value, written
from jobauto.sweep.points import varied
from jobauto.sweep.spec import Spec
from jobauto.sweep.variables import Variable

FILE = "sweep.json"
Kind = Literal["int", "float", "text", "bool"]


@dataclass(frozen=True, slots=True)
class About:
    """A variable: whether it `varies` from point to point, and is `sampled` (no grid)."""

    type: Kind
    unit: str = ""
    help: str = ""
    varies: bool = False
    sampled: bool = False

    def value(self, text: str) -> Value:
        """A value as sweep.csv has it; ValueError if it is not of this type."""
        if self.type == "text":
            return text
        if self.type == "int":
            return int(text)
        if self.type == "bool":
            return {"true": True, "false": False}[text]
        return Decimal(text)


Abouts = Mapping[str, About]


def about(spec: Spec, variables: Mapping[str, Variable]) -> dict[str, About]:
    """All variables of a sweep, in the order of the columns of sweep.csv."""
    vary = varied(spec)
    sampled = {name for group in spec.vary if group.sample for name in group.variables}
    return {
        name: About(cast(Kind, one.type), one.unit, one.help, name in vary, name in sampled)
        for name, one in variables.items()
    }


def as_text(found: Abouts) -> str:
    """The text of sweep.json."""
    tables = {name: asdict(one) for name, one in found.items()}
    return json.dumps({"variables": tables}, indent=1, ensure_ascii=False) + "\n"


def read(file: Path) -> dict[str, About]:
    """The variables that sweep.json tells of; UserError if it cannot be read."""
    try:
        text = file.read_text(encoding="utf-8")
        found = TypeAdapter(dict[str, dict[str, About]]).validate_json(text)
        return found["variables"]
    except OSError as error:
        hint = "jobauto sweep writes it beside sweep.csv: make the sweep with this version"
        raise UserError(f"cannot be read: {error.strerror}", str(file), hint) from None
    except (ValueError, KeyError) as error:
        raise UserError(f"cannot be read: {error}", str(file)) from None


def typed(one: About, text: str, where: str) -> Value:
    """A cell of sweep.csv as a value; UserError if it is none of this type."""
    try:
        return one.value(text)
    except (ValueError, KeyError, InvalidOperation):
        raise UserError(f"{text!r} is not of the type {one.type}", where) from None


def same(one: Value, other: Value) -> bool:
    """Whether two values are equal; true is not 1."""
    return isinstance(one, bool) == isinstance(other, bool) and one == other


def said(name: str, value: Value, found: Abouts) -> str:
    """`temperature = 300 K`."""
    unit = found[name].unit if name in found else ""
    return f"{name} = {written(value)} {unit}".rstrip()
