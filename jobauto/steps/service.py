"""What a service file may say: the steps of a web service, and how each is asked for."""

from __future__ import annotations

import re
from functools import cached_property
from typing import Annotated, Any, Literal

import networkx as nx
from pydantic import BeforeValidator, Field, field_validator, model_validator

from jobauto import resources
from jobauto.errors import near
from jobauto.steps import holes
from jobauto.sweep.fields import Names, Table

_NAME = re.compile(r"[A-Za-z_][\w-]*\*?", re.ASCII)
_FILE = re.compile(r"[\w-][\w.*-]*", re.ASCII)
_RESERVED = ("dependency", "finished", "resources", "inputs", "outputs", "held")
_ORIGIN = re.compile(r"https?://[^/@?#\s]+(/[^?#@\s]*)?")
SECRET = re.compile(r"(.* )?env:(\w+)")
_SECRETS = ("authorization", "cookie", "proxy-authorization")
Value = str | bool | int | float


def _seconds(value: Any) -> Any:
    if isinstance(value, str):
        return float(resources.seconds(value))
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _values(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else (value,)


Seconds = Annotated[float, BeforeValidator(_seconds), Field(gt=0)]
Values = Annotated[tuple[Value, ...], BeforeValidator(_values)]


class Download(Table):
    """A file to be had after a step; without `path` the answer to the step itself is the file."""

    to: str
    path: str = ""
    type: Literal["", "png", "jpeg", "gif", "mp4", "zip", "json"] = ""
    sha256: str = ""

    @field_validator("to")
    @classmethod
    def _plain(cls, name: str) -> str:
        if not _FILE.fullmatch(name.replace("{step}", "x")) or name.startswith("qsub."):
            raise ValueError("a plain name: letters, digits, _ - . and {step}")
        return name

    @field_validator("sha256")
    @classmethod
    def _source(cls, text: str) -> str:
        if text and text.partition(":")[0] not in ("header", "field"):
            raise ValueError("header:NAME of the download, or field:KEY of the answer to the step")
        return text


class Done(Table):
    """How to know that a step is done: `path` is asked until `field` has this `value`."""

    path: str
    field: str
    value: Values
    failed: Values = ()
    idle: Values = ()
    every: Seconds = 2.0
    timeout: Seconds = 3600.0


class Step(Table):
    """One step: the JSON file, where it is sent and how, and what comes of it."""

    path: str
    file: str = ""
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "POST"
    send: Literal["json", "form", "query"] = "json"
    fields: dict[str, Any] = {}
    after: Names = ()
    repeatable: bool = False
    state: bool | None = None
    cost: int = Field(1, ge=1, le=1_000_000)
    done: Done | None = None
    download: Annotated[tuple[Download, ...], BeforeValidator(_values)] = ()

    @model_validator(mode="after")
    def _holes(self) -> Step:
        for path in (self.path, *([self.done.path] if self.done else [])):
            holes.check(path, answer=path != self.path)
        for one in self.download:
            holes.check(one.path, answer=True)
        if sum(not one.path for one in self.download) > 1:
            raise ValueError("only one download can be the answer itself: give the others a path")
        if self.done and any(not one.path for one in self.download):
            raise ValueError("with `done` the answer is no file: give the download a path")
        holes.check_all(self.fields)
        return self

    @property
    def body(self) -> Download | None:
        """The download that is the answer itself."""
        return next((one for one in self.download if not one.path), None)


class Retry(Table):
    """How long a request that met trouble is tried again, and the first wait."""

    span: Seconds = Field(600.0, alias="for")
    first: Seconds = 1.0
    longest: Seconds = 60.0


class Stamp(Table):
    """What the service itself says of what it holds: another value than before means nothing."""

    path: str
    field: str

    @field_validator("path")
    @classmethod
    def _holes(cls, path: str) -> str:
        holes.check(path, answer=False)
        return path


class Service(Table):
    """A service file. Names of steps that end in `*` stand for one step a file."""

    description: str = ""
    address: str
    timeout: Seconds = 60.0
    headers: dict[str, str] = {}
    retry: Retry = Retry.model_validate({})
    state: Stamp | None = None
    steps: dict[str, Step] = Field(min_length=1)

    @field_validator("address")
    @classmethod
    def _address(cls, text: str) -> str:
        if not _ORIGIN.fullmatch(text):
            raise ValueError("http:// or https://, a host, and no password, ? or # in it")
        return text.rstrip("/")

    @field_validator("headers")
    @classmethod
    def _headers(cls, headers: dict[str, str]) -> dict[str, str]:
        for name, text in headers.items():
            if name.lower() in _SECRETS and not SECRET.fullmatch(text):
                hint = f'{name} = "env:MY_TOKEN", or "Bearer env:MY_TOKEN"'
                raise ValueError(f"a secret does not belong in this file: {hint}")
        return headers

    @model_validator(mode="after")
    def _steps(self) -> Service:
        for name, step in self.steps.items():
            if not _NAME.fullmatch(name) or name.rstrip("*") in _RESERVED:
                raise ValueError(f"steps.{name}: letters, digits, _ and - (a * at its end)")
            for before in step.after:
                _check_after(self, name, before)
            if name.endswith("*"):
                if step.state:
                    raise ValueError(f"steps.{name}: one of many cannot be what the service holds")
                if any("{step}" not in one.to for one in step.download):
                    raise ValueError(f"steps.{name}: {{step}} must be in each `to`")
        if not nx.is_directed_acyclic_graph(self.graph):
            loop = " -> ".join(edge[0] for edge in nx.find_cycle(self.graph))
            raise ValueError(f"these steps wait for one another: {loop}")
        return self

    @cached_property
    def graph(self) -> nx.DiGraph[str]:
        """Names of steps; an edge leads to each that comes after."""
        graph: nx.DiGraph[str] = nx.DiGraph()
        graph.add_nodes_from(self.steps)
        graph.add_edges_from((a, name) for name, step in self.steps.items() for a in step.after)
        return graph

    @cached_property
    def order(self) -> tuple[str, ...]:
        """Names of steps, each behind what it comes after, else as they stand in the file."""
        place = {name: number for number, name in enumerate(self.steps)}
        return tuple(nx.lexicographical_topological_sort(self.graph, key=place.__getitem__))

    def holds(self, name: str) -> bool:
        """Whether the service's model is another one after this step."""
        state = self.steps[name].state
        return not name.endswith("*") if state is None else state

    def file(self, name: str) -> str:
        """The JSON file of a step, a pattern for one that stands for many."""
        return self.steps[name].file or f"{name}.json"


def _check_after(service: Service, name: str, before: str) -> None:
    if before not in service.steps:
        raise ValueError(f"steps.{name}: after {before!r}: {near(before, service.steps)}")
    if not service.holds(before):
        raise ValueError(f"steps.{name}: after {before!r}, which leaves nothing in the service")
