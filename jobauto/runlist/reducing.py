"""The sum of many outputs, as one job or as a tree of them; pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jobauto.runlist.naming import SUM


@dataclass(frozen=True, slots=True)
class Source:
    """A file to be summed, and the marker of the job that makes it; '' if it is there already."""

    output: str
    marker: str


@dataclass(frozen=True, slots=True)
class Reduce:
    """A job that sums `sources` to `output`; `name` is that of its folder."""

    name: str
    output: str
    sources: tuple[Source, ...]

    @property
    def needs(self) -> list[str]:
        """The markers that it waits for, as its dependency file names them."""
        return [source.marker for source in self.sources if source.marker]


def reduces(sources: Sequence[Source], out: str, suffix: str, fan_in: int) -> list[Reduce]:
    """Jobs that end in `out`/hadd`suffix`, none with more than `fan_in` (2 or more) sources.

    Groups are filled in order, so that the sums of earlier files stay what they were when more
    files come behind them.
    """
    made: list[Reduce] = []
    current, level = list(sources), 1
    while len(current) > fan_in:
        following: list[Source] = []
        for number, begin in enumerate(range(0, len(current), fan_in), 1):
            group = tuple(current[begin : begin + fan_in])
            if len(group) == 1:
                following += group
                continue
            name = f"{SUM}-{level}-{number}"
            made.append(Reduce(name, f"{out}/{SUM}/{level}-{number}{suffix}", group))
            following.append(Source(made[-1].output, f"../{name}/qsub.finished.hadd"))
        current, level = following, level + 1
    return [*made, Reduce(SUM, f"{out}/{SUM}{suffix}", tuple(current))]
