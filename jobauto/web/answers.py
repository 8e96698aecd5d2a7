"""Answers of the API as plain values, from a snapshot alone (and the kept tail of a failed job)."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import asdict
from fnmatch import translate
from typing import Any

from jobauto.actions.log import of_job, of_run
from jobauto.actions.order import FOR_JOBS, WORDS
from jobauto.actions.progress import progress
from jobauto.actions.why import find, tail, why
from jobauto.errors import UserError, near
from jobauto.model import State, known
from jobauto.web.snapshot import Snapshot

PAGE, LARGEST_PAGE = 200, 1000
LONGEST_PATTERN = 200
NEIGHBOURS = 24  # jobs after a job

Data = dict[str, Any]


def overview(at: Snapshot) -> Data:
    """The run as a whole."""
    status, now = at.status, known(at.date) or 0.0
    folder = status.run.folder
    return {
        "project": folder.parent.name,
        "run": folder.name,
        "scheduler": status.run.scheduler,
        "monitor": at.watched,
        "date": at.date,
        "now": now,
        "tick": at.tick,
        "counts": {state.word: number for state, number in at.counts.items()},
        "progress": asdict(progress(status, now)),
        "conditions": [asdict(condition) for condition in status.conditions],
        "queue": len(status.queue),
        "others": {state.value: number for state, number in status.others().items()},
        "strange": sorted(status.strange()),
        "limits": at.limits,
    }


def jobs(at: Snapshot, states: Iterable[str], like: str, after: str, limit: int) -> Data:
    """A page of jobs in order of name: at most `limit` of those behind the name `after`.

    `states` (none: all) are words, `like` is a pattern as of a shell. `next` is the `after` of the
    next page, or None.
    """
    wanted = {_state(word) for word in states}
    if len(like) > LONGEST_PATTERN:
        raise UserError("the pattern is too long")
    fits = re.compile(translate(like)).match if like else None
    status = at.status
    found = [
        name
        for name in at.names
        if (not wanted or status.states[name] in wanted) and (fits is None or fits(name))
    ]
    first = bisect_right(found, after) if after else 0
    page = found[first : first + limit]
    more = first + limit < len(found)
    return {
        "jobs": [_line(at, name) for name in page],
        "total": len(found),
        "next": page[-1] if more and page else None,
    }


def _state(word: str) -> State:
    if word not in WORDS:
        raise UserError(f"no state {word[:40]!r}", hint=near(word[:40], WORDS))
    return WORDS[word]


def _line(at: Snapshot, name: str) -> Data:
    entry = at.status.entries.get(name)
    seen = at.status.queue.get(entry.jobid) if entry else None
    return {
        "name": name,
        "state": at.status.states[name].word,
        "jobid": entry.jobid if entry else "",
        "word": str(entry.words[-1]) if entry and entry.words else "",
        "queue": seen.state.value if seen and entry and entry.open else "",
    }


def job(at: Snapshot, name: str) -> Data:
    """One job, by its full or short name; UserError if the run has none of this name."""
    name = find(at.status, name)
    entry = at.status.entries.get(name)
    return {
        **_line(at, name),
        "words": [str(word) for word in entry.words] if entry else [],
        "verbs": _verbs(at, name),
        "why": why(at.status, name),
        "needs": _needs(at, name),
        "after": _after(at, name),
        "tail": tail(at.status, name),
    }


def _verbs(at: Snapshot, name: str) -> list[str]:
    """What can be done with a job in its state; `release` in the queue only if it is held there."""
    state = at.status.states[name]
    found = [verb for verb, (states, _) in FOR_JOBS.items() if state in states]
    held = state is State.HELD or name in at.status.strange()
    return [verb for verb in found if verb != "switchq" and (held or verb != "release")]


def _needs(at: Snapshot, name: str) -> list[Data]:
    graph = at.status.graph
    return [
        {
            "file": need.file,
            "absent": need.absent,
            "there": need.file in graph.present,
            "maker": graph.makers.get(need.file),
            "state": _word(at, graph.makers.get(need.file)),
        }
        for need in graph.needs.get(name, [])
    ]


def _after(at: Snapshot, name: str) -> Data:
    """The jobs that need the marker of this one: the first few, and how many more."""
    graph = at.status.graph
    marker = graph.jobs[name].marker if name in graph.jobs else None
    found = [
        other
        for other, needs in graph.needs.items()
        if any(need.file == marker and not need.absent for need in needs)
    ]
    first = [{"name": other, "state": _word(at, other)} for other in sorted(found)[:NEIGHBOURS]]
    return {"jobs": first, "more": len(found) - len(first)}


def _word(at: Snapshot, name: str | None) -> str:
    state = at.status.states.get(name) if name else None
    return state.word if state else ""


def log(at: Snapshot, name: str, lines: int) -> Data:
    """All that was written of a job; without a name, the last lines of the monitor's own log."""
    if name:
        return {"lines": of_job(at.status, name)[-lines:]}
    folder = at.status.run.folder
    return {"lines": [line.replace(str(folder), folder.name) for line in of_run(at.status, lines)]}
