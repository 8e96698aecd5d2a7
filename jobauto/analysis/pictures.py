"""The pictures of a sweep, as PNG or SVG."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from jobauto.analysis import heat, lines, writing
from jobauto.analysis.collecting import Results, Row
from jobauto.analysis.summary import Average
from jobauto.errors import UserError
from jobauto.quoting import shown
from jobauto.sweep.about import said, same
from jobauto.sweep.results import Plot

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SIZE, DPI = (6.4, 4.4), 150
_SOFT, _GRID = "#59626d", "#d5d9de"


def write(results: Results, out: Path) -> list[Path]:
    """Draw all plots into a folder; their paths."""
    return [_write(results, plot, out / plot.name) for plot in results.plots]


def _write(results: Results, plot: Plot, path: Path) -> Path:
    kind = path.suffix.lower().lstrip(".")
    made = {"svg": {"Date": None}}.get(kind, {})
    with _settings():
        figure = drawn(results, plot)
        return writing.replace(
            path, lambda beside: figure.savefig(beside, format=kind, dpi=DPI, metadata=made)
        )


def drawn(results: Results, plot: Plot) -> Figure:
    """The picture, not yet in any format."""
    with _settings():
        from matplotlib.figure import Figure

        figure = Figure(figsize=SIZE)
        figure.set_layout_engine("constrained", w_pad=0.1, h_pad=0.08)  # inches
        axes = figure.add_subplot()
        rows = chosen(results, plot)
        draw = heat.draw if len(plot.against) == 2 else lines.draw
        points = draw(figure, axes, results, plot, rows)
        if draw is lines.draw:
            axes.grid(color=_GRID, linewidth=0.6)
            axes.spines[["top", "right"]].set_visible(False)
        if not any(one.used for one in points):
            axes.text(0.5, 0.5, "no values", transform=axes.transAxes, ha="center")
        _title(axes, results, plot)
        words = [*_band(points, _around(results, plot)), *_missing(points, rows, plot)]
        foot = figure.supxlabel("\n".join(words), x=0.01, ha="left", fontsize=8, color=_SOFT)
        foot.set_parse_math(False)
        return figure


def chosen(results: Results, plot: Plot) -> list[Row]:
    """The jobs of a plot: those whose variables are as `where` says."""
    return [
        row
        for row in results.rows
        if all(same(row.values[name], value) for name, value in plot.where.items())
    ]


def _title(axes: Axes, results: Results, plot: Plot) -> None:
    words = [said(name, value, results.about) for name, value in plot.where.items()]
    if words:
        title = shown(", ".join(words))
        axes.set_title(title, loc="left", fontsize=10, parse_math=False)


def _around(results: Results, plot: Plot) -> str:
    """What is drawn around the means: a band, bars beside dots, or nothing."""
    if len(plot.against) == 2:
        return ""
    return "band" if lines.joined(results.about[plot.against[0]]) else "bars"


def _band(points: Sequence[Average], around: str) -> Iterator[str]:
    """What is drawn around the means, in words."""
    if not around:
        yield "mean of repeats" if any(one.used > 1 for one in points) else "one job a point"
    elif any(one.used > 1 for one in points):
        alone = ", none around one repeat" if any(one.used == 1 for one in points) else ""
        yield f"{around}: mean ± standard error of repeats{alone}"
    else:
        yield f"one job a point: no {around}"


def _missing(points: Sequence[Average], rows: Sequence[Row], plot: Plot) -> Iterator[str]:
    """What is not in the picture, in words."""
    empty = sum(not one.used for one in points)
    jobs = sum(not row.good or row.numbers[plot.metric] is None for row in rows)
    strange = sum(one.mean is not None and not math.isfinite(one.mean) for one in points)
    words = [f"{jobs} of {len(rows)} jobs"] if jobs else []
    hatched = " (hatched)" if len(plot.against) == 2 else ""
    words += [f"{empty} of {len(points)} points{hatched}"] if empty else []
    if words:
        yield "missing: " + ", ".join(words)
    if strange:
        yield f"not finite: {strange} of {len(points)} points"


@contextmanager
def _settings() -> Iterator[None]:
    """matplotlib as it is without the person's own settings; texts stay texts in SVG."""
    try:
        import matplotlib  # an extra, and an import that takes a moment
    except ImportError:
        hint = "pip install 'jobauto[analyse]'"
        raise UserError("matplotlib is not installed", hint=hint) from None
    with matplotlib.rc_context(), warnings.catch_warnings():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "jobauto"})
        warnings.filterwarnings("ignore", "Glyph")  # a sign that the font lacks becomes a box
        yield
