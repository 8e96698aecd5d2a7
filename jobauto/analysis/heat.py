"""A metric against two variables: cells of a heat map, or coloured dots where there is no grid."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from jobauto.analysis.axes import label, places, rule
from jobauto.analysis.collecting import Results, Row
from jobauto.analysis.summary import Average, average, grouped, used
from jobauto.sweep.results import Plot

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import PathCollection, QuadMesh
    from matplotlib.figure import Figure

COLOURS = "viridis"
WIDE, HIGH = 60, 16  # letters beside one another in cells, and rows of them
VECTORS = 2500  # cells that are drawn one by one
_DARK = 0.5


def draw(
    figure: Figure, axes: Axes, results: Results, plot: Plot, rows: Sequence[Row]
) -> list[Average]:
    """Draw the map; the average of each point that there could be."""
    first, second = plot.against
    abouts = [results.about[name] for name in plot.against]
    scattered = any(one.sampled for one in abouts)
    x = places(rows, first, abouts[0], cells=not scattered)
    y = places(rows, second, abouts[1], cells=not scattered)
    points = grouped(rows, plot.against)
    found = {key: average(used(some, plot.metric)) for key, some in points.items()}
    values = {key: one.mean for key, one in found.items() if _finite(one)}
    drawn: PathCollection | QuadMesh
    if scattered:
        at = [(x.at[a], y.at[b]) for a, b in values]
        colours = [value for value in values.values() if value is not None]
        drawn = axes.scatter(
            [a for a, _ in at], [b for _, b in at], c=colours, cmap=COLOURS, edgecolors="#1b1f24"
        )
    else:
        grid = [[values.get((a, b)) for a in x.at] for b in y.at]
        drawn = _cells(axes, [[math.nan if v is None else v for v in line] for line in grid])
    rule(axes, False, x, first, abouts[0])
    rule(axes, True, y, second, abouts[1])
    if values:
        bar = figure.colorbar(drawn, ax=axes)
        unit = results.metrics[plot.metric].unit
        bar.ax.yaxis.set_label_text(label(plot.metric, unit), parse_math=False)
        bar.ax.ticklabel_format(axis="y", useOffset=False)
    return list(found.values())


def _finite(one: Average) -> bool:
    return one.mean is not None and math.isfinite(one.mean)


def _cells(axes: Axes, grid: list[list[float]]) -> QuadMesh:
    """Cells at 0, 1, ...; through one without a value the hatching behind is seen."""
    import numpy

    values = numpy.ma.masked_invalid(numpy.array(grid))
    axes.patch.set(facecolor="#f1f3f5", edgecolor="#7d838c", hatch="////")
    high, wide = values.shape
    edges = [[at - 0.5 for at in range(number + 1)] for number in (wide, high)]
    mesh = axes.pcolormesh(*edges, values, cmap=COLOURS, rasterized=values.size > VECTORS)
    _numbers(axes, grid)
    return mesh


def _numbers(axes: Axes, grid: list[list[float]]) -> None:
    """Write each value into its cell, if all of them fit."""
    finite = [value for line in grid for value in line if not math.isnan(value)]
    if not finite or len(grid) > HIGH:
        return
    low, high = min(finite), max(finite)
    said = [[_said(value, high - low) for value in line] for line in grid]
    if max(len(text) for line in said for text in line) * len(grid[0]) > WIDE:
        return
    for row, line in enumerate(said):
        for column, text in enumerate(line):
            if not text:
                continue
            ink = "white" if grid[row][column] - low < (high - low) * _DARK else "black"
            axes.text(column, row, text, ha="center", va="center", color=ink, fontsize=8)


def _said(value: float, width: float) -> str:
    """A value with the digits that tell it from others; nothing for none."""
    if math.isnan(value):
        return ""
    digits = 2 - math.floor(math.log10(width)) if width else 0
    return f"{value:.{digits}f}" if 0 < digits < 7 else f"{value:.4g}"
