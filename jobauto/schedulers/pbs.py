"""OpenPBS and PBS Professional, and Torque where it differs: qsub, qselect, qstat, qdel.

A JOBID is what qsub prints, `12.server`. An array is `12[].server` there and `12+.server` here,
for a JOBID stands in scripts as it is; its parts have the JOBID of the array.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from jobauto.model import Ending, InQueue, Queued
from jobauto.resources import Resources
from jobauto.schedulers.base import Dialect, Unreadable, hours, no_environment, only_match

# qstat(1B) of both; M and F are shown only to who asks for the history
STATES = {
    "Q": Queued.PENDING,
    "W": Queued.PENDING,
    "T": Queued.PENDING,
    "H": Queued.HELD,
    "R": Queued.RUNNING,
    "B": Queued.RUNNING,
    "S": Queued.SUSPENDED,
    "U": Queued.SUSPENDED,
    "E": Queued.ENDING,
}
ENDED = {"F", "X", "C"}
_JOBID = re.compile(r"(\d+(?:\[\d*\])?(?:\.[\w.-]+)?)", re.ASCII)
# which jobs, what qstat -f tells of them, what it complains of, and its exit status: 153 and 35
# are what is left of 15001 and 15139, an unknown and a finished job
_ANSWER = re.compile(
    r"jobs:((?: \d+(?:\[\d*\])?(?:\.[\w.-]+)?(?:@\S+)?)*)\n"
    r"((?s:.*))\nsaid:\n((?s:.*))\nend (?:0|153|35)\n",
    re.ASCII,
)
_HEAD = re.compile(r"Job Id: (\S+)")
_ATTRIBUTE = re.compile(r"^    ([A-Za-z_]\w*(?:\.\S+)?) = (.*)", re.MULTILINE)
_GONE = re.compile(
    r"qstat: (?:Unknown Job Id(?: Error)?(?: MSG=.*)? (\S+)"
    r"|(\S+) Job has finished, use -x or -H to obtain historical job information)"
)
# what a person may put a line break into, such as an exported function of bash
_MANY_LINES = {"Variable_List", "submit_args"}
_TOKEN = re.compile(r"(?:^|,)PBS_O_MAIL=jobauto:([\w.+-]+)(?=,|$)")
# check_job_name() of OpenPBS takes fewer than that of Torque
_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9_+-]")
# what csh reads even when quoted, and what divides and quotes in PBS's list of variables
_NOT_IN_A_FOLDER = re.compile(r"[!\\,\"\x00-\x1f\x7f]")
# JOB_EXEC_* of job.h in OpenPBS, and of pbs_job.h in Torque, which has other numbers
_PBS_ENDS = {
    -14: "node-failure",
    -20: "node-failure",
    -26: "memory",
    -27: "memory",
    -28: "cpu-time",
    -29: "walltime",
    -31: "memory",
}
_TORQUE_ENDS = {-10: "memory", -11: "walltime", -12: "cpu-time"}
_TERMINATED = "91"  # substate of a job that somebody deleted: JOB_SUBSTATE_TERMINATED

_PRELUDE = r"""
unset PBS_QSTAT_EXECONLY PBS_QSTAT_NO_COMPLETE # Torque's, which hide jobs
guard= # a line that the job has to begin with
# A job begins in $HOME. What is handed in asks for what the script asks for, and goes to its folder
# first. It means the same to sh and to csh: a person's login shell may read it.
wrapper() {
  IFS= read -r first <"$1"
  asks=$(sed -n -e '/^:/d' -e '/^[[:space:]]*[^#[:space:]]/q' -e '/^[[:space:]]*#PBS/{' \
    -e :more -e '/\\$/{' -e N -e 'b more' -e '}' -e p -e '}' "$1") || return
  folder=$(printf '%s\n' "$PWD" | sed "s/'/'\\\\''/g")
  case $first in
    '#!'*)
      chmod u+x "$1" && printf '#!/bin/sh\n%s\n' "$asks" "$guard" &&
        echo "cd '$folder' && exec ./$1"
      ;;
    *) printf '%s\n' "$asks" "$guard" "cd '$folder' || exit 1" && cat "$1";;
  esac
}
hand_over() { # hand_over TOKEN SCRIPT [OPTION...]
  token=$1 script=$2
  shift 2
  wrapper "$script" >"$claim/wrapper" || return
  case $asks in
    *[[:space:]]-N*) ;;
    *) set -- -N "$(printf %.15s "$script")" "$@";; # once no name could be longer
  esac
  # qsub keeps $MAIL as PBS_O_MAIL: no option of the script's is lost. The wrapper comes by stdin
  # because a filter of Torque's may be a shell that reads the options unquoted.
  MAIL=jobauto:$token $limit qsub "$@" <"$claim/wrapper"
}
# What qselect lists and the JOBIDs given: those may be at another server by now.
# Who has ended in between makes qstat fail, but qstat then says so.
listing() (
  user=$(id -un) && found=$($limit qselect -u "$user") || exit
  set -f # 12[].server is no pattern
  found=" $(echo $found) "
  for id; do
    case $found in *" $id "*|*" ${id%%[.[]*}["*) ;; *) found="$found$id ";; esac
  done
  set -- $found
  echo "jobs:${1:+ $*}"
  said= code=0
  # its complaints come last: they must not break a line that it has not written out yet
  [ $# = 0 ] || { said=$($limit qstat -f "$@" 2>&1 >&4) || code=$?; } 4>&1
  printf '\nsaid:\n%s\nend %s\n' "$said" $code
)
"""


class PBS(Dialect):
    name = "pbs"
    directive = "#PBS"
    # Grid Engine has all these programs, but no such version; Slurm's wrappers have no qselect
    detect = (
        "command -v qsub && command -v qselect && command -v qdel && "
        "qstat --version 2>&1 | grep -Eiq '^(pbs_version = |version: *[0-9])'"
    )
    prelude = _PRELUDE
    lists_tokens = True
    after = '-W "depend=afterok:$after"'
    between = ":"
    waits = re.compile(r"^#PBS\s.*\bdepend=", re.MULTILINE)
    guards = True
    # the tables of messages: pbs_messages.c of OpenPBS and pbs_error_db.h of Torque
    limit = re.compile(
        r"would exceed|Maximum number of jobs|Queue is (?:not enabled|currently not available)"
        r"|Resource temporarily unavailable|Server shutting down|No space left on device"
        r"|error writing copy of script|I/O error",
        re.IGNORECASE,
    )
    lost = re.compile(
        r"(?:can ?not|couldn.t|could not|unable to) (?:connect|communicate|establish)"
        r"|communication failure|connection (?:refused|reset|table full)|No free connections"
        r"|tim(?:ed|e) ?out|End of File|protocol error|\bsocket\b|Broken pipe|No route to host"
        r"|background qsub|System error|internal error|Server busy|(?:Invalid|Expired) credential"
        r"|unable to authenticate|Server returned error|Error \(\d|Failed to save job"
        r"|Retry to submit",
        re.IGNORECASE,
    )

    def bad_name(self, folder: str, id: str) -> str:
        """A job is named after its script; its folder is a word in the wrapper."""
        bad, odd = _NOT_IN_A_NAME.search(id), _NOT_IN_A_FOLDER.search(folder)
        if bad:
            which = "blank" if bad[0].isspace() else f"{bad[0]!r}"
            return f"PBS takes no {which} in the name of a job"
        return f"PBS takes no {odd[0]!r} in the name of a folder" if odd else ""

    def submit(self, script: str, token: str, options: str) -> str:
        return f"hand_over {token} {script} {options}"

    def options(self, asked: Resources) -> list[tuple[str, ...]]:
        """In the older words, which both read: pbs_resources(7B), BACKWARD COMPATIBILITY.
        -P is a project in PBS, but another user in Torque."""
        no_environment(asked)
        found = {
            "-q ": asked.queue,
            "-l walltime=": asked.walltime and hours(asked.walltime),
            "-l nodes=1:ppn=": asked.cores,
            "-l mem=": asked.memory and f"{asked.memory}mb",
            "-A ": asked.account,
        }
        return [tuple(f"{option}{value}".split(" ")) for option, value in found.items() if value]

    def jobid(self, out: str) -> str | None:
        found = only_match(_JOBID, out)
        return found and _ours(found)

    def query(self, jobids: Sequence[str]) -> str:
        return f"listing {_theirs(jobids)}".rstrip()

    def parse(self, text: str) -> list[InQueue]:
        whole = _ANSWER.fullmatch(text)
        if not whole:
            raise Unreadable("not a whole answer of qselect and qstat")
        jobs, gone = _described(whole[2]), _gone(whole[3])
        jobids, told = set(map(_ours, whole[1].split())), set(map(_ours, jobs))
        # Torque adds a server to an unknown job that was named without
        over = {name for jobid in map(_ours, gone) for name in (jobid, jobid.partition(".")[0])}
        if not told <= jobids <= told | over:
            raise Unreadable("qstat -f does not tell of the jobs that were asked for")
        found = (_in_queue(jobid, attributes) for jobid, attributes in jobs.items())
        return [job for job in found if job.code not in ENDED]

    def kill(self, jobids: Sequence[str]) -> str:
        return f"$limit qdel {_theirs(jobids)}"

    def hold(self, jobids: Sequence[str]) -> str:
        return f"$limit qhold {_theirs(jobids)}"

    def release(self, jobids: Sequence[str]) -> str:
        return f"$limit qrls {_theirs(jobids)}"

    def move(self, jobids: Sequence[str], queue: str) -> str:
        return f"$limit qmove {queue} {_theirs(jobids)}"

    def autopsy(self, jobid: str) -> str:
        # Torque shows a job for some minutes after its end; PBS has a history to ask for
        job = _theirs([jobid])
        return f"$limit qstat -f {job} 2>/dev/null || $limit qstat -x -f {job}"

    def ending(self, text: str) -> Ending:
        facts: dict[str, str] = dict(_ATTRIBUTE.findall(text.replace("\n\t", "")))
        torque = "exit_status" in facts
        code: str = facts.get("Exit_status", facts.get("exit_status", ""))
        if facts.get("substate") == _TERMINATED:
            return Ending(None, "cancelled")
        if not re.fullmatch(r"-?\d{1,9}", code):
            ended = facts.get("job_state") in ENDED
            return Ending(None, facts.get("comment", "") if ended else "")
        status = int(code)
        if status > 256:
            return Ending(None, f"signal {status - 256}")
        if status < 0:
            known = _TORQUE_ENDS if torque else _PBS_ENDS
            return Ending(None, known.get(status, f"Exit_status {status}"))
        return Ending(status)

    def outputs(self, jobid: str, script: str) -> str:
        number = re.split(r"[.+]", jobid)[0]
        asked = f"sed -n 's/^#PBS.* -[oe]  *\\([^ ]*\\).*/\\1/p' {script} | "
        asked += r"sed -e 's/^[^/:]*://' -e 's|^$PBS_O_WORKDIR/||'"
        return f"*.[oe]{number} *.[oe]{number}[.-]* $({asked})"


def _ours(jobid: str) -> str:
    """A JOBID from one of PBS: `12[].server`, or `12[3].server`, is 12+.server."""
    return re.sub(r"\[\d*\]", "+", jobid.partition("@")[0])


def _theirs(jobids: Sequence[str]) -> str:
    """Words for PBS's programs, the inverse of `_ours`."""
    words = (re.sub(r"^(\d+)\+(.*)", r"'\1[]\2'", jobid) for jobid in jobids)
    return " ".join(words)


