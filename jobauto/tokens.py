"""Tokens: things of which only so many may be in use at once, over all runs of a person here.

One small file says who holds what; it is read and written under a lock, whole or not at all. In
each tick a run says what its jobs in flight hold, so what a crash left wrong is put right as soon
as its monitor is back. Of a run that nobody watches only what is in the queue still counts, and of
one whose folder is gone nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock

from jobauto.asking import limit_of, too_many
from jobauto.ledger import files
from jobauto.quoting import shown
from jobauto.resources import Wants

_PATIENCE = 30.0  # seconds, for the lock

# run to job, or to folder with a slash behind it for what the folder keeps, to token to how many
_Held = dict[str, dict[str, dict[str, int]]]


@dataclass(slots=True)
class Turn:
    """Which of the jobs that may start have their tokens; why others wait; if they wait for other
    runs, the first of these reasons; and whether the run holds anything now."""

    admitted: list[str] = field(default_factory=list)
    waiting: dict[str, str] = field(default_factory=dict)
    outside: str = ""
    holds: bool = False


@dataclass(slots=True)
class Tokens:
    """What the jobs of one run hold. `limits`: of how many tokens there are not just one.

    `flying_of`: the jobs of a run that nobody watches which may be in the queue all the same, or
    None if somebody does watch it.
    """

    file: Path
    run: Path
    limits: Mapping[str, int]
    flying_of: Callable[[Path], Collection[str] | None] = lambda _run: None

    def hold(
        self,
        flying: Mapping[str, Wants],
        ready: Iterable[tuple[str, Wants]],
        undone: Callable[[str], bool],
        room: int,
    ) -> Turn:
        """Hold what the jobs in flight have, and what up to `room` ready ones want, in their order.

        `undone` tells whether jobs of a folder that kept tokens are not over yet. No job overtakes
        another one that waits for the same token, unless its folder keeps it. OSError if the file
        cannot be read or written.
        """
        with self._locked():
            held = self._read()
            before = json.dumps(held)
            kept = held.get(str(self.run), {})
            ours = {key: all_ for key, all_ in kept.items() if key[-1] == "/" and undone(key[:-1])}
            held[str(self.run)] = ours
            for job, wants in flying.items():
                _give(ours, job, wants)
            turn = self._turn(held, ready, room)
            turn.holds = bool(ours)
            held = {run: all_ for run, all_ in held.items() if all_}
            if json.dumps(held) != before:  # as seldom as anything changes
                files.put(self.file, held, durable=False)
        return turn

    def there_for(self, ready: Iterable[tuple[str, Wants]]) -> list[str]:
        """Each of these jobs for which there is all that it wants, as if there were no others."""
        with self._locked():
            held = self._read()
            held.setdefault(str(self.run), {})
            return [
                job for job, wants in ready if not self._in_the_way(held, job, wants, Turn())[1]
            ]

    def _locked(self) -> FileLock:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        return FileLock(f"{self.file}.lock", timeout=_PATIENCE)

    def _turn(self, held: _Held, ready: Iterable[tuple[str, Wants]], room: int) -> Turn:
        turn, ours = Turn(), held[str(self.run)]
        wanted_before: dict[str, str] = {}  # token to the job that waits for it
        for job, wants in ready:
            if len(turn.admitted) >= room:
                break
            own = ours.get(_folder(job) + "/", {})
            others = wanted_before.keys() & wants.all.keys() - own.keys()
            first = wanted_before[min(others)] if others else ""
            whom = f"{shown(first)} waits for the same token" if first else ""
            token, whom = ("", whom) if whom else self._in_the_way(held, job, wants, turn)
            if whom:
                turn.waiting[job] = whom
                wanted_before.setdefault(token, job)
            else:
                _give(ours, job, wants)
                turn.admitted.append(job)
        return turn

    def _in_the_way(self, held: _Held, job: str, wants: Wants, turn: Turn) -> tuple[str, str]:
        """A token that is not there, and who holds it; runs that are dead hold nothing.

        No token for what can never be: nobody is to wait behind that.
        """
        for token, number in wants.all.items():
            if number > (limit := limit_of(token, self.limits)):
                return "", too_many(token, number, limit)
            holders = self._holders(held, job, token, number)
            for run in {run for run, _ in holders} - {str(self.run)}:
                held[run] = self._alive(Path(run), held[run])
            if holders and (holders := self._holders(held, job, token, number)):
                said = [who if run == str(self.run) else f"{who} of {run}" for run, who in holders]
                whom = f"{token} is in use by {_listed(said)}"
                if any(run != str(self.run) for run, _ in holders):
                    turn.outside = turn.outside or whom
                return token, whom
        return "", ""

    def _holders(self, held: _Held, job: str, token: str, number: int) -> list[tuple[str, str]]:
        """Run and job of all who hold a token; empty if there are `number` more for `job`."""
        mine = (str(self.run), _folder(job))
        groups: dict[tuple[str, str], dict[str, int]] = {}
        for run, all_ in held.items():
            for who, found in all_.items():
                if token in found:
                    groups.setdefault((run, _folder(who)), {})[who] = found[token]
        used = number if mine not in groups else 0
        for group, found in groups.items():
            kept = found.get(group[1] + "/", 0)
            flying = sum(found.values()) - kept
            used += max(kept, flying + (number if group == mine else 0))
        if used <= limit_of(token, self.limits):
            return []
        return [(run, who) for (run, _), found in groups.items() for who in _jobs(found)]

    def _alive(self, run: Path, jobs: dict[str, dict[str, int]]) -> dict[str, dict[str, int]]:
        flying = self.flying_of(run)
        if flying is None:
            return jobs
        folders = {_folder(name) for name in flying}
        return {who: all_ for who, all_ in jobs.items() if who in flying or who[:-1] in folders}

    def _read(self) -> _Held:
        """Who holds what; a file that cannot be read says nothing."""
        return {run: jobs for run, jobs in files.get(self.file).items() if Path(run).is_dir()}


def _give(ours: dict[str, dict[str, int]], job: str, wants: Wants) -> None:
    if wants:
        ours[job] = dict(wants.all)
    if wants.kept:
        kept = ours.setdefault(_folder(job) + "/", {})
        for token, number in wants.kept.items():
            kept[token] = max(number, kept.get(token, 0))


def _folder(who: str) -> str:
    return who.rpartition("/")[0]


def _jobs(found: Mapping[str, int]) -> list[str]:
    """Jobs that hold something; the folder, if it keeps it for jobs to come."""
    return [who for who in found if who[-1] != "/"] or [f"the folder {who[:-1]}" for who in found]


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return shown(", ".join(names[:3])) + more
