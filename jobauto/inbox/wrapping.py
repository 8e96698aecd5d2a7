"""Making a job of a folder: `qsub.job` around its `job.sh`, and what it needs of other folders."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from jobauto.errors import UserError
from jobauto.inbox.places import HELPERS, OUTPUT, SCRIPT, job_of, odd
from jobauto.ledger import files
from jobauto.needs import parse_needs

_DIRECTIVE = re.compile(r"#(?:SBATCH|\$|PBS|BSUB)")
_BASH = re.compile(r"#!\s*(?:\S*/env\s+)?(?:\S*/)?bash((?:\s+-[\w-]+)*)\s*")
_WRAPPER = """#!/bin/bash
{directives}# made by jobauto inbox: runs {script}; the marker says that it succeeded
bash{options} {script}{redirected} || exit
date >qsub.finished.job
"""


def wrapper(script: str, redirected: bool) -> str:
    """The text of qsub.job for the text of job.sh; `redirected`: its output goes to a file."""
    first, _, _ = script.partition("\n")
    shebang = _BASH.fullmatch(first)
    return _WRAPPER.format(
        directives="".join(f"{line}\n" for line in directives(script)),
        script=SCRIPT,
        options=shebang[1] if shebang else "",
        redirected=f" >{OUTPUT} 2>&1" if redirected else "",
    )


def directives(script: str) -> list[str]:
    """The lines for a scheduler among the comments at the head of a script."""
    found = []
    for line in script.splitlines():
        if line.strip() and not line.startswith("#"):
            break
        if _DIRECTIVE.match(line):
            found.append(line)
    return found


def has_script(folder: Path) -> bool:
    """Whether there is a job.sh, as a plain file."""
    try:
        return stat.S_ISREG(os.lstat(folder / SCRIPT).st_mode)
    except OSError:
        return False


def needs_text(folder: Path) -> str:
    """The text of qsub.dependency.job as it is to be: a line that is only the name of another
    folder stands for the end of that one's job. Empty if there is no such file."""
    path = folder / job_of("").dependency
    if not path.is_file() or path.is_symlink():
        return ""
    lines = files.read(path).split("\n")
    return "\n".join(_long(folder, line) for line in lines)


def _long(folder: Path, line: str) -> str:
    name = line.strip()
    if not name or name.startswith(("#", "not ", "not\t")) or "/" in name or odd(name):
        return line
    if os.path.lexists(folder / name):  # a file of its own
        return line
    return f"../{job_of(name).marker}"


def wanted(folder: Path, name: str) -> set[str]:
    """The other folders that the job of a folder called `name` needs."""
    needs, _ = parse_needs(job_of(name), needs_text(folder))
    return {need.file.partition("/")[0] for need in needs if "/" in need.file} - {name}


def prepare(folder: Path, name: str, redirected: bool) -> None:
    """Make a folder ready to be a job, wherever it stands, to be called `name`.

    UserError for needs that cannot be read; done again it does the same.
    """
    for helper in HELPERS:
        (folder / helper).unlink(missing_ok=True)
    text = needs_text(folder)
    _, problems = parse_needs(job_of(name), text)
    if problems:
        raise UserError(problems[0].what, problems[0].where, problems[0].hint)
    files.replace(folder / job_of("").dependency, text)
    script = wrapper(files.read(folder / SCRIPT), redirected)
    files.replace(folder / job_of("").name, script, 0o755)
