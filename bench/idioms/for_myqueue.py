"""mq workflow for_myqueue.py FOLDER...: the jobs of each folder, one after the other."""

from pathlib import Path

from myqueue.workflow import run


def workflow():
    before = []
    for id in range(len(list(Path().glob("qsub.[0-9]")))):
        shell = {"shell": "sh", "args": [f"qsub.{id}"], "name": f"job{id}"}
        before = [run(**shell, deps=before, cores=1, tmax="10m")]
