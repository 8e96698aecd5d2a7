"""for_hyperqueue.py CORES: all jobs below the working folder, by a worker of so many cores."""

import sys
from pathlib import Path

from hyperqueue import Job, LocalCluster
from hyperqueue.cluster import WorkerConfig

with LocalCluster() as cluster:
    cluster.start_worker(WorkerConfig(cores=int(sys.argv[1])))
    client = cluster.client()
    all_jobs = Job()
    for folder in sorted(Path().absolute().glob("c*")):
        before = []
        for id in range(len(list(folder.glob("qsub.[0-9]")))):
            words = ["sh", f"qsub.{id}"]
            before = [all_jobs.program(words, cwd=folder, deps=before, stdout=None, stderr=None)]
    client.wait_for_jobs([client.submit(all_jobs)])
