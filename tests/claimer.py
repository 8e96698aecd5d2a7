"""A monitor of a shared task as a process of its own, which kills itself between its steps.

    JOBAUTO_TRIAL_DB=URL python claimer.py RUN FOLDER CHANCE SEED

It takes jobs until the task has none left, hands each in by a line in its own queue,
`FOLDER/RUN` (name and token, tab between them), and tells the database of everything. CHANCE is how
likely it is to die at each step. Started again it goes on as a monitor does: what the database
says is its own and is being submitted is looked up in the queue, and handed in if it is not there.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from pathlib import Path

from jobauto.claims import Database, Held, Holder, Task, progress
from jobauto.errors import NoDatabase

LEASE = 0.5  # seconds: what one that died held goes to others while the trial lasts
ROOM = 25


class Claimer:
    def __init__(self, run: str, folder: Path, chance: float, seed: str) -> None:
        self.database = Database(os.environ["JOBAUTO_TRIAL_DB"])
        self.task = Task(self.database, "trial", Holder(self.database.person, run, run), LEASE)
        self.queue = folder / run
        self.random = random.Random(seed)
        self.chance = chance

    def step(self) -> None:
        """A moment at which it may die."""
        if self.random.random() < self.chance:
            os.kill(os.getpid(), signal.SIGKILL)

    def go(self) -> None:
        """Until no job is left that anybody might still take."""
        self.recover()
        while self.more():
            held = self.task.take(self.random.randint(1, ROOM))
            self.step()
            self.task.renew(held)
            self.step()
            self.hand_in(held)
            time.sleep(0 if held else 0.05)

    def hand_in(self, held: list[Held]) -> None:
        lost = {one.token for one in self.task.submitting(held)}
        ours = [one for one in held if one.token not in lost]
        self.step()
        for one in ours:
            self.submit(one)
        self.finish(ours)

    def submit(self, one: Held) -> None:
        with open(self.queue, "a") as file:
            file.write(f"{one.name}\t{one.token}\n")
        self.step()

    def finish(self, held: list[Held]) -> None:
        self.task.submitted({one: one.token[:6] for one in held})
        self.step()
        self.task.ended(held, "finished")
        self.step()

    def recover(self) -> None:
        mine = self.task.mine()
        there = self.queue.read_text().split() if self.queue.exists() else []
        for one in mine:
            if one.state == "submitting" and one.held.token not in there:
                self.submit(one.held)
        self.finish([one.held for one in mine if one.state != "claimed"])

    def more(self) -> bool:
        return any(tally.state != "finished" for tally in progress(self.database, "trial"))


def main() -> None:
    run, folder, chance, seed = sys.argv[1:]
    claimer = Claimer(run, Path(folder), float(chance), seed)
    while True:
        try:
            return claimer.go()
        except NoDatabase as error:  # a deadlock, or a lock held too long: it begins again
            print(error, file=sys.stderr)


if __name__ == "__main__":
    main()
