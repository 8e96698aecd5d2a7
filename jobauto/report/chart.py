"""The axis of time that timeline and slots share, and words that fit."""

from __future__ import annotations

from dataclasses import dataclass

from jobauto.report.gather import Report
from jobauto.report.markup import Element, el
from jobauto.report.times import duration, ticks

WIDTH = 1000.0
LEFT = 190.0
RIGHT = 160.0


@dataclass(frozen=True, slots=True)
class Scale:
    """Moments to places between `left` and `right`."""

    begin: float
    length: float
    left: float = LEFT
    right: float = WIDTH - RIGHT

    @classmethod
    def of(cls, report: Report) -> Scale:
        """From the start of a run to the last moment that is known."""
        begin, end = report.begin or 0.0, report.as_of or 0.0
        return cls(begin, max(1.0, end - begin))

    def x(self, at: float) -> float:
        """Where a moment lies; inside the chart, whatever it is."""
        part = min(1.0, max(0.0, (at - self.begin) / self.length))
        return self.left + part * (self.right - self.left)

    def axis(self, top: float, bottom: float) -> Element:
        """Vertical lines, and below them the time since the start of the run."""
        group = el("g")
        for second in ticks(self.length):
            x = self.x(self.begin + second)
            group.append(el("line", class_="grid", x1=x, x2=x, y1=top, y2=bottom))
            text = duration(second) if second else "0"
            group.append(el("text", text, class_="soft mid", x=x, y=bottom + 15))
        return group


def fitting(text: str, most: int) -> str:
    """A text cut in its middle, as names differ at both ends."""
    if len(text) <= most:
        return text
    head = (most - 1) // 2
    return f"{text[:head]}…{text[len(text) - (most - 1 - head) :]}"


def titled(shape: Element, text: str) -> Element:
    """A shape that tells `text` when pointed at."""
    shape.insert(0, el("title", text))
    return shape
