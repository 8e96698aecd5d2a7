"""Run lists, a stand-in program and a stand-in hadd, for tests of `jobauto runlist`."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from trees import make

from jobauto.cli.main import main

# What it does stands in the run file. Its last two words are input and output; all go to `called`
# in the job's folder.
PROGRAM = """#!/bin/sh
printf '%s\\n' "$@" >called
echo run >>ran
while [ $# -gt 2 ]; do shift; done
made=$2
. "$1"
"""
GOOD = 'printf "%s\\n" "of ${1##*/}" >"$made"\n'
HADD = """#!/bin/sh
[ "$1" = -f ] || exit 9
made=$2; shift 2
echo run >>ran
cat "$@" >"$made"
"""


def plant(folder: Path, lists: Mapping[str, str], runs: Mapping[str, str] | None = None) -> Path:
    """`lists` by name, `runs` (what each of them makes the program do), the two programs."""
    (folder / ".filelists").mkdir()
    make(folder / ".filelists", lists)
    make(folder / "in", runs or {})
    make(folder, {"bin/prog": PROGRAM, "bin/hadd": HADD, "env": f'PATH="{folder}/bin:$PATH"\n'})
    for program in ("prog", "hadd"):
        (folder / "bin" / program).chmod(0o755)
    return folder


def words(folder: Path, *options: str) -> list[str]:
    """The command line of a task in `folder`; every list, unless the options say -d."""
    chosen = [] if "-d" in options else ["-d", "."]
    dirs = ["-c", str(folder), "-i", "in", "-o", "out", "-a", "env"]
    return ["runlist", "-T", "test", "-e", "bin/prog", *dirs, *chosen, *options]


def typed(folder: Path, *options: str) -> int:
    """Type it; the exit code."""
    return main(words(folder, *options))


def tried(
    folder: Path, shell: str = "sh", script: str = "qsub.job", path: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run a job's script where it stands, as a scheduler would; `path` comes before PATH."""
    return subprocess.run(
        ["sh", "-c", 'JOB=$$ exec "$@"', "sh", shell, script],
        cwd=folder,
        env={"PATH": path + os.environ["PATH"], "LC_ALL": "C"},
        capture_output=True,
        text=True,
        timeout=60,
    )
