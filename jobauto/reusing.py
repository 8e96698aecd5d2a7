"""The step of a tick that lets jobs take over the results of earlier ones instead of running.

Before anything that needs a job is submitted, its outputs are summed and noted (`remember`), as
later jobs of the folder may write over them; what is not as it was is never taken over. A job
whose key another one in the queue has waits for that.
"""

from __future__ import annotations

import logging
import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from jobauto import quoting
from jobauto.clock import Clock
from jobauto.errors import UserError
from jobauto.graph import Graph
from jobauto.host import Host
from jobauto.ledger import Ledger, files
from jobauto.ledger.quelist import Word
from jobauto.model import Job, State
from jobauto.remote.reusing import Found, SumOutputs, TakeOver
from jobauto.reuse import memory
from jobauto.reuse.keys import SCRIPT, Key, edited, keys, listed, text_hash
from jobauto.reuse.memory import Known, Place, Result
from jobauto.run import Run, is_run, open_run, runs_in

log = logging.getLogger("jobauto")

OFF = "off"


@dataclass(slots=True)
class Reusing:
    """Keys of the run's jobs, and the results that are known. `reasons`: why jobs with a key run
    all the same, for people."""

    run: Run
    graph: Graph
    ledger: Ledger
    host: Host
    clock: Clock
    keys: dict[str, Key]
    known: Known
    reasons: dict[str, str] = field(default_factory=dict)
    noted: set[tuple[str, int]] = field(default_factory=set)  # job and number of its attempt
    _changed: set[str] = field(init=False)  # jobs of which there is news

    def __post_init__(self) -> None:
        self._changed = self.ledger.follow()

    def remember(self) -> None:
        """Note the keys and outputs of jobs that have finished; one round trip if there are any."""
        ended = sorted(name for name in self._changed if self._due(name))
        self._forget_edited(ended)
        due = {n: files for n in ended if n in self.keys if (files := self._outputs(n)) is not None}
        paths = [
            posixpath.join(self.graph.jobs[name].folder, file) for name in due for file in due[name]
        ]
        sums = self.host.ask(SumOutputs(self.run.rdir, paths)) if paths else {}
        results = [self._result(name, files, sums) for name, files in due.items()]
        if results:
            memory.note(self.run.private, results)
        self.noted |= {(name, self._number(name)) for name in ended}
        self._changed.clear()
        for result in results:
            self.known.add(result, self.run.folder.name, self.run.rdir)

    def _result(self, name: str, files: Sequence[str], sums: Mapping[str, str]) -> Result:
        """What is to be noted of a job: nothing that others could take over if it is not whole."""
        folder, key, number = self.graph.jobs[name].folder, self.keys[name], self._number(name)
        outputs = {file: sums.get(posixpath.join(folder, file), "") for file in files}
        gone = [quoting.shown(file) for file, digest in outputs.items() if not digest]
        if not gone:
            return Result(name, key.word, key.parts, outputs, number)
        log.warning("%s: it made no %s", quoting.shown(name), ", ".join(gone))
        return Result(name, "", {}, {}, number)

    def take_over(self, ready: Sequence[str]) -> list[str]:
        """Those of the jobs that may start which are done now, without running; one round trip if
        there are results to be tried."""
        before = len(self.reasons)
        self._forget_edited([name for name in ready if self._untried(name)])
        running = set(self.worth_running(ready))
        found = {name: place for name in ready if (place := self._place(name, name in running))}
        taken = self._try(found) if found else []
        if len(self.reasons) > before:
            files.put(self.run.private / memory.REASONS, self.reasons)
        return taken

    def _try(self, found: Mapping[str, Place]) -> list[str]:
        jobs = [self._found(self.graph.jobs[name], place) for name, place in found.items()]
        answers = self.host.ask(TakeOver(self.run.rdir, jobs))
        taken = []
        for (name, place), whole in zip(found.items(), answers, strict=True):
            where = place.result.job
            if place.run != self.run.folder.name:
                where = f"{place.run}/{where}"
            if not whole:
                self.reasons[name] = f"the outputs of {where} are not there as they were"
                continue
            detail = quoting.slug(f"same-as:{where}")
            self.ledger.say(name, Word("skipped", self.clock.date(), detail))
            log.info("%s need not run: it is the same as %s", quoting.shown(name), where)
            taken.append(name)
        return taken

    def worth_running(self, ready: Sequence[str]) -> list[str]:
        """Those of the jobs that may start whose key no other one has that is in the queue."""
        words = {self._word(entry.job.name) for entry in self.ledger.in_flight()} - {""}
        found = []
        for name in ready:
            word = self._word(name)
            if not word or word not in words:
                found.append(name)
                words.add(word)
        return found

    def _word(self, name: str) -> str:
        return self.keys[name].word if name in self.keys else ""

    def _place(self, name: str, runs: bool) -> Place | None:
        """The newest result to be tried for a job; if there is none and it `runs` then, why."""
        if not self._untried(name):
            return None
        if places := self.known.same(self.keys[name]):
            return places[0]
        if runs:
            self.reasons[name] = self.known.why_not(name, self.keys[name])
        return None

    def _untried(self, name: str) -> bool:
        """Whether a job has a key, and nothing was said of it that would have it run."""
        entry = self.ledger.entries.get(name)
        return name in self.keys and name not in self.reasons and not (entry and entry.words)

    def _forget_edited(self, names: Sequence[str]) -> None:
        """What was edited since has no key any more, nor has what needs its job."""
        before = len(self.keys)
        for name in names:
            if name in self.keys and (why := self._edited(name)):
                self.reasons[name] = why
                import networkx as nx  # as in graph.py

                for each in (name, *nx.descendants(self.graph.edges, name)):
                    self.keys.pop(each, None)
        if len(self.keys) < before:
            _put_keys(self.run, self.keys)

    def _edited(self, name: str) -> str:
        """What is not any more as it was when keys were found, in words; else nothing."""
        key, job = self.keys[name], self.graph.jobs[name]
        changed = edited(self.run.folder, self.graph, job, key)
        if key.parts[SCRIPT] != text_hash(_script(self.run, job)):
            changed.insert(0, SCRIPT)
        return f"edited in the run: {quoting.shown(', '.join(changed))}" if changed else ""

    def _found(self, job: Job, place: Place) -> Found:
        old = Job.from_name(place.result.job).folder
        files = {
            posixpath.join(job.folder, file): (digest, posixpath.join(place.rdir, old, file))
            for file, digest in place.result.outputs.items()
        }
        return Found(files, job.marker)

    def _due(self, name: str) -> bool:
        entry = self.ledger.entries.get(name) if name in self.keys else None
        if entry is None or entry.state is not State.FINISHED or entry.attempt is None:
            return False
        return (name, entry.attempt.number) not in self.noted

    def _number(self, name: str) -> int:
        attempt = self.ledger.entries[name].attempt
        return attempt.number if attempt else 0

    def _outputs(self, name: str) -> list[str] | None:
        """What the job's result is, as it says itself; None if it does not say."""
        lines = listed(self.run.folder, self.graph.jobs[name].outputs)
        return None if lines is None else [file for _, file in lines]


