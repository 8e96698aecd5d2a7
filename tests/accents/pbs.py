"""How OpenPBS says it, from doc/man1 and src/cmds of openpbs/openpbs (23.06), with job history."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence

from accents.base import Accent, Cluster, Job, Refused, Said, Unreachable
from accents.pbs_words import (
    Wrong,
    awaited,
    command,
    directives,
    merge,
    output,
    parsed,
    script_of,
    seconds,
    wrapped,
)
from jobauto.model import Queued

LETTERS = {
    Queued.PENDING: "Q",
    Queued.HELD: "H",
    Queued.RUNNING: "R",
    Queued.SUSPENDED: "S",
    Queued.ENDING: "E",
    Queued.ERROR: "H",
}


class OpenPBS(Accent):
    name = "openpbs"
    programs = ("qsub", "qstat", "qselect", "qdel", "qhold", "qrls", "qmove")
    version = Said(0, "pbs_version = 23.06.06\n")
    qsub_options = "A:c:e:hj:J:k:l:m:M:N:o:p:P:q:r:S:v:VW:z"
    unknown_job = "Unknown Job Id"  # msg_unkjobid in pbs_messages.c
    no_such_job = 15001 & 255
    limit = (15048 & 255, "Maximum number of jobs already in queue main")
    no_queue = (15020 & 255, "Unknown queue")
    exit_status = "Exit_status"
    stopped_by = {"walltime": -29, "memory": -27}  # JOB_EXEC_KILL_* in job.h

    def call(
        self,
        argv: Sequence[str],
        stdin: str,
        environment: Mapping[str, str],
        folder: str,
        cluster: Cluster,
    ) -> Said:
        program, *words = argv
        try:
            if words == ["--version"]:
                return self.version
            if program == "qsub":
                return self.qsub(words, stdin, environment, folder, cluster)
            verb = {"qstat": self.qstat, "qselect": self.qselect}.get(program)
            return verb(words, cluster) if verb else self.change(program, words, cluster)
        except Wrong as wrong:
            return Said(wrong.code, "", wrong.err)

    def unreachable(self, program: str) -> Said:
        """The last argument of printf is pbs_errno: 111, connection refused."""
        return Said(111, "", f"{program}: cannot connect to server fakeserver (errno=111)\n")

    # --- qsub ---

    def qsub(
        self,
        words: list[str],
        stdin: str,
        environment: Mapping[str, str],
        folder: str,
        cluster: Cluster,
    ) -> Said:
        """A directive counts unless the same option stands on the command line."""
        given, rest = parsed("qsub", words, self.qsub_options)
        script, name = script_of(rest, stdin, folder)
        asked: dict[str, str] = {}
        resources: dict[str, str] = {}
        for line in directives(script):
            found, more = parsed("qsub", line, self.qsub_options)
            if more:
                raise Wrong(1, f"qsub: directive error: {' '.join(line)} \n")
            merge(found, asked, resources)
        merge(given, asked, resources)
        name = asked.get("-N", name)
        if not self.good_name(name):
            raise Wrong(2, "qsub: illegal -N value\n")
        job = self.taken(script, name, asked, resources, environment, folder, cluster)
        return Said(0, "" if "-z" in asked else f"{self.jobid(job, cluster)}\n")

    def good_name(self, name: str) -> bool:
        """check_job_name() in ck_job_name.c."""
        return bool(re.fullmatch(r"[A-Za-z0-9._+-]{1,230}", name))

    def taken(
        self,
        script: str,
        name: str,
        asked: Mapping[str, str],
        resources: Mapping[str, str],
        environment: Mapping[str, str],
        folder: str,
        cluster: Cluster,
    ) -> Job:
        own = self.variables(environment, folder, cluster)
        given = dict(environment) if "-V" in asked else {}
        for word in filter(None, asked.get("-v", "").split(",")):
            key, equals, value = word.partition("=")
            given[key] = value if equals else environment.get(key, "")
        out, err = (output(asked.get(o), name, o, folder) for o in ("-o", "-e"))
        if asked.get("-j") == "oe":
            err = out
        elif asked.get("-j") == "eo":
            out = err
        facts = {f"Resource_List.{key}": value for key, value in resources.items()}
        listed = ",".join(f"{k}={v}" for k, v in {**own, **given}.items())
        facts |= {"Variable_List": listed, "Account_Name": asked.get("-A", "")}
        facts["walltime"] = str(seconds(resources["walltime"])) if "walltime" in resources else ""
        queue, after = asked.get("-q", ""), awaited(asked.get("-W depend", ""))
        try:
            return cluster.submit(
                command(script, asked.get("-S", "").partition("@")[0]),
                name=name,
                folder=folder,
                out=out,
                err=err,
                queue=queue,
                held="-h" in asked,
                variables={**own, **given, "PBS_ENVIRONMENT": "PBS_BATCH"},
                facts=facts,
                after=self.registered(after, cluster),
                orphans="cancel",
            )
        except Refused as refused:
            code, why = self.limit if refused.kind == "limit" else self.no_queue
            raise Wrong(code, self.refusal(why)) from None

    def registered(self, after: list[int], cluster: Cluster) -> list[int]:
        """A job that waits for an unknown one is taken; post_doq() in req_register.c ends it."""
        return after

    def refusal(self, why: str) -> str:
        return f"qsub: {why}\n"

    def variables(
        self, environment: Mapping[str, str], folder: str, cluster: Cluster
    ) -> dict[str, str]:
        """job_env_basic() in qsub.c."""
        names = ["HOME", "LANG", "LOGNAME", "PATH", "MAIL", "SHELL", "TZ"]
        found = {f"PBS_O_{n}": environment[n] for n in names if n in environment}
        found["PBS_O_WORKDIR"] = environment.get("PWD", folder)
        return {**found, "PBS_O_SYSTEM": "Linux", "PBS_O_HOST": cluster.server}

    # --- qselect and qstat ---

    def qselect(self, words: list[str], cluster: Cluster) -> Said:
        given, rest = parsed("qselect", words, "u:")
        if rest:
            raise Wrong(2, "usage: qselect ...\n")
        users = dict(given).get("-u", "").split(",")
        jobs = [job for job in self.selected(cluster) if users == [""] or job.user in users]
        return Said(0, "".join(f"{self.jobid(job, cluster)}\n" for job in jobs))

    def selected(self, cluster: Cluster) -> list[Job]:
        """All that have not ended."""
        return cluster.queue()

    def qstat(self, words: list[str], cluster: Cluster) -> Said:
        given, rest = parsed("qstat", words, "fx")
        options = {option for option, _ in given}
        if "-f" not in options:
            raise Wrong(2, "this qstat knows only its long format\n")
        code, out, err = 0, "", ""
        cluster.queue()  # nothing at all can be said without a server
        for word in rest:
            job = self.found(word, cluster)
            wrong = self.hidden(job, word, "-x" in options)
            if wrong:
                code, err = wrong[0], f"{err}qstat: {wrong[1]}\n"
            elif job:
                out += self.described(job, cluster)
        return Said(code, out, err)

    def hidden(self, job: Job | None, word: str, history: bool) -> tuple[int, str] | None:
        """Why a job is not shown."""
        if not job:
            return self.no_such_job, f"{self.unknown_job} {word}"
        if job.ended is not None and not history:
            why = "Job has finished, use -x or -H to obtain historical job information"
            return 15139 & 255, f"{word} {why}"
        return None

    def described(self, job: Job, cluster: Cluster) -> str:
        said = f"Job Id: {self.jobid(job, cluster)}\n"
        return said + "".join(map(wrapped, self.attributes(job, cluster))) + "\n"

    def attributes(self, job: Job, cluster: Cluster) -> list[tuple[str, str]]:
        """In the order of qstat, those that are there."""
        there = f"{cluster.server}:{job.folder}/{job.name}"
        found = {
            "Job_Name": job.name,
            "Job_Owner": f"{job.user}@{cluster.server}",
            "job_state": self.letter(job),
            "queue": job.queue,
            "server": cluster.server,
            "Account_Name": job.facts.get("Account_Name", ""),
            "depend": self.depend(job, cluster),
            "Error_Path": f"{there}.e{job.number}",
            "Hold_Types": self.holds(job),
            "Output_Path": f"{there}.o{job.number}",
            "qtime": time.ctime(job.submitted),
        }
        found |= {k: v for k, v in job.facts.items() if k.startswith("Resource_List.")}
        found["stime"] = time.ctime(job.started) if job.started is not None else ""
        found |= self.ends(job)
        found["Variable_List"] = f"{job.facts.get('Variable_List', '')},PBS_O_QUEUE={job.queue}"
        found |= self.last(job)
        return [(key, value) for key, value in found.items() if value]

    def depend(self, job: Job, cluster: Cluster) -> str:
        jobids = (f":{n}.{cluster.server}@{cluster.server}" for n in job.after)
        return f"afterok{''.join(jobids)}" if job.after and job.ended is None else ""

    def holds(self, job: Job) -> str:
        """By the user; by the system, until those have ended that it waits for."""
        return ("u" if job.state is Queued.HELD else "") + ("s" if job.after else "") or "n"

    def letter(self, job: Job) -> str:
        if job.ended is not None:
            return "F"
        return "H" if job.after else LETTERS[job.state]

    def ends(self, job: Job) -> dict[str, str]:
        """JOB_SUBSTATE_TERMINATED to FAILED in job.h. An orphan was aborted, not terminated."""
        if job.ended is None:
            waits = "22" if job.after else "10"  # JOB_SUBSTATE_DEPNHOLD
            return {"substate": "42" if job.started is not None else waits}
        failed = 93 if self.status(job) else 92
        terminated = job.why == "cancelled" and not job.orphan
        return {"substate": str(91 if terminated else failed)}

    def last(self, job: Job) -> dict[str, str]:
        when = time.strftime("%a %b %d at %H:%M", time.localtime(job.started))
        ran = f"Job run at {when} on (node1:ncpus=1)"
        waits = "Not Running: Insufficient amount of resource: ncpus "
        if job.after:  # no scheduler has looked at it
            return {}
        found = {"comment": waits if job.started is None else ran}
        if job.ended is not None:
            end = {"91": "terminated", "92": "finished", "93": "failed"}[self.ends(job)["substate"]]
            found["comment"] += f" and {end}"
            if job.started is not None:
                found[self.exit_status] = str(self.status(job))
        return found

    def status(self, job: Job) -> int:
        """A signal counts from 256; what the MoM ended for a limit has a number of its own."""
        if job.why in self.stopped_by:
            return self.stopped_by[job.why]
        return 256 + job.signal if job.signal else job.exit_code or 0

    # --- the rest ---

    def change(self, program: str, words: list[str], cluster: Cluster) -> Said:
        """qdel, qhold, qrls, qmove: job by job; the last that went wrong gives the exit status."""
        queue = words.pop(0) if program == "qmove" and words else ""
        if not words:
            raise Wrong(2, f"usage: {program} job_identifier...\n")
        code, err = 0, ""
        for word in words:
            job = self.found(word, cluster)
            try:
                if not job or not self.done(program, job.number, queue, cluster):
                    code, err = self.no_such_job, f"{err}{program}: {self.unknown_job} {word}\n"
            except Refused:
                code, err = self.no_queue[0], f"{err}{program}: {self.no_queue[1]} {word}\n"
        return Said(code, "", err)

    def done(self, program: str, number: int, queue: str, cluster: Cluster) -> bool:
        if program == "qmove":
            return cluster.move(number, queue)
        verbs = {"qdel": cluster.kill, "qhold": cluster.hold, "qrls": cluster.release}
        return verbs[program](number)

    def jobid(self, job: Job, cluster: Cluster) -> str:
        return f"{job.number}.{cluster.server}"

    def found(self, word: str, cluster: Cluster) -> Job | None:
        number, dot, server = word.partition(".")
        if not number.isdigit():
            raise Wrong(1, f"illegally formed job identifier: {word}\n")
        if dot and server != cluster.server:
            raise Unreachable
        return cluster.find(int(number))
