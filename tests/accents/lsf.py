"""What the programs of IBM Spectrum LSF 10.1 take and print.

From its command reference and "Example messages" at ibm.com/docs; the words of errors, and how a
script from stdin is run, from the freed LSF: github.com/bytedance/volclava, lsbatch/lib/lsb.err.c
and lsbatch/cmd/cmd.sub.c.
"""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Callable, Mapping, Sequence

from accents.base import Accent, Cluster, Job, Refused, Said
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
_WHY = {
    "walltime": "TERM_RUNLIMIT: job killed after reaching LSF run time limit",
    "memory": "TERM_MEMLIMIT: job killed after reaching LSF memory usage limit",
    "cancelled": "TERM_OWNER: job killed by owner",
}
_FLAGS = {"-H", "-x", "-r", "-rn", "-N", "-B"}
_VALUES = set("-J -Jd -q -o -oo -e -eo -W -n -R -M -P -w -g -G -app -L -env -cwd".split())
_DOWN = "Failed in an LSF library call: LIM is down; try later"
# as LSF does: the script becomes a file, run as a program if it says by what, else by sh
_RUN = """\
file=$(mktemp) && cat >"$file" <<'_USER_SCRIPT_'
{script}
_USER_SCRIPT_
LSB_JOBID=$FAKE_JOB LSB_JOBINDEX=0; export LSB_JOBID LSB_JOBINDEX
chmod u+x "$file"; {shell}"$file"; code=$?; rm -f "$file"; exit $code
"""


class Usage(Exception):
    """The program was called in a way that it does not know."""


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
                    return _bsub(words, stdin, environment, folder, cluster)
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


# --- bsub -----------------------------------------------------------------------------------------


def _options(words: Sequence[str]) -> dict[str, str]:
    """Options up to the first word that is none; `bsub`s that give a command are not known here."""
    found: dict[str, str] = {}
    rest = list(words)
    while rest:
        option = rest.pop(0)
        if option in _FLAGS:
            found[option] = ""
        elif option in _VALUES and rest:
            value = rest.pop(0)
            found[option] = f"{found['-R']} {value}" if option == "-R" in found else value
        else:
            raise Usage(f"{option}: Illegal option")
    return found


def _embedded(script: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in script.splitlines():
        if line.startswith("#BSUB"):
            found |= _options(shlex.split(line[len("#BSUB") :], comments=True))
    return found


def _bsub(
    words: Sequence[str],
    stdin: str,
    environment: Mapping[str, str],
    folder: str,
    cluster: Cluster,
) -> Said:
    asked = _embedded(stdin) | _options(words)
    if not stdin.strip():
        return Said(255, "", "No command is specified in the script file. Job not submitted.\n")
    name = asked.get("-J", stdin.split("\n")[0])
    if re.search(r"\[[^\]]*[^\d,:\]-]|[*/]", name) and "-J" in asked:
        return Said(255, "", "Bad job name. Job not submitted.\n")
    out = asked.get("-oo", asked.get("-o", "/dev/null"))
    queue = asked.get("-q", environment.get("LSB_DEFAULTQUEUE", ""))
    if "BSUB_CHK_RESREQ" in environment:
        return Said(0, "Resource requirement string is valid.\n")
    facts = {"description": asked.get("-Jd", "-")}
    if "-W" in asked:
        hours, _, minutes = asked["-W"].rpartition(":")
        facts["walltime"] = str(60 * (60 * int(hours or 0) + int(minutes)))
    try:
        job = cluster.submit(
            _RUN.format(script=stdin.rstrip("\n"), shell="" if stdin.startswith("#!") else "sh "),
            name=name,
            folder=folder,
            out=out,
            err=asked.get("-eo", asked.get("-e", out)),
            queue=queue,
            held="-H" in asked,
            variables={"LSB_JOBNAME": name, "LS_SUBCWD": folder},
            facts=facts,
        )
    except Refused as error:
        return _refused(error.kind, queue, environment, cluster)
    if "BSUB_QUIET" in environment:
        return Said()
    which = "queue" if queue else "default queue"
    return Said(0, f"Job <{job.number}> is submitted to {which} <{job.queue}>.\n")


def _refused(kind: str, queue: str, environment: Mapping[str, str], cluster: Cluster) -> Said:
    if kind == "queue":
        return Said(255, "", f"{queue}: No such queue. Job not submitted.\n")
    full = f"User <{cluster.user}>: Pending job threshold reached."
    tries = int(environment.get("LSB_NTRIES", "0"))
    if not tries:  # it would try for ever: timeout(1) ends it
        return Said(124, "", f"{full} Retrying in 60 seconds...\n")
    retries = f"{full} Retrying in 60 seconds...\n" * (tries - 1)
    return Said(255, "", f"{retries}{full} Job not submitted.\n")


# --- bjobs ----------------------------------------------------------------------------------------


def _stat(job: Job) -> str:
    if job.ended is None:
        return _STATES.get(job.state, "UNKWN")
    return "DONE" if job.exit_code == 0 and not job.why else "EXIT"


def _exit_code(job: Job) -> str:
    code = job.signal + 128 if job.signal else job.exit_code
    return str(code) if job.ended is not None and code else "-"


_FIELDS: dict[str, Callable[[Job], str]] = {
    "jobid": lambda job: str(job.number),
    "stat": _stat,
    "queue": lambda job: job.queue,
    "job_name": lambda job: job.name,
    "job_description": lambda job: job.facts["description"],
    "pend_reason": lambda job: _WAITING.get(_stat(job), "-"),
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
