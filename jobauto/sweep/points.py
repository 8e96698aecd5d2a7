"""The points of a sweep: groups of variables multiplied, and repeated. Pure."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from jobauto.errors import UserError
from jobauto.sweep import sampling
from jobauto.sweep.numbers import LARGEST, Value, along, spread, stepped, steps, written
from jobauto.sweep.spec import Axis, Group, Spec
from jobauto.sweep.variables import Variable, unknown

Variables = Mapping[str, Variable]
Where = Mapping[str, str]
_EVENLY = Decimal(1)


@dataclass(frozen=True, slots=True)
class Point:
    """The values of all variables, and which repeat of them this is (1, 2, ...)."""

    values: Mapping[str, Value]
    repeat: int

    def texts(self) -> dict[str, str]:
        """All values as they are written, and `repeat`."""
        texts = {name: written(value) for name, value in self.values.items()}
        return {**texts, "repeat": str(self.repeat)}


def varied(spec: Spec) -> list[str]:
    """The variables that take values of their own, in order, without those of the repeats."""
    return [name for group in spec.vary for name in group.variables]


def count(spec: Spec, file: str) -> int:
    """How many points there will be; UserError if too many, or unequal lists in one group."""
    number = math.prod(_length(group, file) for group in spec.vary)
    number *= spec.repeat.number if spec.repeat else 1
    if number > LARGEST:
        hint = 'a sample of fewer points: sample = "latin"'
        raise UserError(f"{number} points are too many (at most {LARGEST})", file, hint)
    return number


def points(spec: Spec, variables: Variables, where: Where, file: str) -> list[Point]:
    """All points in order, the last group fastest; UserError for what is not allowed or equal.

    `where` says where in the file a variable varies.
    """
    _check_names(spec, variables, where, file)
    groups = [_group(group, variables, where) for group in spec.vary]
    fixed = {name: variable.default for name, variable in variables.items()}
    found = []
    for rows in itertools.product(*groups):
        values = {**fixed, **{name: value for row in rows for name, value in row.items()}}
        found += [Point(one, n) for n, one in _repeats(spec, variables, values, where)]
    _check_equal(spec, found, file)
    return found


def _length(group: Group, file: str) -> int:
    if group.sample:
        return group.number or 0
    lengths = {name: _axis_length(axis) for name, axis in group.variables.items()}
    if len(set(lengths.values())) > 1:
        said = ", ".join(f"{name} has {number}" for name, number in lengths.items())
        hint = "variables of one [[vary]] vary together; give each a [[vary]] of its own"
        raise UserError(f"unequal numbers of values in one group: {said}", file, hint)
    return next(iter(lengths.values()))


def _axis_length(axis: Axis) -> int:
    if axis.values:
        return len(axis.values)
    if axis.step is not None:
        return steps(Decimal(axis.start or 0), Decimal(axis.end or 0), axis.step) or 0
    return axis.number or 0


def _check_names(spec: Spec, variables: Variables, where: Where, file: str) -> None:
    names = varied(spec)
    again = spec.repeat.variable if spec.repeat else ""
    for name in [*names, *([again] if again else [])]:
        if name not in variables:
            raise unknown(name, variables, where.get(name, file), _first(spec, name))
        if [*names, again].count(name) > 1:
            hint = "leave it in one group only"
            raise UserError(f"{name} varies twice", where.get(name, file), hint)
    for name, variable in variables.items():
        if variable.default is None and name not in (*names, again):
            hint = "give it a default, or let it vary"
            raise UserError(f"{name} has no value", variable.where, hint)


def _first(spec: Spec, name: str) -> object:
    for group in spec.vary:
        if axis := group.variables.get(name):
            return written(axis.values[0]) if axis.values else axis.start
    return ""


def _group(group: Group, variables: Variables, where: Where) -> list[dict[str, Value]]:
    if group.sample:
        rows = sampling.rows(group.sample, group.number or 0, len(group.variables), group.seed)
        columns = list(zip(*rows, strict=True))
    else:
        columns = [()] * len(group.variables)
    values = {
        name: _checked(name, _values(axis, variables[name], column), variables, where)
        for (name, axis), column in zip(group.variables.items(), columns, strict=True)
    }
    return [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]


def _checked(name: str, values: list[Value], variables: Variables, where: Where) -> list[Value]:
    return [variables[name].checked(value, where.get(name)) for value in values]


def _values(axis: Axis, variable: Variable, column: tuple[float, ...]) -> list[Value]:
    if axis.values:
        chosen = [axis.values[int(part * len(axis.values))] for part in column]
        return chosen if column else list(axis.values)
    start, end = Decimal(axis.start or 0), Decimal(axis.end or 0)
    log = axis.scale == "log"
    if axis.step is not None:
        return list(stepped(start, axis.step, _axis_length(axis)))
    whole = variable.type == "int"
    if column:
        return _sampled(start, end, log, whole, column)
    values = spread(start, end, log, axis.number or 0)
    return [round(value) for value in values] if whole and log else list(values)


def _sampled(
    start: Decimal, end: Decimal, log: bool, whole: bool, column: tuple[float, ...]
) -> list[Value]:
    if not whole:
        at = along(start, end, log)
        return [at(Decimal(part)) for part in column]
    # a whole number takes the same share of the range as any other one between the ends
    low, high = math.ceil(min(start, end)), math.floor(max(start, end))
    if log:
        at = along(Decimal(low), Decimal(high) + _EVENLY, True)
        return [min(math.floor(at(Decimal(part))), high) for part in column]
    return [low + math.floor(Decimal(part) * (high - low + 1)) for part in column]


def _repeats(
    spec: Spec, variables: Variables, values: dict[str, Value | None], where: Where
) -> Iterator[tuple[int, dict[str, Value]]]:
    whole = {name: value for name, value in values.items() if value is not None}
    repeat = spec.repeat
    if repeat is None or not repeat.variable:
        yield from ((n, whole) for n in range(1, (repeat.number if repeat else 1) + 1))
        return
    order = list(values)
    for n in range(repeat.number):
        name = repeat.variable
        value = variables[name].checked(repeat.first + n, where.get(name))
        both = {**whole, name: value}
        yield n + 1, {key: both[key] for key in order}


def _check_equal(spec: Spec, found: list[Point], file: str) -> None:
    names, seen = varied(spec), set()
    for point in found:
        key = (*(point.values[name] for name in names), point.repeat)
        if key in seen:
            said = ", ".join(f"{name} = {written(point.values[name])}" for name in names)
            hint = "take one away; for the same again there is [repeat]"
            raise UserError(f"two jobs are equal: {said}", file, hint)
        seen.add(key)
