"""Names of job folders and outputs; each depends on its own list and run file, on no other."""

from __future__ import annotations

import re

from jobauto.sweep.naming import DIGEST, LONGEST, digest
from jobauto.tree import OWN_FILES

SUM = "hadd"
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
_SUFFIX = re.compile(r"\.[A-Za-z][A-Za-z0-9]*$")
_DEFAULT = ".root"


def folder(name: str) -> str:
    """A folder's name, at most 40 signs that no shell or scheduler minds.

    Where signs were replaced it ends in ten letters of a digest of the whole name.
    """
    taken = name in OWN_FILES or name.startswith((SUM, "publish.sh", "runlist."))
    # with __ a script would have a placeholder where the folder's name is put in
    if _PLAIN.fullmatch(name) and len(name) <= LONGEST and not taken and "__" not in name:
        return name
    clean = re.sub(r"[^A-Za-z0-9.+-]", "-", name).lstrip(".+-") or "run"
    return f"{clean[: LONGEST - DIGEST - 1]}_{digest([name])}"


def list_folder(name: str) -> str:
    """The folder for the jobs of a list `A/b`, with as many parts as its name."""
    return "/".join(map(folder, name.split("/")))


def run_folder(output: str) -> str:
    """The folder of the job that writes an output of this base name."""
    return folder(output.removesuffix(_DEFAULT))


def output(base: str, suffix: str) -> str:
    """The name of the output for a run file of this base name.

    Its suffix (a letter behind a dot) is kept, or is `suffix` if there is one; else it is .root.
    """
    stem = _SUFFIX.sub("", base)
    kept = base[len(stem) :]
    return (stem or base) + (suffix or kept or _DEFAULT)


def suffix_of(name: str) -> str:
    """The suffix of an output."""
    found = _SUFFIX.search(name)
    return found[0] if found else _DEFAULT
