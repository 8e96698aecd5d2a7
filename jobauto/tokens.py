"""Tokens: things of which only so many may be in use at once, over all runs of a person here.

One small file says who holds what; it is read and written under a lock, whole or not at all. In
each tick a run says what its jobs in flight hold, so what a crash left wrong is put right as soon
as its monitor is back. A run whose folder is gone holds nothing.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from filelock import FileLock

from jobauto.ledger import files
from jobauto.quoting import shown

Wanted = Mapping[str, int]  # token to how many of it
_TOKEN = re.compile(r"([A-Za-z0-9_][\w.:@+-]*)(?:\*([1-9]\d{0,5}))?")
_PATIENCE = 30.0  # seconds, for the lock


def parse(text: str) -> dict[str, int]:
    """`model:1 licence*2`: token to how many of it. ValueError names a word that is none."""
    found: Counter[str] = Counter()
    for word in text.split():
        match = _TOKEN.fullmatch(word)
        if not match:
            raise ValueError(f"{shown(word)} is no token: give name, or name*NUMBER")
        found[match[1]] += int(match[2] or 1)
    return dict(found)


class Tokens:
    """What the jobs of one run hold. `limits`: of how many tokens there are more than one."""

    def __init__(self, file: Path, run: Path, limits: Mapping[str, int]) -> None:
        self.file, self.run, self.limits = file, str(run), limits

    def limit(self, token: str) -> int:
        """How many of a token may be in use at once."""
        return self.limits.get(token, 1)

    def hold(self, flying: Mapping[str, Wanted], ready: Mapping[str, Wanted]) -> dict[str, str]:
        """Hold what the jobs in flight have, and what ready ones want, in their order, as far as
        it is there; those that have to wait, and for whom. OSError if nobody can be asked."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{self.file}.lock", timeout=_PATIENCE):
            held = self._read()
            before = json.dumps(held)
            held[self.run] = {job: dict(wanted) for job, wanted in flying.items() if wanted}
            waiting = {}
            for job, wanted in ready.items():
                whom = self._in_the_way(held, wanted)
                if whom:
                    waiting[job] = whom
                elif wanted:
                    held[self.run][job] = dict(wanted)
            if not held[self.run]:
                del held[self.run]
            if json.dumps(held) != before:
                files.replace(self.file, json.dumps(held, indent=1) + "\n", durable=False)
        return waiting

    def _in_the_way(self, held: Mapping[str, Mapping[str, Wanted]], wanted: Wanted) -> str:
        for token, number in wanted.items():
            holders = [
                (run, job, found[token])
                for run, jobs in held.items()
                for job, found in jobs.items()
                if token in found
            ]
            if sum(used for *_, used in holders) + number > self.limit(token):
                return f"{token} is in use by {_said(self.run, holders)}"
        return ""

    def _read(self) -> dict[str, dict[str, dict[str, int]]]:
        """Who holds what, by run and job; a file that cannot be read says nothing."""
        try:
            found = json.loads(files.read(self.file))
        except (OSError, ValueError):
            return {}
        return {run: jobs for run, jobs in found.items() if Path(run).is_dir()}


def _said(ours: str, holders: list[tuple[str, str, int]]) -> str:
    names = [job if run == ours else f"{job} of {run}" for run, job, _ in holders[:3]]
    more = f" and {len(holders) - 3} more" if len(holders) > 3 else ""
    return shown(", ".join(names)) + more
