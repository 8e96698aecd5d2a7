"""What the models of a service hold, as far as we know: one small file a model.

It is read and written under a lock that lasts as long as a step. A step, and all that comes after
it, is struck out and flushed to the disk before it is asked for anew, so that whatever becomes of
us, nothing stands in the file that the service does not hold.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import networkx as nx
from filelock import FileLock, Timeout

from jobauto import registry
from jobauto.errors import UserError
from jobauto.ledger import files
from jobauto.quoting import shown
from jobauto.steps.folders import described
from jobauto.steps.keys import hashed
from jobauto.steps.service import Service


def address_word(service: Service) -> str:
    """A short word for a service's address."""
    return hashed(service.address.lower())[:12]


def place(service: Service, model: str) -> Path:
    """The file about a model, of this person on this machine."""
    return registry.folder() / "services" / address_word(service) / f"{model}.json"


@dataclass(slots=True)
class Held:
    """The steps that a model holds: name to key, and to its answer where that is still needed.

    `stamp`: what the service itself said of this, if it is asked.
    """

    file: Path
    service: Service
    steps: dict[str, dict[str, Any]] = field(default_factory=dict)
    stamp: Any = None

    def holds(self, step: str, key: str) -> bool:
        """Whether the service holds just this."""
        return self.steps.get(step, {}).get("key") == key

    def answer(self, step: str) -> Any:
        """What the service said to a step that it holds."""
        return self.steps[step].get("answer")

    def forget(self, step: str) -> None:
        """Strike out a step and all that comes after it; on the disk when this returns."""
        gone = {step} | nx.descendants(self.service.graph, step)
        if gone & self.steps.keys():
            self.steps = {name: said for name, said in self.steps.items() if name not in gone}
            self._write()

    def forget_all(self, stamp: Any) -> None:
        """The service holds nothing of ours."""
        self.steps, self.stamp = {}, stamp
        self._write()

    def note(self, step: str, key: str, answer: Any, stamp: Any) -> None:
        """The service holds this step now."""
        self.steps[step] = {"key": key, "answer": answer}
        self.stamp = stamp
        self._write()

    def _write(self) -> None:
        data = {"service": _word(self.service), "steps": self.steps, "stamp": self.stamp}
        files.replace(self.file, json.dumps(data, indent=1) + "\n", mode=0o600)


@contextmanager
def held(service: Service, model: str, wait: float = -1) -> Iterator[Held]:
    """What a model holds, for as long as nobody else may touch it; UserError after so many seconds
    of waiting (-1: for ever)."""
    file = place(service, model)
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        with FileLock(f"{file}.lock", timeout=wait):
            yield _read(file, service)
    except Timeout:
        raise UserError(f"another job uses model {shown(model)}", shown(str(file))) from None


def _read(file: Path, service: Service) -> Held:
    """Nothing, if the file cannot be read or is about another description of the service."""
    found = Held(file, service)
    try:
        data = json.loads(files.read(file))
        if data["service"] == _word(service):
            found.steps, found.stamp = dict(data["steps"]), data["stamp"]
    except (OSError, ValueError, KeyError, TypeError):
        return found
    sound = all(isinstance(said, Mapping) for said in found.steps.values())
    return found if sound else Held(file, service)


def _word(service: Service) -> str:
    """One word for what steps there are and what each does, wherever the service is."""
    said = {name: [described(service, name), service.steps[name].after] for name in service.steps}
    return hashed(said)
