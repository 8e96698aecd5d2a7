"""HTCondor's programs, as far as a monitor calls them, after its manual (23.x and 24.x).

https://htcondor.readthedocs.io/en/24.0/man-pages/: condor_submit, condor_q, condor_rm,
condor_hold, condor_release, condor_qedit, condor_history; the words of answers, where the manual
shows none, are those of the sources (src/condor_submit.V6, src/condor_q.V6, src/condor_tools).

The policy of this pool reads one attribute, JobFlavour: it is the queue of the cluster behind it.
"""

from __future__ import annotations

import json
import posixpath
import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from accents.base import Accent, Cluster, Job, Refused, Said
from accents.classad import Ad, holds, value
from accents.submit_description import Description
from jobauto.model import Queued

#: JobStatus, from the appendix of job ClassAd attributes
STATUS = {
    Queued.PENDING: 1,
    Queued.RUNNING: 2,
    Queued.ENDING: 3,
    Queued.HELD: 5,
    Queued.ERROR: 5,
    Queued.SUSPENDED: 7,
}
REMOVED, COMPLETED = 3, 4
BY_USER, FAILED_TO_START, ON_SUBMISSION, OUT_OF_MEMORY = 1, 6, 15, 34
WHERE = "<192.0.2.7:9618?addrs=192.0.2.7-9618&alias=ap1.example.org&noUDP&sock=schedd_1423_a35b>"
DONE = {"rm": "marked for removal", "hold": "held", "release": "released"}


class HTCondor(Accent):
    name = "htcondor"
    programs = tuple(
        f"condor_{name}" for name in ("submit", "q", "rm", "hold", "release", "qedit", "history")
    )

    def call(
        self,
        argv: Sequence[str],
        stdin: str,
        environment: Mapping[str, str],
        folder: str,
        cluster: Cluster,
    ) -> Said:
        program, *words = argv
        if program == "condor_submit":
            return _submit(words, stdin, folder, cluster)
        if program == "condor_q":
            return _ads(words, map(_ad, cluster.queue()))
        if program == "condor_history":
            return _history(words, cluster)
        if program == "condor_qedit":
            return _qedit(words, cluster)
        return _act(program.removeprefix("condor_"), words, cluster)

    def unreachable(self, program: str) -> Said:
        why = f"CEDAR:6001:Failed to connect to {WHERE}\n"
        if program == "condor_submit":
            return _error(f"Failed to connect to local queue manager\n{why}".rstrip())
        if program == "condor_q":
            return Said(1, "", f"\n-- Failed to fetch ads from: {WHERE} : ap1.example.org\n{why}\n")
        if program == "condor_qedit":
            return Said(1, "", f"Failed to connect to queue manager {WHERE}\n")
        return Said(1, "", why)


def _error(words: str) -> Said:
    return Said(1, "", f"\nERROR: {words}\n")


# --- condor_submit --------------------------------------------------------------------------------


def _submit(words: list[str], stdin: str, folder: str, cluster: Cluster) -> Said:
    """`condor_submit [-terse] [-]`; the description comes from stdin."""
    if set(words) - {"-terse", "-"}:
        return Said(1, "", f"\nERROR: this accent knows no {shlex.join(words)}\n")
    about = Description(stdin)
    executable = about.get("executable")
    if about.queued != "1":
        return _error(f"on Line {about.lines} of <stdin>: no queue statement for one job")
    if not executable:
        return _error("No 'executable' parameter was provided")
    path = posixpath.join(folder, executable)
    try:
        with open(path, "rb") as file:
            first = file.readline()
    except OSError as error:
        return _error(f"Can't access executable file {path}: {error.strerror}")
    if not first:
        return _error(f"Executable file {path} has zero length")
    if first.startswith(b"#!") and first.endswith(b"\r\n"):
        return _error(f"Executable file {path} is a script with CRLF (DOS/Windows) line endings.")
    runnable = first.startswith((b"#!", b"\x7fELF"))
    held = about.get("hold").lower() == "true"
    code = ON_SUBMISSION if held else FAILED_TO_START
    try:
        job = cluster.submit(
            f"exec {shlex.join([path, *about.arguments])}",
            # a shell is named after its script
            name=(about.arguments or [posixpath.basename(executable)])[0],
            folder=posixpath.normpath(posixpath.join(folder, about.get("initialdir"))),
            out=about.get("output", Cluster="%J") or "/dev/null",
            err=about.get("error", Cluster="%J") or "/dev/null",
            queue=str(about.attributes.get("JobFlavour", "")),
            held=held or not runnable,
            variables=about.environment,
            facts={
                "ad": json.dumps(about.attributes),
                "walltime": about.walltime,
                "policy": about.get("periodic_remove"),
                "hold": str(BY_USER if runnable and not held else code),
                "path": path,
            },
        )
    except Refused as refused:
        if refused.kind == "limit":
            why = "Number of submitted jobs would exceed MAX_JOBS_PER_OWNER"
            return _error(f"Failed to create proc\n{why}")
        return _error("Failed to commit job submission into the queue.\nERROR: no such JobFlavour")
    if "-terse" in words:
        return Said(0, f"{job.number}.0 - {job.number}.0\n")
    return Said(0, f"Submitting job(s).\n1 job(s) submitted to cluster {job.number}.\n")


# --- what there is, and what there was ------------------------------------------------------------


