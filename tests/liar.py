#!/usr/bin/python3
"""Stands before a program of a scheduler and does to each call what the next fate says.

A copy lies in the lab's `faults/` under the program's name. `<kind>.fates` beside it has a word a
line, used up from the top; without it, or below its end, the real program answers. The kind is the
program, or `qstat-j` for the list of tokens. `words` beside it holds what is said instead. Each
call is noted in `state/told`. Alone: nothing of jobauto is imported, and any Python 3 will do.
"""

import fcntl
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROGRAM = Path(__file__).name
# the folder of the host's programs is named after the host
HOST = Path(os.environ["LAB_PATH"]).name
FAKE = HERE.parent / "fake" / HOST / "bin" / PROGRAM
REAL = str(FAKE) if FAKE.exists() else f"/usr/bin/{PROGRAM}"
HANG = 3.0
BANNER = "** maintenance on Monday, 8 to 12 **\nYour project has 353 hours left\n"
# such questions are no part of a look
ASIDE = ("-help", "--version", "-version", "-V")


def main() -> int:
    arguments = sys.argv[1:]
    kind = "qstat-j" if PROGRAM == "qstat" and "-j" in arguments else PROGRAM
    fate = "pass" if any(a in ASIDE for a in arguments) else next_fate(kind)
    if fate == "hang":
        time.sleep(HANG)
    if fate in ("pass", "hang"):
        os.execv(REAL, [PROGRAM, *arguments])
    code, out, err = answer(kind, fate, arguments)
    sys.stderr.write(err)
    sys.stdout.write(out)
    return code


def next_fate(kind: str) -> str:
    """The next word of the kind's fates, taken by one caller only, and noted."""
    try:
        words = (HERE / f"{kind}.fates").read_text().split()
        job = script()
        with open(HERE / "state/told", "a+") as told:
            fcntl.flock(told, fcntl.LOCK_EX)
            told.seek(0)
            number = sum(line.split(" ", 1)[0] == kind for line in told)
            fate = words[number] if number < len(words) else "pass"
            told.write(f"{kind} {fate} {Path.cwd().name}/{job}\n")
    except FileNotFoundError:  # the test is over
        return "pass"
    return fate


def script() -> str:
    """The script that is handed in: by name, or on stdin, which the real program will need too."""
    text = b""
    if not os.isatty(0) and PROGRAM in ("qsub", "bsub", "condor_submit"):
        text = sys.stdin.buffer.read()
        copy = os.memfd_create("stdin")
        os.write(copy, text)
        os.lseek(copy, 0, os.SEEK_SET)
        os.dup2(copy, 0)
    said = " ".join([*reversed(sys.argv[1:]), text.decode(errors="replace")])
    found = re.search(r"(?<!\S)(?:\./)?(qsub\.[^.\s]+)", said) or re.search(
        r"(qsub\.[^.\s]+)", said
    )
    return found[1] if found else ""


def answer(kind: str, fate: str, arguments: list[str]) -> tuple[int, str, str]:
    """Exit status, stdout and stderr. `took-...`: the real program was called first."""
    words = json.loads((HERE / "words").read_text())[HOST]
    if fate == "empty":
        return tuple(words["empty"][kind])
    if fate in words:
        return tuple(words[fate])
    done = subprocess.run([REAL, *arguments], capture_output=True, text=True)
    if fate == "took-lost":
        return tuple(words["lost"])
    if fate == "took-silent":
        return 0, "", ""
    if fate == "took-banner":
        return done.returncode, BANNER + done.stdout + "Good luck!\n", BANNER + done.stderr
    if fate == "half":
        return done.returncode, done.stdout[: len(done.stdout) // 2], done.stderr
    if fate == "noise":
        return done.returncode, done.stdout, "warning: setlocale failed\n" + done.stderr
    raise ValueError(fate)


if __name__ == "__main__":
    sys.exit(main())
