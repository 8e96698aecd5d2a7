"""Slurm: sbatch, squeue, scancel, scontrol. Needs no accounting database (sacct)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from jobauto.model import Ending, InQueue, Queued
from jobauto.resources import Resources
from jobauto.schedulers.base import Dialect, Unreadable, hours, no_environment, only_match

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
_JOBID = re.compile(r"(?:Submitted batch job )?(\d+)(?:;\S*)?(?: on cluster \S+)?", re.ASCII)
# id (with the parts of an array or of a heterogeneous job), state, comment, reason
_JOB = re.compile(r"(\d+)(?:[_+][^|\s]+)?\|([^|\s]+)\|([^|]*)\|(.*)", re.ASCII)
_FIELD = re.compile(r"(?:^|\s)(JobState|Reason|ExitCode)=(\S+)")
# states in which a job ends, as every dialect calls them
_COMMON = {
    "TIMEOUT": "walltime",
    "OUT_OF_MEMORY": "memory",
    "NODE_FAIL": "node-failure",
    "BOOT_FAIL": "node-failure",
    "CANCELLED": "cancelled",
}
# reasons that say no more than the state or the exit code does
_PLAIN = {"None", "NonZeroExitCode", "TimeLimit", "OutOfMemory", "NodeDown"}
_SIGNALS = set(map(str, range(1, 32)))


class Slurm(Dialect):
    name = "slurm"
    detect = "command -v sbatch && command -v squeue && command -v scancel"
    directive = "#SBATCH"
    lists_tokens = True
    # a job that can never start any more would stay in the queue for ever
    after = '"--dependency=afterok:$after" --kill-on-invalid-dep=yes'
    between = ":"
    waits = re.compile(r"^#SBATCH\s(?:.*\s)?(?:-d|--dependency)", re.MULTILINE)
    told = "jobid=${jobid%%;*}"  # and the name of the cluster
    # a person's defaults for squeue: jobs that they hide would seem to be gone
    prelude = (
        "unset SQUEUE_STATES SQUEUE_PARTITION SQUEUE_ACCOUNT SQUEUE_QOS SQUEUE_NAMES "
        "SQUEUE_LICENSES\n"
    )
    # One sentence, with "job submit limit" in it, is said for every limit. If the limit's name
    # stands before it, waiting helps only where that is one of submission (QOSMaxSubmit...).
    limit = re.compile(
        r"(?:QOS|Assoc)\w*Submit|\A(?!(?s:.*)(?:QOS|Assoc)[MG]\w+)(?s:.*)job submit limit"
        r"|job limit|temporarily unable to accept|temporarily unavailable|try again"
        r"|partition not available|I/O error writing script",
        re.IGNORECASE,
    )
    lost = re.compile(
        r"Socket timed out|not responding|Unable to contact slurm|standby mode"
        r"|Transport endpoint|Connection (?:refused|timed out)|Zero Bytes were transmitted"
        r"|Munge encode failed|Protocol authentication error",
        re.IGNORECASE,
    )

    def submit(self, script: str, token: str, options: str) -> str:
        return f"$limit sbatch --parsable --comment={token} {options} {script}"

    def options(self, asked: Resources) -> list[tuple[str, ...]]:
        no_environment(asked)
        found = {
            "--partition": asked.queue,
            "--time": asked.walltime and hours(asked.walltime),
            "--nodes": asked.cores and 1,
            "--ntasks": asked.cores,
            "--mem": asked.memory and f"{asked.memory}M",
            "--account": asked.account,
        }
        return [(f"{option}={value}",) for option, value in found.items() if value]

    def jobid(self, out: str) -> str | None:
        return only_match(_JOBID, out)

    def query(self, jobids: Sequence[str]) -> str:
        # -a: also in hidden partitions
        return "$limit squeue -h -a -u \"$(id -u)\" -o '%i|%T|%k|%r'"

    def parse(self, text: str) -> list[InQueue]:
        *lines, rest = text.split("\n")
        if rest:
            raise Unreadable(f"the last line of squeue is cut off: {rest!r}")
        return [self._job(line) for line in lines]

    @staticmethod
    def _job(line: str) -> InQueue:
        match = _JOB.fullmatch(line.strip())
        if not match:
            raise Unreadable(f"not a line of squeue: {line!r}")
        jobid, code, token, reason = match.groups()
        state = STATES.get(code, Queued.UNKNOWN)
        if state is Queued.PENDING and "held" in reason.lower():
            state = Queued.HELD
        return InQueue(jobid, state, code, reason, "" if token == "(null)" else token)

    def kill(self, jobids: Sequence[str]) -> str:
        return "$limit scancel " + " ".join(jobids)

    def hold(self, jobids: Sequence[str]) -> str:
        return "$limit scontrol hold " + ",".join(jobids)

    def release(self, jobids: Sequence[str]) -> str:
        return "$limit scontrol release " + ",".join(jobids)

    def move(self, jobids: Sequence[str], queue: str) -> str:
        return f"$limit scontrol update JobId={','.join(jobids)} Partition={queue}"

    def autopsy(self, jobid: str) -> str:
        return f"$limit scontrol -o show job {jobid}"

    def ending(self, text: str) -> Ending:
        fields: dict[str, str] = dict(_FIELD.findall(text))
        code, _, signal = fields.get("ExitCode", "").partition(":")
        state, reason = fields.get("JobState", ""), fields.get("Reason", "None")
        words = [] if state in ("", "COMPLETED", "FAILED") else [_COMMON.get(state, state)]
        if state == "FAILED" and signal in _SIGNALS:
            words.append(f"signal {signal}")
        elif reason not in _PLAIN:
            words.append(reason)
        exit_code = int(code) if code.isdecimal() else None
        return Ending(exit_code or (None if words else exit_code), ", ".join(words))

    def outputs(self, jobid: str, script: str) -> str:
        names = r"-e 's/^#SBATCH  *-[oe][= ]*//p' -e 's/^#SBATCH  *--output[= ]*//p'"
        asked = f"sed -n {names} -e 's/^#SBATCH  *--error[= ]*//p' {script} | "
        asked += f"sed -e 's/[ ].*//' -e 's/%[jA]/{jobid}/g'"
        return f"*[!0-9]{jobid}.out *[!0-9]{jobid}.err *[!0-9]{jobid}.log *.[oe]{jobid} $({asked})"
