"""Random histories: faults in any request, monitors that die at any request, restarts.

Whatever happens, every job ends finished and none is submitted twice. A seed replays its history.
"""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
from fake import FakeJob
from test_monitor import World, folders

from jobauto.errors import DONE
from jobauto.loop import loop

SEEDS = range(int(os.environ.get("JOBAUTO_HISTORIES", "150")))
FAULTS = ["refuse", "hang", "cut", "broken"]


class Died(BaseException):
    """The monitor's process is gone: nothing catches this, nothing tidies up."""


class Chaos:
    """What goes wrong: a request may fail, and the monitor may die before or after it."""

    def __init__(self, world: World, dice: random.Random, until: float) -> None:
        self.world, self.dice, self.until = world, dice, until
        world.host.hook = self.before
        self.real = world.host.ask
        world.host.ask = self.ask  # type: ignore[method-assign]

    def before(self, request: object) -> None:
        host = self.world.host
        host.faults = []
        if self.world.clock.now() < self.until and self.dice.random() < 0.3:
            host.faults = [self.dice.choice(FAULTS)]

    def ask(self, request: object) -> object:
        die = self.world.clock.now() < self.until and self.dice.random() < 0.15
        if die and self.dice.random() < 0.3:
            raise Died
        answer = self.real(request)
        if die:
            raise Died
        return answer


@pytest.mark.parametrize("seed", SEEDS)
def test_every_job_once_whatever_happens(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    dice = random.Random(seed)
    world = World(tmp_path / "L", folders(4), maxqsub=dice.randint(1, 6))
    for name in (f"m{n:03}/qsub.{i}" for n in range(4) for i in range(3)):
        world.cluster.plans[name] = FakeJob(seconds=dice.uniform(1, 60))
    if dice.random() < 0.3:
        world.cluster.limit = dice.randint(1, 3)
    Chaos(world, dice, world.clock.now() + 2000)
    for _ in range(1000):
        try:
            assert loop(world.monitor(), 10.0, world.clock.sleep) == DONE
            break
        except Died:
            world.clock.sleep(dice.uniform(0, 60))
    submitted = world.cluster.submitted()
    assert sorted(submitted) == sorted(set(submitted))
    assert len(submitted) == 12
    assert set(world.last_words().values()) == {"finished"}
