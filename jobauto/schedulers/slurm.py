"""Slurm: sbatch, squeue, scancel, scontrol. Needs no accounting database (sacct)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from jobauto.model import Ending, InQueue, Queued
from jobauto.schedulers.base import Dialect, Unreadable, last_match

# https://slurm.schedmd.com/squeue.html#SECTION_JOB-STATE-CODES
STATES = {
    "PENDING": Queued.PENDING,
    "CONFIGURING": Queued.PENDING,
    "REQUEUED": Queued.PENDING,
    "REQUEUE_FED": Queued.PENDING,
    "RUNNING": Queued.RUNNING,
    "SIGNALING": Queued.RUNNING,
    "RESIZING": Queued.RUNNING,
    "STAGE_OUT": Queued.ENDING,
    "COMPLETING": Queued.ENDING,
    "REQUEUE_HOLD": Queued.HELD,
    "RESV_DEL_HOLD": Queued.HELD,
    "SPECIAL_EXIT": Queued.ERROR,
    "SUSPENDED": Queued.SUSPENDED,
    "STOPPED": Queued.SUSPENDED,
    "PREEMPTED": Queued.ENDING,
}
_HELD = {"JobHeldUser", "JobHeldAdmin"}
_JOBID = re.compile(r"(?:Submitted batch job )?(\d+)(?:;\S*)?(?: on cluster \S+)?")
_FIELD = re.compile(r"(?:^|\s)(JobState|Reason|ExitCode)=(\S+)")


class Slurm(Dialect):
    name = "slurm"
    detect = "command -v sbatch && command -v squeue && command -v scancel"
    lists_tokens = True
    limit = re.compile(
        r"job submit limit|MaxSubmit|QOSMaxSubmit|AssocMaxSubmit|temporarily unable to accept"
        r"|Resource temporarily unavailable|Job limit|Socket timed out|Unable to contact slurm"
        r"|Transport endpoint|Connection refused|try again",
        re.IGNORECASE,
    )

    def submit(self, script: str, token: str) -> str:
        return f"$limit sbatch --parsable --comment={token} {script}"

    def jobid(self, out: str) -> str | None:
        return last_match(_JOBID, out)

    def query(self, jobids: Sequence[str]) -> str:
        return "$limit squeue -h -u \"$(id -un)\" -o '%i|%T|%k|%r'"

    def parse(self, text: str) -> list[InQueue]:
        found = []
        for line in text.splitlines():
            parts = line.strip().split("|", 3)
            if len(parts) != 4 or not re.fullmatch(r"\d+([_+]\S+)?", parts[0]):
                raise Unreadable(f"not a line of squeue: {line!r}")
            jobid, code, token, reason = parts
            state = STATES.get(code, Queued.UNKNOWN)
            if state is Queued.PENDING and reason in _HELD:
                state = Queued.HELD
            base = re.split(r"[_+]", jobid)[0]  # parts of an array or of a heterogeneous job
            found.append(InQueue(base, state, code, reason, "" if token == "(null)" else token))
        return found

    def kill(self, jobids: Sequence[str]) -> str:
        return "$limit scancel " + " ".join(jobids)

    def autopsy(self, jobid: str) -> str:
        return f"$limit scontrol -o show job {jobid}"

    def ending(self, text: str) -> Ending:
        fields = dict(_FIELD.findall(text))
        code, _, signal = fields.get("ExitCode", "").partition(":")
        words = [fields[k] for k in ("JobState", "Reason") if fields.get(k, "None") != "None"]
        if words[:1] == ["FAILED"]:  # says no more than the exit code does
            words = []
        if signal not in ("", "0"):
            words.append(f"signal {signal}")
        return Ending(int(code) if code.isdigit() else None, ", ".join(dict.fromkeys(words)))

    def outputs(self, jobid: str) -> str:
        return f"*[!0-9]{jobid}.out *[!0-9]{jobid}.err *[!0-9]{jobid}.log *.[oe]{jobid}"
