"""Holding, releasing and moving jobs that are in the queue; what came of it the next look shows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from jobauto import quoting
from jobauto.errors import CouldNotAsk
from jobauto.remote.framing import Answer, Frame, portions, sections
from jobauto.schedulers import Dialect


@dataclass(frozen=True, slots=True)
class Steered:
    """Whether the scheduler did it for all, and what it said."""

    done: bool
    said: str


@dataclass(frozen=True, slots=True)
class Steer:
    """Say one thing to many jobs: `order` is what the dialect makes of some JOBIDs."""

    dialect: Dialect
    folder: str
    jobids: Sequence[str]
    order: Callable[[Sequence[str]], str]
    frame: Frame = field(default_factory=Frame)

    @classmethod
    def hold(cls, dialect: Dialect, folder: str, jobids: Sequence[str]) -> Steer:
        """Let jobs that wait in the queue not start."""
        return cls(dialect, folder, jobids, dialect.hold)

    @classmethod
    def release(cls, dialect: Dialect, folder: str, jobids: Sequence[str]) -> Steer:
        """Let held jobs start."""
        return cls(dialect, folder, jobids, dialect.release)

    @classmethod
    def move(cls, dialect: Dialect, folder: str, jobids: Sequence[str], queue: str) -> Steer:
        """Put jobs that wait into another queue."""
        name = quoting.word(queue)
        return cls(dialect, folder, jobids, lambda some: dialect.move(some, name))

    @property
    def timeout(self) -> float:
        return 120.0

    def script(self) -> str:
        asks = (f"ask {quoting.word(self.order(some))}" for some in portions(self.jobids))
        lines = [line for ask in asks for line in ("echo @steer", ask)]
        return self.frame.script(self.folder, "\n".join([self.dialect.prelude, *lines]))

    def read(self, answer: Answer) -> Steered:
        found = list(sections(self.frame.body(answer, self.folder)))
        if [section.tag for section in found] != ["steer"] * len(list(portions(self.jobids))):
            raise CouldNotAsk("the answer is not one for each order")
        said = "".join(section.errors + section.text for section in found)
        return Steered(all(section.exit_code == 0 for section in found), said)
