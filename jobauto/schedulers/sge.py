"""Grid Engine (Sun, Son of, Univa, Altair): qsub, qstat, qdel, qacct."""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.etree import ElementTree

from jobauto.model import Ending, InQueue, Queued
from jobauto.resources import Resources
from jobauto.schedulers.base import Dialect, Unreadable, hours, only_match

_JOBID = re.compile(
    r"(?:Your job(?:-array)? )?(\d+)(?:\.\d+-\d+:\d+)?(?: \(.*\) has been submitted)?", re.ASCII
)
# sge_types(1), `name`; blanks and other bytes are refused by 8.1.9 without a word of why
_NOT_IN_A_NAME = re.compile(r"[^!-~]|[:@\\*?]")
# qsub(1), -o: done to the working folder as well, and then: "can't chdir to ..."
_EXPANDED = re.compile(r"\$(?:HOME|USER|JOB_ID|JOB_NAME|HOSTNAME|(?:SGE_)?TASK_ID)")
_XML = re.compile(r"<\?xml.*</job_info>", re.DOTALL)
_FACT = re.compile(r"^(exit_status|failed)\s+(\d+)(?:\s*:\s*(.*\S))?", re.MULTILINE)
_USED = re.compile(r"^(ru_wallclock|cpu|maxvmem|category)\s+(.*\S)", re.MULTILINE)
# what a job may ask for: the field of qacct that shows the use, and our word where it was exceeded
_HARD = {
    "h_rt": ("ru_wallclock", "walltime"),
    "h_cpu": ("cpu", "cpu-time"),
    "h_vmem": ("maxvmem", "memory"),
}
_ASKED = re.compile(r"\b(h_rt|h_cpu|h_vmem)=([\d.]+[A-Za-z]?)(?=[,\s]|$)")
_AMOUNT = re.compile(r"([\d.]+)([KMGT]?)B?s?")
_LIMIT, _AFTER_JOB = 37, 100  # values of `failed`, from sge_status(5)
_NO_JOB = re.compile(r"^Following jobs do not exist: *\n\*$", re.MULTILINE)
_ALL = "these are all jobs"
_TOKEN = re.compile(r"^(?:job_number:\s+(\d+)|context:.*\bjobauto=([\w.+-]+))", re.MULTILINE)


