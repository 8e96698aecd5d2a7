"""What programs of schedulers say when they fail or lie: host of the lab to fate to its words.

Each is exit status, stdout, stderr. `lost`: the answer is lost on the way, whatever was done;
`unreachable`: nothing was done; `limit`: not now; `unasked`: a question that is not answered;
`empty`: an answer, as if there were no jobs (program or kind to words).
"""

from __future__ import annotations

from typing import Any

Words = tuple[int, str, str]

_SLURM = "sbatch: error: Batch job submission failed: "
SAID: dict[str, dict[str, Words]] = {
    "slurm": {
        "lost": (1, "", _SLURM + "Socket timed out on send/recv operation\n"),
        "unreachable": (
            1,
            "",
            _SLURM + "Unable to contact slurm controller (connect failure)\n",
        ),
        "limit": (
            1,
            "",
            f"sbatch: error: QOSMaxSubmitJobPerUserLimit\n{_SLURM}Job violates accounting/QOS "
            "policy (job submit limit, user's size and/or time limits)\n",
        ),
        "unasked": (
            1,
            "",
            "slurm_load_jobs error: Socket timed out on send/recv operation\n",
        ),
    },
    "sge": {
        "lost": (1, "", 'error: commlib error: got read error (closing "vm/qmaster/1")\n'),
        "unreachable": (
            1,
            "",
            "error: commlib error: got select error (Connection refused)\nUnable to run job: "
            'unable to send message to qmaster using port 6444 on host "vm": got send error\n'
            "Exiting.\n",
        ),
        "limit": (
            1,
            "",
            "Unable to run job: job rejected: only 2 jobs are allowed per user (current job "
            "count: 2)\nExiting.\n",
        ),
        "unasked": (1, "", "error: commlib error: got read error\n"),
    },
    # pbs_messages.c and qsub.c of openpbs/openpbs
    "pbs": {
        "lost": (15031 & 255, "", "qsub: End of File\n"),
        "unreachable": (111, "", "qsub: cannot connect to server fakeserver (errno=111)\n"),
        "limit": (
            15151 & 255,
            "",
            "qsub: would exceed complex's per-user limit of jobs in 'Q' state\n",
        ),
        "unasked": (111, "", "cannot connect to server fakeserver (errno=111)\n"),
    },
    # pbs_error_db.h of adaptivecomputing/torque
    "torque": {
        "lost": (15137 & 255, "", "qsub: submit error (End of File)\n"),
        "unreachable": (
            15137 & 255,
            "",
            "socket_connect_unix failed: 15137\nqsub: cannot connect to server (null) "
            "(errno=15137) could not connect to trqauthd\n",
        ),
        "limit": (
            15048 & 255,
            "",
            "qsub: submit error (Maximum number of jobs already in queue for user MSG=total number "
            "of current user's jobs exceeds the queue limit: user hpc@fakeserver, queue batch)\n",
        ),
        "unasked": (
            15137 & 255,
            "",
            "Communication failure.\nqstat: cannot connect to server fakeserver (errno=15096) "
            "Error getting connection to socket\n",
        ),
    },
    # lsb.err.c of github.com/bytedance/volclava
    "lsf": {
        "lost": (255, "", "Contacting batch daemon: Communication timeout. Job not submitted.\n"),
        "unreachable": (
            255,
            "",
            "Failed in an LSF library call: LIM is down; try later. Job not submitted.\n",
        ),
        "limit": (255, "", "User <hpc>: Pending job threshold reached. Job not submitted.\n"),
        "unasked": (255, "", "Cannot connect to LSF. Please wait ...\n"),
    },
    # submit.cpp and queue.cpp of htcondor/htcondor
    "htcondor": {
        "lost": (1, "", "\nERROR: Failed to commit job submission into the queue.\n"),
        "unreachable": (
            1,
            "",
            "\nERROR: Failed to connect to local queue manager\n"
            "CEDAR:6001:Failed to connect to <192.0.2.7:9618>\n",
        ),
        "limit": (
            1,
            "",
            "\nERROR: Failed to create proc\n"
            "Number of submitted jobs would exceed MAX_JOBS_PER_OWNER\n",
        ),
        "unasked": (
            1,
            "",
            "\n-- Failed to fetch ads from: <192.0.2.7:9618> : ap1.example.org\n"
            "SECMAN:2007:Failed to end classad message.\n",
        ),
    },
}
EMPTY: dict[str, dict[str, Words]] = {
    "slurm": {"squeue": (0, "", "")},
    "sge": {
        "qstat": (
            0,
            "<?xml version='1.0'?>\n<job_info  xmlns:xsd=\"http://example.org/qstat.xsd\">\n"
            "  <queue_info>\n  </queue_info>\n  <job_info>\n  </job_info>\n</job_info>\n",
            "",
        ),
        "qstat-j": (1, "", "Following jobs do not exist: \n*\n"),
    },
    "pbs": {"qselect": (0, "", ""), "qstat": (0, "", "")},
    "torque": {"qselect": (0, "", ""), "qstat": (0, "", "")},
    "lsf": {"bjobs": (0, "", "No unfinished job found\n")},
    "htcondor": {"condor_q": (0, "", "")},
}


def words(host: str) -> dict[str, Any]:
    """All that tests/liar.py may say for the programs of a host."""
    nonsense: Words = (1, "", "Bus error (core dumped)\n")
    return {**SAID[host], "nonsense": nonsense, "silent": (0, "", ""), "empty": EMPTY[host]}
