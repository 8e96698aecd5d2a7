"""Starting programs that go on when we end."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import sh

# The command, and beside it a guard that ends both, and what they started, when time is over.
# It needs no monitor for that.
_GUARDED = """\
sh -c "$1" &
command=$!
{
    left=$2
    while [ "$left" -gt 0 ] && kill -0 "$command"; do sleep 1; left=$((left - 1)); done
    kill -0 "$command" && kill -s KILL -- "-$$"
} >/dev/null 2>&1 &
wait "$command"
"""


def detached(
    argv: Sequence[str], log: Path, environment: Mapping[str, str] | None = None
) -> sh.RunningCommand:
    """Start a program in a session of its own; what it says goes to the end of the file `log`."""
    return _start(argv, log, None, dict(environment) if environment is not None else None)


def guarded(
    command: str, folder: Path, environment: Mapping[str, str], log: Path, seconds: int
) -> int:
    """Run a command of the shell in `folder`, and wait for it; its exit status, or -9 if it had to
    be ended after so many seconds. It and its end do not depend on ours.
    """
    argv = ["sh", "-c", _GUARDED, "sh", command, str(seconds)]
    process = _start(argv, log, folder, dict(environment))
    process.wait()
    return int(process.exit_code)


def _start(
    argv: Sequence[str], log: Path, folder: Path | None, environment: dict[str, str] | None
) -> sh.RunningCommand:
    with open(os.devnull, "rb") as nothing, open(log, "ab") as said:
        return sh.Command(argv[0])(
            *argv[1:],
            _in=nothing,
            _out=said,
            _err=said,
            _bg=True,
            _bg_exc=False,
            _new_session=True,
            _ok_code=tuple(range(-64, 256)),
            _cwd=str(folder) if folder else None,
            _env=environment,
        )
