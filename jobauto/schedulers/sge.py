"""Grid Engine (Sun, Son of, Univa, Altair): qsub, qstat, qdel, qacct."""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.etree import ElementTree

from jobauto.model import Ending, InQueue, Queued
from jobauto.schedulers.base import Dialect, Unreadable, last_match

_JOBID = re.compile(
    r"(?:Your job(?:-array)? )?(\d+)(?:\.\d+-\d+:\d+)?(?: \(.*\) has been submitted)?"
)
_XML = re.compile(r"<\?xml.*</job_info>", re.DOTALL)
_FACT = re.compile(r"^(exit_status|failed)\s+(\d+)(?:\s*:\s*(.*\S))?", re.MULTILINE)
_TOKEN = re.compile(r"^(?:job_number:\s+(\d+)|context:.*\bjobauto=([\w-]+))", re.MULTILINE)


class GridEngine(Dialect):
    name = "sge"
    # PBS and Torque have a qsub and a qstat too; only this one prints such a first line of help
    detect = (
        "command -v qsub && command -v qdel && "
        "qstat -help 2>&1 | head -n 1 | grep -Eq '^(SGE|UGE|AGE|GE|OGS|OCS|Grid Engine|Sun)'"
    )
    limit = re.compile(
        r"jobs? (?:are )?allowed per user|maximum number of jobs|job limit|exceed.* limit"
        r"|unable to (?:send|receive) message|can.t get answer|got send timeout|commlib error"
        r"|please try again",
        re.IGNORECASE,
    )

    def submit(self, script: str, token: str) -> str:
        return f"$limit qsub -terse -cwd -ac jobauto={token} {script}"

    def jobid(self, out: str) -> str | None:
        return last_match(_JOBID, out)

    def query(self, jobids: Sequence[str]) -> str:
        return '$limit qstat -u "$(id -un)" -xml'

    def parse(self, text: str) -> list[InQueue]:
        whole = _XML.search(text)
        if not whole or text.rstrip() != text[whole.start() : whole.end()]:
            raise Unreadable("not a whole answer of qstat -xml")
        try:
            root = ElementTree.fromstring(whole[0].encode("utf-8", "replace"))
        except ElementTree.ParseError as error:
            raise Unreadable(f"qstat -xml: {error}") from None
        return [self._job(job) for job in root.iter("job_list")]

    @staticmethod
    def _job(job: ElementTree.Element) -> InQueue:
        jobid, code = job.findtext("JB_job_number", ""), job.findtext("state", "")
        if not jobid.isdigit():
            raise Unreadable("a job without a number in qstat -xml")
        return InQueue(jobid, _state(code), code, "error state" if "E" in code else "")

    def tokens(self) -> str:
        # qstat -j fails when there is no job at all, which is an answer too
        return "$limit qstat -j '*' 2>&1 || [ $? = 1 ]"

    def parse_tokens(self, text: str) -> dict[str, str]:
        found, jobid = {}, ""
        for number, token in _TOKEN.findall(text):
            jobid = number or jobid
            if token:
                found[token] = jobid
        if not found and not re.search(r"job_number:|do not exist", text):
            raise Unreadable("not an answer of qstat -j")
        return found

    def kill(self, jobids: Sequence[str]) -> str:
        return "$limit qdel " + " ".join(jobids)

    def autopsy(self, jobid: str) -> str:
        return f"$limit qacct -j {jobid}"

    def ending(self, text: str) -> Ending:
        facts = {key: (int(code), words) for key, code, words in _FACT.findall(text)}
        exit_code = facts["exit_status"][0] if "exit_status" in facts else None
        failed, words = facts.get("failed", (0, ""))
        return Ending(exit_code, f"failed {failed} {words}".strip() if failed else "")

    def outputs(self, jobid: str) -> str:
        return f"*.[oe]{jobid}"


def _state(code: str) -> Queued:
    """From qstat(1): q(ueued) w(aiting) h(eld) E(rror) r(unning) t(ransferring) s S T d R."""
    if not code or set(code) - set("acdEhrRstSTuqwPNz"):
        return Queued.UNKNOWN
    if "E" in code:
        return Queued.ERROR
    if "d" in code or "z" in code:
        return Queued.ENDING
    if "h" in code:
        return Queued.HELD
    if set(code) & set("sST"):
        return Queued.SUSPENDED
    return Queued.RUNNING if set(code) & set("rt") else Queued.PENDING
