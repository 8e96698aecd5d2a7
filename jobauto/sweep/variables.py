"""The variables of a sweep: what values they may take, from tables of TOML or a table in CSV."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from jobauto.errors import UserError, near
from jobauto.quoting import shown
from jobauto.sweep.fields import scalar
from jobauto.sweep.numbers import Value, sane, written
from jobauto.sweep.spec import Declared

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
RESERVED = ("n", "name", "repeat")  # of templates, and columns of sweep.csv
_RANGE = re.compile(r"\s*(\S+?)\s*\.\.\s*(\S+)\s*|\s*(>=|<=|>|<)\s*(\S+)\s*")
_KINDS = {"int": "a whole number", "float": "a number", "text": "a text", "bool": "true or false"}
_TYPES = {"str": "text", "string": "text", "integer": "int", "real": "float", "boolean": "bool"}
_NONE = ("", "none")


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable: `allowed` values, or limits (value, whether it is itself allowed)."""

    name: str
    type: str
    where: str
    default: Value | None = None
    allowed: tuple[Value, ...] = ()
    low: tuple[Decimal, bool] | None = None
    high: tuple[Decimal, bool] | None = None
    unit: str = ""
    help: str = ""

    def checked(self, value: Value, where: str | None = None) -> Value:
        """The value, as this variable's type has it; UserError if it is not allowed."""
        right = _as_type(value, self.type)
        if right is None:
            what = f"{self.name} = {_said(value)} is not {_KINDS[self.type]}"
            hint = f'or write type = "{_guess(value)}" for {self.name}'
            raise UserError(what, where or self.where, hint)
        if not self._allows(right):
            what = f"{self.name} = {_said(right)} is not allowed ({self.limits()})"
            words = [written(one) for one in self.allowed]
            close = near(written(right), words) if words and self.type == "text" else None
            raise UserError(what, where or self.where, close)
        return right

    def _allows(self, value: Value) -> bool:
        if self.allowed:
            return value in self.allowed
        if isinstance(value, str | bool):
            return True
        above = self.low is None or value > self.low[0] or (self.low[1] and value == self.low[0])
        below = (
            self.high is None or value < self.high[0] or (self.high[1] and value == self.high[0])
        )
        return above and below

    def limits(self) -> str:
        """What is allowed, in words for a person, with the unit."""
        if self.allowed:
            return "allowed: " + ", ".join(written(one) for one in self.allowed)
        low = f"{'from' if self.low[1] else 'above'} {self.low[0]}" if self.low else ""
        high = f"{'up to' if self.high[1] else 'below'} {self.high[0]}" if self.high else ""
        return " ".join(word for word in ("allowed:", low, high, self.unit) if word)


def made(name: str, declared: Declared, where: str) -> Variable:
    """A variable as it was declared; UserError if that contradicts itself."""
    if not NAME.fullmatch(name) or name in RESERVED:
        what = f"{shown(repr(name))} cannot name a variable"
        hint = f"letters, digits and _, not first a digit, and not {', '.join(RESERVED)}"
        raise UserError(what, where, hint)
    values, low, high = _limits(name, declared, where)
    example = declared.default if declared.default is not None else next(iter(values), low or high)
    if isinstance(example, tuple):
        example = example[0]
    if declared.type is None and example is None:
        raise UserError(f"{name} has neither type nor default", where, 'add type = "float"')
    kind = declared.type or _guess("" if example is None else example)
    bare = Variable(name, kind, where)
    allowed = tuple(bare.checked(value) for value in values)
    if (low or high) and kind not in ("int", "float"):
        raise UserError(f"{name} is {_KINDS[kind]}: it has no range", where, "allowed = [...]")
    if low and high and (low[0] > high[0] or (low[0] == high[0] and not (low[1] and high[1]))):
        raise UserError(f"{name}: nothing lies between {low[0]} and {high[0]}", where)
    variable = Variable(name, kind, where, None, allowed, low, high, declared.unit, declared.help)
    if declared.default is None:
        return variable
    default = variable.checked(declared.default)
    return Variable(name, kind, where, default, allowed, low, high, declared.unit, declared.help)


Limit = tuple[Decimal, bool] | None