class GridEngine(Dialect):
    name = "sge"
    directive = "#$"
    # PBS and Torque have a qsub and a qstat too; only this one prints such a first line of help
    detect = (
        "command -v qsub && command -v qdel && "
        "qstat -help 2>&1 | head -n 1 | grep -Eq '^(SGE|UGE|AGE|GE|OGS|OCS|Grid Engine|Sun)'"
    )
    # which waits for their end, however they ended
    after = '-hold_jid "$after"'
    waits = re.compile(r"^#\$\s?(?:.*\s)?-hold_jid", re.MULTILINE)
    limit = re.compile(
        r"jobs? (?:are )?allowed per|maximum number of jobs|job limit|please try again",
        re.IGNORECASE,
    )
    lost = re.compile(
        r"unable to (?:send|receive) message|unable to contact qmaster|can.t get answer"
        r"|got \w+(?: \w+)* (?:error|timeout)|commlib error|gdi request",
        re.IGNORECASE,
    )

    def bad_name(self, folder: str, id: str) -> str:
        """A job is named after its script, and not every character may stand in its name."""
        bad, variable = _NOT_IN_A_NAME.search(id), _EXPANDED.search(folder)
        if bad:
            which = "blank" if bad[0].isspace() else f"'{bad[0]}'"
            return f"Grid Engine takes no {which} in the name of a job"
        return f"Grid Engine expands {variable[0]} in the name of a folder" if variable else ""

    def submit(self, script: str, token: str, options: str) -> str:
        return f"$limit qsub -terse -cwd -ac jobauto={token} {options} {script}"

    def options(self, asked: Resources) -> list[tuple[str, ...]]:
        """`smp` is what most sites call the environment of one machine; h_vmem is for each slot."""
        slots = asked.cores or 1
        found = {
            "-q ": asked.queue,
            "-l h_rt=": asked.walltime and hours(asked.walltime),
            "-pe ": asked.cores and f"{asked.environment or 'smp'} {slots}",
            "-l h_vmem=": asked.memory and f"{-(-asked.memory // slots)}M",
            "-P ": asked.account,
        }
        return [tuple(f"{option}{value}".split(" ")) for option, value in found.items() if value]

    def jobid(self, out: str) -> str | None:
        return only_match(_JOBID, out)

    def query(self, jobids: Sequence[str]) -> str:
        # -s a: over a person's ~/.sge_qstat, whose own manual's example hides pending jobs
        return '$limit qstat -u "$(id -un)" -s a -xml'

    def parse(self, text: str) -> list[InQueue]:
        whole = _XML.fullmatch(text.rstrip())
        if not whole:
            raise Unreadable("not a whole answer of qstat -xml")
        try:
            root = ElementTree.fromstring(whole[0].encode("utf-8", "replace"))
        except (
            ElementTree.ParseError,
            LookupError,
            ValueError,
        ) as error:  # the last two: encodings
            raise Unreadable(f"qstat -xml: {error}") from None
        if root.find("queue_info") is None or root.find("job_info") is None:
            raise Unreadable("qstat -xml lists no jobs; is there a -g in ~/.sge_qstat?")
        return [self._job(job) for job in root.iter("job_list")]

    @staticmethod
    def _job(job: ElementTree.Element) -> InQueue:
        jobid, code = job.findtext("JB_job_number", ""), job.findtext("state", "")
        if not (jobid.isascii() and jobid.isdigit()):
            raise Unreadable("a job without a number in qstat -xml")
        return InQueue(jobid, _state(code), code, "error state" if "E" in code else "")

    def tokens(self) -> str:
        # qstat -j fails when there is no job at all, which is an answer too
        return f"{{ $limit qstat -j '*' && echo {_ALL}; }} 2>&1 || [ $? = 1 ]"

    def parse_tokens(self, text: str) -> dict[str, str]:
        found, jobid = {}, ""
        for number, token in _TOKEN.findall(text):
            jobid = number or jobid
            if token:
                found[token] = jobid
        if not text.endswith(f"\n{_ALL}\n") and (jobid or not _NO_JOB.search(text)):
            raise Unreadable("not a whole answer of qstat -j")
        return found

    def kill(self, jobids: Sequence[str]) -> str:
        return "$limit qdel " + " ".join(jobids)

    def hold(self, jobids: Sequence[str]) -> str:
        return "$limit qhold " + " ".join(jobids)

    def release(self, jobids: Sequence[str]) -> str:
        return "$limit qrls " + " ".join(jobids)

    def move(self, jobids: Sequence[str], queue: str) -> str:
        return f"$limit qalter -q {queue} {' '.join(jobids)}"

    def autopsy(self, jobid: str) -> str:
        return f"$limit qacct -j {jobid}"

    def ending(self, text: str) -> Ending:
        facts = {key: (int(code), words) for key, code, words in _FACT.findall(text)}
        exit_code = facts["exit_status"][0] if "exit_status" in facts else None
        failed, words = facts.get("failed", (0, ""))
        if not failed:
            return Ending(exit_code)
        if failed in (_LIMIT, _AFTER_JOB) and exit_code and exit_code > 128:
            # the exit status says no more than that a signal ended the job
            signal = f"signal {exit_code - 128}" if failed == _AFTER_JOB else ""
            reason = signal or _exceeded(dict(_USED.findall(text)))
            if reason:
                return Ending(None, reason)
        return Ending(exit_code or None, f"failed {failed} {words}".strip())

    def outputs(self, jobid: str, script: str) -> str:
        asked = f"sed -n 's/^#\\$  *-[oe]  *\\([^ ]*\\).*/\\1/p' {script}"
        return f"*.[oe]{jobid} $({asked})"


def _exceeded(used: dict[str, str]) -> str:
    """Which of the limits that the job has set itself it went over; '' if that cannot be told."""
    over = set()
    for name, limit in _ASKED.findall(used.get("category", "")):
        field, word = _HARD[name]
        if _amount(used.get(field, "")) >= _amount(limit) > 0:
            over.add(word)
    return over.pop() if len(over) == 1 else ""


def _amount(text: str) -> float:
    """Seconds or bytes: `2s`, `445.781MB`, `0.2G`; -1 for what is not one."""
    match = _AMOUNT.fullmatch(text)
    try:
        return float(match[1]) * 1024 ** " KMGT".index(match[2] or " ") if match else -1.0
    except ValueError:  # dots only
        return -1.0


def _state(code: str) -> Queued:
    """From sge_status(5); a hold on a job that runs already changes nothing."""
    letters = set(code)
    if not letters or letters - set("dEhqrRsStTwz"):
        return Queued.UNKNOWN
    if "E" in letters:
        return Queued.ERROR
    if letters & set("dz"):
        return Queued.ENDING
    if letters & set("sST"):
        return Queued.SUSPENDED
    if letters & set("rt"):
        return Queued.RUNNING
    return Queued.HELD if "h" in letters else Queued.PENDING
