"""Runs all trials: those that need the lab, which mostly wait, beside all others."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from typing import NoReturn

PYTEST = (sys.executable, "-m", "pytest")
NONE = 5  # exit status of pytest: there was no such trial


def main() -> int:
    """Show the others as they go, then those of the lab; the exit status of those that failed."""
    signal.signal(signal.SIGTERM, _end)
    with tempfile.TemporaryFile() as kept:
        words = [*PYTEST, "-m", "lab", *sys.argv[1:]]
        lab = subprocess.Popen(words, stdout=kept, stderr=subprocess.STDOUT)
        try:
            here = subprocess.call([*PYTEST, "-m", "not lab", *sys.argv[1:]])
            print("... now those of the lab", flush=True)
            there = lab.wait()
        except SystemExit:
            lab.terminate()
            raise
        finally:
            lab.wait()  # an interrupt from the terminal has reached it, too
        kept.seek(0)
        sys.stdout.buffer.write(kept.read())
    return next((status for status in (here, there) if status not in (0, NONE)), 0)


def _end(*_: object) -> NoReturn:
    sys.exit(143)


if __name__ == "__main__":
    sys.exit(main())
