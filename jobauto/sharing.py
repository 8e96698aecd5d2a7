"""A run that shares its jobs with others: each is claimed in a database before it is handed in.

The run folder stays the truth about what we submitted; the database says who may. A tick brings
the two together (`reconcile`), whatever was cut off in between: nothing is kept in memory alone.
While the database cannot be asked nothing new is claimed, and what runs is followed as always.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from jobauto.claims import Database, Held, Holder, Lost, Standing, Task
from jobauto.claims.tables import (
    BAD,
    CLAIMED,
    DONE,
    FAILED,
    FREE,
    OPEN,
    SUBMITTING,
    VERDICTS,
)
from jobauto.clock import Clock, growing
from jobauto.conditions import Condition
from jobauto.errors import DatabaseError, NoDatabase
from jobauto.ledger import Entry, Ledger
from jobauto.ledger.quelist import Word
from jobauto.model import Job, State, stamp
from jobauto.quoting import shown, slug

log = logging.getLogger("jobauto")

BACK_OFF = (2.0, 60.0)  # seconds, while the database does not answer
_BY = "by-"  # before the name of whose verdict it is
_LOOKS = 2  # at which nobody else was at work, before a run ends that has not all its jobs


@dataclass(slots=True)
class Sharing:
    """Our part in a shared task. `held`: the jobs that are ours, with the tokens that say so."""

    task: Task
    ledger: Ledger
    clock: Clock
    held: dict[str, Held] = field(default_factory=dict)
    trouble: Condition | None = None
    _registered: set[str] = field(default_factory=set)
    _quiet: int = 0  # looks in a row at which nobody did what we wait for
    _failures: int = 0
    _until: float = 0.0

    def reconcile(self, known: Iterable[str]) -> list[str]:
        """Tell the database what became of our jobs, and learn what others did of the `known` ones;
        the names of those that others have done."""
        if self.clock.elapsed() < self._until:
            return []
        try:
            self._register(known)
            self.tell()
            self._say_lost(self.task.renew(list(self.held.values())))
            found = self._learn()
        except DatabaseError as error:
            self._failed(error)
            return []
        if self.trouble:
            log.info("the database answers again (no answer since %s)", self.trouble.since)
        self.trouble, self._failures = None, 0
        return found

    def take(self, ready: Sequence[str], room: int) -> list[str]:
        """Claim up to `room` of the jobs that may start; the names of those that are ours now."""
        if self.trouble or room <= 0 or not ready:
            return []
        try:
            taken = self.task.take(room, ready)
        except DatabaseError as error:
            self._failed(error)
            return []
        self.held |= {one.name: one for one in taken}
        return [one.name for one in taken]

    def hand_in(self, names: Sequence[str]) -> set[str]:
        """Say that these are handed in now; which of them may be. None while nobody answers."""
        ours = [self.held[name] for name in names if name in self.held]
        if self.trouble:
            return set()
        try:
            lost = self.task.submitting(ours)
        except DatabaseError as error:
            self._failed(error)
            return set()
        self._say_lost(lost)
        return {one.name for one in ours} - {one.name for one in lost}

    def done_here(self, names: Iterable[str]) -> None:
        """Tell that these are done, which nobody claimed: their results were here already."""
        try:
            self._tell_done(set(names))
        except DatabaseError as error:
            self._failed(error)

    def settled(self) -> bool:
        """The database knows what became of all our jobs, and nobody does what is left to do."""
        return not self.trouble and not self.held and self._quiet >= _LOOKS

    def conditions(self) -> list[Condition]:
        """That the database does not answer, if so."""
        return [self.trouble] if self.trouble else []

    def _register(self, known: Iterable[str]) -> None:
        new = set(known) - self._registered
        if new:
            if not self._registered:
                self.task.database.prepare()
            self.task.register([(name, name.partition("/")[0]) for name in new])
            self._registered |= new
            self._tell_done(new)

    def _tell_done(self, names: set[str]) -> None:
        """What was done here before, so that nobody does it again."""
        done = {n: e.state for n in names if (e := self.ledger.entries.get(n)) and e.state.done}
        free = [name for name, other in self.task.look(list(done)).items() if other.state == FREE]
        taken = self.task.take(len(free), free)
        for state in (State.FINISHED, State.SKIPPED):
            self.task.ended([one for one in taken if done[one.name] is state], state.word)

    def tell(self) -> None:
        """Tell the database what became of our jobs. DatabaseError."""
        mine = self.task.mine()
        ended, back = defaultdict[str, list[Held]](list), list[Held]()
        begun, jobids = list[Held](), dict[Held, str]()
        for one in mine:
            entry = self.ledger.entries.get(one.held.name)
            if not (entry and entry.open) and one.state == CLAIMED:
                back.append(one.held)  # never handed in
            elif entry is None or (entry.attempt is None and not entry.state.done):
                continue  # it was handed in, and our files do not know of it: a person decides
            elif entry.state is State.READY and one.state == SUBMITTING:
                back.append(one.held)  # certainly not taken
            elif entry.open:
                if entry.jobid and one.jobid != entry.jobid:
                    begun += [one.held] if one.state == CLAIMED else []
                    jobids[one.held] = entry.jobid
            else:
                ended[_verdict(entry)].append(one.held)
        lost = self.task.give_back(back) + self.task.submitting(begun)
        lost += self.task.submitted(jobids)
        for verdict, some in ended.items():
            lost += self.task.ended(some, verdict)
        self._say_lost(lost + self._released({one.held for one in mine}))
        gone = {*back, *(held for some in ended.values() for held in some)}
        self.held = {one.held.name: one.held for one in mine if one.held not in gone}

    def _released(self, mine: Collection[Held]) -> list[Lost]:
        """Jobs that were ours at the last look and are no more, though we did not end them."""
        lost = self.task.renew([one for one in self.held.values() if one not in mine])
        us = self.task.holder
        return [
            one
            for one in lost
            if one.state not in VERDICTS or (one.person, one.site) != (us.person, us.site)
        ]

    def _learn(self) -> list[str]:
        """Verdicts of others on jobs that are not done here."""
        done, again, busy = [], [], False
        looked = self.task.look([name for name in self._registered if self._undone(name)])
        for name, other in looked.items():
            entry = self.ledger.entries.get(name)
            if other.state in DONE:
                self._say(State.SKIPPED.word, other)
                done.append(name)
            elif other.state in OPEN:
                busy = True
            elif other.state in BAD and entry and entry.state is State.READY:
                if _wanted_again(entry):
                    again.append(name)
                else:
                    self._say(other.state, other)
        self.task.again(again)
        self._quiet = 0 if busy else self._quiet + 1 if len(done) < len(looked) else _LOOKS
        return done

    def _undone(self, name: str) -> bool:
        """Whether others may do a job, or may have done it since they failed."""
        entry = self.ledger.entries.get(name)
        if entry is None or not entry.state.final:
            return name not in self.held and not (entry and entry.open)
        return entry.state.bad and bool(entry.words) and entry.words[-1].detail.startswith(_BY)

    def _say(self, what: str, other: Standing) -> None:
        """Write down what another has made of a job, with who that is."""
        detail = slug(f"{_BY}{other.person}-at-{other.site}")
        word = Word(what, self.clock.date(), detail)
        if other.name in self.ledger.entries:
            self.ledger.say(other.name, word)
        else:
            self.ledger.enqueue(Job.from_name(other.name), word)

    def _say_lost(self, lost: Sequence[Lost]) -> None:
        for one in lost:
            whose = f"{one.person} at {one.site}" if one.person else "nobody"
            log.warning("%s is not ours any more: %s has it", shown(one.name), shown(whose))
            self.held.pop(one.name, None)

    def _failed(self, error: DatabaseError) -> None:
        wait = growing(self._failures, *BACK_OFF)
        self._until = self.clock.elapsed() + wait
        self._failures += 1
        since = self.trouble.since if self.trouble else self.clock.date()
        if not self.trouble:
            log.warning("no database: %s; nothing new is submitted meanwhile", error)
        until = stamp(self.clock.now() + wait)
        self.trouble = Condition("no database", error.what, since, until)


def joined(url: str, task: str, site: str, run: str, ledger: Ledger, clock: Clock) -> Sharing:
    """Our part in a task of a database. UserError; DatabaseError if it does not let us in."""
    database = Database(url)
    holder = Holder(database.person, site, run)
    shared = Sharing(Task(database, task, holder), ledger, clock)
    try:
        database.prepare()
    except NoDatabase as error:  # what runs already is followed all the same
        shared._failed(error)
    return shared


def _wanted_again(entry: Entry) -> bool:
    return bool(entry.words) and entry.words[-1].what == "retry"


def _verdict(entry: Entry) -> str:
    """The word for the database; a job that is to run again has failed before."""
    return entry.state.word if entry.state.final else FAILED
