"""How a check fails, and what foreign texts it tries."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

#: checks with their names
Checks = Iterator[tuple[str, Callable[[], None]]]

MOTD = "Last login: Fri Nov 20\n** maintenance on Monday at 8 **\nyou have 3 jobs\n"
FOREIGN = {
    "a banner": MOTD,
    "an error": "slurm_load_jobs error: Unable to contact slurm controller (connect failure)\n",
    "a web page": "<!DOCTYPE html><html><body>502 Bad Gateway</body></html>\n",
    "an empty line": "\n",
    "a number": "0\n",
    "json": '{"jobs": []}\n',
    "wrong bytes": "\udcff\udcfe\udc80\n",
    "zeros": "\x00\x00\x00\n",
}
COMPLAINT = "sh: 1: something: not found\n"


def same(found: object, wanted: object) -> None:
    assert found == wanted, f"{found!r} instead of {wanted!r}"


def raises(error: type[Exception], call: Callable[..., Any], *args: Any) -> None:
    try:
        found = call(*args)
    except error:
        return
    raise AssertionError(f"{found!r} instead of {error.__name__} for {args!r}")
