"""What a person does with a run of a batch that no monitor watches: receive it, delete it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from jobauto import lock
from jobauto.actions.status import status
from jobauto.batches.batch import Batch
from jobauto.batches.receiving import Received, receive, received, remove
from jobauto.batches.running import place_of, why_kept
from jobauto.clock import Clock
from jobauto.errors import UserError
from jobauto.host import Host, Runner
from jobauto.meeting import host_of, let_in
from jobauto.model import State
from jobauto.run import Run, open_run

_IN_FLIGHT = (State.STARTED, State.SUBMITTING)


def receive_run(
    folder: Path, receive_path: Path | None, keep: bool, runner: Runner, clock: Clock
) -> Received:
    """Bring home what a run has made; its folder on the remote stays unless all jobs finished.

    UserError while a monitor is at work, which will do it, and while jobs are in the queue.
    """
    run = open_run(folder)
    watched = lock.watcher(run.private)
    if watched:
        hint = "at the end of the run it receives by itself; jobauto batch status shows how far"
        raise UserError(f"its monitor is at work: {watched}", str(folder), hint)
    before = received(folder)
    if before and before.removed:
        return before
    place = receive_path or Path(run.chosen.receive_path)  # as remembered, it is a text
    try:
        with _host(run, runner, clock) as host:
            found = status(folder)
            undone = sum(not state.done for state in found.states.values())
            kept = why_kept(undone, keep or run.chosen.keep_remote)
            return receive(run, host, place_of(run, place.expanduser().resolve()), clock, kept)
    except OSError as error:
        what = f"not received: {error.strerror or error}"
        hint = "nothing is lost; put this right, and receive again"
        raise UserError(what, str(error.filename or place), hint) from error


@contextmanager
def _host(run: Run, runner: Runner, clock: Clock) -> Iterator[Host]:
    """The run's host, connected, while nobody else can begin to watch the run."""
    with lock.held(run.private, clock.date()):
        flying = status(run.folder).named(*_IN_FLIGHT)
        if flying:
            what = f"{len(flying)} of its jobs may be in the queue"
            hint = f"go on with: jobmon.py --ldir {run.folder} (or: jobauto batch cancel)"
            raise UserError(what, str(run.folder), hint)
        host = host_of(run, runner, run.mirrored)
        try:
            let_in(host, runner)
            yield host
        finally:
            host.close()


def leftovers(batch: Batch) -> list[Path]:
    """Its runs whose folders may still be on a remote; UserError if one of them is watched."""
    left = []
    for folder in batch.runs():
        run, here = open_run(folder), received(folder)
        watched = lock.watcher(run.private)
        if watched:
            hint = f"jobauto batch cancel {batch.name}"
            raise UserError(f"its monitor is at work: {watched}", str(folder), hint)
        if run.mirrored and not (here and here.removed):
            left.append(folder)
    return left


def delete(batch: Batch, keep_remote: bool, runner: Runner, clock: Clock) -> None:
    """Remove a batch: the folders of its runs on the remotes first, then all here but what was
    received. What fails leaves the rest as it was, to be deleted again.
    """
    for folder in [] if keep_remote else leftovers(batch):
        run = open_run(folder)
        with _host(run, runner, clock) as host:
            remove(run, host)
        shutil.rmtree(folder)
    try:
        if batch.folder.exists():
            shutil.rmtree(batch.folder)
        batch.file.unlink()
    except OSError as error:
        what = f"not all could be deleted: {error.strerror}"
        raise UserError(what, str(error.filename or batch.folder), "delete it again") from error
