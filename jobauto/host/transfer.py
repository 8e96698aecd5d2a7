"""The rsync command lines: what is sent, what is brought home, and nothing else."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from jobauto.errors import CouldNotAsk, UserError
from jobauto.quoting import shown
from jobauto.remote.framing import Answer
from jobauto.tree import OWN_FILES

MARKERS = "qsub.finished.*"


def push_command(run: Path, target: str, via: Sequence[str], only: Sequence[str]) -> list[str]:
    """Mirror `run` at `target`. With `only` (folders of the run), the list goes to stdin."""
    command = ["rsync", "-a", *via]
    if only:  # later changes: never over something newer that a job wrote
        command += ["-r", "--update", "--from0", "--files-from=-"]
    else:  # the list of all files first, once: sooner than in parts, by a round trip at least
        command += ["--no-inc-recursive"]
    command += [f"--exclude=/{name}" for name in OWN_FILES]
    return [*command, f"{run}/", f"{target}/"]


def pull_command(
    source: str, run: Path, via: Sequence[str], patterns: Sequence[str], only: Sequence[str]
) -> list[str]:
    """Bring markers and `patterns` home; a pattern without `/` fits a name at any depth.

    Links that lead out of the run stay there: here they would lead to anything, or to nothing.
    """
    # rsync itself never goes through a link of this side: it puts what comes in the link's place
    command = ["rsync", "-a", "--safe-links", "--prune-empty-dirs", *via]
    if only:
        command += ["-r", "--from0", "--files-from=-"]
    command += [f"--exclude=/{name}" for name in OWN_FILES]
    command += ["--include=*/", f"--include={MARKERS}"]
    command += [f"--include={pattern}" for pattern in patterns]
    return [*command, "--exclude=*", f"{source}/", f"{run}/"]


def fetch_command(source: str, target: Path, via: Sequence[str]) -> list[str]:
    """Bring one file home, going on with what is there of it already."""
    return ["rsync", "--inplace", "--times", *via, source, str(target)]


def folders_list(only: Sequence[str]) -> str:
    """The stdin for `only`: each folder, NUL-terminated, the run folder itself as `./`.

    Without `./` rsync takes names that begin with # or ; for comments.
    """
    return "".join(f"./{folder}/\0" if folder else "./\0" for folder in only)


def check(answer: Answer) -> None:
    """CouldNotAsk unless rsync did it all; 24 means that a file vanished meanwhile."""
    if answer.exit_code not in (0, 24):
        said = shown(" ".join(answer.err.split())[-400:])
        raise CouldNotAsk(f"rsync: exit status {answer.exit_code}: {said}")


def check_tools() -> None:
    """UserError unless rsync is installed on this machine."""
    if shutil.which("rsync") is None:
        raise UserError("rsync is not installed here", hint="install rsync; it carries all files")
