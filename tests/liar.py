#!/usr/bin/python3
"""Stands before a program of a scheduler and does to each call what the next fate says.

A copy lies in the lab's `faults/` under the program's name. `<kind>.fates` beside it has a word a
line, used up from the top; without it, or below its end, the real program answers. The kind is the
program, or `qstat-j` for the list of tokens. Each call is noted in `state/told`. Alone: nothing of
jobauto is imported, and any Python 3 will do.
"""

import fcntl
import os
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROGRAM = Path(__file__).name
SLURM = PROGRAM in ("sbatch", "squeue")
HANG = 3.0

FAILED = "sbatch: error: Batch job submission failed: "
SAID = {
    "lost": (FAILED + "Socket timed out on send/recv operation\n")
    if SLURM
    else 'error: commlib error: got read error (closing "vm/qmaster/1")\n',
    "unreachable": (FAILED + "Unable to contact slurm controller (connect failure)\n")
    if SLURM
    else "error: commlib error: got select error (Connection refused)\nUnable to run job: unable "
    'to send message to qmaster using port 6444 on host "vm": got send error\nExiting.\n',
    "limit": (
        "sbatch: error: QOSMaxSubmitJobPerUserLimit\n"
        + FAILED
        + "Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)\n"
    )
    if SLURM
    else "Unable to run job: job rejected: only 2 jobs are allowed per user (current job count: 2)"
    "\nExiting.\n",
    "nonsense": "Bus error (core dumped)\n",
    "unasked": "slurm_load_jobs error: Socket timed out on send/recv operation\n"
    if SLURM
    else "error: commlib error: got read error\n",
}
BANNER = "** maintenance on Monday, 8 to 12 **\nYour project has 353 hours left\n"
EMPTY = {
    "squeue": (0, "", ""),
    "qstat": (
        0,
        "<?xml version='1.0'?>\n<job_info  xmlns:xsd=\"http://example.org/qstat.xsd\">\n"
        "  <queue_info>\n  </queue_info>\n  <job_info>\n  </job_info>\n</job_info>\n",
        "",
    ),
    "qstat-j": (1, "", "Following jobs do not exist: \n*\n"),
}


def main() -> int:
    arguments = sys.argv[1:]
    kind = "qstat-j" if PROGRAM == "qstat" and "-j" in arguments else PROGRAM
    fate = "pass" if "-help" in arguments else next_fate(kind)
    if fate == "pass":
        os.execv(f"/usr/bin/{PROGRAM}", [PROGRAM, *arguments])
    if fate == "hang":
        time.sleep(HANG)
        os.execv(f"/usr/bin/{PROGRAM}", [PROGRAM, *arguments])
    code, out, err = answer(kind, fate, arguments)
    sys.stderr.write(err)
    sys.stdout.write(out)
    return code


def next_fate(kind: str) -> str:
    """The next word of the kind's fates, taken by one caller only, and noted."""
    try:
        words = (HERE / f"{kind}.fates").read_text().split()
        with open(HERE / "state/told", "a+") as told:
            fcntl.flock(told, fcntl.LOCK_EX)
            told.seek(0)
            number = sum(line.split(" ", 1)[0] == kind for line in told)
            fate = words[number] if number < len(words) else "pass"
            told.write(f"{kind} {fate} {Path.cwd().name}/{sys.argv[-1]}\n")
    except FileNotFoundError:  # the test is over
        return "pass"
    return fate


def answer(kind: str, fate: str, arguments: list[str]) -> tuple[int, str, str]:
    """Exit status, stdout and stderr. `took-...`: the real program was called first."""
    if fate == "silent":  # nothing taken, nothing said, and all is well
        return 0, "", ""
    if fate in SAID:
        return 1, "", SAID[fate]
    if fate == "empty":
        return EMPTY[kind]
    real = subprocess.run([f"/usr/bin/{PROGRAM}", *arguments], capture_output=True, text=True)
    if fate == "took-lost":
        return 1, "", SAID["lost"]
    if fate == "took-silent":
        return 0, "", ""
    if fate == "took-banner":
        return real.returncode, BANNER + real.stdout + "Good luck!\n", BANNER + real.stderr
    if fate == "half":
        return real.returncode, real.stdout[: len(real.stdout) // 2], real.stderr
    if fate == "noise":
        return real.returncode, real.stdout, "warning: setlocale failed\n" + real.stderr
    raise ValueError(fate)


if __name__ == "__main__":
    sys.exit(main())
