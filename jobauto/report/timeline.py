"""The timeline: a bar for every submission, from when it was sent to its end. The part before it
was seen to run is drawn as `queued`.

A line for each job of a small run, for each folder of a bigger one; a line for each slot of
--maxqsub when even these are too many, so that any run fits on a slide.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from jobauto.ledger.tries import Try
from jobauto.model import Queued, span
from jobauto.quoting import shown
from jobauto.report.chart import RIGHT, WIDTH, Scale, fitting, titled
from jobauto.report.gather import Report, Row
from jobauto.report.markup import Element, el, svg
from jobauto.report.theme import ORDER, QUEUED, SIGN, file_style, patterns
from jobauto.report.times import clock, duration

MOST_JOBS, MOST_LINES = 60, 120
_NAME, _END = 28, 26  # letters that fit left and right


@dataclass(frozen=True, slots=True)
class Bar:
    """One submission on the chart; `kind` is the word of its state or verdict.

    `queued`: until when it waited in the queue; its begin if nothing is known of that.
    """

    begin: float
    end: float
    kind: str
    title: str
    id: str = ""
    queued: float = 0.0


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the chart, with words to its left and right."""

    bars: list[Bar]
    name: str = ""
    end: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """The lines of a timeline, how high each is, and what a line is."""

    lines: list[Line]
    height: float
    each: str


def bars(report: Report, row: Row) -> list[Bar]:
    """The submissions of a job that the files date."""
    found = []
    for one in row.tries:
        end = one.ended if one.verdict else report.as_of
        if one.begin is None or end is None:
            continue
        kind = one.verdict or ("started" if one.jobid else "submitting")
        facts = [shown(row.job.name), f"{SIGN[kind]} {kind}", one.reason, f"JOBID {one.jobid}"]
        facts += [f"from {clock(one.begin)}", duration(span(one.begin, end))]
        facts += [f"waited {duration(one.waited)}"] if one.waited else []
        facts += [f"attempt {one.number}"] if len(row.tries) > 1 else []
        title = ", ".join(fact for fact in facts if fact and fact != "JOBID ")
        end = max(one.begin, end)
        queued = min(end, _queued_until(report, row, one) or one.begin)
        found.append(Bar(one.begin, end, kind, title, row.job.id, queued))
    return found


def _queued_until(report: Report, row: Row, one: Try) -> float | None:
    """Until when it waited in the queue; None if no look tells."""
    if report.runs_at_once:
        return None
    waits = not one.verdict and one.running is None and row.queued == Queued.PENDING.value
    return report.as_of if waits else one.running


def packed(many: Iterable[Bar]) -> list[list[Bar]]:
    """Bars in as few lines as can be, none over another, the earliest first."""
    lines: list[list[Bar]] = []
    free: list[int] = []
    busy: list[tuple[float, int]] = []
    for bar in sorted(many, key=lambda bar: (bar.begin, bar.end)):
        while busy and busy[0][0] <= bar.begin:
            heapq.heappush(free, heapq.heappop(busy)[1])
        if not free:
            lines.append([])
            free.append(len(lines) - 1)
        number = heapq.heappop(free)
        lines[number].append(bar)
        heapq.heappush(busy, (bar.end, number))
    return lines


def plan(report: Report) -> Plan:
    """Lines for jobs, folders or slots, whatever the size of the run allows."""
    if len(report.rows) <= MOST_JOBS:
        return Plan(_by_job(report), 18, "job")
    lines = _by_folder(report)
    if len(lines) <= MOST_LINES:
        return Plan(lines, 12, "folder")
    many = [bar for row in report.rows for bar in bars(report, row)]
    slots = [Line(line) for line in packed(many)]
    return Plan(slots, min(14.0, max(2.0, 480 / max(1, len(slots)))), "slot")


def _by_job(report: Report) -> list[Line]:
    first = _first_moments(report.rows)
    late = float("inf")
    rows = sorted(
        report.rows,
        key=lambda r: (first[r.job.folder], r.job.folder, r.begin or r.ended or late, r.job.name),
    )
    return [Line(bars(report, row), row.job.name, _words(row)) for row in rows]


def _words(row: Row) -> str:
    took = f" {duration(row.in_queue)}" if row.in_queue is not None else ""
    return f"{SIGN[row.state.word]} {row.state.word}{took}"


def _first_moments(rows: Iterable[Row]) -> dict[str, float]:
    first: dict[str, float] = {}
    for row in rows:
        begin = row.begin if row.begin is not None else float("inf")
        first[row.job.folder] = min(begin, first.get(row.job.folder, begin))
    return first


