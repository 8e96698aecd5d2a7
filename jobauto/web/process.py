"""`POST /process`: the actions that users of pybatch type with curl, answered in a line of text."""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from jobauto.errors import UserError, near
from jobauto.model import State
from jobauto.quoting import shown
from jobauto.web.door import Door, said
from jobauto.web.pages import door
from jobauto.web.sessions import Role
from jobauto.web.snapshot import Snapshot

_FIELDS = 10

#: action -> verb, its value, the form field which has that value, and the answer
ACTIONS: dict[str, tuple[str, str, str, str]] = {
    "STOP": ("stop", "", "", "submission stops, what is in the queue goes on"),
    "RESUME": ("resume", "", "", "submission goes on"),
    "SWITCHQ": ("switchq", "queue", "QUEUE", "pending and future jobs go to {}"),
    "CHANGEMAXJ": ("limit", "maxqsub", "MAXJOBS", "at most {} jobs in the queue"),
    "CHECK": ("check", "", "", ""),
}
KILL = "KILL"


async def process(request: Request) -> Response:
    """Do the action of a form: 200, 400 (with what is wrong), or 403."""
    tokens = request.app.state.entrance.sessions.tokens
    try:
        async with request.form(max_files=0, max_fields=_FIELDS) as form:
            fields = {name: text for name, text in form.items() if isinstance(text, str)}
    except HTTPException:
        return _line("not a form", 400)
    role: Role = request.state.role
    if role is Role.NOBODY:
        role = tokens.role(fields.get("token", ""))
    if role is not Role.OWNER:
        return _line("no token, or a wrong one, or one that can only read", 403)
    try:
        return _line(await run_in_threadpool(_act, door(request), fields))
    except UserError as error:
        return _line(said(error), 400)


def _act(door: Door, fields: dict[str, str]) -> str:
    action, who = fields.get("action", ""), fields.get("who", "")
    if action == KILL:
        door.kill_run(who)
        return "the monitor and all jobs are being killed"
    if action not in ACTIONS:
        raise UserError(f"no action {shown(action[:40])!r}", hint=near(action, [*ACTIONS, KILL]))
    verb, key, field, answer = ACTIONS[action]
    if field and not fields.get(field):
        raise UserError(f"{action}: {field} is missing")
    value = fields.get(field, "")
    door.order(verb, [], {key: value} if key else {}, who)
    return answer.format(value) if answer else _counts(door.board.now)


def _counts(at: Snapshot) -> str:
    """`3 in the queue (1 pending, 2 running); 4 finished, 3 started, 5 waiting`."""
    entries = (at.status.entries[name] for name in at.status.named(State.STARTED))
    kinds: dict[str, int] = {}
    for entry in entries:
        line = at.status.queue.get(entry.jobid)
        kind = line.state.value if line else "not seen yet"
        kinds[kind] = kinds.get(kind, 0) + 1
    queued = ", ".join(f"{number} {kind}" for kind, number in sorted(kinds.items())) or "none"
    states = ", ".join(f"{number} {state.word}" for state, number in at.counts.items())
    return f"{sum(kinds.values())} in the queue ({queued}); {states}"


def _line(text: str, status: int = 200) -> Response:
    return PlainTextResponse(shown(text) + "\n", status)
