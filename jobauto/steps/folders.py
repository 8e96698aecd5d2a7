"""Job folders: which steps of a service their JSON files stand for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from jobauto.errors import UserError, near, raise_all
from jobauto.quoting import shown
from jobauto.steps import holes
from jobauto.steps.keys import hashed
from jobauto.steps.reading import read_json
from jobauto.steps.service import Service

_ID = re.compile(r"[\w-]+", re.ASCII)
LONGEST = 100  # signs of an id or of a folder's name


@dataclass(frozen=True, slots=True)
class Todo:
    """A step of one folder: its id (plot3), its name in the service file (plot*), its JSON file
    and what is in that; `key` is one word for all that its result depends on."""

    id: str
    step: str
    file: str
    parameters: Mapping[str, Any]
    key: str


@dataclass(frozen=True, slots=True)
class Folder:
    """A job folder; its steps by id, each behind what it comes after."""

    name: str
    steps: Mapping[str, Todo]

    def after(self, service: Service, todo: Todo) -> list[Todo]:
        """The steps of this folder that must come right before one."""
        return [self.steps[name] for name in service.steps[todo.step].after]


def folders(service: Service, jobs: Path) -> list[Folder]:
    """All job folders in `jobs`, in natural order; UserError for all that is wrong in them."""
    try:
        places = [place for place in jobs.iterdir() if place.is_dir() and place.name[0] != "."]
    except OSError as error:
        raise UserError(f"cannot be read: {error.strerror}", shown(str(jobs))) from None
    if not places:
        raise UserError("there are no job folders in it", shown(str(jobs)), "DIR/<name>/*.json")
    found: list[Folder] = []
    problems: list[UserError] = []
    for place in sorted(places, key=lambda place: natural(place.name)):
        try:
            _check_name(place)
            found.append(read_folder(service, place))
        except UserError as error:
            problems += getattr(error, "problems", [error])
    raise_all(problems)
    return found


def natural(name: str) -> list[tuple[int, int | str]]:
    """A key by which plot2 comes before plot10."""
    parts = re.split(r"(\d+)", name)
    return [(0, int(part)) if part.isdecimal() else (1, part) for part in parts]


def _check_name(place: Path) -> None:
    if not place.name.isprintable() or len(place.name) > LONGEST:
        what = f"this name has odd signs, or more than {LONGEST}"
        raise UserError(what, shown(str(place)), "rename it")


def read_folder(service: Service, place: Path, made: bool = False) -> Folder:
    """The steps of one folder; UserError for files that are missing, odd, or of no step.

    `made`: it is in a tree, where only files of jobs count, as others may be results.
    """
    names = sorted((file.name for file in place.glob("*.json")), key=natural)
    plain = {service.file(name): name for name in service.steps if not name.endswith("*")}
    if made:
        scripts = {f"{file.name.removeprefix('qsub.')}.json" for file in place.glob("qsub.*")}
        names = [name for name in names if name in plain or name in scripts]
    ids: dict[str, list[tuple[str, str]]] = {name: [] for name in service.steps}
    problems = []
    for file in names:
        stars = [n for n in service.steps if n.endswith("*") and _fits(service, n, file)]
        step = plain.get(file) or (stars[0] if stars else "")
        ident = step if file in plain else file.removesuffix(".json")
        if file not in plain and len(stars) != 1:
            known = [service.file(name) for name in service.steps]
            what = f"steps {' and '.join(stars)} both read it" if stars else "no step reads it"
            problems.append(UserError(what, shown(str(place / file)), near(file, known)))
        elif not _ID.fullmatch(ident) or len(ident) > LONGEST:
            what = "letters, digits, _ and - make the name of a step"
            problems.append(UserError(what, shown(str(place / file)), "rename it"))
        else:
            ids[step].append((ident, file))
    for file, step in plain.items():
        if not ids[step]:
            problems.append(UserError(f"{file} is missing", shown(str(place)), near(file, names)))
    raise_all(problems)
    found = Folder(place.name, _todos(service, place, ids))
    _check_downloads(service, place, found)
    return found


def _fits(service: Service, name: str, file: str) -> bool:
    return fnmatchcase(file, service.file(name))


def _todos(
    service: Service, place: Path, ids: Mapping[str, list[tuple[str, str]]]
) -> dict[str, Todo]:
    found: dict[str, Todo] = {}
    for step in service.order:
        for ident, file in ids[step]:
            parameters = read_json(place / file)
            before = {name: found[name].key for name in service.steps[step].after}
            key = hashed(ident, described(service, step), parameters, before)
            found[ident] = Todo(ident, step, file, parameters, key)
    return found


def described(service: Service, step: str) -> list[Any]:
    """What of a step's description its result depends on."""
    said = service.steps[step].model_dump(exclude={"repeatable", "cost", "state", "after"})
    done = said.pop("done")
    return [said, done and done["path"]]


def _check_downloads(service: Service, place: Path, folder: Folder) -> None:
    taken: dict[str, str] = {todo.file: todo.id for todo in folder.steps.values()}
    for todo in folder.steps.values():
        for one in service.steps[todo.step].download:
            name = holes.filled(one.to, {"step": todo.id})
            if other := taken.get(name):
                what = f"{todo.id} would write {name}, which is of {other}"
                raise UserError(what, shown(str(place)), "change `to` in the service file")
            taken[name] = todo.id
