"""The description of the API in the words of OpenAPI 3.1."""

from __future__ import annotations

from typing import Any

from jobauto import __version__
from jobauto.actions.order import FOR_JOBS, FOR_RUNS
from jobauto.web.schemas import SCHEMAS, STATES, TEXT, TEXTS, UP_TO_1000, record, ref


def _answer(text: str, schema: dict[str, Any], kind: str = "application/json") -> dict[str, Any]:
    return {"description": text, "content": {kind: {"schema": schema}}}


def _answers(good: dict[str, Any], *bad: int, code: int = 200) -> dict[str, Any]:
    why = {
        400: "the request makes no sense",
        401: "there is no token, or a wrong one",
        403: "Host or Origin is wrong, or this token can only read",
        404: "there is none",
        408: "too slow",
        413: "the body is too large",
        415: "not JSON",
        429: "too many requests or clients",
        431: "the headers are too large",
    }
    told = {
        str(n): _answer(why[n], ref("Error")) for n in (400, 401, 403, 408, 413, 429, 431, *bad)
    }
    return {str(code): good, **told}


def _query(name: str, text: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": text, "schema": schema}


def _path(name: str, text: str, **schema: Any) -> dict[str, Any]:
    kind = {**TEXT, **schema}
    return {"name": name, "in": "path", "required": True, "description": text, "schema": kind}


def _form(**fields: dict[str, Any]) -> dict[str, Any]:
    schema = {"type": "object", "properties": fields, "required": ["action"]}
    kinds = ("application/x-www-form-urlencoded", "multipart/form-data")
    return {"required": True, "content": {kind: {"schema": schema} for kind in kinds}}


DESCRIPTION: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {
        "title": "jobauto: one run",
        "version": __version__,
        "description": "URL and tokens stand in .jobauto/http.json of the run folder.",
    },
    "security": [{"token": []}],
    "paths": {
        "/api/status": {
            "get": {
                "summary": "the run as a whole",
                "responses": _answers(_answer("counts and limits", ref("Status"))),
            }
        },
        "/api/grid": {
            "get": {
                "summary": "all jobs at once: folders by ids",
                "responses": _answers(_answer("a cell a job", ref("Grid"))),
            }
        },
        "/api/history": {
            "get": {
                "summary": "what was in the queue and what had ended, over time",
                "responses": _answers(_answer("some hundred moments", ref("History"))),
            }
        },
        "/api/task": {
            "get": {
                "summary": "the task that the run shares: what its database said last; it is asked "
                "when somebody looks, at most every 30 s",
                "responses": _answers(_answer("counts", ref("Task")), 404),
            }
        },
        "/api/jobs": {
            "get": {
                "summary": "jobs in order of name, in pages",
                "parameters": [
                    _query("state", "words of states, with commas; none: all", STATES)
                    | {"style": "form", "explode": False},
                    _query("like", "a pattern: mp-1*/qsub.0", {**TEXT, "maxLength": 200}),
                    _query("after", "begin behind this name", TEXT),
                    _query("limit", "how many", UP_TO_1000),
                ],
                "responses": _answers(_answer("a page", ref("Jobs"))),
            }
        },
        "/api/jobs/{name}": {
            "get": {
                "summary": "one job, and why it is where it is",
                "parameters": [_path("name", "as in quelist; it has slashes")],
                "responses": _answers(_answer("the job", ref("Job")), 404),
            }
        },
        "/api/verbs/{verb}": {
            "post": {
                "summary": "have something done; the monitor does it in its next tick",
                "parameters": [_path("verb", "what", enum=sorted([*FOR_JOBS, *FOR_RUNS]))],
                "requestBody": {
                    "required": True,
                    "content": {"application/json": {"schema": ref("Wanted")}},
                },
                "responses": _answers(
                    _answer("the monitor was told", ref("Told")), 404, 415, code=202
                ),
            }
        },
        "/api/log": {
            "get": {
                "summary": "what was written of a job; without one the monitor's log (owner only)",
                "parameters": [
                    _query("job", "its name", TEXT),
                    _query("lines", "the last so many", UP_TO_1000),
                ],
                "responses": _answers(_answer("lines", record(lines=TEXTS)), 404),
            }
        },
        "/api/events": {
            "get": {
                "summary": "an event `change` for each tick in which something changed",
                "responses": _answers(_answer("events", TEXT, "text/event-stream")),
            }
        },
        "/api/openapi.json": {
            "get": {
                "summary": "this description",
                "responses": _answers(_answer("OpenAPI 3.1", {"type": "object"})),
            }
        },
        "/process": {
            "post": {
                "summary": "the actions of pybatch",
                "security": [{"token": []}, {}],
                "requestBody": _form(
                    action={
                        **TEXT,
                        "enum": ["KILL", "STOP", "RESUME", "SWITCHQ", "CHANGEMAXJ", "CHECK"],
                    },
                    token=TEXT,
                    QUEUE=TEXT,
                    MAXJOBS=TEXT,
                    who=TEXT,
                ),
                "responses": {
                    "200": _answer("done", TEXT, "text/plain"),
                    "400": _answer("what is wrong", TEXT, "text/plain"),
                    "403": _answer("the token is wrong", TEXT, "text/plain"),
                    "4XX": _answer("refused before it was read", ref("Error")),
                },
            }
        },
    },
    "components": {
        "schemas": SCHEMAS,
        "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
    },
}

_RUNS = {
    "type": "array",
    "items": record(key=TEXT, project=TEXT, run=TEXT),
}


def _of_one(path: str, item: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    return "/runs/{run}" + path, {**item, "parameters": [_path("run", "the key of the run")]}


#: the same of `jobauto web`, which has the requests above for each run
MANY: dict[str, Any] = {
    **DESCRIPTION,
    "info": {
        "title": "jobauto: all runs",
        "version": __version__,
        "description": "`jobauto web` prints where; tokens stand in web.json of its state folder.",
    },
    "paths": {
        "/api/runs": {
            "get": {
                "summary": "the runs, the last that was started first",
                "responses": _answers(_answer("their keys", record(runs=_RUNS))),
            }
        },
        "/api/openapi.json": DESCRIPTION["paths"]["/api/openapi.json"],
        **dict(_of_one(path, item) for path, item in DESCRIPTION["paths"].items()),
    },
}
