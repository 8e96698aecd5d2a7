"""No search for garbage where it finds none: while very many objects are made that stay (a fifth of
the time there), and at the end of the process (0.08 s).
"""

from __future__ import annotations

import atexit
import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Meanwhile cycles of objects are not looked for; also to decorate a function with."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


def left_behind() -> None:
    """Let what there is at the end of the process go with it."""
    atexit.register(gc.freeze)
