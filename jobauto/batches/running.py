"""What a monitor does more for the run of a batch: common files at first, outputs at the end."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from jobauto.batches.contents import Contents, linked, of_run, stored
from jobauto.batches.receiving import receive, received
from jobauto.batches.sending import STORE
from jobauto.errors import CouldNotAsk, UserError
from jobauto.host import Host
from jobauto.monitor import Monitor
from jobauto.quoting import shown
from jobauto.remote.placing import PlaceFiles
from jobauto.run import Run
from jobauto.settings import Settings


def take_part(monitor: Monitor, chosen: Settings) -> None:
    """Let the monitor do its part if its run is of a batch; UserError if it was received and
    removed from the remote already."""
    run = monitor.run
    contents = of_run(run.folder)
    if contents is None:
        return
    check_there(run.folder)
    place = place_of(run, chosen.receive_path)

    def at_the_end() -> None:
        undone = len(monitor.graph.jobs) - sum(s.done for s in monitor.states().values())
        receive(run, monitor.host, place, monitor.clock, why_kept(undone, chosen.keep_remote))

    monitor.sent = lambda: place_common(run, monitor.host, contents)
    monitor.ended = at_the_end


def why_kept(undone: int, wanted: bool) -> str:
    """Why a run's folder stays on the remote; empty if it does not."""
    if wanted:
        return "as --keep-remote says"
    return f"{undone} job(s) did not finish" if undone else ""


def check_there(folder: Path) -> None:
    """UserError if the run's folder on the remote was removed."""
    here = received(folder)
    if here and here.going:
        what = f"this run was received on {here.date}, and its folder on the remote removed"
        name = folder.parent.name
        hint = f"outputs are in {here.place}; to run it again: jobauto batch submit {name}"
        if not here.removed:
            hint = f"to make sure of the latter: jobauto batch receive {name} --run {folder.name}"
        raise UserError(what, str(folder), hint)


def place_of(run: Run, receive_path: Path) -> Path:
    """Where the outputs of a run belong."""
    return receive_path / run.folder.parent.name / run.folder.name


def place_common(run: Run, host: Host, contents: Contents) -> None:
    """Give the job folders on the remote what they share. What is there already is not sent."""
    sums = {stored(key, PurePosixPath(path).name): key[:64] for key, path in contents.sent_once()}
    if not sums:
        return
    store = str(PurePosixPath(run.rdir).parent.parent / STORE)
    links = frozenset(file for file in sums if linked(file.partition("/")[0]))
    lacking = host.ask(PlaceFiles(run.rdir, store, sums, contents.sets(), links))
    if lacking and host.mirrored:
        folders = sorted({file.partition("/")[0] for file in lacking})
        host.push(run.folder.parent.parent / STORE, store, folders)
        lacking = host.ask(PlaceFiles(run.rdir, store, sums, contents.sets(), links))
    if lacking:
        raise CouldNotAsk(f"common files do not arrive: {shown(lacking[0])} ...")
