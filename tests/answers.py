"""A dialect's folder in `recorded/`: what its programs said, and what a person says it means.

CONTRIBUTING.md tells the format. Expected values are typed, never made by the code under test.
"""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobauto.model import Ending, InQueue, Queued

RECORDED = Path(__file__).parent / "recorded"
HEADERS = ["command", "origin", "exit status"]
KINDS = {"jobid", "queue", "refused", "tokens", "ending"}
_ORIGIN = re.compile(r"recorded \d{4}-\d\d-\d\d|typed from \S")


@dataclass(frozen=True)
class Said:
    """What a program leaves behind."""

    out: str = ""
    err: str = ""
    exit_code: int = 0


@dataclass(frozen=True)
class Recorded(Said):
    """What a program once said, with its expectations: each a kind and its words."""

    name: str = ""
    expected: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def of(self, kind: str) -> list[tuple[str, ...]]:
        """The words of each expectation of this kind."""
        return [words for found, words in self.expected if found == kind]

    @property
    def jobs(self) -> list[InQueue] | None:
        """The jobs that are to be found; None where no listing is to be read."""
        lines = self.of("queue")
        if not lines or ("unreadable",) in lines or ("no", "answer") in lines:
            return None
        return [] if lines == [("empty",)] else [_job(*words) for words in lines]

    @property
    def tokens(self) -> dict[str, str] | None:
        """Token to JOBID; None where no tokens are to be read."""
        lines = self.of("tokens")
        if not lines or ("unreadable",) in lines:
            return None
        return {} if lines == [("none",)] else _facts(lines[0])

    @property
    def ending(self) -> Ending:
        """How the job ended."""
        facts = _facts(self.of("ending")[0])
        return Ending(int(facts["exit"]) if "exit" in facts else None, facts.get("reason", ""))

    @property
    def word(self) -> str:
        """The word for it in quelist."""
        return _facts(self.of("ending")[0])["word"]


def _facts(words: tuple[str, ...]) -> dict[str, str]:
    return {key: value for key, _, value in (word.partition("=") for word in words)}


def _job(jobid: str, state: str, code: str, *more: str) -> InQueue:
    return InQueue(jobid, Queued(state), code, **_facts(more))


def read(path: Path) -> Recorded:
    """A file of recorded answers; ValueError says what is wrong with it."""
    head, begun, rest = (
        path.read_bytes().decode("utf-8", "surrogateescape").partition("--- stdout\n")
    )
    out, ended, err = rest.partition("--- stderr\n")
    pairs = [line.removeprefix("# ").partition(": ")[::2] for line in head.split("\n")[:-1]]
    if not (begun and ended) or [key for key, _ in pairs[:3]] != HEADERS:
        raise ValueError(f"{path} is not: {', '.join(HEADERS)}, expectations, stdout, stderr")
    if not _ORIGIN.search(pairs[1][1]):
        raise ValueError(f"{path}: the origin is 'recorded DATE' or 'typed from WHERE'")
    expected = tuple((kind, tuple(shlex.split(text))) for kind, text in pairs[3:])
    unknown = {kind for kind, _ in expected} - KINDS
    if unknown or not expected:
        raise ValueError(f"{path}: {unknown or 'no expectation'}; there are {sorted(KINDS)}")
    name = f"{path.parent.name}/{path.stem}"
    return Recorded(out, err, int(pairs[2][1]), name, expected)


def recorded(name: str) -> Recorded:
    """`slurm/22.05/sbatch`: one file of `recorded/`."""
    return read(RECORDED / f"{name}.txt")


@dataclass(frozen=True)
class Folder:
    """All recorded answers of one dialect, and its `dialect.toml`."""

    path: Path

    @property
    def files(self) -> list[Path]:
        return sorted(self.path.glob("*/*.txt"))

    @property
    def told(self) -> dict[str, Any]:
        """What `dialect.toml` says."""
        return tomllib.loads((self.path / "dialect.toml").read_text())

    @property
    def jobids(self) -> list[str]:
        """Three JOBIDs in the form of this dialect."""
        found: list[str] = self.told["listing"]["jobids"]
        return found

    @property
    def code(self) -> str:
        """A good state code."""
        return str(self.told["listing"]["code"])

    @property
    def line_by_line(self) -> bool:
        """A listing cut exactly behind a line cannot be told from a whole one."""
        return bool(self.told["listing"].get("line_by_line", False))

    def expecting(self, kind: str) -> Iterator[Recorded]:
        """The readable files with expectations of a kind."""
        for path in self.files:
            try:
                found = read(path)
            except ValueError:  # the check of each file says so
                continue
            if found.of(kind):
                yield found

    def listing(self, *jobs: tuple[str, str, str]) -> str:
        """A listing in this accent, of (JOBID, code, token)."""
        parts = self.told["listing"]

        def each(template: str) -> list[str]:
            return [_fill(template, *job) for job in jobs]

        head = parts.get("head", "").replace("{index}", "".join(each(parts.get("index", ""))))
        return str(head + parts.get("between", "").join(each(parts["job"])) + parts.get("tail", ""))

    def numbered(self, number: int) -> str:
        """Another JOBID in the form of this dialect."""
        return re.sub(r"\d+", str(number), self.jobids[0], count=1)


def _fill(template: str, jobid: str, code: str, token: str) -> str:
    return template.replace("{jobid}", jobid).replace("{code}", code).replace("{token}", token)
