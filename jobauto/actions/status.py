"""What state each job of a run is in, from the run folder's files alone."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

from jobauto import lock
from jobauto.conditions import Condition
from jobauto.conditions import read as read_conditions
from jobauto.graph import Graph
from jobauto.ledger import Entry, Ledger, files
from jobauto.lock import Holder
from jobauto.model import InQueue, Queued, State
from jobauto.run import Run, open_run, survey
from jobauto.schedulers import DIALECTS, Unreadable
from jobauto.states import all_states, count
from jobauto.strange import strange


@dataclass(slots=True)
class Status:
    """A run as its files tell it; `states` has every job, `queue` the scheduler's last answer."""

    run: Run
    graph: Graph
    entries: dict[str, Entry]
    states: dict[str, State]
    culprits: dict[str, str]  # blocked job -> the job that failed
    queue: dict[str, InQueue]
    monitor: Holder | None  # who watches the run now
    conditions: list[Condition]  # what keeps it from going on as it should

    def counts(self) -> dict[State, int]:
        """How many jobs are in each state."""
        return count(self.states.values())

    def strange(self) -> dict[str, InQueue]:
        """Jobs in the queue that wait for a person, most likely: held, suspended, in error."""
        started = [self.entries[name] for name in self.named(State.STARTED)]
        lines = [(e, self.queue[e.jobid]) for e in started if e.jobid in self.queue]
        graph, found = self.graph, {e.job.name: line for e, line in lines}
        waits = {name for name in found if name in graph.jobs and not graph.satisfied(name)}
        return {name: line for name, line in found.items() if strange(line, name in waits)}

    def others(self) -> dict[Queued, int]:
        """The person's jobs in the queue that are not of this run: they fill limits, too."""
        ours = {entry.jobid for entry in self.entries.values()}
        return dict(Counter(q.state for q in self.queue.values() if q.jobid not in ours))

    def named(self, *states: State) -> list[str]:
        """Jobs in one of these states, in order of name."""
        return sorted(name for name, state in self.states.items() if state in states)


def as_data(status: Status) -> dict[str, object]:
    """The same for programs: plain values, states by their words."""
    return {
        "run": str(status.run.folder),
        "scheduler": status.run.scheduler,
        "remote": status.run.remote,
        "monitor": asdict(status.monitor) if status.monitor else None,
        "conditions": [asdict(condition) for condition in status.conditions],
        "others": {state.value: number for state, number in status.others().items()},
        "counts": {state.word: number for state, number in status.counts().items()},
        "jobs": {
            name: _job_data(state, status.entries.get(name))
            for name, state in sorted(status.states.items())
        },
    }


def _job_data(state: State, entry: Entry | None) -> dict[str, object]:
    words = [str(word) for word in entry.words] if entry else []
    return {"state": state.word, "jobid": entry.jobid if entry else "", "words": words}


def status(folder: Path) -> Status:
    """The status of the run in `folder`; works on a run that nobody watches, too."""
    run = open_run(folder)
    _, graph, _ = survey(run.folder)
    ledger = Ledger(run.folder, run.id)
    ledger.recover()
    graph.set_done(ledger.done())
    queue = last_queue(run)
    watched = lock.watcher(run.private)
    states, culprits = all_states(graph, ledger.entries, bool(watched))
    conditions = read_conditions(run.private) if watched else run.conditions()
    return Status(run, graph, ledger.entries, states, culprits, queue, watched, conditions)


def last_queue(run: Run) -> dict[str, InQueue]:
    """What the scheduler last said, from the file `qstat`: JOBID to its line."""
    path = run.folder / "qstat"
    if not path.exists() or not run.scheduler:
        return {}
    try:
        jobs = DIALECTS[run.scheduler].parse(files.read(path).partition("\n")[2])
    except Unreadable:
        return {}
    return {job.jobid: job for job in jobs}
