"""Small sweeps for tests: a template that puts out what it got, and files that vary it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from trees import make

from jobauto.sweep.planning import Plan, plan

JOB = "set -e\ndate > qsub.finished.0\n"
TEMPLATE = {"qsub.0": JOB, "qsub.dependency.0": "", "in": "t @t@\nsize @size@\n"}
DECLARED = """template = "mine"
[variables.t]
type = "float"
unit = "K"
default = 300
min = 0
[variables.size]
default = 10
allowed = ">0"
"""


def planned(folder: Path, text: str, template: Mapping[str, str] = TEMPLATE) -> Plan:
    """What a file of this text would make of this template."""
    make(folder / "mine", template)
    (folder / "a.toml").write_text(text, encoding="utf-8")
    return plan(folder / "a.toml")


def values(made: Plan, name: str) -> list[str]:
    """The values of a variable, in order, as they are written."""
    return [point.texts()[name] for point in made.folders.values()]
