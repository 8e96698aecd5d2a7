"""What runs remember of their jobs: keys, and what the outputs of finished ones were.

`.jobauto/results` of a run folder has a line of JSON for each job that finished. A line that a
crash cut short is passed over: its job runs again, which is no harm.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from jobauto.ledger import files
from jobauto.reuse.keys import Key

FILE = "results"
KEYS, REASONS = "keys.json", "reasons.json"


@dataclass(frozen=True, slots=True)
class Result:
    """A job that finished: its key, and the sha256 of its outputs by their paths in the run."""

    job: str
    word: str
    parts: Mapping[str, str]
    outputs: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Place:
    """A result, and where it is: the name of the run, and its folder on the remote."""

    result: Result
    run: str
    rdir: str


def note(private: Path, results: Iterable[Result]) -> None:
    """Add results to those of the run whose own folder is `private`."""
    # first a newline: the last line may have been cut short
    text = "".join(f"\n{json.dumps(asdict(result))}" for result in results)
    with open(private / FILE, "a", encoding="utf-8") as file:
        file.write(text + "\n" if text else "")


def read(private: Path) -> list[Result]:
    """The results of a run, the oldest first."""
    try:
        lines = files.read(private / FILE).split("\n")
    except OSError:
        return []
    found = []
    for line in lines:
        try:
            found.append(Result(**json.loads(line)))
        except (ValueError, TypeError):
            continue
    return found


class Known:
    """Results by key, and the last one of each job by name; what is added later is newer."""

    def __init__(self) -> None:
        self._by_word: dict[str, list[Place]] = defaultdict(list)
        self._by_job: dict[str, Place] = {}

    def add(self, result: Result, run: str, rdir: str) -> None:
        """Take a result of a run into account."""
        place = Place(result, run, rdir)
        self._by_word[result.word].append(place)
        self._by_job[result.job] = place

    def same(self, key: Key) -> list[Place]:
        """Results of jobs with this key, the newest first."""
        return self._by_word.get(key.word, [])[::-1]

    def why_not(self, job: str, key: Key) -> str:
        """What is other than when the job finished last, in words for people."""
        before = self._by_job.get(job)
        if before is None:
            return "no earlier run has finished it"
        changed = key.changed(before.result.parts)
        listed = ", ".join(changed[:5]) + (" ..." if len(changed) > 5 else "")
        return f"changed since {before.run}: {listed}" if changed else "its result is not there"
