"""The requests that are understood: about one run, at the root or below a key of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from pydantic import BaseModel, Field, ValidationError
from sse_starlette import EventSourceResponse
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import QueryParams
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from jobauto.actions.order import FOR_JOBS, FOR_RUNS
from jobauto.errors import UserError
from jobauto.web import answers, openapi, pages
from jobauto.web.door import Door, said
from jobauto.web.grid import grid
from jobauto.web.guards import Entrance, Guards, as_json, refusal
from jobauto.web.history import history
from jobauto.web.pages import door
from jobauto.web.process import process
from jobauto.web.sessions import Role

TAKES: Mapping[str, set[str]] = {
    "limit": {"maxqsub", "maxpending", "interval"},
    "switchq": {"queue"},
}


class Wanted(BaseModel, extra="forbid", strict=True):
    """The body of a verb. `run`: the whole run is meant, where this is not the only way."""

    jobs: list[str] = Field(default_factory=list)
    values: dict[str, str | int | float] = Field(default_factory=dict)
    who: str = Field("", max_length=40)
    run: bool = False


def make(
    entrance: Entrance,
    elapsed: Callable[[], float],
    find: Callable[[str], Door | None],
    routes: Sequence[BaseRoute],
) -> Starlette:
    """The application with these routes. `find`: the door of a run by its key, if there is one."""
    app = Starlette(
        routes=[*pages.ROUTES, *routes],
        middleware=[Middleware(Guards, entrance=entrance, elapsed=elapsed)],
        exception_handlers={HTTPException: _known_error, UserError: _user_error},
    )
    app.router.redirect_slashes = False
    app.state.entrance, app.state.find = entrance, find
    return app


def _status(request: Request) -> Response:
    role, run = request.state.role, door(request)
    of_door = {"role": role.value, "task": run.task.name if run.task else None}
    return as_json({**answers.overview(run.board.now), **of_door})


def _task(request: Request) -> Response:
    task = door(request).task
    return as_json(task.now()) if task else refusal(404, "no task is shared here")


def _grid(request: Request) -> Response:
    return as_json(grid(door(request).board.now))


def _history(request: Request) -> Response:
    return as_json(history(door(request).board.now))


def _jobs(request: Request) -> Response:
    query = request.query_params
    states = [word for text in query.getlist("state") for word in text.split(",") if word]
    limit = _number(query, "limit", answers.PAGE)
    at = door(request).board.now
    found = answers.jobs(at, states, query.get("like", ""), query.get("after", ""), limit)
    return as_json(found)


def _number(query: QueryParams, name: str, usual: int) -> int:
    """A number in the query from 1 to LARGEST_PAGE."""
    text = query.get(name, str(usual))
    if text.isascii() and text.isdigit() and len(text) < 5:
        number = int(text)
        if 1 <= number <= answers.LARGEST_PAGE:
            return number
    raise UserError(f"{name}: a number from 1 to {answers.LARGEST_PAGE}")


def _log(request: Request) -> Response:
    """That of the monitor may name hosts and places of the person's: it is for the owner."""
    query = request.query_params
    name = query.get("job", "")
    if not name and request.state.role is not Role.OWNER:
        return refusal(403, "this token can only read what is written of a job")
    lines = _number(query, "lines", answers.PAGE)
    return _found(lambda: answers.log(door(request).board.now, name, lines))


def _job(request: Request) -> Response:
    """The name is looked up among the jobs of the run, nowhere else."""
    return _found(lambda: answers.job(door(request).board.now, request.path_params["name"]))


def _found(look_up: Callable[[], answers.Data]) -> Response:
    try:
        return as_json(look_up())
    except UserError as error:
        return refusal(404, said(error))


async def _verb(request: Request) -> Response:
    verb = request.path_params["verb"]
    if request.state.role is not Role.OWNER:
        return refusal(403, "this token can only read")
    if verb not in FOR_JOBS and verb not in FOR_RUNS:
        return refusal(404, "no such verb")
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        return refusal(415, "send JSON: Content-Type: application/json")
    try:
        wanted = Wanted.model_validate_json(await request.body())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))[:80]
        return refusal(400, f"{where}: {first['msg']}" if where else first["msg"])
    _fits(verb, wanted)
    return await run_in_threadpool(_have_done, door(request), verb, wanted)


def _have_done(run: Door, verb: str, wanted: Wanted) -> Response:
    if verb == "kill" and wanted.run:
        run.kill_run(wanted.who)
        return as_json({"verb": verb, "jobs": [], "run": True}, 202)
    values = {key: str(value) for key, value in wanted.values.items()}
    jobs = run.order(verb, wanted.jobs, values, wanted.who)
    return as_json({"verb": verb, "jobs": jobs, "run": not jobs}, 202)


def _fits(verb: str, wanted: Wanted) -> None:
    """A verb gets what it takes, and means the whole run only if that was said."""
    if wanted.jobs and (verb in FOR_RUNS or wanted.run):
        raise UserError(f"{verb}: either the run or some jobs")
    if verb in FOR_JOBS and not wanted.jobs and not (wanted.run and verb in ("kill", "switchq")):
        raise UserError(f"{verb}: say which jobs")
    odd = sorted(wanted.values.keys() - TAKES.get(verb, set()))
    if odd:
        raise UserError(f"{verb} takes no value {odd[0][:40]!r}")


async def _events(request: Request) -> Response:
    events = door(request).events
    if events.full():
        return refusal(429, "too many clients follow this run")
    return EventSourceResponse(events.follow(), ping=15, send_timeout=10)


def openapi_json(_request: Request) -> Response:
    """The description of what is about one run."""
    return as_json(openapi.DESCRIPTION)


async def _known_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return refusal(error.status_code, error.detail, error.headers)


async def _user_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, UserError)
    return refusal(400, said(error))


#: of one run
ROUTES = [
    Route("/", pages.run),
    Route("/process", process, methods=["POST"]),
    Route("/api/status", _status),
    Route("/api/grid", _grid),
    Route("/api/history", _history),
    Route("/api/task", _task),
    Route("/api/jobs", _jobs),
    Route("/api/jobs/{name:path}", _job),
    Route("/api/verbs/{verb}", _verb, methods=["POST"]),
    Route("/api/log", _log),
    Route("/api/events", _events),
    Route("/api/openapi.json", openapi_json),
]
