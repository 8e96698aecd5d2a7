"""`status --watch`, `log`, `runs`, `completion`: looking at runs without touching them."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

from argcomplete.shell_integration import shellcode
from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from jobauto import registry
from jobauto.actions import log
from jobauto.actions.progress import progress
from jobauto.actions.status import Status, status
from jobauto.cli import show
from jobauto.clock import Clock
from jobauto.errors import DONE, UserError
from jobauto.quoting import shown
from jobauto.run import runs_in

SHELLS = ("bash", "zsh", "fish")
PACE = 2.0  # seconds from one reading of the files to the next


def watch(
    folder: Path, console: Console, clock: Clock, wait: Callable[[float], None] = time.sleep
) -> int:
    """A live table on a terminal, elsewhere a line whenever something changes, until the run is
    over or nobody watches it; the exit code as of `jobauto status`."""
    last = ""
    with Live(console=console, auto_refresh=False, transient=False) as live:
        while True:
            found = status(folder)
            text = f"{show.summary(found.counts())} | {progress(found, clock.now())}"
            if console.is_terminal:
                live.update(_table(found, clock), refresh=True)
            elif text != last:
                live.console.print(escape(f"{clock.date()} {text}"))
            last = text
            if found.monitor is None:
                return show.exit_code(found)
            wait(PACE)


def _table(found: Status, clock: Clock) -> Group:
    far = progress(found, clock.now())
    table = Table("state", "jobs", box=None, pad_edge=False)
    for word, number, _meaning in show.rows(found):
        table.add_row(word, number)
    bar = ProgressBar(total=max(1, far.total), completed=far.done, width=60)
    conditions = [Text(shown(str(c)), "bold yellow") for c in found.conditions]
    place = Text(show.short(found.run.folder), "bold")
    return Group(place, bar, Text(str(far)), table, *conditions)


def print_log(arguments: argparse.Namespace, console: Console, folder: Path) -> int:
    """`jobauto log [JOB] [RUN]`."""
    found = status(folder)
    lines = log.of_job(found, arguments.job) if arguments.job else log.of_run(found, arguments.n)
    for line in lines:
        console.print(escape(shown(line)))
    return DONE


def print_runs(arguments: argparse.Namespace, console: Console) -> int:
    """`jobauto runs [LDIR]`: all that this person has on this machine, or those of a project."""
    folders = runs_in(arguments.ldir)[::-1] if arguments.ldir else registry.runs()
    table = Table("run", "jobs", "monitor", box=None, pad_edge=False)
    for folder in folders:
        try:
            found = status(folder)
        except UserError as error:
            table.add_row(show.short(folder), Text(error.what, "red"), "")
            continue
        table.add_row(show.short(folder), show.summary(found.counts()), str(found.monitor or "-"))
    console.print(table if folders else "no runs")
    return DONE


def print_completion(arguments: argparse.Namespace) -> int:
    """`jobauto completion SHELL`: what the shell is to read, for both commands."""
    names = ["jobauto", "jobmon", "jobmon.py"]
    print(shellcode(names, shell=arguments.shell))
    return DONE
