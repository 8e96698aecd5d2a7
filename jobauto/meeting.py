"""The host of a run: connected, and asked what it is."""

from __future__ import annotations

from pathlib import Path

from jobauto import lock
from jobauto.errors import NeedsLogin, UserError
from jobauto.host import Host, Runner, connect
from jobauto.remote import probe
from jobauto.run import Run
from jobauto.schedulers import DIALECTS
from jobauto.settings import Settings


def host_of(of: Run, runner: Runner, mirrored: bool) -> Host:
    """The host of a run, not connected yet."""
    socket = lock.socket_folder() / of.id if of.remote != "local" else Path()
    return connect(of.remote, socket, mirrored, runner)


def open_host(of: Run, runner: Runner, mirrored: bool) -> Host:
    """The host of a run, connected."""
    host = host_of(of, runner, mirrored)
    let_in(host, runner)
    return host


def let_in(host: Host, runner: Runner) -> None:
    """Connect; a person at the terminal is asked for what that needs."""
    try:
        host.open()
    except NeedsLogin as error:
        if not runner.person or "host key" in error.what:
            raise
        host.login()


def meet(plan: Run, chosen: Settings, host: Host) -> None:
    """Ask the remote what it is, and keep the answer in the run."""
    asked = probe.Probe(chosen.rdir or str(chosen.ldir), wanted=chosen.scheduler)
    found = host.ask(asked)
    if not found.folder:
        raise UserError(
            f"cannot write there: {found.complaint or 'no permission'}",
            f"{host.name}:{chosen.rdir or chosen.ldir}",
            "choose another --rdir",
        )
    plan.scheduler = probe.choose(chosen.scheduler, found, host.name).name
    plan.remote_host = found.host
    plan.rdir = f"{found.folder}/{plan.folder.name}" if chosen.rdir else str(plan.folder.resolve())
    if host.mirrored:
        host.check_tools(found.sums)
        if not found.rsync:
            raise UserError(
                "rsync is not installed there", host.name, "install rsync; it carries all files"
            )


def check_look_ahead(of: Run, chosen: Settings) -> None:
    """UserError if jobs are to be handed in ahead where that cannot be."""
    if chosen.native_deps and not DIALECTS[of.scheduler].after:
        what = f"--native-deps: {of.scheduler} lets no job wait for others"
        raise UserError(what, hint="leave it out: what a job needs is looked for twice a second")
