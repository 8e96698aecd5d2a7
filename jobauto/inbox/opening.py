"""From options to the monitor of an inbox: its run folder is made, or read."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from jobauto import run, sources
from jobauto.clock import Clock
from jobauto.errors import UserError
from jobauto.host import Host, Runner
from jobauto.inbox import ways as own
from jobauto.inbox.places import ID, Places
from jobauto.inbox.running import Inbox
from jobauto.inbox.taking import Taking
from jobauto.inbox.ways import Ways
from jobauto.ledger import attempts, files
from jobauto.meeting import meet, open_host
from jobauto.run import Run
from jobauto.schedulers import DIALECTS
from jobauto.settings import Settings
from jobauto.start import same_place, watching

PERIOD = 60.0  # seconds
LOG_BYTES = 4 << 20


@contextmanager
def keeping(
    places: Places, given: dict[str, Any], ways: dict[str, Any], runner: Runner, clock: Clock
) -> Iterator[tuple[Inbox, Settings]]:
    """An inbox whose monitor is ready to tick, until the end of the block."""
    places.check()
    chosen, of = read_options(places, given)
    kept = own.load(places.pending, ways)
    host: Host | None = None
    if of is None:
        of, host = new_run(places, chosen, kept, runner)
    taking = taking_of(places, of, kept)

    def first() -> None:
        own.keep(places.pending, kept)
        if kept.group_writable:
            places.completed.chmod(places.completed.stat().st_mode | 0o070)
        taking.tidy()
        begin_log_anew(of, LOG_BYTES)

    with watching(of, chosen, host, runner, clock, first) as monitor:
        inbox = Inbox(monitor, places, kept, taking, chosen.keep_remote, chosen.once)
        monitor.inbox = inbox
        yield inbox, chosen


def begin_log_anew(of: Run, longest: int) -> None:
    """Put a long qsub.log aside if nothing is pending and it shows no attempt open.

    Tokens begin with the run's id: with another one none is ever that of an earlier attempt. So a
    crash in between is no harm.
    """
    path, quelist = of.folder / "qsub.log", of.folder / "quelist"
    if not path.is_file() or path.stat().st_size <= longest:
        return
    folders = [p for p in of.folder.iterdir() if p.is_dir() and not p.name.startswith(".")]
    listed = quelist.is_file() and files.read(quelist).strip()
    if folders or listed or not all(last.verdict for last in attempts.read(path).values()):
        return
    of.id = secrets.token_hex(4)
    of.save()
    path.rename(of.private / "qsub.log.old")


def taking_of(places: Places, of: Run, ways: Ways) -> Taking:
    """What takes folders for the scheduler of a run."""
    dialect = DIALECTS[of.scheduler]

    def refused(name: str) -> str:
        return dialect.bad_name(f"{of.rdir}/{name}", ID)

    return Taking(places, ways, dialect.name == "local", refused)


def read_options(places: Places, given: dict[str, Any]) -> tuple[Settings, Run | None]:
    """The settings, and the run if there is one."""
    pending = places.pending
    old = run.open_run(pending) if run.is_run(pending) else None
    known = run.remembered(old, given) if old else {}
    here = {**given, "ldir": places.root}
    chosen = sources.load(here, places.root, known, {"interval": PERIOD})
    if old:
        same_place(old, given)
    elif chosen.remote != "local" and not chosen.rdir:
        raise UserError("--rdir is missing", hint="name a folder on the remote")
    return chosen, old


def new_run(places: Places, chosen: Settings, ways: Ways, runner: Runner) -> tuple[Run, Host]:
    """Meet the remote, then make the run folder of an inbox, without any job."""
    plan = run.plan(chosen, places.pending)
    host = open_host(plan, runner, mirrored=chosen.rdir is not None)
    try:
        meet(plan, chosen, host)
        if plan.mirrored:  # two inboxes may have the same --rdir
            plan.rdir = f"{plan.rdir.removesuffix(f'/{plan.folder.name}')}/inbox-{plan.id}"
        own.keep(places.pending, ways)
        files.replace(plan.folder / "kill", run.kill_script(), 0o755)
        plan.save()
    except BaseException:
        host.close()
        raise
    return plan, host
