"""Whether metrics and plots fit the sweep: checked when it is planned, and again with results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path

from jobauto.errors import UserError, near
from jobauto.quoting import shown
from jobauto.sweep.about import Abouts, same
from jobauto.sweep.numbers import Value, written
from jobauto.sweep.results import Plot
from jobauto.sweep.spec import Spec, where
from jobauto.sweep.variables import NAME, RESERVED, unknown
from jobauto.templates import WORD

MOST_LINES = 24  # with different colours and markers
COLUMNS = (*RESERVED, "state", "why")  # of the table of results
Points = Sequence[Mapping[str, Value]]


def settled(spec: Spec, about: Abouts, points: Points, file: Path, text: str) -> list[Plot]:
    """The plots, where a variable that is left over is `each`; UserError for what does not fit.

    `points` has all variables of each job.
    """
    for name in spec.metrics:
        _check_metric(spec, name, about, file, text)
    plots: list[Plot] = []
    for number, plot in enumerate(spec.plots):
        place = where(file, text, "plots", str(number), "metric")
        if plot.name.lower() in {other.name.lower() for other in plots}:
            raise UserError(
                f"two plots are written to {shown(plot.name)}", place, "give one a file"
            )
        plots.append(_settled(spec, plot, about, points, place))
    return plots


def _check_metric(spec: Spec, name: str, about: Abouts, file: Path, text: str) -> None:
    if not NAME.fullmatch(name) or name in (*COLUMNS, *about):
        what = f"{shown(repr(name))} cannot name a metric"
        hint = f"letters, digits and _, no variable, and not {', '.join(COLUMNS)}"
        raise UserError(what, where(file, text, "metrics", name), hint)
    for word in WORD.findall(spec.metrics[name].file):
        if word not in about and word != "repeat":
            place = where(file, text, "metrics", name, "file")
            raise unknown(word, [*about, "repeat"], place, f"@{word}@")


def _settled(spec: Spec, plot: Plot, about: Abouts, points: Points, place: str) -> Plot:
    if plot.metric not in spec.metrics:
        what = f"there is no metric {shown(repr(plot.metric))}"
        hint = near(plot.metric, spec.metrics) if spec.metrics else "add [metrics.NAME]"
        raise UserError(what, place, hint)
    for name in (*plot.against, *([plot.each] if plot.each else [])):
        _check_varies(name, about, place)
    left = points
    for name, value in plot.where.items():
        if name not in about:
            raise unknown(name, about, place)
        taken = {point[name]: None for point in left}
        left = [point for point in left if same(point[name], value)]
        if not left:
            hint = near(written(value), map(written, taken))
            raise UserError(f"no job has {name} = {shown(written(value))}", place, hint)
    whole = _with_each(plot, about, left, place)
    _check_axis(whole, about, left, place)
    return whole


def _check_varies(name: str, about: Abouts, place: str) -> None:
    if name not in about:
        raise unknown(name, about, place)
    if not about[name].varies:
        varied = [other for other, one in about.items() if one.varies]
        hint = near(name, varied) if varied else "let it vary: [[vary]]"
        raise UserError(f"{name} does not vary from point to point", place, hint)


def _with_each(plot: Plot, about: Abouts, points: Points, place: str) -> Plot:
    """What would be averaged without a word gets a line for each value, or is an error."""
    axes = [*plot.against, *([plot.each] if plot.each else [])]
    left = [n for n in about if about[n].varies and n not in axes and _mixed(n, axes, points)]
    if not left:
        return plot
    if len(left) == 1 and len(axes) == 1:
        return plot.model_copy(update={"each": left[0]})
    for name in left:  # what varies together with another is settled by that one
        both = plot.model_copy(update={"each": name})
        if len(axes) == 1 and not any(_mixed(n, [*axes, name], points) for n in left):
            return both
    value = written(next(point[left[0]] for point in points))
    what = f"{' and '.join(left)} would be averaged in this plot"
    raise UserError(what, place, f"choose a value: where = {{ {left[0]} = {value} }}")


def _mixed(name: str, axes: Sequence[str], points: Points) -> bool:
    """Whether points that are equal in `axes` differ in this variable."""
    first: dict[tuple[Value, ...], Value] = {}
    return any(
        first.setdefault(tuple(point[axis] for axis in axes), point[name]) != point[name]
        for point in points
    )


def _check_axis(plot: Plot, about: Abouts, points: Points, place: str) -> None:
    axis = plot.against[0]
    if plot.x_scale == "log":
        if about[axis].type not in ("int", "float"):
            raise UserError(f'x_scale = "log": {axis} is no number', place)
        if any(Decimal(point[axis]) <= 0 for point in points):
            raise UserError(f'x_scale = "log": {axis} is not always above 0', place)
    lines = {point[plot.each] for point in points} if plot.each else set()
    if len(lines) > MOST_LINES:
        what = f"{len(lines)} lines, one for each {plot.each}, are more than {MOST_LINES}"
        hint = f'a heat map: against = ["{axis}", "{plot.each}"], or where = {{ ... }}'
        raise UserError(what, place, hint)
