"""What the programs of IBM Spectrum LSF 10.1 take and print.

From its command reference and "Example messages" at ibm.com/docs; the words of errors from the
freed LSF: github.com/bytedance/volclava, lsbatch/lib/lsb.err.c and lsb.reason.c.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence

from accents.base import Accent, Cluster, Job, Refused, Said
from accents.lsf_bsub import Usage, bsub
from jobauto.model import Queued

_VERSION = (
    "IBM Spectrum LSF Standard 10.1.0.14, Apr 20 2023\n"
    "Copyright International Business Machines Corp. 1992, 2016.\n"
)
_STATES = {
    Queued.PENDING: "PEND",
    Queued.RUNNING: "RUN",
    Queued.HELD: "PSUSP",
    Queued.SUSPENDED: "USUSP",
    Queued.ENDING: "RUN",  # until it has ended
}
_WAITING = {
    "PEND": "New job is waiting for scheduling;",
    "PSUSP": "Job was suspended by the user while pending;",
}
_DEPENDS = "Job dependency condition not satisfied;"
_NEVER = "Dependency condition invalid or never satisfied;"
_WHY = {
    "walltime": "TERM_RUNLIMIT: job killed after reaching LSF run time limit",
    "memory": "TERM_MEMLIMIT: job killed after reaching LSF memory usage limit",
    "cancelled": "TERM_OWNER: job killed by owner",
}
_DOWN = "Failed in an LSF library call: LIM is down; try later"


class LSF(Accent):
    name = "lsf"
    programs = ("bsub", "bjobs", "bkill", "bstop", "bresume", "bswitch", "bhist")

    def call(
        self,
        argv: Sequence[str],
        stdin: str,
        environment: Mapping[str, str],
        folder: str,
        cluster: Cluster,
    ) -> Said:
        program, *words = argv
        if "-V" in words:
            return Said(0, "", _VERSION)
        try:
            match program:
                case "bsub":
                    return bsub(words, stdin, environment, folder, cluster)
                case "bjobs":
                    return _bjobs(words, environment, cluster)
                case "bhist":
                    return _bhist(words, cluster)
                case "bswitch":
                    return _bswitch(words, cluster)
                case _:
                    return _signal(program, words, cluster)
        except Usage as error:
            return Said(255, "", f"{error}\nUsage: {program} [options]\n")

    def unreachable(self, program: str) -> Said:
        return Said(255, "", _DOWN + (". Job not submitted.\n" if program == "bsub" else "\n"))


# --- bjobs ----------------------------------------------------------------------------------------


def _stat(job: Job) -> str:
    if job.ended is None:
        return _STATES.get(job.state, "UNKWN")
    return "DONE" if job.exit_code == 0 and not job.why else "EXIT"


def _pend_reason(job: Job) -> str:
    if job.after and _stat(job) == "PEND":
        return _NEVER if job.orphan else _DEPENDS
    return _WAITING.get(_stat(job), "-")


def _exit_code(job: Job) -> str:
    code = job.signal + 128 if job.signal else job.exit_code
    return str(code) if job.ended is not None and code else "-"


_FIELDS: dict[str, Callable[[Job], str]] = {
    "jobid": lambda job: str(job.number),
    "stat": _stat,
    "queue": lambda job: job.queue,
    "job_name": lambda job: job.name,
    "job_description": lambda job: job.facts["description"],
    "pend_reason": _pend_reason,
    "exit_code": _exit_code,
    "exit_reason": lambda job: _WHY.get(job.why, "-") if job.ended is not None else "-",
}
_TABLE = "jobid stat queue job_name"


def _bjobs(words: Sequence[str], environment: Mapping[str, str], cluster: Cluster) -> Said:
    format, header, ids = environment.get("LSB_BJOBS_FORMAT", _TABLE), True, []
    rest = list(words)
    while rest:
        match rest.pop(0), rest:
            case "-noheader", _:
                header = False
            case (("-a" | "-w"), _):  # a fake cluster shows ended jobs only to who names them
                pass
            case "-o", [format, *_]:
                rest.pop(0)
            case "-u", [user, *_]:
                rest.pop(0)
                if user not in ("all", cluster.user):
                    return Said(255, "", f"{user}: No such user/host group\n")
            case word, _ if word.isdigit():
                ids.append(int(word))
            case word, _:
                raise Usage(f"{word}: Illegal job ID.")
    # also ended jobs, if they are named
    found = [job for n in ids if (job := cluster.find(n))] if ids else cluster.queue()
    missing = set(ids) - {job.number for job in found}
    if not found and not missing:
        # as where LSB_BJOBS_CONSISTENT_EXIT_CODE=Y, if that is asked for
        code = 255 if environment.get("LSB_BJOBS_CONSISTENT_EXIT_CODE") == "Y" else 0
        return Said(code, "", "No unfinished job found\n")
    err = "".join(f"Job <{n}> is not found\n" for n in sorted(missing))
    return Said(255 if missing else 0, _printed(found, format, header), err)


def _printed(jobs: Sequence[Job], format: str, header: bool) -> str:
    told = re.search(r"delimiter=(['\"])(.)\1", format)
    names = [name.split(":")[0] for name in format.split() if not name.startswith("delimiter=")]
    for name in names:
        if name not in _FIELDS:
            raise Usage(f"{name}: Illegal field name")
    lines = [[name.upper() for name in names]] if header and jobs else []
    lines += [[_FIELDS[name](job) for name in names] for job in jobs]
    return "".join((told[2] if told else " ").join(line) + "\n" for line in lines)


# --- bkill, bstop, bresume, bswitch, bhist --------------------------------------------------------


def _numbers(words: Sequence[str]) -> list[int]:
    if not words or not all(word.isdigit() for word in words):
        raise Usage("Illegal job ID.")
    return [int(word) for word in words]


def _each(numbers: Sequence[int], act: Callable[[int], bool], done: str, cluster: Cluster) -> Said:
    """A line for each job: what is done, or why not."""
    out, err = "", ""
    for number in numbers:
        if act(number):
            out += f"Job <{number}> {done}\n"
        else:
            why = "Job has already finished" if cluster.find(number) else "No matching job found"
            err += f"Job <{number}>: {why}\n"
    return Said(255 if err else 0, out, err)


def _signal(program: str, words: Sequence[str], cluster: Cluster) -> Said:
    act, done = {
        "bkill": (cluster.kill, "is being terminated"),
        "bstop": (cluster.hold, "is being stopped"),
        "bresume": (cluster.release, "is being resumed"),
    }[program]
    return _each(_numbers(words), act, done, cluster)


def _bswitch(words: Sequence[str], cluster: Cluster) -> Said:
    if len(words) < 2:
        raise Usage("Queue name must be specified")
    queue, numbers = words[0], _numbers(words[1:])
    try:
        done = f"is switched to queue <{queue}>"
        return _each(numbers, lambda number: cluster.move(number, queue), done, cluster)
    except Refused:
        return Said(255, "", f"{queue}: No such queue\n")


def _bhist(words: Sequence[str], cluster: Cluster) -> Said:
    numbers = _numbers([word for word in words if not word.startswith("-")])
    jobs = [job for number in numbers if (job := cluster.find(number))]
    if not jobs:
        return Said(255, "", "No matching job found\n")
    return Said(0, "".join(map(_history, jobs)))


def _history(job: Job) -> str:
    at = time.strftime("%a %b %e %H:%M:%S", time.gmtime(job.submitted))
    lines = [f"Job <{job.number}>, Job Name <{job.name}>, User <{job.user}>, Project <default>"]
    lines += [f"{at}: Submitted from host <login1>, to Queue <{job.queue}>, CWD <{job.folder}>;"]
    if job.ended is not None:
        code, why = _exit_code(job), _WHY.get(job.why, "")
        end = "Done successfully" if _stat(job) == "DONE" else f"Exited with exit code {code}"
        lines += [f"{at}: {end}. The CPU time used is 0.1 seconds;"]
        lines += [f"{at}: Completed <exit>; {why};"] if why else []
    return "".join(_broken(line) + "\n" for line in lines)


def _broken(line: str) -> str:
    """As LSF breaks lines, be it within a word."""
    first, rest = line[:79], line[79:]
    return "\n".join([first, *(" " * 21 + rest[n : n + 58] for n in range(0, len(rest), 58))])
