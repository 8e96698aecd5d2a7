"""IBM Spectrum (Platform) LSF from 9.1 on: bsub, bjobs, bkill, bstop, bresume, bswitch."""

from __future__ import annotations

import re
from collections.abc import Sequence

from jobauto.model import Ending, InQueue, Queued
from jobauto.resources import Resources
from jobauto.schedulers.base import Dialect, Unreadable, no_environment, only_match

# ibm.com/docs, Spectrum LSF 10.1.0: "Job states" in "LSF terms and concepts"; PROV is in bjobs(1)
STATES = {
    "PEND": Queued.PENDING,
    "WAIT": Queued.PENDING,  # behind other jobs of one chunk
    "PROV": Queued.PENDING,  # its host is woken up
    "PSUSP": Queued.HELD,
    "RUN": Queued.RUNNING,
    "USUSP": Queued.SUSPENDED,
    "SSUSP": Queued.SUSPENDED,
    "ZOMBI": Queued.ENDING,  # killed or given up, while its host could not be reached
}
_GONE = {"DONE", "EXIT", "PDONE", "PERR", "POST_DONE", "POST_ERR"}
_ALL = "these are all jobs"
_JOBID = re.compile(r"Job <(\d+)> is submitted to (?:default )?queue <.*", re.ASCII)
# id (with the part of an array), state, description, reason
_JOB = re.compile(r"(\d+)(?:\[\d+\])?\|([^|\s]+)\|(.*)\|([^|]*)", re.ASCII)
_TOKEN = re.compile(r"jobauto=([\w.+-]+)(?: |$)")
# reasons in detail (LSB_BJOBS_PENDREASON_LEVEL in lsf.conf) stand on lines of their own, indented
_MORE = re.compile(r"\n[ \t]+(?=[^|\n]*\n)")
_EXIT = re.compile(r"^EXIT\|(\d{1,9})\||Exited with exit code (\d{1,9})", re.MULTILINE)
_DONE = re.compile(r"^DONE\||Done successfully", re.MULTILINE)
_BROKEN = re.compile(r"\n {21}")  # where bhist -l breaks a line, be it within a word
_TERM = re.compile(r"\bTERM_\w+")
# ibm.com/docs, Spectrum LSF 10.1.0: "Termination reasons displayed by bacct, bhist, and bjobs"
_COMMON = {
    "TERM_RUNLIMIT": "walltime",
    "TERM_CPULIMIT": "cpu-time",
    "TERM_MEMLIMIT": "memory",
    "TERM_OWNER": "cancelled",
    "TERM_FORCE_OWNER": "cancelled",
    "TERM_ADMIN": "cancelled",
    "TERM_FORCE_ADMIN": "cancelled",
    "TERM_BUCKET_KILL": "cancelled",
    "TERM_REMOVE_HUNG_JOB": "node-failure",
    "TERM_EXTERNAL_SIGNAL": "",  # the exit code says which
    "TERM_UNKNOWN": "",
}

# Without LSB_NTRIES each program tries for ever while LSF does not answer, and bsub while there
# are too many pending jobs; with 1, bsub is refused at once. Jobs inherit what bsub was given.
# The command line counts more than #BSUB does: so a script's own -J, -o and -Jd are looked for.
# pend_reason came with LSF 10; exit_reason is "-" for all jobs that have not ended.
_PRELUDE = r"""
unset BSUB_QUIET BSUB_CHK_RESREQ LSB_BJOBS_FORMAT
LSB_NTRIES=3; export LSB_NTRIES
lsf_asks() { grep -Eq "^#BSUB[[:blank:]](.*[[:blank:]])?-$1[[:blank:]]" "$file"; }
lsf_submit() { # lsf_submit SCRIPT TOKEN [OPTION...]
  file=$1 about=jobauto=$2 name=${1##*/}; shift 2
  case $name in *[!A-Za-z0-9._-]*) name=qsub;; esac # [1] would make an array of it
  lsf_asks J || set -- -J "$name" "$@"
  lsf_asks 'oo?' || set -- -o "$name.o%J" "$@" # else the output is mailed
  theirs=$(sed -n -e 's/^#BSUB .*-Jd *"\([^"]*\)".*/\1/p' -e t \
    -e "s/^#BSUB .*-Jd *'\([^']*\)'.*/\1/p" -e t \
    -e 's/^#BSUB .*-Jd *\([^ ][^ ]*\).*/\1/p' "$file" | head -n 1)
  LSB_NTRIES=1 $limit bsub "$@" -Jd "$about${theirs:+ $theirs}" <"$file"
}
lsf_jobs() { # that there are none is said on stderr, with status 0 or 255
  fields='pend_reason exit_reason'
  case $($limit bjobs -V 2>&1) in *'LSF '*' 9.'*) fields=exit_reason;; esac
  for field in $fields; do
    format="jobid stat job_description $field delimiter='|'"
    all=$({ out=$($limit bjobs -noheader -o "$format" 2>&3 3>&-); echo "@ended $?"
      printf %s "$out"; } 3>&1)
    words=${all%%@ended *} out=${all#*@ended }
    status=${out%%[!0-9]*} && out=${out#"$status"}
    case $words in *"$field"*) ;; *) break;; esac # no such field
  done
  none=$(printf %s "$words" | grep -cx 'No unfinished job found *')
  printf %s "$words" | grep -vx 'No unfinished job found *' >&2
  case $status-$none-${out:+jobs} in
  0-0-jobs) printf '%s\n' "${out#?}";;
  0-1-|255-1-) ;;
  *) printf %s "$out"; [ $status = 0 ] && status=1; return $status;;
  esac
  echo 'these are all jobs'
}
lsf_hold() { # bstop would stop jobs that run, too
  waiting=$($limit bjobs -noheader -o 'stat jobid' "$@" |
    sed -n 's/^PEND  *\([0-9]*\).*/\1/p' | sort -u)
  [ "$waiting" ] || { echo 'none of these jobs is pending' >&2; return 1; }
  $limit bstop $waiting
}
"""


