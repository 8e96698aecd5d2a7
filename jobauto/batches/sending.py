"""Submitting a batch: its tree becomes a run, and a monitor of its own watches that."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

import jobauto
from jobauto import lock, sources
from jobauto.batches import unpacking
from jobauto.batches.batch import Batch
from jobauto.batches.packing import COMMON, TREE
from jobauto.clock import Clock
from jobauto.errors import UserError
from jobauto.host import Host, Runner
from jobauto.host.detached import detached
from jobauto.ledger import files
from jobauto.lock import Holder
from jobauto.quoting import shown_lines
from jobauto.run import Run
from jobauto.settings import Settings
from jobauto.start import new_run

STORE = ".common"
RDIR = "jobauto"  # in the home folder of the remote, where nothing else is said
PATIENCE = 20  # seconds for a monitor to start


def options(batch: Batch, given: dict[str, Any]) -> Settings:
    """The settings of a new run of a batch; jobmon.toml is looked for beside the shelf."""
    project = batch.shelf.parent
    chosen = sources.load({**given, "ldir": batch.folder.resolve()}, project, {})
    if chosen.remote != "local" and not chosen.rdir:
        chosen.rdir = RDIR
    if chosen.rdir:
        chosen.rdir = f"{chosen.rdir.rstrip('/')}/{batch.name}"
    if chosen.qsubheader is not None:
        chosen.qsubheader = (project / chosen.qsubheader.expanduser()).resolve()
    chosen.receive_path = (project / chosen.receive_path.expanduser()).resolve()
    return chosen


def send(batch: Batch, chosen: Settings, runner: Runner, clock: Clock) -> tuple[Run, Host]:
    """Make the dated copy, and connect; what is wrong is raised before anything is made or sent."""
    _check_place(chosen.receive_path)
    with _alone(batch):
        init = batch.folder / "init"
        for left in batch.folder.glob(".init-*"):  # by a submission that was killed
            shutil.rmtree(left, ignore_errors=True)
        unpacking.unpack(batch.file, init, batch.shelf / STORE)
        try:
            return new_run(chosen, runner, clock)
        finally:
            shutil.rmtree(init, ignore_errors=True)


def _check_place(place: Path) -> None:
    """UserError unless outputs could be written there."""
    try:
        place.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=place).close()
    except OSError as error:
        what = f"outputs cannot be written here: {error.strerror}"
        raise UserError(what, str(place), "choose another --receive-path") from None


@contextmanager
def _alone(batch: Batch) -> Iterator[None]:
    batch.folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(batch.folder / ".submitting", timeout=0):
            yield
    except Timeout:
        what = f"batch {batch.name} is being submitted by another process"
        raise UserError(what, str(batch.folder), "wait for it") from None


def watch(run: Run, clock: Clock) -> Holder | None:
    """Start a monitor that goes on when the terminal is closed; who it is, or None if the run is
    over already. UserError with its last words if it ended otherwise.
    """
    log = run.private / "monitor.out"
    argv = [sys.executable, "-m", "jobauto.cli.jobmon", "--ldir", str(run.folder)]
    library = str(Path(jobauto.__file__).resolve().parent.parent)
    path = os.pathsep.join(filter(None, [library, os.environ.get("PYTHONPATH")]))
    process = detached(argv, log, {**os.environ, "PYTHONPATH": path})
    for _ in range(PATIENCE * 10):
        found = lock.watcher(run.private)
        if found or not process.is_alive():
            break
        clock.sleep(0.1)
    if found or (not process.is_alive() and process.exit_code in (0, 1)):
        return found
    said = shown_lines("\n".join(files.read(log).splitlines()[-5:])) if log.is_file() else ""
    hint = f"go on with: jobmon.py --ldir {run.folder}"
    raise UserError(f"the monitor did not start: {said}", str(log), hint)


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many files, and bytes, jobs have for themselves, and share."""

    own: int
    own_bytes: int
    shared: int
    shared_bytes: int


def sizes(batch: Batch) -> Sizes:
    """What is going to be sent."""
    with unpacking.opened(batch.file) as (found, contents):
        linked = {path for _, path in contents.sent_once()}
        own = [found.getinfo(f"{TREE}/{path}").file_size for path in contents.own]
        shared = list[int]()
        for key, paths in contents.common.items():
            size = found.getinfo(f"{COMMON}/{key}").file_size
            own += [size for path in paths if path not in linked]
            shared += [size] if linked.intersection(paths) else []
    return Sizes(len(own), sum(own), len(shared), sum(shared))
