"""How Torque says it where it is not as in PBS: src/cmds of adaptivecomputing/torque (6.1), and its
administrator's guide. A job that has ended is shown for some minutes more, as C."""

from __future__ import annotations

import re
from collections.abc import Mapping

from accents.base import Cluster, Job, Said
from accents.pbs import OpenPBS
from accents.pbs_words import Wrong

KEPT = 300.0  # keep_completed, in seconds


class Torque(OpenPBS):
    name = "torque"
    version = Said(0, "", "Version: 6.1.2\nCommit: 661e092552de43a785c15d39a3634a541d86898e\n")
    qsub_options = "A:c:d:e:hj:k:l:m:M:N:o:p:P:q:r:S:t:v:VW:w:z"
    unknown_job = "Unknown Job Id Error"  # PBSE_UNKJOBID in pbs_error_db.h
    limit = (
        15048 & 255,
        "Maximum number of jobs already in queue MSG=total number of jobs in queue exceeds the "
        "queue limit: user hpc@fakeserver, queue main",
    )
    no_queue = (15020 & 255, "Unknown queue MSG=cannot locate queue")
    bad_dependency = 208, "Invalid Job Dependency MSG=cannot queue job {}"
    exit_status = "exit_status"
    stopped_by = {"walltime": -11, "memory": -10}  # jobExitStatus.htm of the guide

    def unreachable(self, program: str) -> Said:
        why = "Could not connect to batch server"
        said = f"{program}: cannot connect to server fakeserver (errno=15133) {why}\n"
        return Said(15133 & 255, "", said)

    def registered(self, after: list[int], cluster: Cluster) -> list[int]:
        """Refused, as in marbl/canu's issue 2013, which shows status and words."""
        if not all(map(cluster.find, after)):
            newest = max((job.number for job in cluster.queue()), default=0)
            code, why = self.bad_dependency
            raise Wrong(code, self.refusal(why.format(f"{newest + 1}.{cluster.server}")))
        return after

    def refusal(self, why: str) -> str:
        return f"qsub: submit error ({why})\n"

    def good_name(self, name: str) -> bool:
        return bool(re.fullmatch(r"[!-~]{1,256}", name))

    def variables(
        self, environment: Mapping[str, str], folder: str, cluster: Cluster
    ) -> dict[str, str]:
        found = super().variables(environment, folder, cluster)
        del found["PBS_O_SYSTEM"]
        return {**found, "PBS_O_SERVER": cluster.server}

    def selected(self, cluster: Cluster) -> list[Job]:
        """Those that have ended, too: req_select.c knows no difference."""
        jobs = cluster.queue()
        newest = max((job.number for job in jobs), default=0)
        ended = (cluster.find(number) for number in range(max(1, newest - 50), newest + 1))
        kept = [job for job in ended if job and job.ended and job.ended > cluster.now - KEPT]
        return sorted([*jobs, *kept], key=lambda job: job.number)

    def hidden(self, job: Job | None, word: str, history: bool) -> tuple[int, str] | None:
        return None if job else (self.no_such_job, f"{self.unknown_job} {word}")

    def letter(self, job: Job) -> str:
        return super().letter(job) if job.ended is None else "C"

    def ends(self, job: Job) -> dict[str, str]:
        return {}

    def last(self, job: Job) -> dict[str, str]:
        if job.ended is None:
            return {}
        # a job that was deleted before it ran has the status of a TERM
        status = 256 + 15 if job.started is None else self.status(job)
        return {"exit_status": str(status), "submit_args": job.name}
