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
}


def words(host: str) -> dict[str, Any]:
    """All that tests/liar.py may say for the programs of a host."""
    nonsense: Words = (1, "", "Bus error (core dumped)\n")
    return {**SAID[host], "nonsense": nonsense, "silent": (0, "", ""), "empty": EMPTY[host]}
