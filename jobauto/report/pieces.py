"""Parts of the HTML page: sections, tables, and the mark of a state."""

from __future__ import annotations

from jobauto.report.gather import Report, Row
from jobauto.report.markup import Element, el
from jobauto.report.stages import Spread, Stage, stages
from jobauto.report.theme import ORDER, SIGN
from jobauto.report.times import clock, duration

MOST_STAGES = 100
MOST_ROWS = 500


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
    longest = max([(s.before.middle or 0) + (s.in_queue.middle or 0) for s in found], default=0)
    queue = "run time" if report.runs_at_once else "in the queue"
    heads = ["stage", "jobs", "attempts", "before", "longest", queue, "longest", "medians"]
    rows = [[*_numbers(stage), _medians(stage, longest or 1.0)] for stage in found]
    return table(heads, rows, set(range(1, 7)))


def _numbers(stage: Stage) -> list[Element | str]:
    signs = " ".join(f"{SIGN[s.word]}{stage.counts[s]}" for s in ORDER if stage.counts[s])
    return [stage.id, signs, str(stage.attempts), *_times(stage.before), *_times(stage.in_queue)]


def _times(spread: Spread) -> list[Element | str]:
    return [duration(spread.middle), duration(spread.longest)]


def _medians(stage: Stage, longest: float) -> Element:
    before, queue = stage.before.middle or 0.0, stage.in_queue.middle or 0.0
    first, second = 220 * before / longest, 220 * queue / longest
    words = f"before {duration(stage.before.middle)}, then {duration(stage.in_queue.middle)}"
    return el(
        "svg",
        el("title", words),
        el("rect", class_="before", y=4, width=first, height=6),
        el("rect", class_="used", x=first, y=1, width=second, height=12),
        width=222,
        height=14,
        viewBox="0 0 222 14",
    )


def job_table(report: Report) -> list[Element]:
    """All jobs where they are not too many."""
    if len(report.rows) > MOST_ROWS:
        words = f"{len(report.rows)} are too many here: jobauto report RUN -o jobs.csv"
        return [el("p", words, class_="soft")]
    queue = "run time" if report.runs_at_once else "in the queue"
    heads = ["job", "state", "JOBID", "attempts", "before", queue, "submitted", "ended"]
    body = table(heads, [_job(row) for row in report.rows], {3, 4, 5})
    scroll = el("div", body, class_="wide tall")
    return [el("details", el("summary", f"{len(report.rows)} jobs, in order of name"), scroll)]


def _job(row: Row) -> list[Element | str]:
    word = row.state.word
    queued = f" ({row.queued})" if row.queued else ""
    state = el("span", swatch(word), f" {SIGN[word]} {word}{queued}")
    times = [duration(row.before), duration(row.in_queue)]
    moments = [clock(at) if at is not None else "–" for at in (row.submitted, row.ended)]
    return [row.job.name, state, row.jobid, str(len(row.tries)), *times, *moments]
