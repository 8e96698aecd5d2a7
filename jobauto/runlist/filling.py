"""The scripts of the template with values in them; each value is one word, however odd it is."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jobauto import templates
from jobauto.errors import UserError, near
from jobauto.quoting import literal
from jobauto.runlist.task import Task
from jobauto.templates import Template

JOB, HADD, PUBLISH = "qsub.job", "qsub.hadd", "publish.sh"
WORDS = {"task", "list", "exe", "arguments", "env", "run", "output", "replace", "inputs", "top"}
_WANTED = {
    JOB: ("@run@", "@output@", "qsub.finished.job"),
    HADD: ("@inputs@", "@output@", "qsub.finished.hadd"),
}
# Elsewhere, between quotes for example, a shell would read a value that is quoted already.
_PLACES = re.compile(r"\s*(#.*|\w+=@\w+@|set -- @\w+@|\. @top@/publish\.sh\b[^@]*)\s*(#[^@]*)?")
_KNOWN = (JOB, HADD, PUBLISH, "qsub.resources.job", "qsub.resources.hadd", templates.FILE)


@dataclass(frozen=True, slots=True)
class Scripts:
    """The files of the template, by name."""

    template: Template
    texts: Mapping[str, str]

    def beside(self, script: str) -> dict[str, str]:
        """What a job of this script asks for, if the template says so."""
        name = script.replace("qsub.", "qsub.resources.")
        return {name: self.texts[name]} if name in self.texts else {}

    def filled(self, script: str, values: Mapping[str, str | Sequence[str]]) -> str:
        """A script with its `@key@` replaced: a text by one word, a list by a word a line."""
        return templates.filled(self.texts[script], {k: _said(v) for k, v in values.items()})


def _said(value: str | Sequence[str]) -> str:
    if isinstance(value, str):
        return literal(value)
    return " ".join(map(literal, value))


def scripts(task: Task) -> Scripts:
    """The template of a task; UserError if it cannot be read or lacks what is needed."""
    folder = task.template if task.template == "runlist" else task.path(task.template)
    found = templates.find(folder)
    texts = {}
    for entry in found.entries():
        if entry.name not in _KNOWN or not entry.is_file():
            hint = near(entry.name, _KNOWN) + "; name other files in the scripts, by whole paths"
            raise UserError("not known in a template of run lists", str(entry), hint)
        try:
            texts[entry.name] = entry.read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            raise UserError(f"cannot be read: {error}", str(entry)) from None
    for name in (JOB, PUBLISH, *([HADD] if task.hadd else [])):
        file = str(found.folder / name)
        if name not in texts:
            hint = "begin with a copy: jobauto runlist --copy-template DIR"
            raise UserError("the template has no such file", file, hint)
        for word in _WANTED.get(name, ()):
            if word not in texts[name]:
                raise UserError(f"{word} stands nowhere in it", file, "put it back")
        if name != PUBLISH:
            _check_places(texts[name], file)
    return Scripts(found, texts)


def _check_places(text: str, file: str) -> None:
    for number, line in enumerate(text.splitlines(), 1):
        found = WORDS & set(templates.WORD.findall(line))
        if found and not _PLACES.fullmatch(line):
            word = min(found)
            what = f"@{word}@ must stand alone, as its value is quoted already"
            raise UserError(what, f"{file}:{number}", f'{word}=@{word}@, and then "${word}"')


def copy_template(target: Path) -> None:
    """A copy of our template, to be edited; UserError if anything is there already."""
    try:
        target.mkdir(parents=True)
        for entry in templates.find("runlist").entries():
            (target / entry.name).write_bytes(entry.read_bytes())
    except OSError as error:
        raise UserError(f"cannot be made: {error.strerror}", str(error.filename)) from None
