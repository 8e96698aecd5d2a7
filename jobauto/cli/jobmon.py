"""`jobmon.py`: run an init tree to its end."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import argcomplete

from jobauto import __version__, garbage
from jobauto.actions.status import status
from jobauto.batches.running import take_part
from jobauto.cli import show
from jobauto.cli.dry_run import dry_run
from jobauto.cli.screen import Screen, log_to_terminal
from jobauto.clock import Clock
from jobauto.errors import DONE, Interrupted, JobautoError
from jobauto.host import Runner
from jobauto.loop import Link, loop, stopping
from jobauto.monitor import Monitor
from jobauto.options import Parser, add_settings
from jobauto.run import Run
from jobauto.settings import Settings, without_secrets
from jobauto.start import monitoring
from jobauto.telling import telling

log = logging.getLogger("jobauto")

_INTRO = """\
Run a tree of job folders to its end, here or on a cluster.

LDIR/init/ holds any folders. A job is a script qsub.<id> in one of them, and beside it
qsub.dependency.<id> names the files, one a line, that must exist before it may start.
The script's last act, only on success, is to write qsub.finished.<id>.
"""

_EXAMPLES = """\
examples:
  jobauto init demo --ldir try              make a small tree to play with
  jobmon.py --ldir try                      run it on this machine
  nohup jobmon.py --ldir si --rdir work/si --remote me@cluster --maxqsub 20 &
  jobmon.py --ldir si/20261120_231500       go on with a run that was stopped
  cat si/20261120_231500/quelist            see what happened; ./kill there ends it all

exit: 0 all finished, 1 some failed or blocked, 2 bad usage or bad tree (nothing was sent),
      3 stopped by a person, 4 gave up on the remote
"""


def parser() -> Parser:
    """The command line of jobmon.py, made from the settings."""
    made = Parser(prog="jobmon.py", description=_INTRO, epilog=_EXAMPLES)
    made.add_argument("--version", action="version", version=f"jobauto {__version__}")
    add_settings(made)
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Run; the exit code. An expected error is one line on stderr, a bug keeps its traceback."""
    garbage.left_behind()
    try:
        arguments = list(sys.argv[1:] if argv is None else argv)
        if not arguments:
            parser().print_help()
            return DONE
        made = parser()
        argcomplete.autocomplete(made)
        given = vars(made.parse(arguments))
        if given.get("dry_run"):
            return dry_run(given)
        return _run(given)
    except JobautoError as error:
        show.error("jobmon.py", error)
        return error.exit_code


def _run(given: dict[str, object]) -> int:
    if "port" in given:  # wins over a --no-http that is remembered
        given.setdefault("no_http", False)
    runner = Runner(without_secrets(os.environ), show.person_there())
    clock, screen = Clock(), Screen()
    log_to_terminal(screen)

    def begin(run: Run) -> None:
        show.log_to_file(run.folder / "jobmon.log")
        log.info("jobauto %s, run %s", __version__, run.folder)
        screen.begin(run)

    with stopping(runner), monitoring(given, runner, clock, begin, _import) as (monitor, chosen):
        take_part(monitor, chosen)
        if chosen.initonly:
            monitor.host.open()
            monitor.begin()
            screen.say(
                f"made {monitor.run.folder}\ngo on with: jobmon.py --ldir {monitor.run.folder}"
            )
            return DONE
        done_before = dict(runner.calls)
        try:
            code = watch(monitor, chosen, runner, screen)
        except Interrupted:
            screen.end()
            folder = show.short(monitor.run.folder)
            left = len(monitor.ledger.in_flight())
            screen.say(f"stopped; {left} job(s) stay in the queue")
            raise Interrupted(f"go on with: jobmon.py --ldir {folder}") from None
        screen.end()
        calls = {k: n - done_before.get(k, 0) for k, n in runner.calls.items()}
        log.info("looked %d times; processes started: %s", monitor.ticks, calls)
    show.print_status(status(monitor.run.folder), screen.console)
    return code


def watch(monitor: Monitor, chosen: Settings, runner: Runner, screen: Screen) -> int:
    """Tick until the run is over, and let everybody see it; the exit code."""
    with (
        telling(monitor, chosen, runner.pause) as teller,
        _watched(monitor, chosen, screen) as watched,
    ):

        def see(monitor: Monitor, link: Link) -> None:
            teller.look(monitor, link)
            watched(monitor, link)

        code = loop(monitor, runner.pause, see, once=chosen.once, give_up=chosen.give_up)
        teller.ended(code)
    return code


def _serves(chosen: Settings) -> bool:
    return not (chosen.once or chosen.no_http or chosen.initonly)


def _import(chosen: Settings) -> None:
    """An import that takes a moment, and that --help and cron do without."""
    if _serves(chosen):
        import jobauto.web.server  # noqa: F401


@contextmanager
def _watched(
    monitor: Monitor, chosen: Settings, screen: Screen
) -> Iterator[Callable[[Monitor, Link], None]]:
    """Who is to see each tick: the terminal and, unless it is not wanted, HTTP."""
    if not _serves(chosen):
        yield screen.progress
        return
    from jobauto.web import server

    with server.serving(monitor, chosen.port) as board:
        if board is None:
            yield screen.progress
            return
        screen.say(f"http    {server.url(monitor.run)}")

        def both(monitor: Monitor, link: Link) -> None:
            screen.progress(monitor, link)
            board.publish(monitor, link)

        board.keep_out(monitor)
        yield both


if __name__ == "__main__":
    sys.exit(main())
