"""What a sweep will make: read, checked against its template, counted; nothing is written."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobauto import templates
from jobauto.errors import UserError, near
from jobauto.quoting import shown
from jobauto.sweep import checking, naming, variables
from jobauto.sweep.about import about
from jobauto.sweep.numbers import Value
from jobauto.sweep.points import Point, count, points, varied
from jobauto.sweep.spec import Declared, Spec, read, validated, where, where_varied
from jobauto.sweep.variables import Variable
from jobauto.templates import Template

Puts = Mapping[Path, Mapping[str, str]]
_WORD = re.compile(r"[A-Za-z0-9_.+,:%=/-]*")


@dataclass(frozen=True, slots=True)
class Plan:
    """A sweep that may be made. `shared` has a folder of the template and a point to fill it with,
    by the folder's new name; `puts` has variables and their keys by file of the template.
    """

    file: Path
    text: str
    spec: Spec
    template: Template
    variables: Mapping[str, Variable]
    folders: Mapping[str, Point]
    shared: Mapping[str, tuple[Path, Point]]
    puts: Puts
    jobs: int


def own_entries(template: Template) -> list[Path]:
    """What of the template goes into each job folder."""
    return [entry for entry in template.entries() if entry.name not in template.shared]


def plan(file: Path) -> Plan:
    """Read a sweep's file and all that it names; UserError for what is wrong."""
    spec, text = read(file)
    count(spec, str(file))  # before that many are made
    template = _template(spec, file, text)
    known = variables_of(spec, template, file, text)
    places = {name: where_varied(file, text, name) for name in varied(spec)}
    if spec.repeat:
        places[spec.repeat.variable] = where(file, text, "repeat", "variable")
    found = points(spec, known, places, str(file))
    checking.settled(spec, about(spec, known), [one.values for one in found], file, text)
    puts = _puts(spec, template, known, file, text)
    _check_use(spec, template, known, file)
    shared = _shared(template, puts, found)
    folders = _named(spec, found, shared, file)
    jobs = _jobs(template, folders, shared)
    return Plan(file, text, spec, template, known, folders, shared, puts, jobs)


def _named(spec: Spec, found: list[Point], shared: Iterable[str], file: Path) -> dict[str, Point]:
    taken, folders = set(shared), dict[str, Point]()
    for name, point in zip(naming.names(spec, found), found, strict=True):
        if name in folders or name in taken:
            raise UserError(f"two folders get the name {name}", str(file), "rename a variable")
        folders[name] = point
    return folders


def _template(spec: Spec, file: Path, text: str) -> Template:
    beside = file.parent / os.path.expanduser(spec.template)
    names = {template.name for template in templates.list_templates()}
    own = spec.template not in names and beside.is_dir()
    found = templates.find(beside if own else spec.template)
    templates.for_all(found)
    if file.resolve().is_relative_to(found.folder.resolve()):
        raise UserError("the sweep's file is inside its template", str(file), "move it out")
    if found.main_file and not spec.main_file:
        hint = f'main_file = "{found.main_file}.mine"; @NAME@ of a variable may be in it'
        raise UserError(f"template {found.name} needs a {found.main_file}", str(file), hint)
    if spec.main_file and not found.main_file:
        place = where(file, text, "main_file")
        raise UserError(f"template {found.name} has no main_file", place, "leave it out")
    return found


def variables_of(spec: Spec, template: Template, file: Path, text: str) -> dict[str, Variable]:
    """All variables of a template and of a sweep's file, by name; UserError for wrong ones."""
    toml = template.folder / templates.FILE
    tables: dict[str, dict[str, Any]] = {
        k: {"type": "int", "default": v, "min": 1} for k, v in template.settable.items()
    }
    for name, table in template.variables.items():
        one = validated(Declared, table, toml, "")
        tables[name] = one.model_dump(exclude_unset=True)
    places = dict.fromkeys(tables, str(toml))
    for name, declared in spec.variables.items():
        tables[name] = {**tables.get(name, {}), **declared.model_dump(exclude_unset=True)}
        places[name] = where(file, text, name)
    found = {
        name: variables.made(name, Declared.model_validate(table), places[name])
        for name, table in tables.items()
    }
    return found | (variables.from_csv(file.parent / spec.table) if spec.table else {})


