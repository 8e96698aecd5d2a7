"""`jobauto inbox`: folders with a job.sh are run, and given back with all that they hold."""

from __future__ import annotations

import argparse
import logging
import os
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from jobauto import __version__
from jobauto.cli import show
from jobauto.cli.jobmon import watch
from jobauto.cli.screen import Screen, log_to_terminal
from jobauto.clock import Clock
from jobauto.errors import DONE, SOME_FAILED, Interrupted, UserError, near
from jobauto.host import Runner
from jobauto.inbox.opening import PERIOD, keeping
from jobauto.inbox.places import Places
from jobauto.inbox.running import Inbox
from jobauto.inbox.ways import Ways
from jobauto.loop import Link, stopping
from jobauto.monitor import Monitor
from jobauto.options import add_settings
from jobauto.quoting import shown, word
from jobauto.settings import SCHEDULERS, Settings, option, without_secrets

log = logging.getLogger("jobauto")

ROW = 20  # dots
_NOT_HERE = {
    *("ldir", "datedir", "initonly", "dry_run", "once", "scheduler", "interval", "results"),
    *("receive_path", "task", "db", "site", "reuse", "binpath", "pythonpath", "maxcore"),
    *("qsubheader", "set", "keep"),
}
_EXAMPLES = """\
A folder in ROOT/inbox with a script job.sh is taken when it is whole, in the order of names, run
from ROOT/pending, and given back in ROOT/completed with all that it holds; with job_error.txt, if
it failed. NAME.tar.gz is unpacked, and given back as NAME.tar.gz. Needs: qsub.dependency.job in a
folder names other folders, one a line, whose jobs must have succeeded.

examples:
  jobauto inbox --root ~/jobs --setup
  jobauto inbox --root ~/jobs                                 with the scheduler of this machine
  jobauto inbox --root ~/jobs --engine local --period 2       as processes of this machine
  nohup jobauto inbox --root ~/jobs --remote me@cluster --rdir work/jobs &
  jobauto status ~/jobs                                       and all other verbs: on ROOT

Options are remembered. exit: 3 stopped by a person, 4 gave up on the remote; with --once also
0 all went well, 1 some failed or wait for what never came
"""


def add_arguments(verb: argparse.ArgumentParser) -> None:
    """The arguments of `inbox`; what is not given stays out of the namespace."""
    verb.epilog = _EXAMPLES
    text = "folder with inbox/, pending/ and completed/"
    verb.add_argument("--root", "-r", type=Path, required=True, metavar="DIR", help=text)
    verb.add_argument("--setup", "-s", action="store_true", help="make these three, and end")
    text = f"the queue that runs the jobs: {', '.join(SCHEDULERS)} (default auto)"
    _option(verb, "--engine", "-e", "--scheduler", dest="scheduler", help=text)
    text = f"seconds from one look to the next (default {PERIOD:.0f})"
    _option(verb, "--period", "-p", "--interval", dest="interval", metavar="SECONDS", help=text)
    for name, field in Ways.model_fields.items():
        plain: dict[str, Any] = {"action": "store_true"} if field.annotation is bool else {}
        _option(verb, option(name), dest=name, help=field.description, **plain)
    text = "take what is there, run all of it to its end, then end"
    _option(verb, "--once", action="store_true", help=text)
    _option(verb, "--maxjobs", dest="maxqsub", metavar="N", help="the same as --maxqsub")
    add_settings(verb, without=_NOT_HERE)


def _option(verb: argparse.ArgumentParser, *names: str, **options: Any) -> None:
    verb.add_argument(*names, default=argparse.SUPPRESS, **options)


def engine(name: str) -> str:
    """The scheduler meant by `slurm`, or by the old `engines.SlurmEngine`; UserError if none is."""
    plain = name.rpartition(".")[2].lower().removesuffix("engine")
    if plain not in SCHEDULERS:
        raise UserError(f"--engine: there is no {shown(name)}", hint=near(plain, SCHEDULERS))
    return plain


def inbox(arguments: argparse.Namespace, console: Console) -> int:
    """`jobauto inbox`."""
    given = vars(arguments)
    places = Places(arguments.root.expanduser().resolve())
    if "scheduler" in given:
        given["scheduler"] = engine(given["scheduler"])
    if arguments.setup:
        return _setup(places, console)
    settings = {name: value for name, value in given.items() if name in Settings.model_fields}
    if "port" in settings:  # wins over a --no-http that is remembered
        settings.setdefault("no_http", False)
    ways = {name: value for name, value in given.items() if name in Ways.model_fields}
    return _run(places, settings, ways, console)


def _setup(places: Places, console: Console) -> int:
    places.setup()
    root = word(show.short(places.root))
    for folder in places.all:
        console.print(escape(show.short(folder)))
    console.print(escape(f"run what is put into the first of them: jobauto inbox --root {root}"))
    return DONE


def _run(places: Places, settings: dict[str, Any], ways: dict[str, Any], console: Console) -> int:
    runner = Runner(without_secrets(os.environ), show.person_there())
    screen, clock = Dots(console), Clock()
    log_to_terminal(screen)
    with stopping(runner), keeping(places, settings, ways, runner, clock) as (kept, chosen):
        show.log_to_file(places.pending / "jobmon.log")
        log.info("jobauto %s, inbox %s", __version__, places.inbox)
        screen.say("Starting Job Manager: use ctrl-C to quit")
        screen.say(f"Watching inbox: {places.inbox}")
        chosen.no_http = chosen.no_http or chosen.once
        chosen.once = False  # that would be a single tick
        try:
            code = watch(kept.monitor, chosen, runner, screen)
        except Interrupted:
            screen.end()
            left = len(kept.monitor.ledger.in_flight())
            screen.say(f"stopped; {left} job(s) stay in the queue")
            again = f"jobauto inbox --root {word(show.short(places.root))}"
            raise Interrupted(f"go on with: {again}") from None
    screen.end()
    screen.say(_over(kept))
    return SOME_FAILED if kept.failed else code


def _over(kept: Inbox) -> str:
    left = len(kept.monitor.ledger.entries.keys() | kept.monitor.graph.jobs.keys())
    waiting = f", {left} still in pending" if left else ""
    return f"{kept.done} went well, {kept.failed} failed{waiting}"


class Dots(Screen):
    """A dot for each tick, in rows of 20, on a terminal; elsewhere a line when counts change."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._dots = 0

    def say(self, text: str) -> None:
        """A line of its own."""
        self.end()
        super().say(text)

    def progress(self, monitor: Monitor, link: Link) -> None:
        """Show that we are alive."""
        if not self.console.is_terminal:
            super().progress(monitor, link)
            return
        self._dots += 1
        self.console.print(".", end="\n" if self._dots == ROW else "")
        self._dots %= ROW

    def end(self) -> None:
        """End the row of dots."""
        if self._dots:
            self.console.print()
            self._dots = 0
