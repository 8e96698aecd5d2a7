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

from jobauto import conditions
from jobauto.clock import growing
from jobauto.conditions import Condition
from jobauto.errors import (
    DONE,
    GAVE_UP,
    SOME_FAILED,
    JobautoError,
    NeedsLogin,
    NoConnection,
    RemoteError,
)
from jobauto.host import Runner
from jobauto.model import stamp
from jobauto.monitor import Monitor

log = logging.getLogger("jobauto")

# Seconds: first and longest wait while the remote cannot be asked. A login that wants a person is
# tried seldom: many failures in a row get an account or an address locked out.
BACK_OFF = (2.0, 300.0)
BACK_OFF_LOGIN = (30.0, 900.0)

LOGIN = "waiting for login"
HELPS = "; jobauto login RUN"


@dataclass(slots=True)
class Link:
    """What is wrong with the remote or with the disk here, since when, how often in a row.

    `lost`: there is no connection (as at the beginning), so one has to be made first.
    """

    what: str = ""
    why: str = ""
    since: str = ""
    until: str = ""
    failures: int = 0
    lost: bool = True
    dice: random.Random = field(default_factory=random.Random)

    def failed(self, error: Exception, now: float) -> float:
        """Note a failure; the seconds to wait, growing, with jitter against herds of monitors."""
        bounds = BACK_OFF_LOGIN if isinstance(error, NeedsLogin) else BACK_OFF
        wait = growing(self.failures, *bounds) * self.dice.uniform(0.7, 1.3)
        what, why = _kind(error), _line(error)
        if (what, why) != (self.what, self.why):
            log.warning("%s: %s; trying again", what, error)
        if what != self.what:
            self.since = stamp(now)
        self.failures += 1
        self.lost = self.lost or isinstance(error, NoConnection)
        self.what, self.why, self.until = what, why, stamp(now + wait)
        return wait

    def works(self) -> None:
        if self.what:
            log.info("all is well again (%s since %s)", self.what, self.since)
        self.what = self.why = self.since = self.until = ""
        self.failures, self.lost = 0, False

    def conditions(self) -> list[Condition]:
        """The trouble, if there is any, for everybody to read."""
        return [Condition(self.what, self.why, self.since, self.until)] if self.what else []


def _kind(error: Exception) -> str:
    if isinstance(error, NeedsLogin):
        return LOGIN
    if isinstance(error, NoConnection):
        return "no connection"
    return "no answer" if isinstance(error, RemoteError) else "trouble on this machine"


def _line(error: Exception) -> str:
    """The error without its hint; for a login, the command that helps."""
    text = error.what if isinstance(error, JobautoError) else str(error)
    return text + HELPS if isinstance(error, NeedsLogin) else text


def loop(
    monitor: Monitor,
    pause: Callable[[float], None],
    show: Callable[[Monitor, Link], None] = lambda _monitor, _link: None,
    once: bool = False,
    give_up: float | None = None,
) -> int:
    """Tick until the run is over; the exit code. Between ticks time passes on the remote, where
    news ends it early, or here if there is nothing to wait for.

    With `once`, end after one tick, or as soon as absences that it began to count are proven.
    With `give_up`, end when nobody could be asked for so many seconds.
    """
    link = Link()
    well = monitor.clock.elapsed()
    patience = 0.0
    while True:
        try:
            if link.lost:
                monitor.host.open()
                link.lost = False
            monitor.tick(patience)
            if once:  # nobody is there to see the end of what it began
                monitor.fetching.catch_up()
            link.works()
            well = monitor.clock.elapsed()
            if monitor.over():
                monitor.fetch_all()
                _show(show, monitor, link)
                return _exit_code(monitor)
            wait = monitor.rest()
        except (RemoteError, OSError) as error:  # OSError: a full disk here, for one
            with contextlib.suppress(OSError):  # who reads of it looks into quelist
                monitor.ledger.catch_up()
            wait = link.failed(error, monitor.clock.now())
        _show(show, monitor, link)
        if once and not monitor.looking.missing.absences:
            return GAVE_UP if link.what else SOME_FAILED if _bad(monitor) else DONE
        if link.what and give_up is not None and monitor.clock.elapsed() - well >= give_up:
            log.error("giving up: %s since %s: %s", link.what, link.since, link.why)
            return GAVE_UP
        patience = wait if monitor.looking.may_wait() and not link.what else 0.0
        if not patience:
            with monitor.looking.resting():
                _wait(monitor, link, wait, pause)


def what_is_wrong(monitor: Monitor, link: Link) -> list[Condition]:
    """All that keeps the run from going on as it should."""
    limits = monitor.limits.conditions(monitor.clock.now())
    shared = monitor.submitting.shared
    others = shared.conditions() if shared else []
    if monitor.submitting.admitting:
        others += monitor.submitting.admitting.conditions()
    return link.conditions() + others + monitor.run.conditions() + limits


def _wait(monitor: Monitor, link: Link, wait: float, pause: Callable[[float], None]) -> None:
    """Let time pass; less of it if somebody makes the connection meanwhile (jobauto login)."""
    interval = monitor.obeying.interval
    end = monitor.clock.elapsed() + max(0.0, wait)
    pause(min(max(0.0, wait), interval) if link.lost else max(0.0, wait))
    while link.lost and monitor.clock.elapsed() < end and not monitor.host.connected():
        pause(min(interval, end - monitor.clock.elapsed()))


def _show(show: Callable[[Monitor, Link], None], monitor: Monitor, link: Link) -> None:
    with contextlib.suppress(OSError):  # nobody there to see it is no reason to stop
        conditions.write(monitor.run.private, what_is_wrong(monitor, link))
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
