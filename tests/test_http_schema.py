"""What the description of the API says, against what a served run answers to schemathesis.

schemathesis makes requests of all kinds from the description, good ones and wrong ones, and
compares each answer with it. A described request needs rows in GOOD if its path has a hole, or if
it is no GET.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from itertools import islice
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import quote

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import Failure, FailureGroup, ServerError
from schemathesis.core.transport import Response
from schemathesis.openapi.checks import (
    IgnoredAuth,
    JsonSchemaError,
    UndefinedContentType,
    UndefinedStatusCode,
)
from schemathesis.schemas import APIOperation
from served import BAD, Served, folders, serve, world
from starlette.responses import PlainTextResponse

from jobauto.model import State
from jobauto.web import answers, app, guards, hub, openapi, sessions

__all__ = ["serve", "world"]  # fixtures

EXAMPLES = 100  # of each request, beside those at the limits of each parameter
ODD = ["b c?d#e%2F&/qsub.0", "\u00e4\u6f22/qsub.0", "-x/qsub.a b"]
FAILED = "m002/qsub.0"
JSON = "application/json"
EVENTS = "GET /api/events"
FORM = "application/x-www-form-urlencoded"

SCHEMA = schemathesis.openapi.from_dict(
    deepcopy(openapi.DESCRIPTION),
    config=SchemathesisConfig.from_dict(
        {
            "seed": 1,
            "generation": {
                "deterministic": True,
                "database": "none",
                "max-examples": EXAMPLES,
                "with-security-parameters": False,  # else most requests are refused for these
            },
            # whether an order can be obeyed is a matter of the run, not of the description
            "operations": [
                {
                    "include-method": "POST",
                    "checks": {"positive_data_acceptance": {"enabled": False}},
                }
            ],
        }
    ),
)


def _verb(name: str, **body: Any) -> dict[str, Any]:
    return {"path_parameters": {"verb": name}, "body": body, "media_type": JSON}


def _action(name: str, **fields: str) -> dict[str, Any]:
    return {"body": {"action": name, **fields}, "media_type": FORM}


#: what is asked -> requests that must succeed
GOOD: dict[str, list[dict[str, Any]]] = {
    "GET /api/jobs": [
        {},
        {"query": {"state": ["failed", "held"], "limit": 1}},
        {"query": {"like": "m00[12]/*", "after": "m001/qsub.1"}},
    ],
    "GET /api/jobs/{name}": [
        {"path_parameters": {"name": quote(name)}}
        for name in [*ODD, FAILED, "m002/qsub.1", "m001/0"]
    ],
    "POST /api/verbs/{verb}": [
        _verb("stop", who="ann"),
        _verb("resume"),
        _verb("check"),
        _verb("limit", values={"maxqsub": 7, "interval": 2.5}),
        _verb("hold", jobs=["waiting"]),
        _verb("release", jobs=["held"]),
        _verb("switchq", jobs=["all"], values={"queue": "long"}),
        _verb("switchq", run=True, values={"queue": "long"}),
        _verb("retry", jobs=[FAILED]),
        _verb("kill", jobs=["m004/qsub.2"]),
        _verb("kill", run=True),
    ],
    "POST /process": [
        *map(_action, ("STOP", "RESUME", "CHECK", "KILL")),
        _action("SWITCHQ", QUEUE="long"),
        _action("CHANGEMAXJ", MAXJOBS="7"),
    ],
}


def _operation(label: str) -> APIOperation[Any, Any, Any, Any]:
    method, path = label.split(" ", 1)
    return SCHEMA[path][method]


LABELS = [
    f"{method.upper()} {path}"
    for path, methods in openapi.DESCRIPTION["paths"].items()
    for method in methods
]


class Asked:
    """Sends cases of schemathesis with the owner's token, and has every check made."""

    def __init__(self, served: Served) -> None:
        self.served = served
        self.headers = dict(served.owner)

    def __call__(self, case: schemathesis.Case[Any]) -> Response:
        url = self.served.facts["url"]
        return case.call_and_validate(base_url=url, headers=self.headers, timeout=20)

    def good(self, label: str) -> list[Response]:
        """What the requests that must succeed answer."""
        method, path = label.split(" ", 1)
        simple = method == "GET" and "{" not in path
        assert label in GOOD or simple, f"add a request that succeeds to GOOD: {label}"
        operation = _operation(label)
        return [self(operation.Case(**given)) for given in GOOD.get(label, [{}])]


@pytest.fixture
def asked(serve: Callable[..., Served], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Asked:
    """A run with odd names, a failed job, jobs that wait and a task; nobody may follow it."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(hub, "CLIENTS", 0)  # as events have no end
    for name in ("KNOWN", "STRANGE"):
        monkeypatch.setattr(guards, name, (1e6, 1e6))
    task = {"task": "T", "db": f"sqlite:///{tmp_path}/tasks.db", "site": "here"}
    s = serve(folders(5) | dict.fromkeys(ODD, ""), (FAILED, BAD), maxqsub=3, **task)
    while FAILED not in s.board.now.status.named(State.FAILED):
        s.tick()
        assert s.monitor.ticks < 20, "it did not fail"
    return Asked(s)


@SCHEMA.parametrize()
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_answer_is_as_described(case: schemathesis.Case[Any], asked: Asked) -> None:
    asked(case)


@pytest.mark.parametrize("label", [label for label in LABELS if label != EVENTS])
def test_good_requests_succeed_as_described(asked: Asked, label: str) -> None:
    assert {answer.status_code // 100 for answer in asked.good(label)} == {2}


def test_events_are_of_the_kind_that_is_described(
    asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "CLIENTS", 1)
    served = asked.served
    kinds = _operation(EVENTS).definition.raw["responses"]["200"]["content"]
    url = served.facts["url"] + "/api/events"
    with requests.get(url, headers=asked.headers, stream=True, timeout=20) as stream:
        assert stream.status_code == 200
        assert {stream.headers["Content-Type"].partition(";")[0]} == set(kinds)
        lines = stream.iter_lines()
        assert next(lines) == b": following"
        assert asked(_operation(EVENTS).Case()).status_code == 429
        served.tick()
        served.tick()
        assert b"event: change" in islice(lines, 6)


def test_the_task_is_as_described_before_and_after_its_first_answer(asked: Asked) -> None:
    case = _operation("GET /api/task").Case()
    while (told := asked(case).json())["found"] is None:
        assert told["asking"]
    assert told["found"]["total"]["jobs"] == 18


# --- the checks themselves ------------------------------------------------------------------------


def _fails(*_: object) -> NoReturn:
    raise RuntimeError("a fault of ours")


LIES: dict[str, tuple[object, str, object, type[Failure]]] = {
    "a fault": (answers, "overview", _fails, ServerError),
    "a wrong type": (answers, "overview", lambda _at: {"tick": "x"}, JsonSchemaError),
    "a code that is not described": (
        *(app, "as_json", lambda data: guards.as_json(data, 299)),
        UndefinedStatusCode,
    ),
    "another kind": (
        *(app, "as_json", lambda data: PlainTextResponse(json.dumps(data))),
        UndefinedContentType,
    ),
    "anybody may look": (sessions.Tokens, "role", lambda *_: sessions.Role.OWNER, IgnoredAuth),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_is_seen(asked: Asked, monkeypatch: pytest.MonkeyPatch, lie: str) -> None:
    owner, name, told, failure = LIES[lie]
    monkeypatch.setattr(owner, name, told)
    with pytest.raises(FailureGroup) as seen:
        asked.good("GET /api/status")
    assert failure in {type(found) for found in seen.value.exceptions}
