"""HTCondor (9 to 24): condor_submit, condor_q, condor_rm, condor_qedit, condor_history.

JOBID is the number of a cluster. Lines `#HTCONDOR key = value` of a script go into its submit
description. A job runs in its own folder on machines that share it (FILESYSTEM_DOMAIN); others
get the script alone, and files only if the script asks: `#HTCONDOR transfer_input_files = ./`.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Sequence
from typing import Any

from jobauto.model import Ending, InQueue, Queued
from jobauto.resources import Inexpressible, Resources
from jobauto.schedulers.base import Dialect, Unreadable, no_environment, only_match

# JobStatus in the manual's appendix of job ClassAd attributes. A removed job is still there: its
# processes may not have ended yet.
STATES = {
    "1": Queued.PENDING,
    "2": Queued.RUNNING,
    "3": Queued.ENDING,
    "5": Queued.ERROR,
    "6": Queued.ENDING,
    "7": Queued.SUSPENDED,
}
_COMPLETED, _HELD, _REMOVED = "4", "5", "3"
# HoldReasonCode, same appendix: condor_hold, submitted on hold, waits for its input to be spooled
_ON_PURPOSE = {"1", "15", "16"}
_WHY_HELD = {"34": "memory", "46": "walltime", "47": "walltime"}
_WHY_REMOVED = {
    # the walltime of `options`, and the words of sites that remove by a policy of their own
    "walltime": re.compile(
        r"PeriodicRemove expression '.*JobCurrentStartDate|wall ?time exceeded", re.IGNORECASE
    ),
    "memory": re.compile(r"memory usage exceeded|exceed\w* requested memory", re.IGNORECASE),
    "cancelled": re.compile(r"\A\Z|\(by user "),
}
_JOBID = re.compile(r"(\d+)\.\d+ - \1\.\d+", re.ASCII)
_ALL = "these are all jobs"
_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9_.+@%:~^-]")
_QUEUE = re.compile(r"([A-Za-z_]\w*)=([\w.@:/,+=-]+)", re.ASCII)
_PLAIN = re.compile(r"\d+|true|false")

# `mine`: the schedd lists for whom it takes the caller, or for everybody (super users, and sites
# with CONDOR_Q_ONLY_MY_JOBS = false); what has a token is never left out, whoever owns it there.
# `describe`: nothing may override what comes last; a line that ended in a backslash would go on in
# one of ours; jobs that are materialized late (max_idle) would be accepted and yet not be listed.
_PRELUDE = r"""
mine() { id -un | sed -e 's/[\\"]/\\&/g' -e 's/.*/Owner == "&" || JobautoToken =!= undefined/'; }
describe() { # describe SCRIPT TOKEN [LINE...]: the submit description
  IFS= read -r first <"./$1"
  case $first in
    "#!"*) echo "executable = $1";;
    *) printf '%s\n' 'executable = /bin/sh' 'transfer_executable = false' "arguments = $1" \
         "transfer_input_files = $1";;
  esac
  printf '%s\n' 'universe = vanilla' 'should_transfer_files = IF_NEEDED' \
    "output = $1.o\$(Cluster)" "error = $1.e\$(Cluster)"
  sed -n -e 's/[\[:space:]]*$//' \
    -e 's/^#HTCONDOR[[:space:]]\{1,\}\([+A-Za-z_][A-Za-z0-9_.]*[[:space:]]*=\)/\1/p' "./$1" |
    grep -Eiv '^(materialize_)?max_(idle|materialize)[[:space:]]*='
  token=$2; shift 2
  printf '%s\n' "$@" "+JobautoToken = \"$token\"" queue
}
"""


class HTCondor(Dialect):
    name = "htcondor"
    detect = "command -v condor_submit && command -v condor_q && command -v condor_rm"
    directive = "#HTCONDOR"
    lists_tokens = True
    prelude = _PRELUDE
    # condor_submit.V6/submit.cpp
    limit = re.compile(r"would exceed MAX_JOBS_(?:SUBMITTED|PER_OWNER)")
    # The same, and the subsystems of a CondorError that are about the link. What the schedd itself
    # refuses at the commit is said in a second line.
    lost = re.compile(
        r"Failed to connect to|Can't find address of|Couldn't contact"
        r"|Failed to create (?:cluster|proc)(?!\s*(?:Number of|User is|The given))"
        r"|Failed to commit job submission into the queue\.(?!\s*ERROR:)"
        r"|Failed submission for job|Failed to set .* for job \S+ \(110\)|Failed to fetch ads"
        r"|(?:SECMAN|CEDAR|AUTHENTICATE|DAEMON|COMMUNICATION):\d+"
    )

    def bad_name(self, folder: str, id: str) -> str:
        """Macros, and lines that go on in the next one, are parts of a submit description."""
        bad = _NOT_IN_A_NAME.search(id)
        if bad:
            which = "blank" if bad[0].isspace() else f"'{bad[0]}'"
            return f"HTCondor's submit description takes no {which} in the name of a script"
        if "$$(" in folder or "$$[" in folder:
            return "HTCondor expands $$( ) in the name of a folder"
        return "HTCondor finds nothing in a folder that ends in \\" if folder.endswith("\\") else ""

    def submit(self, script: str, token: str, options: str) -> str:
        # the whole description first: half of one must not be submitted
        text = f"text=$(chmod u+x ./{script} && describe {script} {token} {options})"
        return f"{text} && printf '%s\\n' \"$text\" | $limit condor_submit -terse"

    def options(self, asked: Resources) -> list[tuple[str, ...]]:
        """Lines of a submit description.

        The walltime is a policy of the job's own: allowed_job_duration would hold the job, for
        ever, where other schedulers end it. `=?=`: a policy that is undefined holds it, too.
        """
        no_environment(asked)
        attribute, value = _attribute(asked.queue) if asked.queue else ("", "")
        late = f"(time() - JobCurrentStartDate > {asked.walltime}) =?= true"
        found = {
            f"+{attribute}": value,
            "periodic_remove": asked.walltime and f"JobStatus == 2 && {late}",
            "request_cpus": asked.cores,
            "request_memory": asked.memory and f"{asked.memory}M",
            "accounting_group": asked.account,
        }
        return [(f"{key} = {value}",) for key, value in found.items() if value]

    def jobid(self, out: str) -> str | None:
        return only_match(_JOBID, out)

    def query(self, jobids: Sequence[str]) -> str:
        # an empty queue is no text at all
        attributes = "ClusterId,ProcId,JobStatus,HoldReason,HoldReasonCode,JobautoToken"
        ask = f'$limit condor_q -json -attributes {attributes} -constraint "$(mine)"'
        return f"{ask} && echo {_ALL}"

    def parse(self, text: str) -> list[InQueue]:
        if not text.endswith(f"{_ALL}\n"):
            raise Unreadable("not a whole answer of condor_q")
        found = [_job(ad) for ad in _ads(text.removesuffix(f"{_ALL}\n"))]
        # one that has completed stays for a while, or for ever with leave_in_queue
        return [job for job in found if job.code != _COMPLETED]

    def kill(self, jobids: Sequence[str]) -> str:
        return "$limit condor_rm " + " ".join(jobids)

    def hold(self, jobids: Sequence[str]) -> str:
        # one that runs would be killed, to start anew when it is released
        return f"$limit condor_hold -constraint 'JobStatus == 1 && ({_any(jobids)})'"

    def release(self, jobids: Sequence[str]) -> str:
        return "$limit condor_release " + " ".join(jobids)

    def move(self, jobids: Sequence[str], queue: str) -> str:
        try:
            attribute, value = _attribute("".join(shlex.split(queue)))
        except Inexpressible as error:
            return f"echo {shlex.quote(error.why)} >&2; false"
        where = f"-constraint '{_any(jobids)}'"
        return f"$limit condor_qedit {where} {attribute} {shlex.quote(value)}"

    def autopsy(self, jobid: str) -> str:
        # newest first; a site's whole history would take minutes to read
        attributes = "JobStatus,ExitCode,ExitBySignal,ExitSignal,RemoveReason,HoldReasonCode"
        some = "-limit 1 -scanlimit 20000"
        return f"$limit condor_history {jobid} {some} -json -attributes {attributes}"

    def ending(self, text: str) -> Ending:
        try:
            ad = next(iter(_ads(text)), {})
        except Unreadable:
            return Ending()
        if _said(ad, "JobStatus") == _REMOVED:
            why = _said(ad, "RemoveReason")
            known = (word for word, words in _WHY_REMOVED.items() if words.search(why))
            return Ending(None, _WHY_HELD.get(_said(ad, "HoldReasonCode")) or next(known, why))
        if ad.get("ExitBySignal") is True:
            return Ending(None, f"signal {_said(ad, 'ExitSignal')}")
        code = ad.get("ExitCode")
        return Ending(code if type(code) is int else None)

    def outputs(self, jobid: str, script: str) -> str:
        key = "^#HTCONDOR[[:space:]]*%s[[:space:]]*=[[:space:]]*"
        names = " ".join(f"-e 's/{key % name}//p'" for name in ("[Oo]utput", "[Ee]rror"))
        numbers = rf"-e 's/\$([Cc]luster[IDd]*)/{jobid}/g' -e 's/\$([Pp]roc[A-Za-z]*)/0/g'"
        return f"*.[oe]{jobid} $(sed -n {names} {script} | sed {numbers})"


def _any(jobids: Sequence[str]) -> str:
    return " || ".join(f"ClusterId == {jobid}" for jobid in jobids)


def _ads(text: str) -> list[dict[str, Any]]:
    """The ClassAds in an answer in JSON; Unreadable for any other text."""
    if not text.strip():
        return []
    try:
        ads = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"not JSON: {error}") from None
    if not isinstance(ads, list) or not all(isinstance(ad, dict) for ad in ads):
        raise Unreadable("not a list of ClassAds")
    return ads


def _job(ad: dict[str, Any]) -> InQueue:
    jobid, code = ad.get("ClusterId"), _said(ad, "JobStatus")
    if type(jobid) is not int:
        raise Unreadable("a job without a number in condor_q")
    state, reason = STATES.get(code, Queued.UNKNOWN), ""
    if code == _HELD:
        reason = _said(ad, "HoldReason")
        state = Queued.HELD if _said(ad, "HoldReasonCode") in _ON_PURPOSE else state
    return InQueue(str(jobid), state, code, reason, _said(ad, "JobautoToken"))


def _said(ad: dict[str, Any], attribute: str) -> str:
    """The value of an attribute as text; '' if it is undefined."""
    value = ad.get(attribute)
    return "" if value is None else str(value)


def _attribute(queue: str) -> tuple[str, str]:
    """`JobFlavour=workday` as the name and the expression of a job's attribute."""
    found = _QUEUE.fullmatch(queue)
    if not found:
        why = "it has no queues: name an attribute that its policy reads, as JobFlavour=workday"
        raise Inexpressible("queue", why)
    return found[1], found[2] if _PLAIN.fullmatch(found[2]) else f'"{found[2]}"'
