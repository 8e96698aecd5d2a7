"""A number from a column of a table: CSV, or columns divided by blanks. Pure."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from jobauto.analysis.files import Text, Unusable
from jobauto.analysis.numbers import TAKE, number, quoted, sure
from jobauto.errors import near

COMMENT = "#"
KNOWN = 50  # columns among which near names are sought


@dataclass(frozen=True, slots=True)
class _Shape:
    """How a table is to be read: what divides cells, its names, and where rows begin."""

    divider: str | None
    names: Sequence[str]
    wide: int
    begin: int


def from_column(text: Text, file: str, column: str | int, take: str) -> float:
    """The number that `take` asks for; Unusable if the table or one of its cells is not right."""
    if text.cut and take != "last":
        raise Unusable(f"{file} is so large that only its end was read: no {take} of a column")
    lines = (text.head if text.cut else text.text).splitlines()
    shape = _shape(lines, file)
    at = _index(shape, column, file)
    begin = shape.begin
    if text.cut:
        lines, begin = text.text.splitlines(), 0
    rows = _backwards(lines, begin) if take == "last" else _rows(lines, begin)
    values = []
    for line, row in rows:
        values.append(_cell(_cells(row, shape.divider), shape, at, f"{file}:{line}", text.cut))
        if take in ("last", "first"):
            break
    if not values:
        raise Unusable(f"{file} has no rows")
    return TAKE[take](values)


def _rows(lines: Sequence[str], begin: int) -> Iterator[tuple[int, str]]:
    for at in range(begin, len(lines)):
        if _data(lines[at]):
            yield at + 1, lines[at]


def _backwards(lines: Sequence[str], begin: int) -> Iterator[tuple[int, str]]:
    for at in range(len(lines) - 1, begin - 1, -1):
        if _data(lines[at]):
            yield at + 1, lines[at]


def _data(line: str) -> bool:
    bare = line.lstrip()
    return bool(bare) and not bare.startswith(COMMENT)


def _shape(lines: Sequence[str], file: str) -> _Shape:
    comment = ""
    for at, line in enumerate(lines):
        if not _data(line):
            comment = line.strip() or comment
            continue
        divider = next((sign for sign in ";," if sign in line), None)
        cells = _cells(line, divider)
        numbers = [cell for cell in cells if number(cell) is not None]
        # a head is of words; beside blanks words may stand in rows, too
        if not numbers or (divider and len(numbers) < len(cells)):
            return _Shape(divider, cells, len(cells), at + 1)
        names = comment.lstrip(COMMENT).strip()
        sign = divider if divider and divider in names else None
        return _Shape(divider, _cells(names, sign), len(cells), at)
    raise Unusable(f"{file} is empty" if not lines else f"{file} has no rows")


def _cells(line: str, divider: str | None) -> list[str]:
    if divider is None:
        return line.split()
    try:
        row = next(csv.reader([line], delimiter=divider, skipinitialspace=True), [])
    except csv.Error:
        return line.split(divider)
    return [cell.strip() for cell in row]


def _index(shape: _Shape, column: str | int, file: str) -> int:
    if isinstance(column, int):
        if column > shape.wide:
            raise Unusable(f"{file} has {shape.wide} columns, no column {column}")
        return column - 1
    found = [at for at, name in enumerate(shape.names) if name == column]
    if len(found) > 1:
        raise Unusable(f"{file} has {len(found)} columns {quoted(column)}")
    if not found:
        hint = (
            near(column, [quoted(name) for name in shape.names[:KNOWN]])
            if shape.names
            else "no head"
        )
        raise Unusable(f"{file} has no column {quoted(column)} ({hint})")
    if len(shape.names) != shape.wide:
        names = f"{len(shape.names)} names stand above {shape.wide} columns"
        raise Unusable(f"{file}: {names}; name the column by its number")
    return found[0]


def _cell(cells: list[str], shape: _Shape, at: int, place: str, cut: bool) -> float:
    where = place.rpartition(":")[0] if cut else place  # lines of an end have no number
    while len(cells) > shape.wide and not cells[-1]:
        cells.pop()
    if len(cells) != shape.wide:
        raise Unusable(f"{where} has {len(cells)} cells, not {shape.wide}")
    return sure(cells[at], where)
