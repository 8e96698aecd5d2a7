"""Stopping a run: its monitor first, then all its jobs in one remote command."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from jobauto import lock
from jobauto.clock import Clock
from jobauto.errors import JobautoError
from jobauto.host import Host, Runner
from jobauto.judge import adopted, refused
from jobauto.ledger import Entry, Ledger
from jobauto.lock import Holder
from jobauto.meeting import host_of, let_in
from jobauto.model import InQueue, Queued, Seen
from jobauto.remote.killing import Kill, Killed
from jobauto.remote.observation import Observe
from jobauto.run import Run, open_run
from jobauto.schedulers import DIALECTS
from jobauto.start import share

# seconds from one look to the next at jobs that take their time to end; then they are left
PAUSES = (0.25, 0.25, 0.5, *[1.0] * 14)


@dataclass(slots=True)
class Outcome:
    """What `kill` did: the monitor it stopped, and the jobs by what became of them."""

    monitor: Holder | None
    killed: list[str] = field(default_factory=list)
    finished: list[str] = field(default_factory=list)
    unsure: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)  # still in the queue, against our wish
    others: set[str] = field(default_factory=set)  # JOBIDs given to other jobs since
    said: str = ""
    untold: str = ""  # why the database of a shared task does not know


def kill(folder: Path, runner: Runner, clock: Clock) -> Outcome:
    """Stop the monitor (if it runs), then end every job in flight and write that down.

    Works when the monitor is dead. RemoteError: the jobs are as they were, and still in qsub.now.
    """
    run = open_run(folder)
    outcome = Outcome(lock.terminate(run.private))
    with lock.held(run.private, clock.date(), wait=10):
        ledger = Ledger(run.folder, run.id)
        ledger.recover()
        host = host_of(run, runner, run.mirrored)
        try:
            if ledger.in_flight() or ledger.lingering:
                let_in(host, runner)
                if outcome.monitor is None:
                    outcome.others = _others(run, ledger, host)
                _kill_all(run, ledger, host, clock, outcome)
        finally:
            host.close()
        ledger.save(clock.date())
        outcome.untold = _tell(run, ledger, clock)
    return outcome


def _tell(run: Run, ledger: Ledger, clock: Clock) -> str:
    """Let the others of a shared task know; why that could not be done."""
    if run.chosen.task:
        try:
            share(run, run.chosen, ledger, clock).tell()
        except JobautoError as error:
            return str(error)
    return ""


def _kill_all(run: Run, ledger: Ledger, host: Host, clock: Clock, outcome: Outcome) -> None:
    answer = _ask(run, ledger, host, outcome.others)
    outcome.said = answer.said.strip()  # for the person, should anything be left
    found = [(e.job.name, _late(run, e, answer)) for e in ledger.in_flight() if not e.jobid]
    adopted = [(name, jobid) for name, jobid in found if jobid]
    if adopted:  # submitted after all: now their JOBIDs are known, end them too
        ledger.accept(adopted, clock.date())
        answer = _ask(run, ledger, host, outcome.others)
    for pause in PAUSES:
        slow = _alive(answer.queue, ledger, outcome, ending=True)
        if not slow:
            break
        clock.sleep(pause)
        answer = _ask(run, ledger, host, outcome.others, slow)
    alive = _alive(answer.queue, ledger, outcome, ending=False)
    for entry in ledger.in_flight():
        if entry.jobid in alive:
            outcome.left.append(entry.job.name)
        else:
            _settle(entry, run, ledger, answer, clock.date(), outcome)
    for jobid in list(ledger.lingering):
        ledger.left(jobid)


def _others(run: Run, ledger: Ledger, host: Host) -> set[str]:
    """Nobody looked for a while: JOBIDs of ours that belong to other jobs by now."""
    ours = {e.jobid: e.attempt for e in ledger.in_flight() if e.jobid and e.attempt}
    ours |= ledger.lingering
    seen = host.ask(Observe(DIALECTS[run.scheduler], run.rdir, jobids=list(ours), verify=True))
    return {j for j, a in ours.items() if j in seen.queue and not seen.names(j, a.token)}


def _alive(queue: dict[str, InQueue], ledger: Ledger, outcome: Outcome, ending: bool) -> set[str]:
    """JOBIDs of ours that the queue names; without those that are `ending`, unless wanted."""
    ours = {e.jobid for e in ledger.in_flight()} & queue.keys() - outcome.others
    return {j for j in ours if ending or queue[j].state is not Queued.ENDING}


def _ask(
    run: Run, ledger: Ledger, host: Host, others: set[str], only: set[str] | None = None
) -> Killed:
    """End all jobs in flight but `others`, or `only` some; what became of all."""
    flying = ledger.in_flight()
    jobids = [e.jobid for e in flying if e.jobid] + list(ledger.lingering)
    return host.ask(
        Kill(
            DIALECTS[run.scheduler],
            run.rdir,
            jobids=[j for j in jobids if j not in others and (only is None or j in only)],
            markers=[e.job.marker for e in flying],
            doubtful=[e.attempt for e in flying if e.attempt and not e.jobid],
        )
    )


def _late(run: Run, entry: Entry, answer: Killed) -> str | None:
    assert entry.attempt
    seen = Seen(answer.queue, claims=answer.claims)
    return adopted(entry.attempt, seen, DIALECTS[run.scheduler])


def _settle(
    entry: Entry, run: Run, ledger: Ledger, answer: Killed, date: str, outcome: Outcome
) -> None:
    name = entry.job.name
    claim = answer.claims.get(entry.attempt.token) if entry.attempt else None
    begun = entry.jobid or (claim and claim.begun)  # so the marker is of this attempt
    if begun and entry.job.marker in answer.markers:
        ledger.settle(name, "finished", date, left=entry.jobid not in answer.queue)
        outcome.finished.append(name)
    elif not entry.jobid and not (claim and refused(claim, DIALECTS[run.scheduler])):
        ledger.settle(name, "unsure", date, "killed-while-being-submitted")
        outcome.unsure.append(name)
    else:
        ledger.settle(name, "killed", date)
        outcome.killed.append(name)
