"""The file of a sweep: its tables, as written, and what is wrong with them."""

from __future__ import annotations

import re
import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, Field, PlainValidator, ValidationError, model_validator

from jobauto.errors import UserError, near
from jobauto.quoting import shown
from jobauto.sweep.fields import Names, Number, Scalar, Table, as_tuple, scalar
from jobauto.sweep.numbers import LARGEST, Value, steps
from jobauto.sweep.results import Metric, Plot

Model = TypeVar("Model", bound=BaseModel)
_SETTINGS = ("sample", "number", "seed")


def _allowed(value: Any) -> str | tuple[Value, ...]:
    if isinstance(value, str):
        return value
    if not isinstance(value, list | tuple) or not value:
        raise ValueError("a list of values, or a text such as '0..1', belongs here")
    return tuple(scalar(one) for one in value)


class Declared(Table):
    """[variables.NAME], or a row of a table of variables."""

    type: Literal["int", "float", "text", "bool"] | None = None
    unit: str = ""
    default: Scalar | None = None
    min: Number | None = None
    max: Number | None = None
    allowed: Annotated[str | tuple[Value, ...], PlainValidator(_allowed)] = ""
    help: str = ""


class Axis(Table):
    """The values of one variable: a list, or a range."""

    values: tuple[Scalar, ...] = Field((), min_length=1, max_length=LARGEST)
    start: Number | None = None
    end: Number | None = None
    step: Number | None = None
    number: int | None = Field(None, ge=1, le=LARGEST)
    scale: Literal["linear", "log"] = "linear"

    @model_validator(mode="before")
    @classmethod
    def _list_or_range(cls, data: Any) -> Any:
        if isinstance(data, list):
            return {"values": tuple(data)}
        if not isinstance(data, dict) or "values" in data:
            raise ValueError("a list [...] or a range { start = ..., end = ... } belongs here")
        return data

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.values:
            return self
        start, end = self.start, self.end
        if start is None or end is None:
            raise ValueError("a range has start and end")
        if self.scale == "log" and not (start > 0 and end > 0):
            raise ValueError("start and end of a logarithmic range are above 0")
        if self.step is not None and self.number is not None:
            raise ValueError("either step or number")
        if self.step is not None and self.scale == "log":
            raise ValueError("a logarithmic range has a number, no step")
        if self.number == 1 and start != end:
            raise ValueError("one number does not lead from start to end")
        if self.step is not None and (self.step == 0 or not steps(start, end, self.step)):
            raise ValueError(
                f"step does not lead from start to end, or makes over {LARGEST} values"
            )
        return self


