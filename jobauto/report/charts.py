"""Slots in use over time."""

from __future__ import annotations

from jobauto.report.chart import WIDTH, Scale
from jobauto.report.gather import Report
from jobauto.report.markup import Element, el, svg
from jobauto.report.slots import peak, steps

_HEIGHT = 172.0
_TOP, _BOTTOM = 24.0, 150.0


def slots_chart(report: Report) -> Element:
    """A curve of steps; a dashed line is --maxqsub where it would be on the chart."""
    narrow = Scale.of(report)
    scale = Scale(narrow.begin, narrow.length, 60, WIDTH - 30)
    limit = report.maxqsub if 0 < report.maxqsub <= 3 * max(1, peak(report)) else 0
    most = max(1, peak(report), limit)
    parts = [scale.axis(_TOP, _BOTTOM)]
    for number in sorted({0, most, *([most // 2] if most > 1 else [])}):
        y = _y(number, most)
        parts.append(el("line", class_="grid", x1=scale.left, x2=scale.right, y1=y, y2=y))
        parts.append(el("text", str(number), class_="soft end", x=scale.left - 8, y=y + 4))
    found = steps(report)
    if found:
        parts.append(el("path", class_="used", d=_path(found, scale, most)))
    if limit:
        y = _y(limit, most)
        parts.append(el("line", class_="limit", x1=scale.left, x2=scale.right, y1=y, y2=y))
        text = f"--maxqsub {limit}"
        parts.append(el("text", text, class_="soft end", x=scale.right, y=y - 6))
    label = f"slots in use over time, at most {peak(report)}"
    return svg(WIDTH, _HEIGHT, el("title", label), *parts)


def _y(number: int, most: int) -> float:
    return _BOTTOM - number / most * (_BOTTOM - _TOP)


def _path(found: list[tuple[float, int]], scale: Scale, most: int) -> str:
    """Steps, one a pixel at most: of many changes at one place the highest is drawn."""
    columns: dict[int, tuple[int, int]] = {}
    for at, used in found:
        x = round(scale.x(at))
        columns[x] = (max(used, columns.get(x, (used, 0))[0]), used)
    path, last = f"M{scale.x(found[0][0]):.0f},{_BOTTOM:.0f}", 0
    for x, (high, used) in columns.items():
        path += f"V{_y(last, most):.1f}H{x:.0f}V{_y(high, most):.1f}"
        last = used
    return path + f"V{_BOTTOM:.0f}Z"
