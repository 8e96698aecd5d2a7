#!/usr/bin/python3 -IS
"""Runs the jobs of the fake clusters below a folder: fakedispatcher.py FAKE. They end with it."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from accents.base import Job
from fakecluster import Books, Dispatcher, Work
from fakeprogram import ACCENTS, switches

PAUSE = 0.05  # seconds between two looks
IDLE = 1.0  # such as for walltimes


class Sessions:
    """Jobs as real processes."""

    def __init__(self) -> None:
        self._running: dict[int, subprocess.Popen[bytes]] = {}

    def start(self, job: Job, work: Work) -> None:
        # opened in the job's folder: a name may be relative
        names = [name.replace("%J", str(job.number)) for name in (work.out, work.err)]
        files = [os.open(os.path.join(job.folder, name), _WRITE, 0o644) for name in names]
        try:
            self._running[job.number] = subprocess.Popen(
                ["/bin/sh", "-c", work.command],
                stdin=subprocess.DEVNULL,
                stdout=files[0],
                stderr=files[1],
                cwd=job.folder,
                env={**work.environment, "FAKE_JOB": str(job.number)},
                start_new_session=True,
            )
        finally:
            for file in files:
                os.close(file)

    def ended(self) -> dict[int, int]:
        done = {n: p.returncode for n, p in self._running.items() if p.poll() is not None}
        for number in done:
            # what a job leaves behind ends with it
            with suppress(ProcessLookupError):
                os.killpg(self._running.pop(number).pid, signal.SIGKILL)
        return done

    def signal(self, number: int, which: int) -> None:
        process = self._running.get(number)
        if process and process.poll() is None:
            os.killpg(process.pid, which)


# as `>>` does: both files may be the same one
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_APPEND


def main() -> None:
    folders = [folder for name in ACCENTS if (folder := Path(sys.argv[1]) / name).is_dir()]
    made = [
        Dispatcher(Books.new(folder / "books"), Sessions(), time.time, switches(folder), idle=IDLE)
        for folder in folders
    ]
    for dispatcher in made:
        dispatcher.forget_processes()
    asked: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: asked.append(number))
    while not asked:
        for dispatcher in made:
            dispatcher.tick()
        time.sleep(PAUSE)
    for dispatcher in made:
        dispatcher.end_all()


if __name__ == "__main__":
    main()