def _ad(job: Job) -> Ad:
    ad: Ad = {
        "ClusterId": job.number,
        "ProcId": 0,
        "Owner": job.user,
        "Cmd": job.facts["path"],
        "Iwd": job.folder,
        "QDate": int(job.submitted),
        "JobStatus": STATUS.get(job.state, 1),
        **json.loads(job.facts["ad"]),
    }
    if "JobFlavour" in ad:
        ad["JobFlavour"] = job.queue
    return ad | (_held(job) if job.ended is None else _ended(job))


def _held(job: Job) -> Ad:
    code, why = int(job.facts["hold"]), f"via condor_hold (by user {job.user})"
    if job.state is Queued.ERROR:
        code, why = OUT_OF_MEMORY, "Error from slot1@node7: Job has gone over memory limit."
    elif code == FAILED_TO_START:
        path = job.facts["path"]
        why = f"Error from slot1@node7: Failed to execute '{path}': (errno=8: 'Exec format error')"
    elif code == ON_SUBMISSION:
        why = "submitted on hold at user's request"
    held = job.state in (Queued.HELD, Queued.ERROR)
    return {"HoldReason": why, "HoldReasonCode": code} if held else {}


def _ended(job: Job) -> Ad:
    policy = f"The job attribute PeriodicRemove expression '{job.facts['policy']}'"
    why = {
        "cancelled": f"via condor_rm (by user {job.user})",
        "walltime": f"{policy.replace('=?=', 'is')} evaluated to TRUE",
        "memory": "Job removed by SYSTEM_PERIODIC_REMOVE due to memory usage exceeded allowed max",
    }
    if job.why:
        return {"JobStatus": REMOVED, "ExitBySignal": False, "RemoveReason": why[job.why]}
    if job.signal is not None:
        return {"JobStatus": COMPLETED, "ExitBySignal": True, "ExitSignal": job.signal}
    return {"JobStatus": COMPLETED, "ExitBySignal": False, "ExitCode": job.exit_code or 0}


def _ads(words: list[str], ads: Any) -> Said:
    """`-json [-attributes A,B] [-constraint EXPRESSION]`: nothing at all if there are none."""
    options = dict(zip(words[1::2], words[2::2], strict=False))
    wanted = {name.lower() for name in options.pop("-attributes", "").split(",") if name}
    constraint = options.pop("-constraint", "true")
    if words[:1] != ["-json"] or len(words) % 2 == 0 or options:
        return Said(1, "", f"Error: this accent knows no {shlex.join(words)}\n")
    try:
        holds(constraint, {})
    except ValueError:
        return Said(1, "", f'\n-- Parse error in constraint expression "{constraint}"\n')
    found = []
    for ad in ads:
        if holds(constraint, ad):
            kept = {key: ad[key] for key in sorted(ad, key=str.lower)}
            kept = {key: kept[key] for key in kept if not wanted or key.lower() in wanted}
            found.append(json.dumps(kept, indent=2, ensure_ascii=False) + "\n")
    return Said(0, "[\n" + ",\n".join(found) + "]\n" if found else "")


def _history(words: list[str], cluster: Cluster) -> Said:
    """`condor_history CLUSTER [-limit N] [-scanlimit N] -json ...`"""
    number, *more = words
    for option in ("-limit", "-scanlimit"):
        if option in more:
            at = more.index(option)
            assert more[at + 1].isdigit()
            del more[at : at + 2]
    job = cluster.find(int(number))
    return _ads(more, [_ad(job)] if job and job.ended is not None else [])


# --- what is done to jobs -------------------------------------------------------------------------


def _act(verb: str, words: list[str], cluster: Cluster) -> Said:
    """`condor_rm|hold|release CLUSTER ...|-constraint EXPRESSION`: well done if to any job."""
    calls: dict[str, Callable[[int], bool]] = {
        "rm": cluster.kill,
        "hold": cluster.hold,
        "release": cluster.release,
    }
    constraint = " || ".join(f"ClusterId == {word}" for word in words)
    which = f"matching constraint ({constraint})" if len(words) > 1 else f"in cluster {words[0]}"
    if words[0] == "-constraint":
        constraint = words[1]
        which = f"matching constraint ({constraint})"
    elif not all(word.isdigit() for word in words):
        return Said(1, "", f"Warning: unrecognized {shlex.join(words)!r} skipped.\n")
    chosen = [job.number for job in cluster.queue() if holds(constraint, _ad(job))]
    done = [calls[verb](number) for number in chosen]
    if any(done):
        return Said(0, f"All jobs {which} have been {DONE[verb]}\n")
    what = {"rm": "remove"}.get(verb, verb)
    return Said(1, "", f"\nCouldn't find/{what} all jobs {which}\n")


def _qedit(words: list[str], cluster: Cluster) -> Said:
    """`condor_qedit -constraint EXPRESSION|CLUSTER ATTRIBUTE VALUE`"""
    if words[0] != "-constraint":
        words = ["-constraint", f"ClusterId == {words[0]}", *words[1:]]
    constraint, attribute, text = words[1:]
    new = value(text)
    if attribute != "JobFlavour" or not isinstance(new, str):
        what = f"Update aborted, illegal value for : {attribute}\n"
        return Said(1, "", f"{what}Transaction failed.  No attributes were set.\n")
    jobs = [job for job in cluster.queue() if holds(constraint, _ad(job))]
    try:
        for job in jobs:
            cluster.move(job.number, new)
    except Refused:
        what = f'Failed to set attribute "{attribute}" by constraint: {constraint}\n'
        return Said(1, "", f"{what}Queue transaction failed.  No attributes were set.\n")
    return Said(0, f'Set attribute "{attribute}" for {len(jobs) or "all"} matching jobs.\n')
