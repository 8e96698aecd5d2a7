"""The options of `jobauto runlist`: one definition for the command line and the task file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationError, field_validator

from jobauto import resources
from jobauto.errors import UserError, near, raise_all
from jobauto.quoting import shown
from jobauto.sweep.fields import Table

LISTS = ".filelists"
SHORT = {
    **{"task": "-T", "exe": "-e", "exe_args_data": "-ad", "exe_args_mc": "-am", "cwd": "-c"},
    **{"dataset": "-d", "overwrite": "-w", "indir": "-i", "outdir": "-o", "queue": "-q"},
    **{"env": "-a", "maxjobs": "-m"},
}
ALSO = {"amsvar": "env"}  # the seed's long name

#: options of pybatch that are not needed: key to short name, and what there is instead
REPLACED = {
    "background": ("-bg", "nohup jobmon.py --ldir LDIR &"),
    "debug": ("-g", "jobauto log and jobauto why; jobmon.log in the run's folder"),
    "port": ("-p", "jobmon.py --port N"),
    "dbhost": ("-H", "jobmon.py --db postgresql://USER@HOST/NAME --task TASK"),
    "dbuser": ("-U", "jobmon.py --db postgresql://USER@HOST/NAME --task TASK"),
    "dbpass": (
        *("-P",),
        "~/.pgpass; a password on a command line is seen by others: change it",
    ),
    "batch": ("-b", "jobmon.py --scheduler NAME, which finds out by itself if it is left out"),
}


def _words(value: Any) -> Any:
    return (
        (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else value
    )


Words = Annotated[tuple[str, ...], BeforeValidator(_words)]


class Task(Table):
    """What is to be run on which files. Descriptions are the `--help` texts."""

    task: str = Field(description="its name; LDIR is CWD/TASK where --ldir is not given")
    exe: str = Field(description="the program; without / it is looked for on the job's PATH")
    exe_args_data: Words = Field(
        (), description="its arguments, each without its leading '-', values by =: for data"
    )
    exe_args_mc: Words = Field((), description="the same for Monte Carlo")
    cwd: str = Field(".", description="relative paths begin here (default: the current folder)")
    dataset: Words = Field(description="each list with one of these in its path or name is used")
    overwrite: bool = Field(False, description="also where the output exists: replace it")
    indir: str = Field(description="put before each run file: a folder, or a URL")
    outdir: str = Field(description="outputs are OUTDIR/LIST/RUN.root")
    queue: str = Field("", description="the queue: queue in LDIR/jobmon.toml")
    env: str = Field("", description="script that sets the environment of the program")
    maxjobs: int | None = Field(
        None, ge=1, description="at most so many jobs in the queue: maxqsub in LDIR/jobmon.toml"
    )
    hadd: bool = Field(False, description="also sum the outputs of each list, to OUTDIR/LIST/hadd")
    fan_in: int = Field(50, ge=2, description="at most so many files for one hadd (default 50)")
    mc: str = Field(
        "C.*", description="a list is of Monte Carlo if a part of its path matches (default C.*)"
    )
    runlists: str = Field(LISTS, description=f"the folder of run lists (default CWD/{LISTS})")
    suffix: str = Field("", description="of outputs (default: that of the run file, or .root)")
    ldir: str = Field("", description="the project's folder; init/ is made in it")
    template: str = Field("runlist", description="folder with your own qsub.job and qsub.hadd")

    @field_validator("*")
    @classmethod
    def _printable(cls, value: Any) -> Any:
        for text in value if isinstance(value, tuple) else (value,):
            if isinstance(text, str) and not text.isprintable():
                raise ValueError("there are odd signs in this text")
        return value

    @field_validator("task", "exe", "dataset", "indir", "outdir", "cwd", "mc", "runlists")
    @classmethod
    def _not_empty(cls, value: str | tuple[str, ...]) -> str | tuple[str, ...]:
        if not value or "" in value if isinstance(value, tuple) else not value:
            raise ValueError("it is empty")
        return value

    @field_validator("task")
    @classmethod
    def _a_name(cls, name: str) -> str:
        if "/" in name or name[0] in "-.":
            raise ValueError("no / may be in it, and - or . not at its beginning")
        return name

    @field_validator("outdir")
    @classmethod
    def _a_folder(cls, path: str) -> str:
        if "://" in path:
            raise ValueError("a folder that the jobs can write to belongs here, no URL")
        return path

    @field_validator("suffix")
    @classmethod
    def _suffix(cls, suffix: str) -> str:
        if suffix and (not suffix[1:].isalnum() or suffix[0] != "." or not suffix[1].isalpha()):
            raise ValueError("a dot, a letter, and letters or digits: .root")
        return suffix

    @field_validator("queue")
    @classmethod
    def _queue(cls, name: str) -> str:
        if name:
            resources.KEYS["queue"](name)
        return name

    def path(self, text: str) -> str:
        """A path of the person, which begins in the working directory."""
        absolute = os.path.join(os.path.abspath(os.path.expanduser(self.cwd)), "")
        return os.path.normpath(os.path.join(absolute, os.path.expanduser(text)))

    @property
    def program(self) -> str:
        """The program as the jobs call it."""
        return self.path(self.exe) if "/" in self.exe else self.exe

    @property
    def environment(self) -> str:
        """The script that sets the environment, or ''."""
        return self.path(self.env) if self.env else ""

    @property
    def project(self) -> Path:
        """LDIR."""
        return Path(self.path(self.ldir or self.task))

    def input(self, run: str) -> str:
        """A run file as the program gets it."""
        folder = self.indir if "://" in self.indir else self.path(self.indir)
        return folder + ("" if folder.endswith("/") else "/") + run

    def arguments(self, mc: bool) -> list[str]:
        """The program's own arguments, for Monte Carlo or for data."""
        return [f"-{word}" for word in (self.exe_args_mc if mc else self.exe_args_data)]


def option(key: str) -> str:
    """A key as it is typed: `-T --task`."""
    return " ".join([*([SHORT[key]] if key in SHORT else []), f"--{key.replace('_', '-')}"])


def checked(given: Mapping[str, Any], places: Mapping[str, str]) -> Task:
    """The task of all that was given; `places` says where, else it was the command line.

    UserError for a key that is unknown, missing, or has a wrong value.
    """
    raise_all([_replaced(key, places) for key in given if key in REPLACED])
    for key in given:
        if key not in Task.model_fields:
            what = f"unknown key {shown(repr(key))}"
            raise UserError(what, places.get(key), near(key, Task.model_fields))
    missing = [key for key, field in Task.model_fields.items() if field.is_required()]
    missing = [key for key in missing if key not in given]
    if missing:
        what = f"{', '.join(map(option, missing))} missing"
        raise UserError(what, hint="give it here or in a task file; see: jobauto runlist --help")
    try:
        return Task.model_validate(dict(given))
    except ValidationError as error:
        first = error.errors()[0]
        key = str(first["loc"][0])
        said = first["msg"].removeprefix("Value error, ")
        what = f"{option(key)}: {said} (it was {shown(repr(first['input']))[:80]})"
        raise UserError(what, places.get(key, "command line")) from None


def _replaced(key: str, places: Mapping[str, str]) -> UserError:
    short, instead = REPLACED[key]
    return UserError(f"{short} ({key}) is not needed here", places.get(key), instead)
