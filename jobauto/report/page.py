"""The report as one HTML file that opens offline: no script, nothing fetched, light and dark."""

from __future__ import annotations

from jobauto.model import State, span
from jobauto.quoting import shown
from jobauto.report.charts import slots_chart
from jobauto.report.drawing import graph_drawing
from jobauto.report.failures import failures, waiting
from jobauto.report.gather import Report
from jobauto.report.layers import MOST_JOBS
from jobauto.report.looks import CSS
from jobauto.report.markup import Element, el, svg
from jobauto.report.pieces import job_table, section, stage_table, swatch
from jobauto.report.scatter import both_known, waits_chart
from jobauto.report.slots import peak, total
from jobauto.report.theme import ORDER, QUEUED, SIGN, page_style, patterns
from jobauto.report.timeline import kinds_drawn, plan, timeline
from jobauto.report.times import clock, duration

_NOTHING = "default-src 'none'; style-src 'unsafe-inline'"  # no script, nothing fetched
_VIEW = "width=device-width, initial-scale=1"
_LINE = {
    "job": "A line is a job, a bar a submission.",
    "folder": "A line is a folder, a bar a submission with its id; point at it for more.",
    "slot": "A line is a slot of --maxqsub, a bar a submission; point at it for its job.",
}
_DOTTED = (
    " The dotted part of a bar is waiting in the queue; a bar without one is of a job that no look "
    "saw run."
)
_BEFORE = (
    "Before: from the end of the last job that a job needs (or the start of the run) until it was "
    "first sent. "
)
_AT_ONCE = "The local engine runs a job from its submission on, so the queue is its run time."
_EACH = "The median, and below it the longest, of the jobs of which both moments are known."
_QUEUE = (
    "Waited: from when the scheduler took it until the first look in which the queue said that it "
    "runs. Ran: from then until its end was seen. In the queue: both together, known also of a job "
    "that no look saw run. Each is as fine as the looks follow one another: up to an interval "
    "wrong, and more if nobody looked for a while."
)


def page(report: Report) -> Element:
    """The whole document."""
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", http_equiv="Content-Security-Policy", content=_NOTHING),
        el("meta", name="viewport", content=_VIEW),
        el("meta", name="referrer", content="no-referrer"),
        el("title", f"{report.title} – jobauto report"),
        page_style(CSS),
    )
    shared = svg(0, 0, patterns(), style="position: absolute", aria_hidden="true")
    parts = [_counts(report), failures(report), _timeline(report), _slots(report)]
    parts += [_waits(report), _graph(report), waiting(report), _jobs(report), _notes(report)]
    main = el("main", *_heading(report), *parts)
    return el("html", head, el("body", shared, main), lang="en")


def _heading(report: Report) -> list[Element]:
    limit = f", --maxqsub {report.maxqsub}" if report.maxqsub else ""
    words = [f"begun {clock(report.begin)}", report.where(), f"{report.scheduler}{limit}"]
    if report.where() != "over":
        words.insert(1, f"last look {clock(report.as_of)}")
    facts: list[Element | str] = []
    for word in words:
        facts += [" · "] if facts else []
        facts.append(el("span", word, class_="fact"))
    conditions = [el("p", f"⚠ {shown(str(c))}") for c in report.status.conditions]
    return [
        el("h1", report.title),
        el("div", *facts, class_="soft"),
        *conditions,
        el("p", _verdict(report), class_="verdict"),
        _tiles(report),
    ]


def _verdict(report: Report) -> str:
    counts = report.status.counts()
    number = len(report.rows)
    done = counts.get(State.FINISHED, 0) + counts.get(State.SKIPPED, 0)
    if not number:
        return "This run has no jobs."
    if done == number:
        return f"All {number} jobs are done." if number > 1 else "Its job is done."
    rest = [f"{counts[s]} {s.word}" for s in ORDER if s in counts and not s.done]
    return f"{done} of {number} jobs are done, " + ", ".join(rest) + "."


def _tiles(report: Report) -> Element:
    again = sum(len(row.tries) > 1 for row in report.rows)
    took = "from the start to the last event" if report.where() == "over" else "so far"
    tiles = [
        (str(len(report.rows)), "jobs"),
        (duration(span(report.begin, report.as_of)), took),
        (str(peak(report)), "slots in use at most"),
        (duration(total(report)), "slot time, all slots together"),
        (str(again), "jobs submitted more than once"),
    ]
    return el(
        "div",
        *(el("div", el("b", value), el("span", text), class_="tile") for value, text in tiles),
        class_="tiles",
    )


