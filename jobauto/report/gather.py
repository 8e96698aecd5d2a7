"""What a report tells: each job with its times, as far as the files of the run know them.

The files know when a job was sent, when the scheduler took it, in which look it was first seen to
run, and in which its end was seen. Of a job that no look saw run, waiting in the queue and running
are one span, except with the local engine, which runs a job at once.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from jobauto.actions.status import Status, status
from jobauto.graph import Graph
from jobauto.ledger import Entry, files
from jobauto.ledger.tries import Try, logged, tries_of
from jobauto.model import Attempt, Job, State, known, span

LOCAL = "local"  # the engine that runs a job at once
_IN_FLIGHT = (State.STARTED, State.SUBMITTING)


@dataclass(frozen=True, slots=True)
class Row:
    """A job. `ready`: the end of the last job that it needs, or the start of the run.

    `culprit` is the job for which it is blocked, `blocks` how many jobs are blocked for it.
    """

    job: Job
    state: State
    tries: tuple[Try, ...]
    ready: float | None
    ended: float | None
    reason: str
    queued: str
    culprit: str
    blocks: int
    tail: str

    @property
    def jobid(self) -> str:
        return self.tries[-1].jobid if self.tries else ""

    @property
    def begin(self) -> float | None:
        """When it was first sent."""
        return self.tries[0].begin if self.tries else None

    @property
    def submitted(self) -> float | None:
        """When the scheduler took its last submission."""
        return self.tries[-1].taken if self.tries else None

    @property
    def before(self) -> float | None:
        """Seconds from ready to the first time it was sent."""
        return span(self.ready, self.begin)

    @property
    def in_queue(self) -> float | None:
        """Seconds from its last submission to its end: waiting in the queue and running."""
        return self.tries[-1].in_queue if self.tries else None

    @property
    def running(self) -> float | None:
        """When its last submission was first seen to run."""
        return self.tries[-1].running if self.tries else None

    @property
    def waited(self) -> float | None:
        """Seconds that its last submission waited in the queue."""
        return self.tries[-1].waited if self.tries else None

    @property
    def ran(self) -> float | None:
        """Seconds that its last submission ran."""
        return self.tries[-1].ran if self.tries else None


@dataclass(frozen=True, slots=True)
class Report:
    """A run as its files tell it, up to `as_of`: the last moment of which they know anything."""

    title: str
    begin: float | None
    as_of: float | None
    status: Status
    rows: list[Row]

    @property
    def graph(self) -> Graph:
        return self.status.graph

    @property
    def scheduler(self) -> str:
        return self.status.run.scheduler

    @property
    def runs_at_once(self) -> bool:
        """Nothing ever waits in the queue: a job runs from its submission on."""
        return self.scheduler == LOCAL

    @property
    def maxqsub(self) -> int:
        """The limit that was last set; 0 if it is not known."""
        limit = self.status.run.settings.get("maxqsub")
        return limit if isinstance(limit, int) else 0

    def where(self) -> str:
        """Whether the run goes on, in a few words."""
        states = set(self.status.states.values())
        if self.status.monitor:
            return "still going on"
        if states & {*_IN_FLIGHT, State.READY, State.WAITING}:
            return "not over, and no monitor runs"
        return "over"


def gather(folder: Path) -> Report:
    """The report of the run in `folder`, from its files alone."""
    found = status(folder)
    in_log = logged(found.run.folder / "qsub.log")
    names = sorted(found.states)
    tries = {name: tries_of(found.entries.get(name), in_log.get(name)) for name in names}
    if found.run.scheduler == LOCAL:
        for one in (one for many in tries.values() for one in many):
            one.running = one.taken
    ends = {name: _ended(entry) for name, entry in found.entries.items()}
    moments = [t for many in tries.values() for one in many for t in _moments(one)]
    moments += [end for end in ends.values() if end is not None]
    dated = known(found.run.folder.name)
    begin = min([*moments, *([dated] if dated is not None else [])], default=None)
    looked = _last_look(found.run.folder / "qstat")
    as_of = max([*moments, *([looked] if looked is not None else [])], default=begin)
    blocks = Counter(found.culprits.values())
    rows = [
        Row(
            job=found.graph.jobs.get(name) or found.entries[name].job,
            state=found.states[name],
            tries=tuple(tries[name]),
            ready=_ready(found, name, ends, begin),
            ended=ends.get(name),
            reason=_reason(found.entries.get(name)),
            queued=_queued(found, name),
            culprit=found.culprits.get(name, ""),
            blocks=blocks[name],
            tail=_tail(found, name, tries[name]),
        )
        for name in names
    ]
    run = found.run.folder
    return Report(f"{run.parent.name}/{run.name}", begin, as_of, found, rows)


def _moments(one: Try) -> list[float]:
    return [at for at in (one.sent, one.taken, one.running, one.ended) if at is not None]


def _last_look(path: Path) -> float | None:
    words = files.read(path).partition("\n")[0].split() if path.exists() else []
    return known(words[1]) if words[1:] else None


def _ended(entry: Entry) -> float | None:
    return known(entry.words[-1].date) if entry.state.final and entry.words else None


def _reason(entry: Entry | None) -> str:
    return entry.words[-1].detail if entry and entry.state.final and entry.words else ""


def _queued(found: Status, name: str) -> str:
    """What the queue called a job in the last look."""
    entry = found.entries.get(name)
    line = found.queue.get(entry.jobid) if entry and found.states[name] in _IN_FLIGHT else None
    return line.state.value if line else ""


def _ready(
    found: Status, name: str, ends: dict[str, float | None], begin: float | None
) -> float | None:
    """When the last job ended that it needs; None if a file decides of which nothing is known."""
    latest = begin
    for need in found.graph.needs.get(name, []):
        maker = None if need.absent else found.graph.makers.get(need.file)
        end = ends.get(maker) if maker and found.states[maker].done else None
        if end is None:
            return None
        latest = end if latest is None else max(latest, end)
    return None if found.graph.held(name) else latest


def _tail(found: Status, name: str, tries: list[Try]) -> str:
    if not tries or not found.states[name].bad or not tries[-1].token:
        return ""
    return found.run.tail(Attempt(Job.from_name(name), tries[-1].number, tries[-1].token))
