"""Answers of the API as plain values, from a snapshot alone (and the kept tail of a failed job)."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from fnmatch import translate
from typing import Any
from urllib.parse import quote

from jobauto.actions.order import WORDS
from jobauto.actions.why import find, tail, why
from jobauto.errors import UserError, near
from jobauto.model import State
from jobauto.web.snapshot import Snapshot

PAGE, LARGEST_PAGE = 200, 1000
LONGEST_PATTERN = 200
CHANGED = 100  # names in one event

Data = dict[str, Any]


def overview(at: Snapshot) -> Data:
    """The run as a whole."""
    status = at.status
    return {
        "run": status.run.folder.name,
        "scheduler": status.run.scheduler,
        "date": at.date,
        "tick": at.tick,
        "counts": _words(at.counts),
        "progress": _progress(at.counts),
        "conditions": [asdict(condition) for condition in status.conditions],
        "queue": len(status.queue),
        "others": {state.value: number for state, number in status.others().items()},
        "strange": sorted(status.strange()),
        "limits": at.limits,
    }


def _words(counts: Mapping[State, int]) -> dict[str, int]:
    return {state.word: number for state, number in counts.items()}


def _progress(counts: Mapping[State, int]) -> dict[str, int]:
    final = sum(number for state, number in counts.items() if state.final)
    done = sum(number for state, number in counts.items() if state.done)
    return {"total": sum(counts.values()), "ended": final, "done": done}


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
        "href": "/api/jobs/" + quote(name),
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
        "why": why(at.status, name),
        "needs": _needs(at, name),
        "tail": tail(at.status, name),
    }


def _needs(at: Snapshot, name: str) -> list[Data]:
    graph = at.status.graph
    return [
        {
            "file": need.file,
            "absent": need.absent,
            "there": need.file in graph.present,
            "maker": graph.makers.get(need.file),
        }
        for need in graph.needs.get(name, [])
    ]


def change(before: Snapshot, now: Snapshot) -> Data:
    """What an event says of the way from one snapshot to the next one: few names of many."""
    old = before.status.states
    changed = [name for name in now.names if old.get(name) is not now.status.states[name]]
    return {
        "tick": now.tick,
        "date": now.date,
        "counts": _words(now.counts),
        "conditions": [condition.what for condition in now.status.conditions],
        "changed": {name: now.status.states[name].word for name in changed[:CHANGED]},
        "more": max(0, len(changed) - CHANGED),
    }