def _counts(report: Report) -> Element | None:
    counts = report.status.counts()
    there = [state for state in ORDER if state in counts]
    if not there:
        return None
    bar = el("div", class_="bar")
    for state in there:
        # a drawing for each, so that its pattern is not stretched
        fill = el("rect", class_=f"s-{state.word}", width="100%", height="100%")
        piece = el("svg", el("title", f"{counts[state]} {state.word}"), fill)
        piece.set("style", f"flex-grow: {counts[state]}")
        bar.append(piece)
    items = [
        el(
            "li",
            swatch(state.word),
            el("b", str(counts[state])),
            el(
                "span",
                f"{SIGN[state.word]} {state.word} ",
                el("span", state.sentence, class_="soft"),
            ),
        )
        for state in there
    ]
    return section("Jobs by state", bar, el("ul", *items, class_="counts"))


def _timeline(report: Report) -> Element | None:
    kinds = kinds_drawn(report)
    if not kinds:
        return None
    legend = [el("span", swatch(kind), f"{SIGN[kind]} {kind}") for kind in kinds]
    never = sum(not row.tries for row in report.rows)
    words = _LINE[plan(report).each] + (f" {never} jobs were never submitted." if never else "")
    words += _DOTTED if QUEUED in kinds else ""
    return section(
        "Timeline",
        el("p", words, class_="soft"),
        el("div", *legend, class_="legend"),
        el("div", timeline(report), class_="wide chart"),
    )


def _slots(report: Report) -> Element | None:
    if not peak(report):
        return None
    words = "Submissions in flight: each holds a slot of --maxqsub from before it is sent."
    chart = el("div", slots_chart(report), class_="wide chart")
    return section("Slots in use", el("p", words, class_="soft"), chart)


def _waits(report: Report) -> Element | None:
    if not any(row.tries for row in report.rows):
        return None
    words = f"{_BEFORE}{_AT_ONCE if report.runs_at_once else _QUEUE} {_EACH}"
    table = el("div", stage_table(report), class_="wide")
    against = [] if report.runs_at_once else _against(report)
    head = "Waiting and running, by stage"
    return section(head, el("p", words, class_="soft"), table, *against)


def _against(report: Report) -> list[Element]:
    """Waiting against running, in a sentence and a picture."""
    found = both_known(report)
    ended = sum(row.in_queue is not None for row in report.rows)
    if not found:
        words = f"Of none of the {ended} jobs that ended is it known when it began to run: "
        return [el("p", words + "no look saw it run.")] if ended else []
    waited = duration(sum(row.waited or 0.0 for row in found))
    ran = duration(sum(row.ran or 0.0 for row in found))
    words = f"{len(found)} of {ended} jobs that ended were seen to run: together these waited "
    dots = "A dot is a job, a big one several; above the line they waited longer than they ran."
    chart = el("div", waits_chart(report), class_="wide")
    return [el("p", f"{words}{waited} and ran {ran}."), chart, el("p", dots, class_="soft")]


def _graph(report: Report) -> Element | None:
    if not report.graph.edges.number_of_edges():
        return None
    drawing = graph_drawing(report)
    if drawing is None:
        words = "Too many stages for a drawing; for Graphviz: jobauto report RUN -o graph.dot"
        return section("What needs what", el("p", words, class_="soft"))
    each = "job" if len(report.rows) <= MOST_JOBS else "stage (all jobs with the same id)"
    words = f"A box is a {each}; an arrow leads to what waits for its marker."
    chart = el("div", drawing, class_="wide tall")
    return section("What needs what", el("p", words, class_="soft"), chart)


def _jobs(report: Report) -> Element | None:
    if not report.rows:
        return None
    return section("All jobs", *job_table(report))


def _notes(report: Report) -> Element:
    text = (
        "Made from the files of the run folder alone: quelist, qsub.log, qstat and the dependency "
        "files. Times are local. When a job began to run and when it ended is when the monitor saw "
        "it, so it is late by up to an interval. A dash is what the files do not tell."
    )
    return el("p", text, class_="soft")
