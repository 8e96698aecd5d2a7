"""From options to a monitor that can tick: a new run is checked, made and sent; an old one read."""

from __future__ import annotations

import contextlib
import logging
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobauto import lock, registry, run, settings, sources
from jobauto.admitting import admitting
from jobauto.clock import Clock
from jobauto.copying import copied
from jobauto.errors import NeedsLogin, NoConnection, RemoteError, UserError, raise_all
from jobauto.garbage import uncollected
from jobauto.graph import Graph
from jobauto.host import Host, Runner
from jobauto.judge import Patience
from jobauto.ledger import Ledger
from jobauto.limits import limits_of
from jobauto.meeting import check_look_ahead, host_of, let_in, meet, open_host
from jobauto.monitor import Monitor
from jobauto.noticing import Noticing
from jobauto.ordering import CRITICAL, ordering
from jobauto.reusing import reusing
from jobauto.run import Run
from jobauto.schedulers import DIALECTS
from jobauto.settings import Settings
from jobauto.watching import Watching
from jobauto.watching import watch as watcher

if TYPE_CHECKING:
    from jobauto.sharing import Sharing

log = logging.getLogger("jobauto")


def read_options(given: dict[str, Any]) -> tuple[Settings, Run | None]:
    """The settings, and the run to go on with if --ldir or --datedir names one."""
    ldir = sources.project_folder(given)
    old = _old_run(ldir, given.get("datedir"))
    project = old.folder.parent if old else ldir
    known = run.remembered(old, given) if old else {}
    chosen = sources.load({**given, "ldir": project.resolve()}, project, known)
    if old:
        same_place(old, given)
    if chosen.qsubheader is not None:
        chosen.qsubheader = chosen.qsubheader.expanduser().resolve()
    if old is None and chosen.remote != "local" and not chosen.rdir:
        raise UserError("--rdir is missing", hint="name the project's folder on the remote")
    return chosen, old


def same_place(old: Run, given: dict[str, Any]) -> None:
    """A run stays where its jobs are."""
    for name in ("remote", "rdir", "scheduler"):
        kept = old.scheduler if name == "scheduler" else old.settings.get(name)
        if given.get(name, "auto") not in ("auto", kept):
            raise UserError(
                f"{settings.option(name)}: this run is on {kept}",
                str(old.folder),
                "leave the option out, or start a new run",
            )


def _old_run(ldir: Path, datedir: str | None) -> Run | None:
    if datedir is not None:
        folder = ldir / datedir
        if not run.is_run(folder):
            names = ", ".join(r.name for r in run.runs_in(ldir)) or "none"
            raise UserError(f"--datedir {datedir}: no such run", str(ldir), f"runs here: {names}")
        return run.open_run(folder)
    return run.open_run(ldir) if run.is_run(ldir) else None


@uncollected()
def new_run(
    chosen: Settings,
    runner: Runner,
    clock: Clock,
    meanwhile: Callable[[Settings], None] = lambda _chosen: None,
) -> tuple[Run, Host]:
    """Check the init tree, the remote and all placeholders, then make the dated copy.

    Raises before anything is sent if anything is wrong, and leaves nothing behind. While the
    connection is made the tree is checked and copied, and `meanwhile` called.
    """
    init = chosen.ldir / "init"
    folder = run.new_folder(chosen.ldir, clock.now())
    plan = run.plan(chosen, folder)
    host = host_of(plan, runner, mirrored=chosen.rdir is not None)
    try:
        if init.is_dir():
            host.knock()
        found, _, warnings = run.check(init)
        run.check_scripts(init, found, run.filler(chosen, "/", folder.name))
        for warning in warnings:
            log.warning("%s", warning)
        meanwhile(chosen)
        with copied(init, plan.folder, found.jobs.keys()):
            let_in(host, runner)
            meet(plan, chosen, host)
            check_look_ahead(plan, chosen)
            run.check_names(found, DIALECTS[plan.scheduler], plan.rdir)
            run.check_asked(init, found, plan.asking())
            run.create(chosen, plan, found)
    except BaseException:
        host.close()
        raise
    log.info("%s: %d jobs", plan.folder, len(found.jobs))
    return plan, host