def _by_folder(report: Report) -> list[Line]:
    folders: dict[str, list[Row]] = {}
    for row in report.rows:
        folders.setdefault(row.job.folder, []).append(row)
    first = _first_moments(report.rows)
    lines = []
    for folder in sorted(folders, key=lambda f: (first[f], f)):
        rows = folders[folder]
        counts = Counter(row.state for row in rows)
        end = " ".join(f"{SIGN[s.word]}{counts[s]}" for s in ORDER if counts[s])
        drawn = packed(bar for row in rows for bar in bars(report, row)) or [[]]
        lines += [Line(drawn[0], folder or ".", end), *map(Line, drawn[1:])]
    return lines


def timeline(report: Report) -> Element:
    """The drawing, without a style of its own."""
    chosen = plan(report)
    scale = Scale.of(report) if chosen.each != "slot" else _wide(report)
    bottom = 8 + chosen.height * max(1, len(chosen.lines))
    bands, drawn = el("g"), el("g")
    for number, line in enumerate(chosen.lines):
        top = 8 + number * chosen.height
        if number % 2 and chosen.each != "slot":
            bands.append(el("rect", class_="band", x=0, y=top, width=WIDTH, height=chosen.height))
        _draw(drawn, line, top, chosen, scale)
    label = f"timeline of {len(report.rows)} jobs, a line for each {chosen.each}"
    foot = "time since the start of the run"
    words = el("text", foot, class_="soft end", x=scale.right, y=bottom + 32)
    parts = [bands, scale.axis(8, bottom), drawn, words]
    return svg(WIDTH, bottom + 40, el("title", label), *parts)


def _wide(report: Report) -> Scale:
    narrow = Scale.of(report)
    return Scale(narrow.begin, narrow.length, 60, WIDTH - 30)


def _draw(group: Element, line: Line, top: float, chosen: Plan, scale: Scale) -> None:
    height, each = chosen.height, chosen.each
    words = {"y": top + height / 2 + 4, "class_": None if height > 14 else "small"}
    if line.name:
        text = el("text", fitting(shown(line.name), _NAME), x=4, **words)
        group.append(titled(text, shown(line.name)))
    if line.end:
        group.append(el("text", fitting(line.end, _END), x=WIDTH - RIGHT + 8, **words))
    gap = 0.0 if height < 6 else height / 9
    # what failed is never hidden below its neighbour
    for bar in sorted(line.bars, key=lambda bar: bar.kind in ("failed", "unsure", "killed")):
        x = scale.x(bar.begin)
        width = scale.x(bar.end) - x
        for kind, left, right in _parts(bar, scale):
            space = (1 if gap else 0.3) if right == x + width else 0
            size = {"width": max(1.5, right - left - space), "height": height - 2 * gap}
            shape = el("rect", class_=f"s-{kind}", x=left, y=top + gap, **size)
            group.append(titled(shape, bar.title))
        if each == "folder" and width > 8 + 6 * len(bar.id):
            group.append(el("text", bar.id, class_="small id", x=x + 4, y=top + height - 3))


def _parts(bar: Bar, scale: Scale) -> Iterator[tuple[str, float, float]]:
    """What is drawn of a bar: class, left and right end; nothing of it if it is not there."""
    left, middle, right = scale.x(bar.begin), scale.x(bar.queued), scale.x(bar.end)
    if bar.queued > bar.begin:
        yield QUEUED, left, middle
    if bar.queued < bar.end or bar.queued <= bar.begin:
        yield bar.kind, max(left, middle), right


def legend(kinds: Sequence[str], top: float) -> Element:
    """Colour, sign and word of each kind, in one line."""
    group, x = el("g"), 8.0
    for kind in kinds:
        group.append(el("rect", class_=f"s-{kind}", x=x, y=top, width=13, height=11))
        text = f"{SIGN[kind]} {kind}"
        group.append(el("text", text, x=x + 18, y=top + 10))
        x += 34 + 7 * len(text)
    return group


def kinds_drawn(report: Report) -> list[str]:
    """The kinds of bars that the timeline has, those that need a person first."""
    drawn = [bar for row in report.rows for bar in bars(report, row)]
    there = {bar.kind for bar in drawn} | {QUEUED for bar in drawn if bar.queued > bar.begin}
    order = [state.word for state in ORDER]
    return sorted(there, key=lambda kind: order.index(kind) if kind in order else len(order))


def as_file(report: Report) -> Element:
    """The timeline as a drawing that stands alone, with its title and legend."""
    inner = timeline(report)
    height = float(inner.get("height", "0"))
    counts = report.status.counts()
    numbers = ", ".join(f"{counts[s]} {s.word}" for s in ORDER if s in counts)
    heading = el("text", f"{report.title}: {numbers}", x=8, y=20)
    heading.set("style", "font-size: 14px; font-weight: 600")
    inner.set("y", "46")
    del inner.attrib["role"]
    paper = el("rect", class_="paper", width=WIDTH, height=height + 46)
    parts = [file_style(), patterns(), paper, heading, legend(kinds_drawn(report), 29), inner]
    return svg(WIDTH, height + 46, *parts)
