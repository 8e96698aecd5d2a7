"""A sweep that a person puts together answer by answer; each is checked at once."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from jobauto import templates
from jobauto.errors import UserError
from jobauto.sweep.fields import number
from jobauto.sweep.numbers import Value, written
from jobauto.sweep.planning import variables_of
from jobauto.sweep.points import Point, count, points
from jobauto.sweep.spec import Group, Repeat, Spec, validated
from jobauto.sweep.variables import Variable, guessed
from jobauto.sweep.writing import as_toml
from jobauto.templates import Template

SAMPLES = {5: "random", 6: "latin"}  # of the ways to vary


@dataclass
class Draft:
    """What was answered. `source` is the template as it was named; `axes` are as in [[vary]];
    `how` has the number of the way in which a variable varies.
    """

    source: str
    template: Template
    known: dict[str, Variable] = field(default_factory=dict)
    main_file: str = ""
    varied: list[str] = field(default_factory=list)
    how: dict[str, int] = field(default_factory=dict)
    axes: dict[str, Any] = field(default_factory=dict)
    lengths: dict[str, int] = field(default_factory=dict)
    samples: dict[str, dict[str, Any]] = field(default_factory=dict)
    joined: list[list[str]] = field(default_factory=list)
    repeat: dict[str, Any] = field(default_factory=dict)
    fixed: dict[str, Value] = field(default_factory=dict)

    @classmethod
    def of(cls, source: str) -> Draft:
        """Of a template's name or folder; UserError if it has no variables, or cannot be read."""
        try:
            template = templates.find(source)
        except (OSError, ValueError) as error:
            raise UserError(f"cannot be read: {error}", source) from None
        known = variables_of(_spec(source), template, template.folder, "")
        if not known:
            raise UserError(f"template {template.name} has no variables")
        return cls(source, template, known)

    def row(self, name: str) -> tuple[str, str, str, str, str]:
        """Name, value, unit, type and what is allowed."""
        variable, value = self.known[name], self.value(name)
        has_limits = variable.allowed or variable.low or variable.high
        limits = replace(variable, unit="").limits().removeprefix("allowed: ") if has_limits else ""
        text = "" if value is None else written(value)
        return name, text, variable.unit, variable.type, limits

    def value(self, name: str) -> Value | None:
        """The value that a variable has if it does not vary."""
        return self.fixed.get(name, self.known[name].default)

    def vary(self, names: list[str]) -> None:
        """Let these vary; all that was said about values is forgotten."""
        self.varied, self.how, self.axes, self.lengths = names, {}, {}, {}
        self.samples, self.joined = {}, []

    def take(self, name: str, axis: Any) -> None:
        """The values of a variable; UserError if they are not allowed."""
        sampled = {"sample": "random", "number": 1} if self.how[name] in SAMPLES else {}
        self.lengths[name] = len(checked({**sampled, name: axis}, self.known))
        self.axes[name], self.joined = axis, []

    def sampled(self) -> dict[str, list[str]]:
        """The kinds of samples that there are, and their variables."""
        found: dict[str, list[str]] = {}
        for name in self.varied:
            if kind := SAMPLES.get(self.how.get(name, 0)):
                found.setdefault(kind, []).append(name)
        return found

    def draw(self, sample: str, number: int, seed: int) -> None:
        """A sample has so many points; UserError if they cannot be drawn, or are equal."""
        settings = {"sample": sample, "number": number, "seed": seed}
        axes = {name: self.axes[name] for name in self.sampled()[sample]}
        checked({**settings, **axes}, self.known)
        self.samples[sample] = settings

    def of_equal_length(self) -> list[str]:
        """The variables, if any, that could vary together with another one."""
        plain = [n for n in self.varied if n in self.lengths and self.how[n] not in SAMPLES]
        every = [self.lengths[name] for name in plain]
        return [name for name in plain if every.count(self.lengths[name]) > 1]

    def join(self, groups: list[list[str]]) -> None:
        """Let the variables of each group vary together; UserError if they cannot."""
        for group in groups:
            if len(group) < 2:
                raise UserError(f"{group[0] if group else 'nothing'} alone is not together")
            checked({name: self.axes[name] for name in group}, self.known)
        every = [name for group in groups for name in group]
        for name in every:
            if every.count(name) > 1:
                raise UserError(f"{name} stands in two groups")
        self.joined = groups

    def groups(self) -> list[dict[str, Any]]:
        """The groups, as in [[vary]], in the order of their first variables."""
        found: dict[str, dict[str, Any]] = {}
        for name in self.varied:
            sample = SAMPLES.get(self.how[name], "")
            partners = [group for group in self.joined if name in group]
            key = f"sample {sample}" if sample else partners[0][0] if partners else name
            found.setdefault(key, dict(self.samples.get(sample, {})))[name] = self.axes[name]
        return list(found.values())

    def points(self) -> int:
        """How many points there are, with repeats; UserError if too many."""
        with _without_place():
            vary = tuple(validated(Group, group, Path(), "") for group in self.groups())
            repeat = Repeat(**self.repeat) if self.repeat else None
            return count(_spec(self.source, vary, repeat), "")

    def repeat_each(self, number: int) -> None:
        """Repeat each point so often; UserError if that makes too many."""
        self.repeat = {"number": number} if number > 1 else {}
        self.points()

    def countable(self) -> list[str]:
        """The variables that may count repeats."""
        return [n for n, v in self.known.items() if v.type == "int" and n not in self.varied]

    def count_with(self, name: str, first: int) -> None:
        """A variable gets `first`, `first + 1`, ...; UserError if one of these is not allowed."""
        self.repeat = {"number": self.repeat["number"]}
        if name:
            with _without_place():
                self.known[name].checked(first)
                self.known[name].checked(first + self.repeat["number"] - 1)
            self.repeat |= {"variable": name, "first": first}

    def constants(self) -> list[str]:
        """The variables that do not vary."""
        vary = {*self.varied, self.repeat.get("variable")}
        return [name for name in self.known if name not in vary]

    def data(self) -> dict[str, Any]:
        """All of it, of the form that a sweep's file has."""
        found: dict[str, Any] = {"template": self.source}
        if self.main_file:
            found["main_file"] = self.main_file
        constant = self.constants()
        found["variables"] = {
            name: {"default": value} for name, value in self.fixed.items() if name in constant
        }
        return found | {"vary": self.groups()} | ({"repeat": self.repeat} if self.repeat else {})

    def text(self, name: str) -> str:
        """The file's text."""
        factors = [_factor(group, self.lengths) for group in self.groups()]
        factors += [f"{self.repeat['number']} (repeats)"] if self.repeat else []
        said = (
            f"{' x '.join(factors)} = {self.points()} job folders" if factors else "one job folder"
        )
        head = [said, f"the first of them: jobauto sweep {name}.toml --dry-run"]
        units = {one.name: one.unit for one in self.known.values()}
        return as_toml(self.data(), head, units)


