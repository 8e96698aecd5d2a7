"""A metric against one variable: lines with a band, or dots where there is no way between."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from jobauto.analysis.axes import Places, label, places, rule
from jobauto.analysis.collecting import Results, Row
from jobauto.analysis.summary import Average, average, grouped, used
from jobauto.quoting import shown
from jobauto.sweep.about import About
from jobauto.sweep.results import Plot

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito; those that are hard to see on white come last.
COLOURS = (
    *("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#b8a500"),
)
MARKERS, STYLES = "os^DvPX*", ("-", "--", ":")
COLUMN, MANY = 14, 40  # lines of one column of the legend; points of a line with large markers
BAND, BESIDE = 0.2, 0.6  # how dense the band is; how wide lines lie beside one another at a text


def draw(
    figure: Figure, axes: Axes, results: Results, plot: Plot, rows: Sequence[Row]
) -> list[Average]:
    """Draw the lines; the average of each point that there could be."""
    name = plot.against[0]
    about = results.about[name]
    found = places(rows, name, about)
    rule(axes, False, found, name, about, plot.x_scale == "log")
    metric = results.metrics[plot.metric]
    axes.set_ylabel(label(plot.metric, metric.unit), parse_math=False)
    axes.ticklabel_format(axis="y", useOffset=False)
    groups = grouped(rows, [plot.each] if plot.each else [])
    order = list(places(rows, plot.each, results.about[plot.each]).at) if plot.each else []
    keys = [(text,) for text in order] if plot.each else list(groups)
    whole: list[Average] = []
    for number, key in enumerate(keys):
        points = grouped(groups[key], [name])
        line = {text: average(used(some, plot.metric)) for (text,), some in points.items()}
        shift = 0.0 if found.numeric else BESIDE * ((number + 0.5) / len(keys) - 0.5)
        _line(axes, found, line, number, joined(about), shift, shown(key[0]) if key else "")
        whole += line.values()
    if plot.each:
        _legend(figure, label(plot.each, results.about[plot.each].unit))
    return whole


def joined(about: About) -> bool:
    """Whether there is a way from one value of this variable to the next."""
    return about.type in ("int", "float") and not about.sampled


def _line(
    axes: Axes,
    found: Places,
    line: dict[str, Average],
    number: int,
    way: bool,
    shift: float,
    said: str,
) -> None:
    texts = [text for text in found.at if text in line]
    x = [found.at[text] + shift for text in texts]
    means = [_finite(line[text].mean) for text in texts]
    errors = [_finite(line[text].se) for text in texts]
    colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
    style = STYLES[number // len(COLOURS) % len(STYLES)] if way else ""
    size = 4.5 if len(x) <= MANY else 2.5
    (drawn,) = axes.plot(x, means, linestyle=style, color=colour, label=said, zorder=3)
    drawn.set(marker=marker, markersize=size)
    low = [mean - error for mean, error in zip(means, errors, strict=True)]
    high = [mean + error for mean, error in zip(means, errors, strict=True)]
    if way:
        axes.fill_between(x, low, high, color=colour, alpha=BAND, linewidth=0, zorder=2)
    alone = [at for at in range(len(x)) if not way or _alone(low, at)]
    if alone:  # a band needs two points
        axes.vlines(
            [x[at] for at in alone],
            [low[at] for at in alone],
            [high[at] for at in alone],
            color=colour,
            linewidth=1.2,
            zorder=2,
        )


def _finite(value: float | None) -> float:
    return value if value is not None and math.isfinite(value) else math.nan


def _alone(low: Sequence[float], at: int) -> bool:
    beside = [low[n] for n in (at - 1, at + 1) if 0 <= n < len(low)]
    return not math.isnan(low[at]) and all(map(math.isnan, beside))


def _legend(figure: Figure, title: str) -> None:
    columns = 1 + (len(figure.axes[0].lines) - 1) // COLUMN
    legend = figure.legend(
        loc="outside right upper", frameon=False, title=title, ncols=columns, columnspacing=1
    )
    for text in (legend.get_title(), *legend.get_texts()):
        text.set_parse_math(False)
