"""Waiting in the queue against running: a dot a job, on scales that go from seconds to months."""

from __future__ import annotations

from math import log, log2
from statistics import median

from jobauto.quoting import shown
from jobauto.report.chart import titled
from jobauto.report.gather import Report, Row
from jobauto.report.markup import Element, el, svg
from jobauto.report.times import DAY, HOUR, MINUTE, duration

_MARKS = [1, 10, MINUTE, 10 * MINUTE, HOUR, 10 * HOUR, DAY, 10 * DAY, 100 * DAY, 1000 * DAY]
_WIDTH, _HEIGHT = 560.0, 330.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 70.0, 540.0, 12.0, 280.0
_CELL = 7.0  # dots that are nearer to one another than this are one


def both_known(report: Report) -> list[Row]:
    """Jobs of which both times are known."""
    return [row for row in report.rows if row.waited is not None and row.ran is not None]


def waits_chart(report: Report) -> Element | None:
    """Dots above the line waited longer than they ran; None if no job has both times."""
    rows = both_known(report)
    if not rows:
        return None
    longest = max(max(row.waited or 0, row.ran or 0) for row in rows)
    most = next((mark for mark in _MARKS[1:] if mark >= longest), longest)
    marks = [mark for mark in _MARKS if mark <= most]
    equal = el("line", class_="limit", x1=_LEFT, y1=_BOTTOM, x2=_RIGHT, y2=_TOP)
    dots = [_dot(many, most) for many in _together(rows, most)]
    label = f"waiting in the queue against running, {len(rows)} jobs"
    across = el("text", "ran", class_="soft end", x=_RIGHT, y=_BOTTOM + 34)
    upward = el("text", "waited", class_="soft", x=_LEFT + 5, y=_TOP + 8)
    parts = [*_grid(marks, most), equal, *dots, across, upward]
    return svg(_WIDTH, _HEIGHT - 10, el("title", label), *parts)


def _part(seconds: float, most: float) -> float:
    """Where it lies between one second and `most`; what is shorter lies at one second."""
    return log(max(1.0, seconds)) / log(most)


def _place(row: Row, most: float) -> tuple[float, float]:
    x = _LEFT + _part(row.ran or 0.0, most) * (_RIGHT - _LEFT)
    return x, _BOTTOM - _part(row.waited or 0.0, most) * (_BOTTOM - _TOP)


def _grid(marks: list[int], most: float) -> list[Element]:
    parts = []
    for mark in marks:
        x = _LEFT + _part(mark, most) * (_RIGHT - _LEFT)
        y = _BOTTOM - _part(mark, most) * (_BOTTOM - _TOP)
        words = duration(mark) if mark > 1 else "≤ 1 s"
        parts.append(el("line", class_="grid", x1=x, x2=x, y1=_TOP, y2=_BOTTOM))
        parts.append(el("line", class_="grid", x1=_LEFT, x2=_RIGHT, y1=y, y2=y))
        parts.append(el("text", words, class_="soft mid", x=x, y=_BOTTOM + 16))
        parts.append(el("text", words, class_="soft end", x=_LEFT - 7, y=y + 4))
    return parts


def _together(rows: list[Row], most: float) -> list[list[Row]]:
    """Jobs whose dots would lie over one another, so that any run makes a small picture."""
    cells: dict[tuple[int, int], list[Row]] = {}
    for row in rows:
        x, y = _place(row, most)
        cells.setdefault((round(x / _CELL), round(y / _CELL)), []).append(row)
    return list(cells.values())


def _dot(rows: list[Row], most: float) -> Element:
    places = [_place(row, most) for row in rows]
    x, y = median(x for x, _ in places), median(y for _, y in places)
    about = "" if len(rows) == 1 else "about "
    name = shown(rows[0].job.name) if len(rows) == 1 else f"{len(rows)} jobs"
    waited, ran = median(row.waited or 0.0 for row in rows), median(row.ran or 0.0 for row in rows)
    words = f"{name}: waited {about}{duration(waited)}, ran {about}{duration(ran)}"
    return titled(el("circle", class_="dot", cx=x, cy=y, r=min(12.0, 3 + log2(len(rows)))), words)
