"""Running failed, killed and unsure jobs again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from jobauto import lock, orders
from jobauto.actions.status import Status, status
from jobauto.actions.why import find
from jobauto.clock import Clock
from jobauto.errors import UserError
from jobauto.ledger import Ledger
from jobauto.lock import Holder
from jobauto.model import State
from jobauto.orders import Order
from jobauto.quoting import shown

BAD = {state.word: state for state in State if state.bad}


@dataclass(frozen=True, slots=True)
class Outcome:
    """The jobs that will run again, and who sees to that: a monitor, or (None) the next one."""

    jobs: list[str]
    monitor: Holder | None


def retry(folder: Path, wanted: Sequence[str], clock: Clock) -> Outcome:
    """Have jobs tried again: names, patterns, or one of the states failed, killed, unsure.

    A running monitor is told, else quelist is changed here. UserError, and nothing is changed, if
    a name is unknown, or its job has not ended badly.
    """
    found = status(folder)
    names = tuple(dict.fromkeys(name for text in wanted for name in _named(found, text)))
    order = Order("retry", names, orders.me(), clock.date())
    if found.monitor:
        orders.give(found.run.private, order)
        return Outcome(list(names), found.monitor)
    with lock.held(found.run.private, clock.date()):
        ledger = Ledger(found.run.folder, found.run.id)
        ledger.recover()
        done = orders.obey(order, ledger)
        ledger.save(clock.date())
    return Outcome(done, None)


def _named(found: Status, text: str) -> Iterable[str]:
    if text in BAD:
        return found.named(BAD[text])
    bad = found.named(*BAD.values())
    if any(c in text for c in "*?["):
        names = [name for name in bad if fnmatchcase(name, text)]
        if not names:
            raise UserError(f"no failed, killed or unsure job is like {shown(text)}")
        return names
    name = find(found, text)
    if name not in bad:
        word = found.states[name].word
        hint = "only failed, killed and unsure jobs can be tried again"
        raise UserError(f"{shown(name)} is {word}", str(found.run.folder), hint)
    return [name]
