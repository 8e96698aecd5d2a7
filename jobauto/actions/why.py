"""Why a job is where it is, in one line (and, for a failed one, the tail of its output)."""

from __future__ import annotations

from jobauto.actions.status import Status
from jobauto.admitting import WAITING
from jobauto.errors import UserError, near
from jobauto.ledger import Entry, files
from jobauto.model import State
from jobauto.needs import Need
from jobauto.ordering import CRITICAL
from jobauto.quoting import shown
from jobauto.reuse import memory


def full(name: str) -> str:
    """The full name of a job given as `folder/qsub.id` or `folder/id`."""
    folder, _, last = name.strip("/").rpartition("/")
    script = last if last.startswith("qsub.") else f"qsub.{last}"
    return f"{folder}/{script}" if folder else script


def find(status: Status, name: str) -> str:
    """The same for a job of a run; UserError if it is unknown."""
    found = full(name)
    if found not in status.states:
        raise UserError(f"no job {shown(name)}", str(status.run.folder), near(found, status.states))
    return found


def why(status: Status, name: str) -> str:
    """One sentence that begins with the job's name and state."""
    name = find(status, name)
    state = status.states[name]
    reason = files.get(status.run.private / memory.REASONS).get(name)
    ran = f"; no earlier result was taken over: {shown(reason)}" if reason else ""
    return f"{shown(name)} is {state.word}: {_because(status, name, state)}{ran}"


def tail(status: Status, name: str) -> str:
    """The end of the output of a failed job, as far as the remote showed it; else nothing."""
    entry = status.entries.get(find(status, name))
    if entry is None or entry.attempt is None or entry.state is not State.FAILED:
        return ""
    return status.run.tail(entry.attempt)


def _because(status: Status, name: str, state: State) -> str:
    entry = status.entries.get(name)
    if state is State.HELD:
        return f"there is no {shown(status.graph.jobs[name].dependency)}; add one to release it"
    if state is State.BLOCKED and name in status.culprits:
        return _blocked(status, name)
    if state in (State.WAITING, State.BLOCKED):
        return "; ".join(_missing(status, need) for need in status.graph.missing(name)[:5])
    if state is State.READY:
        if any(c.what in ("paused", "stopped") for c in status.conditions):
            return "; ".join(map(str, status.conditions))
        waits = files.get(status.run.private / WAITING).get(name) if status.monitor else None
        return f"it waits for a token: {shown(waits)}" if waits else _no_room(status)
    assert entry
    if state is State.STARTED:
        return _in_queue(status, entry)
    if state is State.SUBMITTING:
        return "it was handed to the scheduler, and the answer is not known yet"
    word = entry.words[-1]
    if state is State.UNSURE:
        return f"{state.sentence} ({word.date} {word.detail}); if it is not: jobauto retry JOB"
    if state is State.FAILED:
        return f"{word.detail} at {word.date}"
    return f"{state.sentence} ({word.date}{' ' + word.detail if word.detail else ''})"


def _no_room(status: Status) -> str:
    names = ("maxqsub", "maxpending")
    given = {name: status.run.settings.get(name) for name in names}
    limits = " ".join(f"--{name} {limit}" for name, limit in given.items() if limit)
    number = sum(status.others().values())
    others = f"; {number} other jobs of yours are in the queue" if number else ""
    tail = "" if status.monitor else "; but no monitor runs: jobmon.py --ldir RUN"
    critical = status.run.settings.get("order") == CRITICAL
    order = f", where the longest chain goes first (--order {CRITICAL})" if critical else ""
    task = status.run.settings.get("task")
    shared = f", or others of the task {task} are at it, or in its folder" if task else ""
    return f"it waits for room in the queue ({limits}){order}{others}{shown(shared)}{tail}"


def _blocked(status: Status, name: str) -> str:
    culprit = status.culprits[name]
    entry = status.entries[culprit]
    detail = f" ({entry.words[-1].detail})" if entry.words and entry.words[-1].detail else ""
    return f"it needs {shown(culprit)}, which {status.states[culprit].word}{detail}"


def _missing(status: Status, need: Need) -> str:
    file = shown(need.file)
    if need.absent:
        return f"it waits until {file} is gone"
    maker = status.graph.makers.get(need.file)
    if maker is None:
        return f"it waits for the file {file}, which no job is known to make"
    return f"it waits for {file}, which {shown(maker)} makes ({status.states[maker].word})"


def _in_queue(status: Status, entry: Entry) -> str:
    since = entry.words[-1].date if entry.words else "?"
    line = status.queue.get(entry.jobid)
    if line is None:
        return f"submitted as {entry.jobid} at {since}; the last look did not show it"
    return f"{line} in {status.run.scheduler}, since {since}"
