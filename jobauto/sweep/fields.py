"""What may stand in the file of a sweep: tables without unknown keys, values, numbers, texts."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainValidator

from jobauto.sweep.numbers import Value, sane


def scalar(value: Any) -> Value:
    """A value as TOML has it; ValueError for tables, dates, and numbers that none can compute."""
    if not isinstance(value, bool | int | Decimal | str):
        raise ValueError("a number, a text, true or false belongs here")
    if isinstance(value, int | Decimal) and not isinstance(value, bool) and not sane(value):
        raise ValueError("this number is not finite, too long or too large")
    if isinstance(value, str) and not value.isprintable():
        raise ValueError("there are control characters in this text")
    return value


def number(value: Any) -> Decimal:
    """A number of a range; ValueError for all else."""
    if isinstance(value, bool | str):
        raise ValueError("a number belongs here")
    return Decimal(scalar(value))


def as_tuple(value: Any) -> Any:
    """A list of TOML as a tuple; anything else as it is."""
    return tuple(value) if isinstance(value, list) else value


Scalar = Annotated[Value, PlainValidator(scalar)]
Number = Annotated[Decimal, PlainValidator(number)]
Names = Annotated[tuple[str, ...], BeforeValidator(as_tuple)]


class Table(BaseModel):
    """A table of TOML in which only known keys may stand."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