def _puts(
    spec: Spec, template: Template, known: Mapping[str, Variable], file: Path, text: str
) -> dict[Path, Mapping[str, str]]:
    found: dict[Path, Mapping[str, str]] = {}
    for name, keys in spec.put.items():
        path = template.folder / name
        place = where(file, text, name)
        if not path.is_file() or ".." in path.parts or path == template.folder / templates.FILE:
            files = (
                p for p in template.folder.rglob("*") if p.is_file() and p.name != templates.FILE
            )
            names = [p.relative_to(template.folder).as_posix() for p in files]
            what = f"the template has no file {shown(repr(name))}"
            raise UserError(what, place, near(name, names))
        for variable, key in keys.items():
            if variable not in known:
                raise variables.unknown(variable, known, place, repr(key))
            others = [other for other in keys if other != variable and keys[other] == key]
            if others:
                both = f"{variable} and {others[0]}"
                raise UserError(f"{both} are put at the same key {key!r} of {name}", place)
        if b"\0" in path.read_bytes():
            raise UserError(f"{name} is no text: nothing can be put into it", place)
        found[path] = keys
    return found


def _check_use(spec: Spec, template: Template, known: Mapping[str, Variable], file: Path) -> None:
    words = {entry: templates.words(entry) for entry in template.entries()}
    words[Path(spec.main_file)] = set(templates.WORD.findall(spec.main_file))
    used = set().union(*words.values(), *spec.put.values())
    used |= {"iterations"} if {"n", "n-1"} & used else set()
    vary = {*varied(spec), *([spec.repeat.variable] if spec.repeat else [])}
    table = {name for name, one in known.items() if spec.table and name not in spec.variables}
    for name in known:
        if name in used or (name not in vary and name in (*template.settable, *table)):
            continue
        strange = used - known.keys() - {"n", "n-1", "repeat"}
        hint = near(name, [f"@{word}@" for word in strange]) if strange else "[put] or leave it out"
        what = f"{name} is used nowhere: no @{name}@ in the template, no [put]"
        raise UserError(what, known[name].where, hint)
    _check_scripts(template, known, spec)


def _check_scripts(template: Template, known: Mapping[str, Variable], spec: Spec) -> None:
    """A text that a shell would take apart may not stand in a script, nor in a list of files."""
    put = {template.folder / name: set(keys) for name, keys in spec.put.items()}
    texts = {name: one for name, one in known.items() if one.type == "text"}
    scripts = [p for p in sorted(template.folder.rglob("qsub.*")) if p.is_file()]
    for script in scripts if texts else ():
        for name in sorted((templates.words(script) | put.get(script, set())) & texts.keys()):
            for value in _values(spec, texts[name]):
                if not _WORD.fullmatch(str(value)):
                    what = f"{name} = {shown(repr(value))} in a script would be taken apart there"
                    hint = "put it into an input file, and let the script read that"
                    raise UserError(what, str(script), hint)


def _values(spec: Spec, variable: Variable) -> Iterable[Value]:
    for group in spec.vary:
        if axis := group.variables.get(variable.name):
            return axis.values
    return () if variable.default is None else (variable.default,)


def _shared(
    template: Template, puts: Puts, found: Iterable[Point]
) -> dict[str, tuple[Path, Point]]:
    shared: dict[str, tuple[Path, Point]] = {}
    for name in template.shared:
        folder = template.folder / str(name)
        if not isinstance(name, str) or "/" in name or not folder.is_dir():
            names = [entry.name for entry in template.entries() if entry.is_dir()]
            what = f"shared: there is no folder {name!r} in the template"
            raise UserError(what, str(template.folder / templates.FILE), near(str(name), names))
        words = templates.words(folder)
        for file, keys in puts.items():
            words |= set(keys) if file.is_relative_to(folder) else set()
        words |= {"iterations"} if {"n", "n-1"} & words else set()
        _add_shared(shared, folder, words, found)
    return shared


def _add_shared(
    shared: dict[str, tuple[Path, Point]], folder: Path, words: set[str], found: Iterable[Point]
) -> None:
    for point in found:
        texts = point.texts()
        name = templates.filled(folder.name, texts)
        other, first = shared.setdefault(name, (folder, point))
        before = first.texts()
        differ = [word for word in sorted(words) if texts.get(word) != before.get(word)]
        if other != folder or differ:
            what = f"two jobs would fill the shared folder {shown(name)} differently"
            said = [f"{word} is {before.get(word)} and {texts.get(word)}" for word in differ[:1]]
            hint = f"write @{differ[0]}@ into its name" if differ else "rename one folder"
            raise UserError(": ".join([what, *said]), str(folder), hint)


def _jobs(
    template: Template, folders: Mapping[str, Point], shared: Mapping[str, tuple[Path, Point]]
) -> int:
    own = own_entries(template)
    number = sum(templates.scripts(own, point.texts()) for point in folders.values())
    if not number:
        hint = "at its top or in folders, beside what `shared` names"
        raise UserError("the template has no script qsub.<id>", str(template.folder), hint)
    return number + sum(
        templates.scripts([folder], point.texts()) for folder, point in shared.values()
    )