def _described(text: str) -> dict[str, dict[str, str]]:
    """JOBID of PBS to its attributes; Unreadable for other text."""
    jobs: dict[str, dict[str, str]] = {}
    attributes: dict[str, str] | None = None
    for line in _lines(text):
        head, attribute = _HEAD.fullmatch(line), _ATTRIBUTE.match(line)
        if head and _JOBID.fullmatch(head[1]):
            attributes = jobs.setdefault(head[1], {})
        elif attribute and attributes is not None:
            attributes.setdefault(attribute[1], attribute[2])
        elif not attributes or not _MANY_LINES & attributes.keys():
            raise Unreadable(f"not a line of qstat -f: {line!r}")
    return jobs


def _gone(text: str) -> list[str]:
    """The JOBIDs of PBS of which it complains that there are no such jobs."""
    found = [_GONE.fullmatch(line) for line in filter(None, text.split("\n"))]
    if None in found:
        raise Unreadable(f"qstat: {text!r}")
    return [match[1] or match[2] for match in found if match]


def _lines(text: str) -> Iterator[str]:
    """The lines that are not empty. A long one was broken, and goes on after a tab."""
    return filter(None, text.replace("\n\t", "").split("\n"))


def _in_queue(jobid: str, attributes: dict[str, str]) -> InQueue:
    code = attributes.get("job_state")
    if code is None:
        raise Unreadable(f"qstat -f tells no state of {jobid}")
    state = STATES.get(code, Queued.UNKNOWN)
    waits = state not in (Queued.RUNNING, Queued.ENDING)  # else it tells where the job runs
    reason = attributes.get("comment", "").strip() if waits else ""
    token = _TOKEN.search(attributes.get("Variable_List", ""))
    return InQueue(_ours(jobid), state, code, reason, token[1] if token else "")
