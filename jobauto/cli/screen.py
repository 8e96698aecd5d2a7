"""What a person sees while a run goes on: one live line, and warnings above it."""

from __future__ import annotations

import logging

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from jobauto.cli.show import new_console, short, summary
from jobauto.loop import Link, what_is_wrong
from jobauto.monitor import Monitor
from jobauto.quoting import shown
from jobauto.run import Run

TAIL = 6  # lines of a warning
APART = 1.0  # seconds between two lines of progress


class Screen:
    """One live line on a terminal; elsewhere a plain line when the counts have changed, but no two
    of them within a second unless there is trouble."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or new_console()
        self._bar: Progress | None = None
        self._task = TaskID(0)
        self._last, self._unsaid, self._quiet_until = "", "", 0.0

    def say(self, text: str) -> None:
        """A line of its own."""
        self.console.print(escape(text))

    def begin(self, run: Run) -> None:
        """Name the run, as soon as there is one."""
        self.say(f"run     {short(run.folder)}")
        self.say(f"quelist {short(run.folder / 'quelist')}")

    def progress(self, monitor: Monitor, link: Link) -> None:
        """Show where the run is."""
        monitor.standing.update()
        counts, now = monitor.standing.counts, monitor.clock.elapsed()
        text, wrong = summary(counts), what_is_wrong(monitor, link)
        for condition in wrong:
            text += f" | {condition.what} since {condition.since}: {shown(condition.why)}"
        if self.console.is_terminal:
            self._draw(text, sum(counts.values()), sum(n for s, n in counts.items() if s.final))
        elif text != self._last:
            self._unsaid, self._last = f"{monitor.clock.date()} {text}", text
        if self._unsaid and (wrong or now >= self._quiet_until):
            self._catch_up()
            self._quiet_until = now + APART

    def _draw(self, text: str, total: int, done: int) -> None:
        if self._bar is None:
            self._bar = Progress(
                BarColumn(24),
                TextColumn("{task.completed}/{task.total}"),
                TimeElapsedColumn(),
                TextColumn("{task.description}"),
                console=self.console,
            )
            self._task = self._bar.add_task("", total=total)
            self._bar.start()
        self._bar.update(self._task, completed=done, total=total, description=escape(text))

    def _catch_up(self) -> None:
        if self._unsaid:
            self.say(self._unsaid)
        self._unsaid = ""

    def end(self) -> None:
        """Say how it ended, and leave the terminal as it was."""
        self._catch_up()
        if self._bar:
            self._bar.stop()
            self._bar = None


class _ToScreen(logging.Handler):
    """Warnings above the live line; only the first lines of what has many."""

    def __init__(self, screen: Screen) -> None:
        super().__init__(logging.WARNING)
        self._screen = screen

    def emit(self, record: logging.LogRecord) -> None:
        lines = record.getMessage().rstrip().splitlines()
        shortened = [*lines[:TAIL], "..."] if len(lines) > TAIL + 1 else lines
        self._screen.say(f"{record.levelname.lower()}: " + "\n  ".join(shortened))


def log_to_terminal(screen: Screen) -> None:
    """Warnings go to the terminal too, above the live line."""
    logging.getLogger("jobauto").addHandler(_ToScreen(screen))