class Group(Table):
    """[[vary]]: variables that vary together, or a sample of all their values."""

    sample: Literal["latin", "random"] | None = None
    number: int | None = Field(None, ge=1, le=LARGEST)
    seed: int = Field(0, ge=0, lt=2**32)
    variables: dict[str, Axis] = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _sorted_out(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        given = {k: v for k, v in data.items() if k in _SETTINGS and not isinstance(v, list | dict)}
        return {**given, "variables": {k: v for k, v in data.items() if k not in given}}

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.sample and self.number is None:
            raise ValueError(f'sample = "{self.sample}" needs a number of points')
        if not self.sample and (self.number is not None or "seed" in self.model_fields_set):
            raise ValueError('number and seed belong to sample = "latin" or "random"')
        for name, axis in self.variables.items():
            chosen = axis.step is not None or axis.number is not None
            if not axis.values and chosen == bool(self.sample):
                needs = "start and end only, in a sample" if chosen else "a step or a number"
                raise ValueError(f"{name}: a range has {needs}")
        return self


class Repeat(Table):
    """[repeat]: each point so many times; `variable` gets first, first + 1, ..."""

    number: int = Field(ge=1, le=LARGEST)
    variable: str = ""
    first: int = 1


class Spec(Table):
    """The whole file. `table` is the name of a CSV table of variables."""

    description: str = ""
    template: str = Field(min_length=1)
    main_file: str = ""
    outputs: Names = ()
    table: str = Field("", exclude=True)
    variables: dict[str, Declared] = {}
    vary: tuple[Group, ...] = ()
    repeat: Repeat | None = None
    put: dict[str, dict[str, str]] = {}
    metrics: dict[str, Metric] = {}
    plots: tuple[Plot, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _table_apart(cls, data: dict[str, Any]) -> dict[str, Any]:
        if "table" in data:
            raise ValueError("unknown key 'table': did you mean variables?")
        lists = ("vary", "plots")
        given = {key: as_tuple(v) if key in lists else v for key, v in data.items()}
        if isinstance(data.get("variables"), str):
            return {**given, "table": data["variables"], "variables": {}}
        return given


def read(file: Path) -> tuple[Spec, str]:
    """A sweep's file and its text; UserError with file and line for what is wrong."""
    try:
        text = file.read_text(encoding="utf-8")
        data = tomllib.loads(text, parse_float=Decimal)
    except OSError as error:
        raise UserError(f"cannot be read: {error.strerror}", str(file)) from error
    except (ValueError, ArithmeticError, RecursionError) as error:
        raise UserError(f"no TOML: {error}", str(file)) from None
    return validated(Spec, data, file, text), text


def validated(model: type[Model], data: Any, file: Path, text: str) -> Model:
    """`data` as a model; UserError names the key and its value, and near keys."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise _explained(model, error, file, text) from None


def _explained(model: type[BaseModel], error: ValidationError, file: Path, text: str) -> UserError:
    first = error.errors()[0]
    keys = [str(key) for key in first["loc"] if key not in ("variables", "values")]
    name = ".".join(keys) or "the file"
    varies = keys[:1] == ["vary"] and len(keys) > 2
    place = where_varied(file, text, keys[2]) if varies else where(file, text, *keys)
    if first["type"] == "extra_forbidden":
        return UserError(f"unknown key {shown(name)}", place, near(keys[-1], _known(model, first)))
    if first["type"] == "missing":
        return UserError(f"{name} is missing", place)
    what = first["msg"].removeprefix("Value error, ")
    was = "" if isinstance(first["input"], dict) else f" (it was {_shortly(first['input'])})"
    return UserError(f"{shown(name)}: {what}{was}", place)


def _shortly(value: Any) -> str:
    text = shown(str(value) if isinstance(value, Decimal) else repr(value))
    return text if len(text) < 80 else f"{text[:76]} ..."


def _known(model: type[BaseModel], first: Any) -> list[str]:
    tables: dict[Any, type[BaseModel]] = {"repeat": Repeat, "variables": Declared}
    tables.update(metrics=Metric, plots=Plot)
    top, deep = first["loc"][0], len(first["loc"])
    if top == "vary":
        return list((Axis if deep > 3 else Group).model_fields)
    if deep > 1 and top in tables:
        return list(tables[top].model_fields)
    return [name for name in model.model_fields if name != "table"]


def where(file: Path, text: str, *keys: str) -> str:
    """`file:line` of the deepest key that begins a line or stands in the head of a table."""
    begin = _table(text, keys)
    for key in reversed([key for key in keys if not key.isdigit()]):
        name = re.escape(key)
        line = re.compile(rf"^\s*(\[.*\b)?[\"']?{name}[\"']?\s*[=\]]", re.MULTILINE)
        found = line.search(text, begin)
        if found:
            return f"{file}:{text.count(chr(10), 0, found.end()) + 1}"
    return str(file)


def _table(text: str, keys: tuple[str, ...]) -> int:
    """Where [metrics.NAME] or the [[plots]] of this number begins; 0 for other keys."""
    if len(keys) < 2 or keys[0] not in ("metrics", "plots"):
        return 0
    name, number = (r"\[plots", int(keys[1])) if keys[0] == "plots" else (_quoted(keys[1]), 0)
    found = list(re.finditer(rf"^[ \t]*\[{name}\s*\]", text, re.MULTILINE))
    return found[number].start() if number < len(found) else 0


def _quoted(name: str) -> str:
    return rf"\s*metrics\s*\.\s*[\"']?{re.escape(name)}[\"']?"


def where_varied(file: Path, text: str, name: str) -> str:
    """`file:line` of the first line `name = ...` behind the first [[vary]], or just the file."""
    begin = text.find("[[vary]]")
    found = re.compile(rf"^\s*{re.escape(name)}\s*=", re.MULTILINE).search(text, max(begin, 0))
    return f"{file}:{text.count(chr(10), 0, found.end()) + 1}" if found else str(file)