def reusing(
    run: Run, graph: Graph, ledger: Ledger, host: Host, clock: Clock, where: str | None
) -> Reusing | None:
    """The step for a run, with what is known of the runs in `where` (a run, or a folder of runs;
    without it the project of the run) on the same remote. None if no job has a key.

    Keys are those of the tree as it was sent: they are found once, and then remembered.
    """
    file = run.private / memory.KEYS
    if not file.exists() and not ledger.log.exists():
        _put_keys(run, keys(run.folder, graph, lambda job: _script(run, job)).found)
    kept = {name: Key(**key) for name, key in files.get(file).items()}
    if not kept or where == OFF:
        return None
    known = Known()
    for folder in _runs(Path(where) if where else run.folder.parent):
        try:
            other = open_run(folder)
        except UserError as error:
            log.warning("nothing is taken over from a run: %s", error)
            continue
        if (other.remote, other.remote_host) == (run.remote, run.remote_host):
            for result in memory.read(other.private):
                known.add(result, folder.name, other.rdir)
    reasons = files.get(run.private / memory.REASONS)
    noted = {(result.job, result.attempt) for result in memory.read(run.private)}
    return Reusing(run, graph, ledger, host, clock, kept, known, reasons, noted)


def _put_keys(run: Run, found: Mapping[str, Key]) -> None:
    files.put(run.private / memory.KEYS, {name: asdict(key) for name, key in found.items()})


def _runs(place: Path) -> list[Path]:
    if is_run(place):
        return [place]
    if not place.is_dir():
        raise UserError("--reuse: there is no such folder", str(place), "a run, or LDIR, or off")
    return runs_in(place)


def _script(run: Run, job: Job) -> str:
    """A script without what differs from run to run: its folder and its date."""
    return files.read(run.folder / job.name).replace(run.rdir, "").replace(run.folder.name, "")
