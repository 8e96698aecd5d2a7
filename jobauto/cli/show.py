"""What people see: tables, errors and the log."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from jobauto.actions.kill import Outcome as Killed
from jobauto.actions.status import Status
from jobauto.errors import BAD_USAGE, DONE, SOME_FAILED, Interrupted, JobautoError, UserError
from jobauto.model import State
from jobauto.quoting import shown
from jobauto.tree import FLAT

STYLE = {
    State.FINISHED: "green",
    State.SKIPPED: "green",
    State.STARTED: "cyan",
    State.SUBMITTING: "cyan",
    State.FAILED: "bold red",
    State.KILLED: "red",
    State.UNSURE: "bold yellow",
    State.BLOCKED: "yellow",
}
ORDER = sorted(State, key=lambda s: -s.order)
MOVING = (State.WAITING, State.READY, State.STARTED, State.SUBMITTING)
LISTED = 20
MANY = 1000  # jobs


def error(program: str, problem: JobautoError) -> None:
    """Print an expected error: what, where, and what to do next."""
    print(f"{program}: {problem}", file=sys.stderr)


def person_there() -> bool:
    """Whether somebody at this terminal can be asked: it is one, and we are in its foreground."""
    try:
        return sys.stdin.isatty() and os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except (OSError, ValueError, AttributeError):  # closed, or replaced
        return False


def agreed(question: str, console: Console) -> bool:
    """Whether the person at the terminal says yes; anything else is no."""
    try:
        answer = console.input(f"{question} [y/N] ", markup=False)
    except (EOFError, KeyboardInterrupt):
        answer = ""
    return answer.strip().lower() in ("y", "yes")


def confirm(
    question: str,
    sure: bool,
    console: Console,
    *,
    nobody: str = "nobody is here to be asked",
    otherwise: str = "nothing was made",
) -> None:
    """Ask, unless somebody is `sure`. UserError if nobody is here, Interrupted if it is a no."""
    if sure:
        return
    if not person_there():
        raise UserError(nobody, hint="if this is meant: --yes")
    if not agreed(question, console):
        raise Interrupted(otherwise)


def confirm_jobs(jobs: int, sure: bool, console: Console) -> None:
    """Ask before very many jobs are made; as `confirm`."""
    nobody = f"{jobs} jobs are more than {MANY}"
    confirm(f"make {jobs} jobs?", sure or jobs <= MANY, console, nobody=nobody)


def short(path: Path) -> str:
    """A path as one would type it from here."""
    try:
        return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)
    except OSError:
        return str(path)


class _Console(Console):
    """Goes quiet when nobody reads any more (`| head`): no reason to stop a run."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def go_on(run: Path) -> str:
    """What to do with a run that nobody watches."""
    if (run / FLAT).is_file():
        return f"no monitor runs; go on with: jobauto inbox --root {short(run.parent)}"
    return f"no monitor runs; go on with: jobmon.py --ldir {short(run)}"


def new_console() -> Console:
    """Wraps at words on a terminal; elsewhere a line stays a line."""
    return _Console(highlight=False, soft_wrap=not sys.stdout.isatty())


def summary(states: dict[State, int]) -> str:
    """`12 finished, 3 started, 1 failed`."""
    return ", ".join(f"{states[s]} {s.word}" for s in ORDER if states.get(s)) or "no jobs"


def log_to_file(path: Path) -> None:
    """Everything goes to jobmon.log; a full disk there must not stop the monitor."""
    logger = logging.getLogger("jobauto")
    handler = logging.FileHandler(path, encoding="utf-8", errors="backslashreplace")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logging.raiseExceptions = False


def exit_code(status: Status) -> int:
    """0 all finished or still going well, 1 something failed."""
    return SOME_FAILED if any(state.bad for state in status.states.values()) else DONE


def print_killed(done: Killed, console: Console) -> int:
    """What a kill did; the exit code."""
    stopped = f"monitor stopped ({done.monitor})" if done.monitor else "no monitor was running"
    console.print(escape(f"{stopped}; {len(done.killed)} job(s) killed"))
    for name in done.finished:
        console.print(escape(f"{name} had finished already"))
    for name in done.unsure:
        console.print(escape(f"{name} may or may not have been submitted; look at the queue"))
    for name in done.left:
        console.print(escape(f"{name} is still in the queue: {done.said}"))
    if done.untold:
        text = "the shared task does not know of this before the monitor is started again: "
        console.print(escape(text + done.untold))
    return BAD_USAGE if done.left else DONE


def rows(status: Status) -> list[tuple[Text, str, str]]:
    """State, number of jobs, and meaning: what is furthest first."""
    counts = sorted(status.counts().items(), key=lambda pair: -pair[0].order)
    return [(Text(s.word, STYLE.get(s, "")), str(number), s.sentence) for s, number in counts]


def print_status(status: Status, console: Console, every: bool = False) -> None:
    """Counts, what is in the queue now, failures, and where to look."""
    table = Table("state", "jobs", "meaning", box=None, pad_edge=False)
    for row in rows(status):
        table.add_row(*row)
    console.print(table)
    for condition in status.conditions:
        console.print(f"\n[bold yellow]{escape(shown(str(condition)))}")
    _list_queue(status, console)
    _list_failures(status, console)
    if every:
        _list_all(status, console)
    if status.monitor:
        console.print(escape(f"\nwatched by {status.monitor}"))
    elif status.named(*MOVING):
        console.print(escape(f"\n{go_on(status.run.folder)}"))
    console.print(escape(f"\nquelist: {short(status.run.folder / 'quelist')}"))


def _list_queue(status: Status, console: Console) -> None:
    names = status.named(State.STARTED, State.SUBMITTING)
    if names:
        console.print("\n[bold]in the queue")
    for name in names[:LISTED]:
        entry = status.entries[name]
        line = status.queue.get(entry.jobid)
        what = line.state.value if line else status.states[name].word
        console.print(f"  {escape(shown(name))}  {entry.jobid}  {what}")
    _more(len(names), console)
    others = status.others()
    if others:
        kinds = ", ".join(f"{number} {state.value}" for state, number in others.items())
        console.print(f"\n[bold]your other jobs in the queue[/]  {sum(others.values())} ({kinds})")
    strange = status.strange()
    if strange:
        console.print("\n[bold yellow]may need you")
    for name, seen in list(strange.items())[:LISTED]:
        console.print(f"  {escape(shown(name))}  {escape(shown(str(seen)))}")
    _more(len(strange), console)


def _list_failures(status: Status, console: Console) -> None:
    names = status.named(State.FAILED, State.KILLED, State.UNSURE)
    if names:
        console.print("\n[bold]not finished")
    for name in names[:LISTED]:
        word = status.entries[name].words[-1]
        state = status.states[name]
        text = f"{escape(shown(name))}  {word.date} {escape(word.detail)}"
        console.print(f"  [{STYLE[state]}]{state.word}[/]  {text}")
    _more(len(names), console)
    blocked = status.named(State.BLOCKED)
    if blocked:
        console.print(f"  [yellow]blocked[/]  {len(blocked)} more; see: jobauto why JOB")


def _list_all(status: Status, console: Console) -> None:
    console.print("\n[bold]all jobs")
    for name, state in sorted(status.states.items()):
        console.print(
            "  ", Text(f"{state.word:10}", STYLE.get(state, "")), Text(shown(name)), sep=""
        )


def _more(number: int, console: Console) -> None:
    if number > LISTED:
        console.print(f"  ... and {number - LISTED} more; see: jobauto status --all")
