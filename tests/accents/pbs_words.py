"""The words of PBS: options in a script, resources, and lines of at most 80 columns."""

from __future__ import annotations

import getopt
import re
import shlex
from collections.abc import Sequence
from pathlib import Path


class Wrong(Exception):
    """A program ends: exit status and stderr."""

    def __init__(self, code: int, err: str) -> None:
        super().__init__(err)
        self.code, self.err = code, err


def parsed(program: str, words: list[str], options: str) -> tuple[list[tuple[str, str]], list[str]]:
    """Options with their values, and what is left."""
    try:
        return getopt.getopt(words, options)
    except getopt.GetoptError as error:
        raise Wrong(2, f"{program}: {error.msg}\nusage: {program} ...\n") from None


def script_of(rest: list[str], stdin: str, folder: str) -> tuple[str, str]:
    """The text of the script, and the name of the job if it does not say one itself."""
    if len(rest) > 1:
        raise Wrong(2, "usage: qsub [-a date_time] ...\n")
    if not rest or rest == ["-"]:
        return stdin, "STDIN"
    try:
        text = Path(folder, rest[0]).read_text("utf-8", "surrogateescape")
        return text, Path(rest[0]).name
    except OSError as error:
        raise Wrong(1, f"qsub: script file:: {error.strerror}\n") from None


def directives(script: str) -> list[list[str]]:
    """The words of each `#PBS` line above the first line that does something. One that ends with a
    backslash goes on in the next line."""
    found: list[str] = []
    going_on = False
    for line in script.splitlines():
        if going_on:
            found[-1] += line
        elif line.lstrip().startswith("#PBS"):
            found.append(line.lstrip().removeprefix("#PBS"))
        elif line.strip() and not line.lstrip().startswith("#") and not line.startswith(":"):
            break
        else:
            continue
        going_on = found[-1].endswith("\\")
        found[-1] = found[-1].removesuffix("\\")
    return [shlex.split(line) for line in found]


def merge(
    given: Sequence[tuple[str, str]], asked: dict[str, str], resources: dict[str, str]
) -> None:
    """Later ones win; -l adds up, and so does -W, of which each attribute is as an option."""
    for option, value in given:
        if option == "-l":
            resources |= dict(word.partition("=")[::2] for word in value.split(","))
        elif option == "-W":
            for word in re.split(r",(?=\w+=)", value):
                name, equals, rest = word.partition("=")
                if not equals or not rest:
                    raise Wrong(2, "qsub: illegal -W value\nusage: qsub ...\n")
                asked[f"-W {name}"] = rest
        else:
            asked[option] = value


def seconds(text: str) -> int:
    """`[[hours:]minutes:]seconds`."""
    found = 0
    for part in text.split(":"):
        found = found * 60 + int(part)
    return found


def wrapped(attribute: tuple[str, str]) -> str:
    """prt_attr() in qstat.c: broken at a comma where that can be, else anywhere, before column 79.
    What goes on begins with a tab."""
    name, value = attribute
    said, start, first = f"    {name} = ", len(name) + 7, True
    parts = [part for part in value.split(",") if part]
    for n, part in enumerate(parts):
        if start + len(part) < 78:
            said, start = said + part, start + len(part)
        else:
            if not first:
                said, start = f"{said}\n\t", 9
            for letter in part:
                said, start = said + letter, start + 1
                if start > 78:
                    said, start = f"{said}\n\t", 8
        if n < len(parts) - 1:
            said, first = f"{said},", False
    return f"{said}\n"


def awaited(depend: str) -> list[int]:
    """The numbers of jobs in `afterok:JOBID[:JOBID...]`; nothing else is known here."""
    if not depend:
        return []
    kind, *jobids = depend.split(":")
    if not jobids or not all(re.fullmatch(r"\d+(\[\d*\])?(\.[\w.-]+)?", j) for j in jobids):
        raise Wrong(2, "qsub: illegal -W value\nusage: qsub ...\n")
    if kind != "afterok" or "[" in depend:
        raise Wrong(2, f"qsub: this accent knows no depend={depend}\n")
    return [int(jobid.partition(".")[0]) for jobid in jobids]


def output(asked: str | None, name: str, option: str, folder: str) -> str:
    """Relative to the folder in which qsub was called; a folder is for JOBID.OU and .ER."""
    letter = option[1]
    plain = re.sub(r"^[^/:]*:", "", asked or "")
    plain = plain.replace("$PBS_O_WORKDIR", folder)
    path = plain if plain.startswith("/") else f"{folder}/{plain}"
    if not path.endswith("/"):
        return path
    return f"{path}{name}.{letter}%J" if not plain else f"{path}%J.{letter.upper()}"


def command(script: str, shell: str) -> str:
    """A login shell runs it, in the person's home."""
    shell = shlex.quote(shell or "/bin/sh")
    return (
        'PBS_JOBID="$FAKE_JOB" && export PBS_JOBID && cd "$HOME" && '
        f"exec {shell} -c {shlex.quote(script)}"
    )