@uncollected()
def prepare(
    of: Run,
    chosen: Settings,
    host: Host,
    clock: Clock,
    strict: bool = True,
    watch: Watching | None = None,
) -> Monitor:
    """A monitor for a run, recovered from its files; the remote is not asked for anything.

    Unless it is `strict`, jobs with something wrong are only on hold. `watch` tells it what
    changes in the run folder; whoever made it closes it.
    """
    found, graph, problems = run.survey(of.folder)
    if strict:
        raise_all(problems or graph.cycles())
    # others act on verdicts at once: those of a shared task, and what lets folders out of an inbox
    ledger = Ledger(of.folder, of.id, None if chosen.task or not strict else clock)
    first_time = not ledger.log.exists()
    known = ledger.recover()
    monitor = Monitor(
        of,
        graph,
        ledger,
        host,
        DIALECTS[of.scheduler],
        limits_of(chosen, ledger),
        Noticing(
            of, graph, lambda name: _settled(graph, ledger, name), clock.elapsed, found, watch
        ),
        Patience(marker=chosen.grace),
        of.asking(),
        list(chosen.results),
        clock,
        chosen.interval,
    )
    noticing = monitor.noticing
    monitor.submitting.admitting = admitting(of, graph, ledger, noticing, clock, chosen.tokens)
    monitor.submitting.reusing = reusing(of, graph, ledger, host, clock, chosen.reuse)
    if chosen.order == CRITICAL:
        others = [folder for folder in run.runs_in(of.folder.parent) if folder != of.folder]
        monitor.submitting.ordering = ordering(graph, ledger, clock, others)
    check_look_ahead(of, chosen)
    monitor.submitting.ahead.on = chosen.native_deps
    if chosen.task:
        monitor.submitting.shared = share(of, chosen, ledger, clock)
    if not known:
        ledger.unlisted |= graph.jobs.keys()
    if first_time:
        monitor.take_as_done(found.markers)
    return monitor


def share(of: Run, chosen: Settings, ledger: Ledger, clock: Clock) -> Sharing:
    """Our part in the task that the settings name. DatabaseError, so that nothing runs unshared."""
    # an import that takes a moment, of an extra
    from jobauto.sharing import joined

    site = chosen.site or of.remote_host or socket.gethostname()
    url = chosen.db or registry.tasks()
    return joined(url, str(chosen.task), site, of.id, ledger, clock)


def _settled(graph: Graph, ledger: Ledger, name: str) -> bool:
    """Whether a job needs nothing any more; what was handed in ahead still does."""
    entry = ledger.entries.get(name)
    if entry and entry.open and entry.attempt and entry.attempt.after:
        return graph.satisfied(name)
    return entry is not None and (entry.open or entry.state.done)


@contextmanager
def monitoring(
    given: dict[str, Any],
    runner: Runner,
    clock: Clock,
    say: Callable[[Run], None],
    meanwhile: Callable[[Settings], None],
) -> Iterator[tuple[Monitor, Settings]]:
    """A monitor ready to tick, its run locked and its host connected until the end of the block.

    `say` is told of the run as soon as its folder exists, `meanwhile` called while the host lets
    us in for the first time.
    """
    chosen, old = read_options(given)
    host: Host | None = None
    if old is None:
        old, host = new_run(chosen, runner, clock, meanwhile)
    say(old)
    with watching(old, chosen, host, runner, clock) as monitor:
        yield monitor, chosen


@contextmanager
def watching(
    of: Run,
    chosen: Settings,
    host: Host | None,
    runner: Runner,
    clock: Clock,
    first: Callable[[], None] | None = None,
) -> Iterator[Monitor]:
    """The same for a run that exists; `host` if it is connected already.

    `first` is called when the run is locked, before its files are read; it is that of an inbox,
    where what is wrong with one job stops no other.
    """
    try:
        with lock.held(of.private, clock.date()) as guard:
            registry.note(of.folder)
            if first:
                first()
            host = host or _host_again(of, runner)
            runner.person = False  # from now on it must do without
            _remember(of, chosen)
            with contextlib.ExitStack() as stack:
                watch = watcher(of.folder)
                if watch:
                    stack.callback(watch.close)
                monitor = prepare(of, chosen, host, clock, first is None, watch)
                monitor.guard = guard
                stack.callback(_catch_up, monitor)
                yield monitor
    finally:
        if host:
            runner.resume()
            try:
                host.close()
            except RemoteError as error:
                log.debug("%s", error)


def _catch_up(monitor: Monitor) -> None:
    """Write what was put off, unless the run is another monitor's by now."""
    with contextlib.suppress(OSError, UserError):
        monitor.guard()
        monitor.ledger.catch_up()


def _host_again(old: Run, runner: Runner) -> Host:
    """The host of a run to go on with. The monitor waits for it to come back, if need be."""
    if runner.person:
        try:
            return open_host(old, runner, old.mirrored)
        except NeedsLogin:
            raise
        except NoConnection as error:
            log.debug("%s", error)
    return host_of(old, runner, old.mirrored)


def _remember(old: Run, chosen: Settings) -> None:
    old.settings.update(run.plan(chosen, old.folder).settings)
    old.save()
