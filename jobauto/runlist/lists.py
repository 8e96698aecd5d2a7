"""Run lists: text files with a run file a line, found by their names."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from jobauto.errors import UserError, near, raise_all
from jobauto.quoting import decoded, shown

LONGEST = 150  # bytes of a base name; its temporary folder gets a host and numbers, too


@dataclass(frozen=True, slots=True)
class Run:
    """A run file as its list names it, and the number of its line."""

    path: str
    line: int

    @property
    def base(self) -> str:
        """The last part of its path."""
        return self.path.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class RunList:
    """A list; `name` is its path below the folder of lists, without .txt."""

    name: str
    file: Path
    mc: bool
    runs: tuple[Run, ...]

    def where(self, run: Run) -> str:
        """`file:line` of a run file."""
        return f"{shown(str(self.file))}:{run.line}"


def find(folder: Path, datasets: Iterable[str], mc: str) -> list[RunList]:
    """Every list whose name contains one of `datasets`, by name.

    It is of Monte Carlo if a part of its path matches the pattern `mc`. UserError for a folder or
    list that cannot be read, a data set without a list, and for each line that cannot stand.
    """
    names = _below(folder)
    chosen: set[str] = set()
    for dataset in datasets:
        paths = {name: file.relative_to(folder).as_posix() for name, file in names.items()}
        found = {name for name, path in paths.items() if dataset in path}
        if not found:
            what = f"no run list has {shown(repr(dataset))} in its name"
            raise UserError(what, shown(str(folder)), near(dataset, map(shown, names)))
        chosen |= found
    problems: list[UserError] = []
    lists = [_read(name, names[name], mc, problems) for name in names if name in chosen]
    raise_all(problems)
    return lists


def _below(folder: Path) -> dict[str, Path]:
    """Lists below a folder by name; linked folders are followed, but never round in a circle."""
    try:
        os.listdir(folder)
    except OSError as error:
        what = f"the folder of run lists cannot be read: {error.strerror}"
        hint = "ln -s FOLDER .filelists in the working directory, or --runlists FOLDER"
        raise UserError(what, shown(str(folder)), hint) from None
    files = (file for file in _files(folder, ()) if file.name[-1] != "~")
    found: dict[str, Path] = {}
    for file in sorted(files):
        name = file.relative_to(folder).as_posix().removesuffix(".txt")
        other = found.setdefault(name, file)
        if other != file:
            raise UserError(
                f"{shown(str(file))} has the same name", shown(str(other)), "rename one"
            )
    return found


def _files(folder: Path, above: tuple[str, ...]) -> Iterator[Path]:
    real = os.path.realpath(folder)
    if real in above:
        return
    with suppress(PermissionError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name[0] != "." and entry.is_dir():
                yield from _files(folder / entry.name, (*above, real))
            elif entry.name[0] != "." and entry.is_file():
                yield folder / entry.name


def _read(name: str, file: Path, mc: str, problems: list[UserError]) -> RunList:
    if not name.isprintable():
        problems.append(UserError("odd signs in the name of a list", shown(str(file)), "rename it"))
    try:
        lines = file.read_bytes().split(b"\n")
    except OSError as error:
        problems.append(UserError(f"cannot be read: {error.strerror}", shown(str(file))))
        lines = []
    runs = []
    for number, raw in enumerate(lines, 1):
        line = decoded(raw).strip()
        if not line or line[0] == "#":
            continue
        wrong = _wrong(line)
        if wrong:
            problems.append(UserError(*wrong[:1], f"{shown(str(file))}:{number}", wrong[1]))
            continue
        runs.append(Run(line, number))
    return RunList(name, file, any(fnmatchcase(part, mc) for part in name.split("/")), tuple(runs))


def _wrong(line: str) -> tuple[str, str] | None:
    """What is wrong with a line, and what to do."""
    text, base = shown(line)[:80], line.rpartition("/")[2]
    if not line.isprintable():
        return f"odd signs in {text}", "a run list is a text file in UTF-8, a run file a line"
    if line[0] == "/" or "://" in line:
        return f"{text} is a whole path", "--indir is put before it: leave that part away here"
    if ".." in line.split("/"):
        return f"{text} leaves --indir", "name run files below it"
    if base in ("", ".") or base[0] == ".":
        return f"{text} names a folder or a hidden file", "name run files"
    if base.endswith(".sha256"):
        return f"{text} would get an output that looks like a checksum", "leave it out"
    if len(os.fsencode(base)) > LONGEST:
        return f"the name {text}... is too long (at most {LONGEST} bytes)", "rename the run file"
    return None
