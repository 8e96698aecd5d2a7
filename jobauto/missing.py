"""Jobs in flight that the last looks did not show: since when, and how they ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from jobauto.judge import Absence
from jobauto.ledger import Entry
from jobauto.model import Ending, Seen
from jobauto.remote.observation import Suspect

AUTOPSIES = 20  # a tick; asking how a job ended can be dear for the scheduler


@dataclass(slots=True)
class Missing:
    """Absences by job, and by JOBID what the scheduler said of their end."""

    absences: dict[str, Absence] = field(default_factory=dict)
    endings: dict[str, Ending] = field(default_factory=dict)
    _asked: Counter[str] = field(default_factory=Counter)

    def suspects(self, flying: Iterable[Entry]) -> list[Suspect]:
        """Whose end to ask for now: what is not known yet, the least often asked first."""
        gone = [e for e in flying if e.jobid and self.absences.get(e.job.name)]
        gone = [e for e in gone if not self._known(e)]
        gone.sort(key=lambda e: self._asked[e.jobid])
        self._asked.update(e.jobid for e in gone[:AUTOPSIES])
        return [Suspect(e.attempt, e.jobid) for e in gone[:AUTOPSIES] if e.attempt]

    def _known(self, entry: Entry) -> bool:
        ending = self.endings.get(entry.jobid, Ending())
        ahead = entry.attempt is not None and bool(entry.attempt.after)
        return ending.known and not (ahead and ending.began is None)

    def learn(self, seen: Seen) -> Seen:
        """The look together with what earlier ones told of endings."""
        self.endings.update(seen.endings)
        return replace(seen, endings=dict(self.endings))

    def set(self, entry: Entry, absence: Absence | None) -> None:
        """Note that a job is missing, or (None) that it is not, or that this was judged."""
        if absence:
            self.absences[entry.job.name] = absence
            return
        self.absences.pop(entry.job.name, None)
        self.endings.pop(entry.jobid, None)
        self._asked.pop(entry.jobid, None)
