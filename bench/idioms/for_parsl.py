"""for_parsl.py WORKERS: all jobs below the working folder, in one pilot job of so many workers."""

import sys
from pathlib import Path

import parsl
from parsl import bash_app
from parsl.config import Config
from parsl.executors import HighThroughputExecutor
from parsl.launchers import SimpleLauncher
from parsl.providers import SlurmProvider

WORKERS = int(sys.argv[1])


@bash_app
def job(folder, id, before=None):
    return f"cd {folder} && sh qsub.{id}"


def main():
    slurm = SlurmProvider(
        partition="debug",
        cores_per_node=WORKERS,
        exclusive=False,
        walltime="00:20:00",
        launcher=SimpleLauncher(),
        worker_init=f"PATH={Path(sys.executable).parent}:$PATH",
    )
    pilot = HighThroughputExecutor(
        address="127.0.0.1", max_workers_per_node=WORKERS, cores_per_worker=1, provider=slurm
    )
    with parsl.load(Config(executors=[pilot], strategy="none")):
        last = []
        for folder in sorted(Path().absolute().glob("c*")):
            before = None
            for id in range(len(list(folder.glob("qsub.[0-9]")))):
                before = job(str(folder), id, before=before)
            last.append(before)
        for one in last:
            one.result()


if __name__ == "__main__":
    main()
