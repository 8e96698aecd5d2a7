"""for_dpdispatcher.py FOLDER REMOTE_FOLDER PORT KEY: all jobs below FOLDER, in no order, over ssh.

It knows no dependencies. It looks at all jobs every second, as jobmon does here.
"""

import sys
from pathlib import Path

from dpdispatcher import Machine, Resources, Submission, Task

folder, there, port, key = sys.argv[1:]
profile = {"hostname": "127.0.0.1", "username": "hpc", "port": int(port), "key_filename": key}
machine = {"batch_type": "Slurm", "context_type": "SSHContext", "local_root": folder}
machine |= {"remote_root": there, "remote_profile": profile}
resources = {"number_node": 1, "cpu_per_node": 1, "gpu_per_node": 0, "queue_name": "debug"}
tasks = [
    Task(
        command=f"sh {script.name}",
        task_work_path=script.parent.name,
        forward_files=[script.name],
        backward_files=[f"qsub.finished.{script.suffix[1:]}"],
        outlog=f"out.{script.suffix[1:]}",
        errlog=f"err.{script.suffix[1:]}",
    )
    for script in sorted(Path(folder).glob("*/qsub.[0-9]"))
]
Submission(
    work_base=".",
    machine=Machine.load_from_dict(machine),
    resources=Resources.load_from_dict(resources | {"group_size": 1}),
    task_list=tasks,
).run_submission(check_interval=1)
