"""Look-ahead (--native-deps): jobs that wait only for jobs in the queue are handed in, too, and the
scheduler's own dependencies hold them there.

So no round trip lies between a job and its dependents. That a job has ended is no proof of its
marker: each job that is handed in ahead begins with a guard (remote/submission.py). One that can
not begin any more is ended, and waits here again; it is handed in ahead only once.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from jobauto import quoting
from jobauto.graph import Graph
from jobauto.host import Host
from jobauto.ledger import AHEAD, Ledger, files
from jobauto.ledger.quelist import Word
from jobauto.model import Attempt, Seen
from jobauto.remote.killing import Kill
from jobauto.remote.submission import Ahead
from jobauto.run import Run
from jobauto.schedulers import Dialect

log = logging.getLogger("jobauto")

MOST = 50  # jobs for which one may wait in the queue: all stand on a command line
NEVER = ".jobauto/never"  # a file that is never there
# shells that understand the line that guards a script
_SHELL = re.compile(r"#![ \t]*(?:\S*/env[ \t]+)?(?:\S*/)?(?:ba|da|a|k|mk|z|c|tc)?sh\b")


@dataclass(slots=True)
class LookAhead:
    """Which jobs are handed in ahead (none, unless it is `on`), and which of them have to leave
    the queue again."""

    run: Run
    graph: Graph
    ledger: Ledger
    host: Host
    dialect: Dialect
    free: Callable[[str], bool]  # whether nothing else decides when a job may run
    on: bool = False
    _no: set[str] = field(default_factory=set)  # jobs whose scripts do not suit
    _ended: set[str] = field(default_factory=set)  # JOBIDs that the scheduler was told to end

    def chosen(self, ready: Iterable[str], room: int) -> dict[str, list[str]]:
        """Up to `room` jobs that wait only for jobs in the queue, for `ready` ones, which are
        handed in now, and for one another; with those for which they wait, who come first."""
        found: dict[str, list[str]] = {}
        if not self.on or room <= 0:
            return found
        coming = {e.job.name: None for e in self.ledger.in_flight() if e.jobid}
        coming |= dict.fromkeys(ready)
        queue = list(coming)
        for name in queue:
            for user in self.graph.users(name) if name in self.graph.jobs else ():
                if len(found) >= room:
                    return found
                makers = self.graph.awaited(user) if user not in coming else None
                if not makers or len(makers) > MOST or not coming.keys() >= set(makers):
                    continue
                if self._may(user):
                    found[user] = makers
                    coming[user] = None
                    queue.append(user)
        return found

    def _may(self, name: str) -> bool:
        """Whether a job can be handed in ahead: never tried before, and free to run at any time."""
        entry = self.ledger.entries.get(name)
        if name in self._no or self.ledger.numbers.tried(name) or (entry and entry.words):
            return False
        if not self._suits(name):
            self._no.add(name)
        return name not in self._no and self.free(name)

    def _suits(self, name: str) -> bool:
        """Whether a script can be given a guard, and has no dependencies of its own."""
        try:
            script = files.read(self.run.folder / name)
        except OSError:
            return False
        guarded = self.dialect.guards or _SHELL.match(script)
        return bool(guarded) and not self.dialect.waits.search(script)

    def told(self, attempts: Iterable[Attempt]) -> dict[str, Ahead]:
        """Token to what the scheduler is told to wait for, of those attempts that are ahead."""
        flying = self.ledger.in_flight()
        jobids = {e.attempt.token: e.jobid for e in flying if e.attempt}
        return {a.token: self._of(a, jobids) for a in attempts if a.after}

    def _of(self, attempt: Attempt, jobids: Mapping[str, str]) -> Ahead:
        # those that are not in flight any more: their markers are there, or the guard finds out
        open_ = [token for token in attempt.after if token in jobids]
        needs = self.graph.needs.get(attempt.job.name)
        # one that a person put on hold meanwhile, while nobody knows whether it was handed in
        files = [NEVER] if needs is None else [need.file for need in needs if not need.absent]
        return Ahead(
            [jobids[token] for token in open_ if jobids[token]],
            [token for token in open_ if not jobids[token]],
            files,
        )

    def put_back(self, name: str, why: str, date: str) -> None:
        """A job that was handed in ahead did not begin, and waits here as others do."""
        self.ledger.settle(name, "putback", date, why)
        self.ledger.say(name, Word("retry", date, AHEAD))
        log.info("%s waits here again: %s", quoting.shown(name), why)

    def recall(self, seen: Seen) -> None:
        """Have the scheduler end jobs that wait in the queue for what will not come to be there."""
        stale = []
        for entry in self.ledger.in_flight():
            attempt, jobid = entry.attempt, entry.jobid
            if not (attempt and attempt.after and jobid) or jobid in self._ended:
                continue
            if not seen.runs(jobid, attempt.token) and not self._well(attempt):
                log.info("%s is taken out of the queue", quoting.shown(entry.job.name))
                stale.append(jobid)
        if stale:
            self.host.ask(Kill(self.dialect, self.run.rdir, stale))
            self._ended.update(stale)

    def _well(self, attempt: Attempt) -> bool:
        """Whether all that a job misses is being made by the submissions for which it waits."""
        makers = self.graph.awaited(attempt.job.name)
        entries = [self.ledger.entries.get(maker) for maker in makers or ()]
        making = {e.attempt.token for e in entries if e and e.open and e.attempt}
        return makers is not None and len(making) == len(makers) and making <= set(attempt.after)
