"""Which faults happen in a history: by dice, a few kinds at a time, until they are spent."""

from __future__ import annotations

import errno
import random
from collections.abc import Sequence
from typing import NoReturn

from disk import Died, PowerCut
from fake import FakeClock

# On the way to the remote
LINK = ["no link", "cut while sent", "arrives late", "slow", "cut", "login node crashes",
        "answer cut", "answer lost", "rsync fails"]  # fmt: skip
# In the scheduler and on the remote's disk
SUBMISSION = ["submission hangs", "submission not answered", "submission gives no JOBID",
              "submission with banners", "limit", "refused"]  # fmt: skip
LOOK = ["look fails", "look hangs", "look cut", "look complains", "look lies"]
REMOTE = ["remote disk full", "answer not written", "autopsy fails", "kill slow", "file late"]
# Of the monitor's own machine, and of people
HERE = ["kill -9", "killed while writing", "power cut", "power cut while writing", "disk full",
        "clock jumps", "suspend"]  # fmt: skip
PEOPLE = ["person kills", "person kills in doubt", "person renames quelist"]
KINDS = LINK + SUBMISSION + LOOK + REMOTE + HERE + PEOPLE

LATE_FILES = True  # a file may be seen up to a minute after its job left the queue
LATE_JOBS = True  # a submission may reach the scheduler up to 50 s after the program gave up


def _rates(kind: str) -> Sequence[float]:
    """How likely a fault is where it may happen; jobs are not handed in often."""
    return (0.1, 0.4) if kind in SUBMISSION else (0.03, 0.1, 0.4)


class Weather:
    """Dice for all that may go wrong. `story` is the history as lines (time, text)."""

    def __init__(self, clock: FakeClock, dice: random.Random) -> None:
        self.clock, self.dice = clock, dice
        self.story: list[tuple[float, str]] = []
        share = dice.choice((0.1, 0.25, 0.5))
        self.rates = {k: dice.choice(_rates(k)) for k in KINDS if dice.random() < share}
        if not LATE_FILES:
            self.rates.pop("file late", None)
        self.left = dice.randint(1, 12)
        self.dead: Died | None = None  # the monitor's process, of this
        self.full_until = 0.0
        self.read_only = False

    def tell(self, text: str) -> None:
        self.story.append((self.clock.time, text))

    def strikes(self, kind: str) -> bool:
        """Whether this fault happens now."""
        rate = self.rates.get(kind)
        if rate is None or not self.left or self.dice.random() >= rate:
            return False
        self.left -= 1
        self.tell(f"  FAULT {kind}")
        return True

    def one_of(self, kinds: Sequence[str]) -> str:
        """The first of these faults that happens now, or ''."""
        return next((kind for kind in kinds if kind in self.rates and self.strikes(kind)), "")

    def may_die(self) -> None:
        """The monitor's process may end here."""
        if self.strikes("kill -9"):
            self.die(Died())
        if self.strikes("power cut"):
            self.die(PowerCut())

    def die(self, death: Died) -> NoReturn:
        """The process ends; nothing that it would do on its way out happens."""
        self.dead = death
        raise death

    def on_disk(self, what: str, name: str) -> None:
        """An effect on a file of the run folder may fail, or be the last."""
        if self.dead:
            raise self.dead
        if "disk full" in self.rates:
            if self.clock.time >= self.full_until and self.strikes("disk full"):
                self.full_until = self.clock.time + self.dice.uniform(0, 400)
                self.read_only = self.dice.random() < 0.3
            if self.clock.time < self.full_until and self._fails(what):
                code = errno.EROFS if self.read_only else errno.ENOSPC
                self.tell(f"  no room: {what} {name}")
                raise OSError(code, "no room", name)
        for kind, death in (("killed while writing", Died), ("power cut while writing", PowerCut)):
            if self.strikes(kind):
                self.tell(f"  at: {what} {name}")
                self.die(death())

    def _fails(self, what: str) -> bool:
        return what not in ("flushed", "renamed") and (self.read_only or self.dice.random() < 0.5)
