"""An uneven tree: many short folders that are queued first, and some long chains that come last.

Runs of it in memory, to see how soon they end; `bound` is what no order can beat.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fake import FakeJob
from test_monitor import World

from jobauto.errors import DONE


@dataclass(frozen=True)
class Uneven:
    """A tree by its dice: what each job takes in seconds, and the ids of a chain, in order."""

    slots: int
    chains: dict[str, list[str]]  # folder to its ids
    seconds: dict[str, float]  # of each job

    @classmethod
    def thrown(cls, seed: int, full: bool = False) -> Uneven:
        """Short folders of one job (a), chains of many quick jobs (m), and of few long ones (z).

        The longest chain takes about as long as all work by all slots; if `full`, less.
        """
        dice = random.Random(seed)
        slots, length = dice.randint(4, 6), dice.randint(3, 4)
        long = dice.randint(2, slots) if full else slots // 2
        stages = {f"c{i}": dice.uniform(600, 1200) for i in range(length)}
        longest = sum(stages.values())
        stages |= {f"q{i}": dice.uniform(30, 60) for i in range(length + 1)}
        stages["s"] = dice.uniform(100, 200)
        number = int(dice.uniform(0.25, 1.0 if full else 0.5) * slots * longest / stages["s"])
        chains = {f"a{n:03}": ["s"] for n in range(number)}
        chains |= {f"m{n}": [one for one in stages if one[0] == "q"] for n in range(2 * slots)}
        chains |= {f"z{n}": [one for one in stages if one[0] == "c"] for n in range(long)}
        seconds = {
            f"{folder}/qsub.{one}": stages[one] * dice.uniform(0.8, 1.25)
            for folder, ids in chains.items()
            for one in ids
        }
        return cls(slots, chains, seconds)

    def tree(self) -> dict[str, str]:
        """The files of the init tree."""
        files = {}
        for folder, ids in self.chains.items():
            for before, one in zip(["", *ids], ids, strict=False):
                files[f"{folder}/qsub.{one}"] = ""
                needs = f"qsub.finished.{before}\n" if before else ""
                files[f"{folder}/qsub.dependency.{one}"] = needs
        return files

    @property
    def longest(self) -> float:
        """Seconds of the longest chain."""
        return max(
            sum(self.seconds[f"{folder}/qsub.{one}"] for one in ids)
            for folder, ids in self.chains.items()
        )

    @property
    def bound(self) -> float:
        """Seconds: all work by all slots at once, or the longest chain."""
        return max(sum(self.seconds.values()) / self.slots, self.longest)

    def ratio(self, ldir: Path, order: str, **options: Any) -> float:
        """How many times `bound` a run takes, from its first submission to its last end."""
        options = {"interval": 20.0, "maxqsub": self.slots, "order": order, **options}
        w = World(ldir, self.tree(), **options)
        w.cluster.plans.update({name: FakeJob(time) for name, time in self.seconds.items()})
        assert w.finish() == DONE
        moments = [moment for moment, _, _ in w.cluster.history]
        return (max(moments) - min(moments)) / self.bound
