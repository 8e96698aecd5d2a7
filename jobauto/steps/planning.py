"""What there is to do: which folders go to which model, in which order, and what need not run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from jobauto.steps.folders import Folder, Todo
from jobauto.steps.order import Place, spread
from jobauto.steps.service import Service


@dataclass(frozen=True, slots=True)
class Turn:
    """A folder, when its turn comes, and those of its steps that the service holds already then."""

    folder: Folder
    held: frozenset[str]


@dataclass(frozen=True, slots=True)
class Plan:
    """The folders of each model, in order."""

    service: Service
    models: dict[str, list[Turn]]
    skip: bool = True

    @property
    def turns(self) -> Iterator[tuple[str, Turn]]:
        """All of them, with their models."""
        return ((model, turn) for model, turns in self.models.items() for turn in turns)

    @property
    def steps(self) -> int:
        """How many steps there are in all folders."""
        return sum(len(turn.folder.steps) for _, turn in self.turns)

    @property
    def spared(self) -> int:
        """How many of them need not run."""
        return sum(len(turn.held) for _, turn in self.turns)


def plan(
    service: Service, found: Sequence[Folder], models: Sequence[str], skip: bool = True
) -> Plan:
    """Spread folders over models and order them, so that few steps run; `skip` False: all run."""
    kept = [name for name in service.order if service.holds(name)]
    costs = [service.steps[name].cost for name in kept]
    places = [
        Place(
            tuple(folder.steps[name].key for name in kept),
            sum(_cost(service, todo) for todo in folder.steps.values() if todo.step not in kept),
        )
        for folder in found
    ]
    parts = spread(places, costs, len(models))
    made = {
        model: list(_turns(service, [found[number] for number in part], skip))
        for model, part in zip(models, parts, strict=True)
    }
    return Plan(service, made, skip)


def _cost(service: Service, todo: Todo) -> int:
    return service.steps[todo.step].cost


def _turns(service: Service, row: Sequence[Folder], skip: bool) -> Iterator[Turn]:
    """Each folder, with what it has in common with the one before."""
    before: dict[str, str] = {}
    for folder in row:
        now = {todo.id: todo.key for todo in folder.steps.values() if service.holds(todo.step)}
        same = frozenset(name for name, key in now.items() if before.get(name) == key)
        yield Turn(folder, same if skip else frozenset())
        before = now
