"""What a person wants of a running monitor: files in `.jobauto/orders/`, obeyed once each.

A verb that finds no monitor obeys the order itself, under the run's lock.
"""

from __future__ import annotations

import json
import logging
import os
import pwd
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pydantic import TypeAdapter

from jobauto.ledger import files

log = logging.getLogger("jobauto")


@dataclass(frozen=True, slots=True)
class Order:
    """A verb for some jobs (their names), by whom, and when (date as in quelist).

    `values`: of `limit` and `switchq`, such as maxqsub or queue.
    """

    verb: str
    jobs: tuple[str, ...]
    who: str
    date: str
    values: dict[str, str] = field(default_factory=dict)


_ORDER = TypeAdapter(Order)


def me() -> str:
    """The person's login name."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container may not know its user
        return str(os.getuid())


def give(private: Path, order: Order) -> None:
    """Leave an order for the monitor; it takes the file away when it has obeyed."""
    folder = private / "orders"
    folder.mkdir(exist_ok=True)
    path = folder / f"{time.time_ns()}-{os.getpid()}.json"
    files.replace(path, json.dumps(asdict(order)) + "\n", mode=0o600)


def waiting(private: Path) -> list[tuple[Path, Order]]:
    """The orders not obeyed yet, oldest first. What cannot be read is put aside and told."""
    found = []
    for path in sorted((private / "orders").glob("[0-9]*.json")):
        try:
            found.append((path, _ORDER.validate_json(files.read(path))))
        except (OSError, ValueError) as error:
            log.error("%s: cannot be read: %s; put aside", path, error)
            path.rename(path.with_suffix(".unreadable"))
    return found
