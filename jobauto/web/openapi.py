"""The description of the API in the words of OpenAPI 3.1."""

from __future__ import annotations

from typing import Any

from jobauto import __version__
from jobauto.actions.order import FOR_JOBS, FOR_RUNS, WORDS

_TEXT = {"type": "string"}
_NUMBER = {"type": "integer", "minimum": 0}
_NUMBERS = {"type": "object", "additionalProperties": _NUMBER}
_UP_TO_1000 = {"type": "integer", "minimum": 1, "maximum": 1000}
_TEXTS = {"type": "array", "items": _TEXT}


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": sorted(properties)}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


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
        str(n): _answer(why[n], _ref("Error")) for n in (400, 401, 403, 408, 413, 429, 431, *bad)
    }
    return {str(code): good, **told}


def _query(name: str, text: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": text, "schema": schema}


def _path(name: str, text: str, **schema: Any) -> dict[str, Any]:
    kind = {**_TEXT, **schema}
    return {"name": name, "in": "path", "required": True, "description": text, "schema": kind}


def _form(**fields: dict[str, Any]) -> dict[str, Any]:
    schema = {"type": "object", "properties": fields, "required": ["action"]}
    kinds = ("application/x-www-form-urlencoded", "multipart/form-data")
    return {"required": True, "content": {kind: {"schema": schema} for kind in kinds}}


_STATE = {**_TEXT, "enum": sorted(WORDS)}
_STATES = {"type": "array", "items": {**_TEXT, "enum": ["", *sorted(WORDS)]}}
_CONDITION = _object(what=_TEXT, why=_TEXT, since=_TEXT, until=_TEXT)
_MAYBE = {"type": ["number", "null"]}
_LINE = {
    "name": _TEXT,
    "state": _STATE,
    "jobid": _TEXT,
    "word": _TEXT,
    "queue": _TEXT,
}
_NEED = _object(
    file=_TEXT,
    absent={"type": "boolean"},
    there={"type": "boolean"},
    maker={"type": ["string", "null"]},
    state=_TEXT,
)
_PROGRESS = _object(
    total=_NUMBER, done=_NUMBER, left=_NUMBER, rate=_MAYBE, end={"type": ["string", "null"]}
)
_AFTER = _object(jobs={"type": "array", "items": _object(name=_TEXT, state=_TEXT)}, more=_NUMBER)
_KIND = _object(word=_TEXT, fill=_TEXT, sign=_TEXT, says=_TEXT)
_SCHEMAS = {
    "Error": _object(error=_TEXT),
    "Status": _object(
        project=_TEXT,
        run=_TEXT,
        scheduler=_TEXT,
        monitor={"type": "boolean", "description": "one looks after the run"},
        role={"enum": ["owner", "reader"]},
        date=_TEXT,
        now={"type": "number", "description": "seconds since 1970"},
        tick=_NUMBER,
        counts=_NUMBERS,
        progress=_PROGRESS,
        conditions={"type": "array", "items": _CONDITION},
        queue=_NUMBER,
        others=_NUMBERS,
        strange=_TEXTS,
        limits={"type": "object", "additionalProperties": _MAYBE},
    ),
    "Grid": _object(
        tick=_NUMBER,
        legend={"type": "array", "items": _KIND},
        ids=_TEXTS,
        folders=_TEXTS,
        cells={
            "type": "array",
            "description": "a row a folder: places in legend, or -1",
            "items": {"type": "array", "items": {"type": "integer", "minimum": -1}},
        },
    ),
    "History": _object(
        points={
            "type": "array",
            "description": "seconds since 1970, jobs in the queue, done, failed",
            "items": {"type": "array", "items": {"type": "number"}},
        },
    ),
    "Jobs": _object(
        jobs={"type": "array", "items": _object(**_LINE)},
        total=_NUMBER,
        next={"type": ["string", "null"]},
    ),
    "Job": _object(
        **_LINE,
        words=_TEXTS,
        verbs=_TEXTS,
        why=_TEXT,
        needs={"type": "array", "items": _NEED},
        after=_AFTER,
        tail=_TEXT,
    ),
    "Wanted": {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "jobs": {**_TEXTS, "description": "names, patterns, words of states, or all"},
            "values": {
                "type": "object",
                "description": "of limit: maxqsub, maxpending, interval; of switchq: queue",
                "additionalProperties": {"type": ["string", "number"]},
            },
            "who": {**_TEXT, "maxLength": 40, "description": "stands in the log"},
            "run": {"type": "boolean", "description": "kill, switchq: the whole run is meant"},
        },
    },
    "Told": _object(verb=_TEXT, jobs=_TEXTS, run={"type": "boolean"}),
}

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
                "responses": _answers(_answer("counts and limits", _ref("Status"))),
            }
        },
        "/api/grid": {
            "get": {
                "summary": "all jobs at once: folders by ids",
                "responses": _answers(_answer("a cell a job", _ref("Grid"))),
            }
        },
        "/api/history": {
            "get": {
                "summary": "what was in the queue and what had ended, over time",
                "responses": _answers(_answer("some hundred moments", _ref("History"))),
            }
        },
        "/api/jobs": {
            "get": {
                "summary": "jobs in order of name, in pages",
                "parameters": [
                    _query("state", "words of states, with commas; none: all", _STATES)
                    | {"style": "form", "explode": False},
                    _query("like", "a pattern: mp-1*/qsub.0", {**_TEXT, "maxLength": 200}),
                    _query("after", "begin behind this name", _TEXT),
                    _query("limit", "how many", _UP_TO_1000),
                ],
                "responses": _answers(_answer("a page", _ref("Jobs"))),
            }
        },
        "/api/jobs/{name}": {
            "get": {
                "summary": "one job, and why it is where it is",
                "parameters": [_path("name", "as in quelist; it has slashes")],
                "responses": _answers(_answer("the job", _ref("Job")), 404),
            }
        },
        "/api/verbs/{verb}": {
            "post": {
                "summary": "have something done; the monitor does it in its next tick",
                "parameters": [_path("verb", "what", enum=sorted([*FOR_JOBS, *FOR_RUNS]))],
                "requestBody": {
                    "required": True,
                    "content": {"application/json": {"schema": _ref("Wanted")}},
                },
                "responses": _answers(
                    _answer("the monitor was told", _ref("Told")), 404, 415, code=202
                ),
            }
        },
        "/api/log": {
            "get": {
                "summary": "what was written of a job; without one the monitor's log (owner only)",
                "parameters": [
                    _query("job", "its name", _TEXT),
                    _query("lines", "the last so many", _UP_TO_1000),
                ],
                "responses": _answers(_answer("lines", _object(lines=_TEXTS)), 404),
            }
        },
        "/api/events": {
            "get": {
                "summary": "an event `change` for each tick in which something changed",
                "responses": _answers(_answer("events", _TEXT, "text/event-stream")),
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
                        **_TEXT,
                        "enum": ["KILL", "STOP", "RESUME", "SWITCHQ", "CHANGEMAXJ", "CHECK"],
                    },
                    token=_TEXT,
                    QUEUE=_TEXT,
                    MAXJOBS=_TEXT,
                    who=_TEXT,
                ),
                "responses": {
                    "200": _answer("done", _TEXT, "text/plain"),
                    "400": _answer("what is wrong", _TEXT, "text/plain"),
                    "403": _answer("the token is wrong", _TEXT, "text/plain"),
                    "4XX": _answer("refused before it was read", _ref("Error")),
                },
            }
        },
    },
    "components": {
        "schemas": _SCHEMAS,
        "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
    },
}

_RUNS = {
    "type": "array",
    "items": _object(key=_TEXT, project=_TEXT, run=_TEXT),
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
                "responses": _answers(_answer("their keys", _object(runs=_RUNS))),
            }
        },
        "/api/openapi.json": DESCRIPTION["paths"]["/api/openapi.json"],
        **dict(_of_one(path, item) for path, item in DESCRIPTION["paths"].items()),
    },
}
