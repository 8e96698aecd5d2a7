"""What requests and answers of the API look like, as JSON Schema."""

from __future__ import annotations

from typing import Any

from jobauto.actions.order import WORDS

TEXT = {"type": "string"}
NUMBER = {"type": "integer", "minimum": 0}
NUMBERS = {"type": "object", "additionalProperties": NUMBER}
UP_TO_1000 = {"type": "integer", "minimum": 1, "maximum": 1000}
TEXTS = {"type": "array", "items": TEXT}


def record(**properties: Any) -> dict[str, Any]:
    """An object that has all these properties."""
    return {"type": "object", "properties": properties, "required": sorted(properties)}


def ref(name: str) -> dict[str, str]:
    """One of SCHEMAS, by name."""
    return {"$ref": f"#/components/schemas/{name}"}


_STATE = {**TEXT, "enum": sorted(WORDS)}
STATES = {"type": "array", "items": {**TEXT, "enum": ["", *sorted(WORDS)]}}
_CONDITION = record(what=TEXT, why=TEXT, since=TEXT, until=TEXT)
_MAYBE = {"type": ["number", "null"]}
_LINE = {
    "name": TEXT,
    "state": _STATE,
    "jobid": TEXT,
    "word": TEXT,
    "queue": TEXT,
}
_NEED = record(
    file=TEXT,
    absent={"type": "boolean"},
    there={"type": "boolean"},
    maker={"type": ["string", "null"]},
    state=TEXT,
)
_PROGRESS = record(
    total=NUMBER, done=NUMBER, left=NUMBER, rate=_MAYBE, end={"type": ["string", "null"]}
)
_AFTER = record(jobs={"type": "array", "items": record(name=TEXT, state=TEXT)}, more=NUMBER)
_KIND = record(word=TEXT, fill=TEXT, sign=TEXT, says=TEXT)
_SHARE = record(
    name=TEXT,
    jobs=NUMBER,
    **dict.fromkeys(("done", "running", "failed", "unsure", "free"), NUMBER),
)
_SHARES = {"type": "array", "items": _SHARE}
SCHEMAS = {
    "Error": record(error=TEXT),
    "Status": record(
        project=TEXT,
        run=TEXT,
        scheduler=TEXT,
        monitor={"type": "boolean", "description": "one looks after the run"},
        role={"enum": ["owner", "reader"]},
        task={"type": ["string", "null"], "description": "that the run shares with others"},
        date=TEXT,
        now={"type": "number", "description": "seconds since 1970"},
        tick=NUMBER,
        counts=NUMBERS,
        progress=_PROGRESS,
        conditions={"type": "array", "items": _CONDITION},
        queue=NUMBER,
        others=NUMBERS,
        strange=TEXTS,
        limits={"type": "object", "additionalProperties": _MAYBE},
    ),
    "Grid": record(
        tick=NUMBER,
        legend={"type": "array", "items": _KIND},
        ids=TEXTS,
        folders=TEXTS,
        cells={
            "type": "array",
            "description": "a row a folder: places in legend, or -1",
            "items": {"type": "array", "items": {"type": "integer", "minimum": -1}},
        },
    ),
    "History": record(
        points={
            "type": "array",
            "description": "seconds since 1970, jobs in the queue, done, failed",
            "items": {"type": "array", "items": {"type": "number"}},
        },
    ),
    "Task": record(
        name=TEXT,
        person={**TEXT, "description": "who we are in the database"},
        site=TEXT,
        date={**TEXT, "description": "of what was found; empty: the first answer is to come"},
        asking={"type": "boolean", "description": "the database is being asked"},
        conditions={"type": "array", "items": _CONDITION},
        found={"anyOf": [ref("Found"), {"type": "null"}]},
    ),
    "Found": record(
        total=_SHARE,
        datasets={**_SHARES, "description": "what needs a person first, what is done last"},
        sites=_SHARES,
        persons=_SHARES,
        late={**NUMBER, "description": "claims older than their lease"},
    ),
    "Jobs": record(
        jobs={"type": "array", "items": record(**_LINE)},
        total=NUMBER,
        next={"type": ["string", "null"]},
    ),
    "Job": record(
        **_LINE,
        words=TEXTS,
        verbs=TEXTS,
        why=TEXT,
        needs={"type": "array", "items": _NEED},
        after=_AFTER,
        tail=TEXT,
    ),
    "Wanted": {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "jobs": {**TEXTS, "description": "names, patterns, words of states, or all"},
            "values": {
                "type": "object",
                "description": "of limit: maxqsub, maxpending, interval; of switchq: queue",
                "additionalProperties": {"type": ["string", "number"]},
            },
            "who": {**TEXT, "maxLength": 40, "description": "stands in the log"},
            "run": {"type": "boolean", "description": "kill, switchq: the whole run is meant"},
        },
    },
    "Told": record(verb=TEXT, jobs=TEXTS, run={"type": "boolean"}),
}
