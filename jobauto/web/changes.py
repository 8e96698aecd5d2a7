"""What a client that follows a run is told of the way from one snapshot to the next."""

from __future__ import annotations

import json

from sse_starlette import ServerSentEvent

from jobauto.web.answers import Data, overview
from jobauto.web.grid import cell
from jobauto.web.snapshot import Snapshot

CHANGED = 200  # cells in one event


def event(before: Snapshot, now: Snapshot) -> ServerSentEvent:
    """The event that tells a client of a change."""
    return ServerSentEvent(data=json.dumps(change(before, now)), event="change")


def change(before: Snapshot, now: Snapshot) -> Data:
    """The run as a whole, and the cells that changed: a few, and how many more.

    All in one, as the server may be gone before a client asks again: the last event is the end.
    """
    changed = {}
    for name in now.names:
        word = cell(now, name)
        if name not in before.status.states or cell(before, name) != word:
            changed[name] = word
    first = dict(list(changed.items())[:CHANGED])
    return {**overview(now), "changed": first, "more": len(changed) - len(first)}
