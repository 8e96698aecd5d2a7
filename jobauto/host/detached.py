"""Starting a program that goes on when we end."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import sh


def detached(argv: Sequence[str], log: Path) -> None:
    """Start a program in a session of its own; what it says goes to the end of the file `log`."""
    with open(os.devnull, "rb") as nothing, open(log, "ab") as said:
        sh.Command(argv[0])(
            *argv[1:],
            _in=nothing,
            _out=said,
            _err=said,
            _bg=True,
            _bg_exc=False,
            _new_session=True,
            _ok_code=tuple(range(-64, 256)),
        )
