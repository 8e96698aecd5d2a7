"""Parts of the HTML page: sections, tables, and the mark of a state."""

from __future__ import annotations

from jobauto.report.gather import Report, Row
from jobauto.report.markup import Element, el, svg
from jobauto.report.stages import Spread, Stage, stages
from jobauto.report.theme import ORDER, SIGN
from jobauto.report.times import clock, duration

MOST_STAGES = 100
MOST_ROWS = 500
_BAR = 170.0  # how wide a bar of medians is


def section(title: str, *parts: Element | None) -> Element:
    """A part of the page with its heading."""
    return el("section", el("h2", title), *parts)


def swatch(kind: str) -> Element:
    """The colour and pattern of a state, as in the drawings."""
    box = el("rect", class_=f"s-{kind}", width=14, height=12, rx=2)
    return el("svg", box, width=14, height=12, viewBox="0 0 14 12", aria_hidden="true")


def table(heads: list[str], rows: list[list[Element | str]], numbers: set[int]) -> Element:
    """A table; the columns in `numbers` are set to the right."""

    def cells(tag: str, row: list[Element | str]) -> Element:
        kinds = ["n" if n in numbers else "name" if n == 0 else None for n in range(len(row))]
        return el(
            "tr", *(el(tag, cell, class_=kind) for cell, kind in zip(row, kinds, strict=True))
        )

    body = el("tbody", *(cells("td", row) for row in rows))
    return el("table", el("thead", cells("th", list(heads))), body)


def stage_table(report: Report) -> Element:
    """A row a stage, with bars for its median times."""
    found = stages(report)[:MOST_STAGES]
    longest = max([sum(seconds for _, _, seconds in _middles(s)) for s in found], default=0)
    times = ["run time"] if report.runs_at_once else ["waited", "ran", "in the queue"]
    heads = ["stage", "jobs", "attempts", "before", *times]
    rows = [[*_numbers(stage, report), _medians(stage, longest or 1.0)] for stage in found]
    return table([*heads, "medians"], rows, set(range(1, len(heads))))


def _numbers(stage: Stage, report: Report) -> list[Element | str]:
    signs = " ".join(f"{SIGN[s.word]}{stage.counts[s]}" for s in ORDER if stage.counts[s])
    apart = [] if report.runs_at_once else [stage.waited, stage.ran]
    times = [_spread(spread) for spread in (stage.before, *apart, stage.in_queue)]
    return [stage.id, signs, str(stage.attempts), *times]


def _spread(spread: Spread) -> Element:
    """The median, and below it the longest."""
    most = "" if spread.longest is None else f"≤ {duration(spread.longest)}"
    return el("div", duration(spread.middle), el("div", most, class_="soft"))


def _middles(stage: Stage) -> list[tuple[str, str, float]]:
    """Class, word and seconds of each part of a stage's bar, as far as it is known."""
    apart = [("s-queued", "waited", stage.waited), ("used", "ran", stage.ran)]
    together = [("used", "in the queue", stage.in_queue)]
    parts = together if stage.waited.middle is None else apart
    parts = [("before", "before", stage.before), *parts]
    return [(kind, word, part.middle) for kind, word, part in parts if part.middle is not None]


def _medians(stage: Stage, longest: float) -> Element:
    found = _middles(stage)
    words = ", then ".join(f"{word} {duration(seconds)}" for _, word, seconds in found)
    drawing = svg(_BAR, 14, el("title", words))
    left = 0.0
    for kind, _, seconds in found:
        width, high = (_BAR - 2) * seconds / longest, 12 if kind == "used" else 6
        drawing.append(el("rect", class_=kind, x=left, y=7 - high / 2, width=width, height=high))
        left += width
    return drawing


def job_table(report: Report) -> list[Element]:
    """All jobs where they are not too many."""
    if len(report.rows) > MOST_ROWS:
        words = f"{len(report.rows)} are too many here: jobauto report RUN -o jobs.csv"
        return [el("p", words, class_="soft")]
    heads = ["job", "state", "JOBID", "attempts", "before", "waited", "ran", "in the queue"]
    body = table(
        [*heads, "submitted", "ended"], [_job(row) for row in report.rows], set(range(3, 8))
    )
    scroll = el("div", body, class_="wide tall")
    return [el("details", el("summary", f"{len(report.rows)} jobs, in order of name"), scroll)]


def _job(row: Row) -> list[Element | str]:
    word = row.state.word
    queued = f" ({row.queued})" if row.queued else ""
    state = el("span", swatch(word), f" {SIGN[word]} {word}{queued}")
    times = [duration(time) for time in (row.before, row.waited, row.ran, row.in_queue)]
    moments = [clock(at) if at is not None else "–" for at in (row.submitted, row.ended)]
    return [row.job.name, state, row.jobid, str(len(row.tries)), *times, *moments]
