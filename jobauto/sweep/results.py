"""What a sweep's file says of results: [metrics.NAME], where a number is found, and [[plots]]."""

from __future__ import annotations

import re
import warnings
from pathlib import PurePosixPath
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from jobauto.sweep.fields import Names, Scalar, Table

PICTURES = (".png", ".svg")
_WAYS = {"key", "column", "pattern"}
Column = Annotated[int, Field(ge=1)] | Annotated[str, Field(min_length=1)]


class Metric(Table):
    """[metrics.NAME]: a number in a result file, by JSON key, column of a table, or pattern."""

    file: str
    key: str = Field("", min_length=1)
    column: Column | None = None
    pattern: str = Field("", min_length=1)
    take: Literal["last", "first", "mean", "min", "max"] = "last"
    unit: str = ""

    @field_validator("file")
    @classmethod
    def _below(cls, file: str) -> str:
        if not inside(file):
            raise ValueError("a file in the job folder belongs here: relative, without ..")
        return file

    @field_validator("unit")
    @classmethod
    def _printable(cls, unit: str) -> str:
        if not unit.isprintable():
            raise ValueError("there are control characters in this unit")
        return unit

    @field_validator("pattern")
    @classmethod
    def _regular(cls, pattern: str) -> str:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of what may mean something else some day
                groups = re.compile(pattern).groups
        except (re.error, OverflowError, RecursionError) as error:
            raise ValueError(f"no regular expression: {error}") from None
        if groups > 1:
            raise ValueError("which group is the number? leave one, and write the others (?:...)")
        return pattern

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        given = sorted(self.model_fields_set & _WAYS)
        if len(given) != 1:
            said = " and ".join(given) or "none"
            raise ValueError(f"exactly one of key, column, pattern belongs here, not {said}")
        if "take" in self.model_fields_set and self.column is None:
            raise ValueError("take belongs to a column")
        return self


class Plot(Table):
    """[[plots]]: a metric against one variable (lines) or two (a heat map)."""

    metric: str
    against: Names = Field(min_length=1, max_length=2)
    each: str | None = None
    where: dict[str, Scalar] = {}
    file: str = ""
    x_scale: Literal["linear", "log"] = "linear"

    @field_validator("file")
    @classmethod
    def _picture(cls, file: str) -> str:
        plain = inside(file) and "/" not in file and not file.startswith(".")
        if not plain or PurePosixPath(file).suffix.lower() not in PICTURES:
            raise ValueError("a name that ends with .png or .svg, without a folder, belongs here")
        return file

    @model_validator(mode="after")
    def _whole(self) -> Self:
        names = [*self.against, *([self.each] if self.each else []), *self.where]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice:
            raise ValueError(f"{twice} stands twice: in against, each or where")
        if len(self.against) == 2 and self.each:
            raise ValueError("each belongs to lines: a heat map shows no third variable")
        if len(self.against) == 2 and self.x_scale != "linear":
            raise ValueError("x_scale belongs to lines: the cells of a heat map are equally wide")
        return self

    @property
    def name(self) -> str:
        """The name of the picture's file."""
        return self.file or f"{'-'.join([self.metric, *self.against])}.png"


def inside(file: str) -> bool:
    """Whether this names something below a folder: relative, printable, no `..`."""
    path = PurePosixPath(file)
    return (
        bool(path.parts)
        and file.isprintable()
        and not path.is_absolute()
        and ".." not in path.parts
    )