def _limits(name: str, declared: Declared, where: str) -> tuple[tuple[Value, ...], Limit, Limit]:
    low = (declared.min, True) if declared.min is not None else None
    high = (declared.max, True) if declared.max is not None else None
    if isinstance(declared.allowed, tuple):
        if low or high:
            raise UserError(f"{name} has a list of allowed values, and a range", where)
        return declared.allowed, None, None
    for part in filter(str.strip, re.split(r"[|;]", declared.allowed)):
        found = _RANGE.fullmatch(part)
        if not found:
            words = re.split(r"[|;]", declared.allowed)
            return tuple(guessed(word, declared.type) for word in words), low, high
        first, last, sign, limit = found.groups()
        if first:
            low, high = (_number(first, name, where), True), (_number(last, name, where), True)
        elif sign[0] == ">":
            low = (_number(limit, name, where), "=" in sign)
        else:
            high = (_number(limit, name, where), "=" in sign)
    return (), low, high


def _number(text: str, name: str, where: str) -> Decimal:
    try:
        found = Decimal(text)
    except InvalidOperation:
        found = Decimal("nan")
    if not sane(found):
        hint = "for example 0..1, >0, >=0, <5, a|b|c"
        raise UserError(f"{name}: {shown(repr(text))} is no number", where, hint)
    return found


def guessed(text: str, kind: str | None) -> Value:
    """A value from a table of texts: of this type if it looks so, else of the type it looks like.

    ValueError if it can be no value of anything.
    """
    text = text.strip()
    if kind != "text":
        if text.lower() in ("true", "false"):
            return text.lower() == "true"
        if re.fullmatch(r"[+-]?\d{1,50}", text) and kind != "float":
            return int(text)
        if re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,4})?", text):
            return scalar(Decimal(text))
    return scalar(text)


def _guess(value: Value) -> str:
    if isinstance(value, bool):
        return "bool"
    return "int" if isinstance(value, int) else "float" if isinstance(value, Decimal) else "text"


def _as_type(value: Value, kind: str) -> Value | None:
    if kind in ("bool", "text"):
        return value if _guess(value) == kind else None
    if isinstance(value, bool | str):
        return None
    if kind == "float":
        return Decimal(value)
    return int(value) if value == int(value) else None


def _said(value: Value) -> str:
    return repr(value) if isinstance(value, str) else written(value)


# --- a table in CSV


def from_csv(file: Path) -> dict[str, Variable]:
    """Variables of a table with the columns name, value, type, allowed, unit, help.

    Names with other signs than letters, digits and _ get a _ for them. Rows without a name are
    passed over, and so are those of a table with a column `Is Var?` that say False there.
    """
    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            reader = csv.reader(opened)
            head = [_column(cell) for cell in next(reader, [])]
            rows = [(f"{file}:{reader.line_num}", row) for row in reader if any(row)]
    except (OSError, ValueError, csv.Error) as error:
        raise UserError(f"cannot be read: {error}", str(file)) from None
    for column in ("name", "value"):
        if column not in head:
            hint = "name,value,type,allowed,unit,help"
            raise UserError(f"there is no column {column!r}", f"{file}:1", hint)
    found: dict[str, Variable] = {}
    for where, cells in rows:
        row = dict(zip(head, (cell.strip() for cell in cells), strict=False))
        if row.get("name", "").lower() in _NONE or row.get("is_var", "").lower() == "false":
            continue
        name = re.sub(r"\W+", "_", row["name"], flags=re.ASCII).strip("_")
        if name in found:
            raise UserError(f"{name} stands twice", where, f"first at {found[name].where}")
        found[name] = _from_row(name, row, where)
    return found


def _column(cell: str) -> str:
    name = re.sub(r"\W+", "_", cell.strip().lower()).strip("_")
    return {"allowed_values": "allowed", "default": "value"}.get(name, name)


def _from_row(name: str, row: Mapping[str, str], where: str) -> Variable:
    cells = {key: "" if text.lower() in _NONE else text for key, text in row.items()}
    kind = _TYPES.get(cells.get("type", "").lower(), cells.get("type", "").lower())
    if kind and kind not in _KINDS:
        raise UserError(f"{name}: {kind!r} is no type", where, near(kind, _KINDS))
    if kind == "bool" and cells["value"] in ("0", "1"):  # a program that wants these
        kind, cells["allowed"] = "int", "0|1"
    given: dict[str, Any] = {key: cells.get(key, "") for key in ("allowed", "unit", "help")}
    try:
        default = guessed(cells["value"], kind) if cells.get("value", "") else None
        declared = Declared.model_validate({"type": kind or None, "default": default, **given})
        return made(name, declared, where)
    except ValueError as error:
        raise UserError(f"{name} = {shown(repr(cells['value']))}: {error}", where) from None


def unknown(name: str, known: Iterable[str], where: str, value: object = "") -> UserError:
    """The error for a variable that nobody declared."""
    said = f" (its value here: {value})" if value != "" else ""
    return UserError(f"there is no variable {shown(repr(name))}{said}", where, near(name, known))