class LSF(Dialect):
    name = "lsf"
    directive = "#BSUB"
    # openlava, and the wrappers of Slurm in its style, have a bsub too; -o came to bjobs with 9.1
    detect = (
        "command -v bsub && command -v bjobs && command -v bkill && "
        "bsub -V 2>&1 | grep -Eq 'LSF[A-Za-z ]* (9|[1-9][0-9])[.]'"
    )
    prelude = _PRELUDE
    lists_tokens = True
    after = '-w "done($after)"'
    between = ") && done("
    waits = re.compile(r"^#BSUB\s(?:.*\s)?-w\s", re.MULTILINE)
    told = "jobid=${jobid#Job <} jobid=${jobid%%>*}"
    # it was tried again, and the status tells the rest
    harmless = re.compile(r"(?:Please wait|still trying)[ .]*$", re.IGNORECASE)
    limit = re.compile(
        r"Pending job (?:slots )?threshold reached|has reached its job limit"
        r"|not have enough (?:per-\w+ )?job slots|No job Id can be used now|Queue has been closed",
        re.IGNORECASE,
    )
    lost = re.compile(
        r"LSF library call|library internal error|daemon internal error|protocol error|XDR"
        r"|Communication timeout|Timeout on connect|Connection refused|not responding|not connected"
        r"|still trying|Please wait|LIM is down|not registered|daemon cannot fork",
        re.IGNORECASE,
    )

    def submit(self, script: str, token: str, options: str) -> str:
        return f"lsf_submit {script} {token} {options}"

    def options(self, asked: Resources) -> list[tuple[str, ...]]:
        """Memory is reserved on the one host of the job, and is a limit of each process or of the
        job, as the site has set it. Where memory is reserved for each task, a script must say so
        itself."""
        no_environment(asked)
        minutes = -(-asked.walltime // 60)
        found = [
            ("-q", asked.queue),
            ("-W", minutes and f"{minutes // 60}:{minutes % 60:02}"),
            ("-n", asked.cores and f"{asked.cores}"),
            ("-R", asked.cores and "span[hosts=1]"),
            ("-M", asked.memory and f"{asked.memory}MB"),
            ("-R", asked.memory and f"rusage[mem={asked.memory}MB]"),
            ("-P", asked.account),
        ]
        return [(option, value) for option, value in found if value]

    def jobid(self, out: str) -> str | None:
        return only_match(_JOBID, out)

    def query(self, jobids: Sequence[str]) -> str:
        # bjobs on its own lists all unfinished jobs of the person who asks
        return "lsf_jobs"

    def parse(self, text: str) -> list[InQueue]:
        listing, end, rest = text.partition(f"{_ALL}\n")
        if not end or rest or (listing and not listing.endswith("\n")):
            raise Unreadable(f"not a whole answer of bjobs: {text[-200:]!r}")
        lines = _MORE.sub(" ", re.sub("\n+", "\n", listing)).split("\n")
        found = [self._job(line) for line in lines[:-1]]
        return [job for job in found if job.code not in _GONE]

    @staticmethod
    def _job(line: str) -> InQueue:
        match = _JOB.fullmatch(line)
        if not match:
            raise Unreadable(f"not a line of bjobs: {line!r}")
        jobid, code, description, reason = match.groups()
        token = _TOKEN.match(description)
        reason = " ".join(reason.split()).rstrip(";")
        state = STATES.get(code, Queued.UNKNOWN)
        return InQueue(jobid, state, code, reason.removeprefix("-"), token[1] if token else "")

    def kill(self, jobids: Sequence[str]) -> str:
        return "$limit bkill " + " ".join(jobids)

    def hold(self, jobids: Sequence[str]) -> str:
        return "lsf_hold " + " ".join(jobids)

    def release(self, jobids: Sequence[str]) -> str:
        return "$limit bresume " + " ".join(jobids)

    def move(self, jobids: Sequence[str], queue: str) -> str:
        return f"$limit bswitch {queue} {' '.join(jobids)}"

    def autopsy(self, jobid: str) -> str:
        # bjobs forgets a job an hour after its end (CLEAN_PERIOD in lsb.params)
        asked = f"-a -noheader -o \"stat exit_code exit_reason delimiter='|'\" {jobid}"
        return f"$limit bjobs {asked} | grep . || $limit bhist -l {jobid}"

    def ending(self, text: str) -> Ending:
        text = _BROKEN.sub("", text)
        codes = [int(a or b) for a, b in _EXIT.findall(text)]
        code = codes[-1] if codes else 0 if _DONE.search(text) else None
        terms = _TERM.findall(text)
        reason = _COMMON.get(terms[-1], terms[-1]) if terms else ""
        if code and 128 < code < 160:
            return Ending(None, reason or f"signal {code - 128}")
        return Ending(code or None if reason else code, reason)

    def outputs(self, jobid: str, script: str) -> str:
        names = r's/^#BSUB.* -[oe]o\{0,1\}  *"\{0,1\}\([^" ]*\).*/\1/p'
        asked = f"sed -n '{names}' {script} | sed -e 's/%J/{jobid}/g' -e 's/%I/0/g'"
        return f"*.o{jobid} $({asked})"
