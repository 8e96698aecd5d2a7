"""What each verb does to a run: obeyed by the monitor in its next tick, else by the verb itself.

Doing an order twice is doing it once. An order that needs the remote and could not reach it stays.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from jobauto import orders, quoting
from jobauto.clock import Clock
from jobauto.errors import UserError
from jobauto.graph import Graph
from jobauto.host import Host
from jobauto.ledger import Entry, Ledger
from jobauto.ledger.quelist import Word
from jobauto.limits import Limits
from jobauto.model import Queued, Seen, State
from jobauto.noticing import Noticing
from jobauto.orders import Order
from jobauto.remote.killing import Kill
from jobauto.remote.steering import Steer, Steered
from jobauto.run import Run
from jobauto.schedulers import Dialect

log = logging.getLogger("jobauto")


@dataclass(slots=True)
class Obeying:
    """Obeys orders. `interval`: seconds from one look to the next, as ordered last."""

    run: Run
    graph: Graph
    ledger: Ledger
    host: Host
    dialect: Dialect
    limits: Limits
    noticing: Noticing
    clock: Clock
    interval: float
    _ended: set[str] = field(default_factory=set)  # JOBIDs that the scheduler was told to end

    def obey_waiting(self, seen: Seen) -> None:
        """Do what was ordered meanwhile. `seen`: the last look.

        RemoteError: what is left has to be done again.
        """
        for path, order in orders.waiting(self.run.private):
            try:
                self.obey(order, seen)
            except (UserError, ValueError, KeyError) as error:  # not written by a verb of ours
                log.error("%s: cannot be obeyed: %s", path, quoting.shown(str(error)))
            self.ledger.save(self.clock.date())
            path.unlink()

    def obey(self, order: Order, seen: Seen) -> list[str]:
        """Do what is ordered; the jobs that it changed. `seen`: the last look.

        RemoteError: it has to be done again.
        """
        verbs: dict[str, Callable[[Order, Seen], list[str]]] = {
            "retry": self._retry,
            "stop": self._stop,
            "resume": self._resume,
            "limit": self._limit,
            "hold": self._hold,
            "release": self._release,
            "switchq": self._switchq,
            "kill": self._kill,
            "check": lambda _order, _seen: [],  # the look follows
        }
        if order.verb not in verbs:
            log.error("unknown order %s by %s", quoting.shown(order.verb), quoting.shown(order.who))
            return []
        changed = verbs[order.verb](order, seen)
        facts = [f"{key} {value}" for key, value in order.values.items()]
        about = [*facts, *changed[:3], *([f"{len(changed)} jobs"] if len(changed) > 3 else [])]
        log.info("%s by %s: %s", order.verb, order.who, quoting.shown(", ".join(about) or "done"))
        return changed

    def _retry(self, order: Order, _seen: Seen) -> list[str]:
        found = [e.job.name for e in self._entries(order) if e.state.bad]
        for name in found:
            self.run.killed.pop(name, None)
            self.ledger.say(name, Word("retry", order.date, quoting.slug(order.who)))
        return found

    def _stop(self, order: Order, _seen: Seen) -> list[str]:
        self.run.stopped = self.run.stopped or (order.who, order.date)
        self.run.save()
        return []

    def _resume(self, _order: Order, _seen: Seen) -> list[str]:
        self.run.stopped = None
        self.run.save()
        return []

    def _limit(self, order: Order, _seen: Seen) -> list[str]:
        kept = self.run.settings
        kept |= {k: int(v) for k, v in order.values.items() if k in ("maxqsub", "maxpending")}
        kept |= {k: float(v) for k, v in order.values.items() if k == "interval"}
        self.limits.maxqsub = kept.get("maxqsub", self.limits.maxqsub)
        self.limits.maxpending = kept.get("maxpending", self.limits.maxpending)
        self.interval = kept.get("interval", self.interval)
        self.run.save()
        return []

    def _hold(self, order: Order, _seen: Seen) -> list[str]:
        queued = self._queued(order.jobs)
        waits = [n for n in self._not_begun(order.jobs) if not self.graph.held(n)]
        for name in waits:
            job = self.graph.jobs[name]
            with contextlib.suppress(FileNotFoundError):  # a person was quicker
                (self.run.folder / job.dependency).rename(self.run.folder / job.held)
        self.noticing.soon()
        self._steer("hold", queued, Steer.hold)
        return [*queued, *waits]

    def _release(self, order: Order, _seen: Seen) -> list[str]:
        queued = self._queued(order.jobs)
        waits = [n for n in self._not_begun(order.jobs) if self.graph.held(n)]
        for name in waits:
            job = self.graph.jobs[name]
            held, there = self.run.folder / job.held, self.run.folder / job.dependency
            held.rename(there) if held.exists() else there.touch()
        self.noticing.soon()
        self._steer("release", queued, Steer.release)
        return [*queued, *waits]

    def _switchq(self, order: Order, seen: Seen) -> list[str]:
        queue = order.values["queue"]
        if not order.jobs:
            self.run.moved.clear()
        self.run.moved.update(dict.fromkeys(order.jobs or [""], queue))
        self.run.save()
        running = {i for i, q in seen.queue.items() if q.state in (Queued.RUNNING, Queued.ENDING)}
        queued = self._queued(order.jobs or self.ledger.entries)
        pending = {name: jobid for name, jobid in queued.items() if jobid not in running}
        self._steer("switchq", pending, lambda d, folder, ids: Steer.move(d, folder, ids, queue))
        return list(pending)

    def _kill(self, order: Order, _seen: Seen) -> list[str]:
        begun = {e.job.name for e in self.ledger.in_flight()} & set(order.jobs)
        self.run.killed |= dict.fromkeys(begun, order.who)
        self.run.save()
        waits = self._not_begun(order.jobs)
        for name in waits:
            self.ledger.enqueue(self.graph.jobs[name])
            self.ledger.say(name, Word("killed", order.date, quoting.slug(order.who)))
        self.end_killed()
        return [*begun, *waits]

    def end_killed(self) -> None:
        """Have the scheduler end what a person killed, as soon as its JOBID is known.

        What the scheduler did not take after all is not submitted again.
        """
        known = map(self.ledger.entries.get, self.run.killed)
        entries = [entry for entry in known if entry]  # quelist may have been renamed
        for entry in entries:
            if entry.state is State.READY:
                _, who = self.verdict(entry.job.name, "failed", "")
                self.ledger.say(entry.job.name, Word("killed", self.clock.date(), who))
        flying = [e.jobid for e in entries if e.open and e.jobid]
        jobids = [jobid for jobid in flying if jobid not in self._ended]
        if jobids:
            self.host.ask(Kill(self.dialect, self.run.rdir, jobids))
            self._ended.update(jobids)

    def verdict(self, name: str, what: str, detail: str) -> tuple[str, str]:
        """A verdict on a job, and its reason; one that a person killed did not fail."""
        if name not in self.run.killed or what in ("putback", "early"):
            return what, detail
        who = self.run.killed.pop(name)
        self.run.save()
        return ("killed", quoting.slug(who)) if what == "failed" else (what, detail)

    def _entries(self, order: Order) -> list[Entry]:
        return [self.ledger.entries[name] for name in order.jobs if name in self.ledger.entries]

    def _queued(self, names: Iterable[str]) -> dict[str, str]:
        """Which of these jobs are in the queue: their JOBIDs."""
        flying = {e.job.name: e.jobid for e in self.ledger.in_flight() if e.jobid}
        return {name: flying[name] for name in names if name in flying}

    def _not_begun(self, names: Iterable[str]) -> list[str]:
        """Which of these jobs are not, and never were, in the queue since they may run."""
        entries = self.ledger.entries
        fresh = (n for n in names if n in self.graph.jobs)
        return [n for n in fresh if n not in entries or entries[n].state is State.READY]

    def _steer(
        self, verb: str, jobs: dict[str, str], make: Callable[[Dialect, str, list[str]], Steer]
    ) -> None:
        if not jobs:
            return
        done: Steered = self.host.ask(make(self.dialect, self.run.rdir, list(jobs.values())))
        if not done.done:
            log.warning("%s: the scheduler says: %s", verb, quoting.shown(done.said.strip()))
