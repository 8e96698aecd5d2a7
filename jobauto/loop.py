"""Waiting between ticks: the interval, growing patience with a remote that does not answer, the
end of the run, and signals."""

from __future__ import annotations

import contextlib
import logging
import random
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from jobauto.clock import growing
from jobauto.errors import DONE, GAVE_UP, SOME_FAILED, NoConnection, RemoteError
from jobauto.host import Runner
from jobauto.monitor import Monitor

log = logging.getLogger("jobauto")

BACK_OFF = (2.0, 300.0)  # seconds: first and longest wait while the remote cannot be asked


@dataclass(slots=True)
class Link:
    """What is wrong with the remote or with the disk here, since when, how often in a row."""

    trouble: str = ""
    since: str = ""
    failures: int = 0
    lost: bool = False
    dice: random.Random = field(default_factory=random.Random)

    def failed(self, error: Exception, date: str) -> float:
        """Note a failure; the seconds to wait, growing, with jitter against herds of monitors."""
        wait = growing(self.failures, *BACK_OFF) * self.dice.uniform(0.7, 1.3)
        self.failures += 1
        self.lost = self.lost or isinstance(error, NoConnection)
        if self.trouble != str(error):
            log.warning("%s; trying again", error)
        self.trouble, self.since = str(error), self.since or date
        return wait

    def works(self) -> None:
        if self.trouble:
            log.info("all is well again")
        self.trouble, self.since, self.failures, self.lost = "", "", 0, False


def loop(
    monitor: Monitor,
    interval: float,
    pause: Callable[[float], None],
    show: Callable[[Monitor, Link], None] = lambda _monitor, _link: None,
    once: bool = False,
) -> int:
    """Tick until the run is over; the exit code.

    With `once`, end after one tick, or as soon as absences that it began to count are proven.
    """
    link = Link()
    while True:
        begun = monitor.clock.elapsed()
        try:
            if link.lost:
                monitor.host.open()
                link.lost = False
            monitor.tick()
            link.works()
            if monitor.over():
                monitor.fetch_all()
                _show(show, monitor, link)
                return _exit_code(monitor)
            wait = interval - (monitor.clock.elapsed() - begun)
        except (RemoteError, OSError) as error:  # OSError: a full disk here, for one
            wait = link.failed(error, monitor.clock.date())
        _show(show, monitor, link)
        if once and not monitor.absences:
            return GAVE_UP if link.trouble else SOME_FAILED if _bad(monitor) else DONE
        pause(max(0.0, wait))


def _show(show: Callable[[Monitor, Link], None], monitor: Monitor, link: Link) -> None:
    with contextlib.suppress(OSError):  # nobody there to see it is no reason to stop
        show(monitor, link)


def _bad(monitor: Monitor) -> bool:
    return any(state.bad for state in monitor.states().values())


def _exit_code(monitor: Monitor) -> int:
    states = monitor.states()
    return (
        DONE
        if all(name in states and states[name].done for name in monitor.graph.jobs)
        else SOME_FAILED
    )


@contextmanager
def stopping(runner: Runner) -> Iterator[None]:
    """TERM, INT and (unless nohup has it ignored) HUP end the loop, whatever it waits for."""

    def handle(number: int, _frame: object) -> None:
        log.warning("stopping: %s", signal.Signals(number).name)
        runner.stop()

    numbers = [signal.SIGTERM, signal.SIGINT]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield
    finally:
        for number, action in before.items():
            signal.signal(number, action)
