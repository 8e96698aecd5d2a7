"""What needs a person: jobs that failed and why, and what can never start."""

from __future__ import annotations

from collections import Counter

from jobauto.actions.why import why
from jobauto.model import State
from jobauto.quoting import shown, shown_lines
from jobauto.report.gather import Report, Row
from jobauto.report.markup import Element, el
from jobauto.report.pieces import section, swatch, table
from jobauto.report.theme import SIGN
from jobauto.report.times import clock

MOST = 100  # failures in full
FIRST, OPEN = 10, 3  # of them to be seen at once, and opened
_BAD = (State.FAILED, State.UNSURE, State.KILLED)


def bad_rows(report: Report) -> list[Row]:
    """Jobs that ended badly, those first for which most others are blocked."""
    rows = [row for row in report.rows if row.state in _BAD]
    return sorted(rows, key=lambda r: (_BAD.index(r.state), -r.blocks, r.job.name))


def failures(report: Report) -> Element | None:
    """How often which reason, then each with the end of its output."""
    rows = bad_rows(report)
    if not rows:
        return None
    parts: list[Element | None] = [_reasons(rows)] if len(rows) > OPEN else []
    found = [_failure(row, number < OPEN) for number, row in enumerate(rows[:MOST])]
    parts += found[:FIRST]
    if found[FIRST:]:
        head = el("summary", f"… and {len(rows) - FIRST} more")
        parts.append(el("details", head, *found[FIRST:], _rest(len(rows) - MOST)))
    return section("What did not finish", *parts)


def _rest(number: int) -> Element | None:
    words = f"… and {number} more: jobauto report RUN -o jobs.csv"
    return el("p", words, class_="soft") if number > 0 else None


def _reasons(rows: list[Row]) -> Element:
    counts = Counter((row.state, row.reason or "–") for row in rows)
    lines: list[list[Element | str]] = [
        [reason, el("span", swatch(state.word), f" {SIGN[state.word]} {state.word}"), str(number)]
        for (state, reason), number in counts.most_common(20)
    ]
    return el("div", table(["reason", "state", "jobs"], lines, {2}), class_="wide")


def _failure(row: Row, is_open: bool) -> Element:
    word = row.state.word
    facts = [row.reason, clock(row.ended) if row.ended is not None else ""]
    facts += [f"JOBID {row.jobid}"] if row.jobid else []
    facts += [f"{len(row.tries)} attempts"] if len(row.tries) > 1 else []
    facts += [f"blocks {row.blocks} more"] if row.blocks else []
    text = ", ".join(fact for fact in facts if fact)
    head = el(
        "summary",
        swatch(word),
        f"{SIGN[word]} {word} ",
        el("b", shown(row.job.name)),
        el("span", f"  {text}", class_="soft"),
    )
    tail = el("pre", shown_lines(row.tail)) if row.tail.strip() else None
    nothing = None if tail is not None else el("p", "No output of it was kept.", class_="soft")
    return el("details", head, tail, nothing, open="open" if is_open else None)


def waiting(report: Report) -> Element | None:
    """Jobs that have not been submitted, and why: the first of them."""
    states = (State.BLOCKED, State.HELD, State.WAITING, State.READY)
    rows = [row for row in report.rows if row.state in states]
    if not rows:
        return None
    rows.sort(key=lambda r: (states.index(r.state), r.job.name))
    items = [el("li", why(report.status, row.job.name)) for row in rows[:MOST]]
    more = f", the first {MOST}" if len(rows) > MOST else ""
    head = el("summary", f"{len(rows)} jobs that wait, or can never start{more}")
    return section("Not submitted", el("details", head, el("ul", *items)))
