"""The verbs that change a run: told to its monitor, or done here when there is none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from pydantic import BaseModel, Field, ValidationError

from jobauto import lock, orders
from jobauto.actions.status import Status, status
from jobauto.actions.why import find
from jobauto.clock import Clock
from jobauto.errors import UserError, raise_all
from jobauto.host import Runner
from jobauto.lock import Holder
from jobauto.meeting import host_of, let_in
from jobauto.model import State
from jobauto.orders import Order
from jobauto.quoting import shown
from jobauto.resources import Inexpressible, parse
from jobauto.run import Run
from jobauto.schedulers import DIALECTS
from jobauto.settings import WEEK
from jobauto.sources import refused
from jobauto.start import prepare, read_options

_OPEN = frozenset(state for state in State if not state.final)
#: in which states a job must be for a verb, and what to say of the others
FOR_JOBS: Mapping[str, tuple[frozenset[State], str]] = {
    "retry": (
        frozenset(state for state in State if state.bad),
        "only failed, killed and unsure jobs can be tried again",
    ),
    "hold": (_OPEN - {State.HELD}, "only jobs that have not ended can be held"),
    "release": (
        frozenset({State.HELD, State.STARTED}),
        "only jobs on hold, here or in the queue, can be released",
    ),
    "kill": (_OPEN, "it has ended already"),
    "switchq": (_OPEN, "it has ended already"),
}
FOR_RUNS = ("stop", "resume", "limit", "check")
WORDS = {state.word: state for state in State}


class Limit(BaseModel, extra="forbid"):
    """What `limit` can change in a run."""

    maxqsub: int | None = Field(None, ge=1)
    maxpending: int | None = Field(None, ge=1)
    interval: float | None = Field(None, gt=0, le=WEEK)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The jobs that are concerned, and who sees to it: a monitor, or (None) it is done."""

    jobs: list[str]
    monitor: Holder | None


def order(
    folder: Path,
    verb: str,
    wanted: Sequence[str],
    clock: Clock,
    runner: Runner,
    values: Mapping[str, str] | None = None,
    who: str = "",
) -> Outcome:
    """Have a verb of FOR_JOBS or FOR_RUNS done by the monitor of a run, or here if there is none.

    `wanted`: names of jobs, patterns, words of states, or `all`. UserError, and nothing is
    changed, if a name is unknown, a job's state does not fit, or a value is wrong.
    """
    found = status(folder)
    given = checked(found, verb, wanted, clock.date(), values, who)
    if found.monitor:
        return tell(found, given)
    return Outcome(_here(found.run, given, clock, runner), None)


def checked(
    found: Status,
    verb: str,
    wanted: Sequence[str],
    date: str,
    values: Mapping[str, str] | None = None,
    who: str = "",
) -> Order:
    """What a monitor is to do, as `order` describes it; UserError if that cannot be done."""
    jobs = select(found, verb, wanted)
    return Order(verb, jobs, who or orders.me(), date, _checked(found.run, verb, values))


def tell(found: Status, given: Order) -> Outcome:
    """Leave an order to the monitor, which obeys it in its next tick."""
    orders.give(found.run.private, given)
    return Outcome(list(given.jobs), found.monitor)


def _here(run: Run, given: Order, clock: Clock, runner: Runner) -> list[str]:
    chosen, _ = read_options({"ldir": run.folder})
    with lock.held(run.private, clock.date()):
        host = host_of(run, runner, run.mirrored)
        monitor = prepare(run, chosen, host, clock)
        monitor.graph.set_done(monitor.ledger.done())
        concerned = given.jobs or (monitor.ledger.entries if given.verb == "switchq" else ())
        try:
            if any(e.job.name in concerned for e in monitor.ledger.in_flight()):
                let_in(host, runner)
            done = monitor.obeying.obey(given, monitor.looking.seen)
        finally:
            host.close()
        monitor.ledger.save(clock.date())
    return done


def _checked(run: Run, verb: str, values: Mapping[str, str] | None) -> dict[str, str]:
    """The values of `limit` and `switchq`, after a check."""
    given = dict(values or {})
    try:
        if verb == "limit":
            Limit.model_validate(given)
            if not given:
                raise ValueError("say what: --maxqsub, --maxpending or --interval")
        elif verb == "switchq":
            DIALECTS[run.scheduler].options(parse({"queue": given.get("queue", "")}))
    except ValidationError as error:
        raise UserError(refused(error)[1]) from None
    except Inexpressible as error:
        raise UserError(f"{run.scheduler} cannot express queue: {error.why}") from None
    except ValueError as error:
        raise UserError(str(error)) from None
    return given


def select(found: Status, verb: str, wanted: Sequence[str]) -> tuple[str, ...]:
    """The jobs meant by names, patterns, words of states or `all`, each once."""
    names, problems = dict[str, None](), list[UserError]()
    for text in wanted:
        try:
            names |= dict.fromkeys(_named(found, verb, text))
        except UserError as error:
            problems.append(error)
    raise_all(problems)
    return tuple(names)


def _named(found: Status, verb: str, text: str) -> Iterable[str]:
    states, hint = FOR_JOBS[verb]
    fitting = found.named(*states)
    if text == "all":
        return fitting
    if text in WORDS:
        return [name for name in fitting if found.states[name] is WORDS[text]]
    if any(c in text for c in "*?["):
        names = [name for name in fitting if fnmatchcase(name, text)]
        if not names:
            raise UserError(f"no job to {verb} is like {shown(text)}", hint=hint)
        return names
    name = find(found, text)
    if name not in fitting:
        raise UserError(f"{shown(name)} is {found.states[name].word}", str(found.run.folder), hint)
    return [name]
