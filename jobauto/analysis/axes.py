"""Places, ticks and labels of variables in pictures. Texts of people are never read as TeX."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobauto.analysis.collecting import Row
from jobauto.quoting import shown
from jobauto.sweep.about import About

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Parts of an axis that a sign is wide, that a line is high, and between two texts.
WIDE, HIGH, GAP = 0.022, 0.055, 0.02
_REGULAR = 0.75  # so many of the ticks that there could be are enough if they are regular


@dataclass(frozen=True, slots=True)
class Places:
    """Where the values of a variable lie, by their texts: by number, or 0, 1, ... in order."""

    at: Mapping[str, float]
    numeric: bool

    def along(self, text: str, log: bool) -> float:
        """How far along the axis a value lies, from 0 to 1."""
        scale = math.log if log else float
        low, high = (scale(end(self.at.values())) for end in (min, max))
        return (scale(self.at[text]) - low) / (high - low) if high > low else 0.0


def places(rows: Iterable[Row], name: str, about: About, cells: bool = False) -> Places:
    """The places of a variable's values; as `cells` all are equally far apart."""
    values = {row.texts[name]: row.values[name] for row in rows}
    numeric = about.type in ("int", "float")
    texts = sorted(values, key=lambda text: float(values[text])) if numeric else list(values)
    if numeric and not cells:
        return Places({text: float(values[text]) for text in texts}, True)
    return Places({text: float(at) for at, text in enumerate(texts)}, False)


def label(name: str, unit: str) -> str:
    """`temperature (K)`."""
    return shown(f"{name} ({unit})" if unit else name)


def rule(
    axes: Axes, upright: bool, found: Places, name: str, about: About, log: bool = False
) -> None:
    """Name an axis, with ticks at values, as they were written, as many as there is room for.
    What was drawn by lot has round numbers there instead.
    """
    if log:
        axes.set_xscale("log")
        axes.minorticks_off()
    ruler = axes.yaxis if upright else axes.xaxis
    ruler.set_label_text(label(name, about.unit), parse_math=False)
    if about.sampled and found.numeric:
        return
    texts = fitting(found, log, upright)
    ruler.set_ticks([found.at[text] for text in texts])
    ruler.set_ticklabels([shown(text) for text in texts], parse_math=False)


def fitting(found: Places, log: bool = False, upright: bool = False) -> Sequence[str]:
    """Texts that do not run into one another: each, each second ..., or those that have room."""
    texts = list(found.at)
    alone = _with_room(found, texts, log, upright)
    for step in range(1, len(texts)):
        some = texts[::step]
        if len(some) < len(alone) * _REGULAR:
            break
        if len(_with_room(found, some, log, upright)) == len(some):
            return some
    return alone


def _with_room(found: Places, texts: Sequence[str], log: bool, upright: bool) -> Sequence[str]:
    kept: list[str] = []
    end = -math.inf
    for text in texts:
        middle = found.along(text, log)
        half = HIGH / 2 if upright else WIDE * len(text) / 2
        if middle - half >= end + (0 if upright else GAP):
            kept.append(text)
            end = middle + half
    return kept