def _factor(group: Mapping[str, Any], lengths: Mapping[str, int]) -> str:
    names = [name for name in group if name in lengths and isinstance(group[name], list | dict)]
    return f"{group['number'] if 'sample' in group else lengths[names[0]]} ({', '.join(names)})"


def checked(group: Mapping[str, Any], known: Mapping[str, Variable]) -> list[Point]:
    """The points of a group; UserError as of the sweep's file."""
    with _without_place():
        one = validated(Group, dict(group), Path(), "")
        spec = _spec("any", (one,))
        count(spec, "")
        return points(spec, {name: known[name] for name in one.variables}, {}, "")


def _spec(template: str, vary: tuple[Group, ...] = (), repeat: Repeat | None = None) -> Spec:
    return Spec.model_validate({"template": template, "vary": vary, "repeat": repeat})


@contextmanager
def _without_place() -> Iterator[None]:
    """Errors name no file: there is none yet."""
    try:
        yield
    except UserError as error:
        raise UserError(error.what, hint=error.hint) from None


def value_of(variable: Variable, text: str) -> Value:
    """A value that was typed; UserError if the variable does not allow it."""
    try:
        return variable.checked(guessed(text, variable.type))
    except UserError as error:
        about_type = (error.hint or "").startswith("or write type")  # for who writes a file
        raise UserError(
            error.what, hint=_EXAMPLE[variable.type] if about_type else error.hint
        ) from None
    except ValueError as error:
        raise UserError(f"{variable.name}: {error}") from None


_EXAMPLE = {
    "int": "such as 10",
    "float": "such as 0.5 or 1e-3",
    "text": "such as one",
    "bool": "true or false",
}


def list_of(variable: Variable, text: str) -> list[Value]:
    """Values with commas between, a text with a comma in quotes; UserError for what is wrong."""
    try:
        (cells,) = csv.reader([text], skipinitialspace=True, strict=True)
    except (csv.Error, ValueError) as error:
        raise UserError(f"no list: {error}", hint='such as 1, 2, 3 or "one, two", three') from None
    if not all(map(str.strip, cells)):
        raise UserError("a value between two commas is missing")
    return [value_of(variable, cell.strip()) for cell in cells]


def number_of(text: str) -> Decimal:
    """A number that was typed; UserError for anything else."""
    try:
        return number(guessed(text, "float"))
    except ValueError as error:
        raise UserError(str(error), hint=_EXAMPLE["float"]) from None
