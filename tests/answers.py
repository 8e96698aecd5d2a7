"""A dialect's folder of recorded answers: what its programs said, and what that means.

CONTRIBUTING.md tells the format. Expected values are typed, never made by the code under test.
"""

from __future__ import annotations

import contextlib
import re
import shlex
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from jobauto.model import Ending, InQueue, Queued

RECORDED = Path(__file__).parent / "recorded"
HEADERS = ["command", "origin", "exit status"]
REFUSALS = ["limit", "lost", "never"]
#: the kinds of expectation, and the property of Recorded that tells what is expected
KINDS = {
    "jobid": "jobid",
    "queue": "jobs",
    "refused": "refusal",
    "tokens": "tokens",
    "ending": "ending",
}
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

    @cached_property
    def jobid(self) -> str | None:
        """The JOBID that is to be found; None where none is to be found."""
        [[jobid]] = self.of("jobid")
        return None if jobid == "none" else jobid

    @cached_property
    def jobs(self) -> list[InQueue] | None:
        """The jobs that are to be found; None where no listing is to be read."""
        lines = self.of("queue")
        if ("unreadable",) in lines or ("no", "answer") in lines:
            return None
        return [] if lines == [("empty",)] else [_job(*words) for words in lines]

    @cached_property
    def refusal(self) -> str:
        """`limit`, `lost` or `never`."""
        [[kind]] = self.of("refused")
        return REFUSALS[REFUSALS.index(kind)]

    @cached_property
    def tokens(self) -> dict[str, str] | None:
        """Token to JOBID; None where no tokens are to be read."""
        [words] = self.of("tokens")
        if words == ("unreadable",):
            return None
        return {} if words == ("none",) else _facts(words)

    @cached_property
    def ending(self) -> tuple[Ending, str]:
        """How the job ended, and the word for it in quelist."""
        [words] = self.of("ending")
        facts = _facts(words)
        word, exit_code, reason = (facts.pop(key, "") for key in ("word", "exit", "reason"))
        assert word
        assert not facts, f"not facts of an ending: {facts}"
        return Ending(int(exit_code) if exit_code else None, reason), word

    def check(self) -> None:
        """ValueError for an expectation that cannot be understood."""
        for kind, words in self.expected:
            try:
                getattr(self, KINDS[kind])
            except (KeyError, TypeError, ValueError) as error:
                said = f"# {kind}: {shlex.join(words)}"
                raise ValueError(f"{self.name}: {said}: {error!r}") from None


def _facts(words: Sequence[str]) -> dict[str, str]:
    if not all("=" in word for word in words):
        raise ValueError("not all words are key=value")
    return {key: value for key, _, value in (word.partition("=") for word in words)}


def _job(jobid: str, state: str, code: str, *more: str) -> InQueue:
    return InQueue(jobid, Queued(state), code, **_facts(more))


def read(path: Path) -> Recorded:
    """A file of recorded answers; ValueError says what is wrong with it."""
    text = path.read_bytes().decode("utf-8", "surrogateescape")
    head, begun, rest = text.partition("--- stdout\n")
    out, ended, err = rest.partition("--- stderr\n")
    pairs = [line.removeprefix("# ").partition(": ")[::2] for line in head.split("\n")[:-1]]
    name = f"{path.parent.name}/{path.stem}"
    if not (begun and ended) or [key for key, _ in pairs[:3]] != HEADERS or not pairs[3:]:
        raise ValueError(f"{name} is not: {', '.join(HEADERS)}, expectations, stdout, stderr")
    if not _ORIGIN.search(pairs[1][1]):
        raise ValueError(f"{name}: the origin is '… recorded DATE' or 'typed from …'")
    expected = tuple((kind, tuple(shlex.split(words))) for kind, words in pairs[3:])
    found = Recorded(out, err, int(pairs[2][1]), name, expected)
    found.check()
    return found


@dataclass(frozen=True)
class Folder:
    """All recorded answers of one dialect, and its `dialect.toml`."""

    path: Path

    @property
    def files(self) -> list[Path]:
        return sorted(self.path.glob("*/*.txt"))

    @cached_property
    def answers(self) -> list[Recorded]:
        """Those that can be read; of each other file a check says so."""
        found = []
        for path in self.files:
            with contextlib.suppress(ValueError):
                found.append(read(path))
        return found

    def expecting(self, kind: str) -> list[Recorded]:
        """The answers with an expectation of this kind."""
        return [answer for answer in self.answers if answer.of(kind)]

    @cached_property
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

    def listing(self, *jobs: tuple[str, str, str]) -> str:
        """A listing in this accent, of (JOBID, code, token)."""
        return filled(self.told["listing"], jobs)

    def tokens(self, *jobs: tuple[str, str, str]) -> str:
        """What is listed of their tokens, where the queue does not show them."""
        return filled(self.told["tokens"], jobs)

    def taken(self, jobid: str) -> Said:
        """What is said when a job is taken, as this JOBID. (An array's may be told otherwise.)"""
        found = [a for a in self.expecting("jobid") if a.jobid and a.jobid in a.out]
        answer = min(found, key=lambda said: (said.exit_code, len(said.out)))
        return Said(answer.out.replace(answer.jobid or "", jobid), answer.err, answer.exit_code)

    def numbered(self, number: int) -> str:
        """Another JOBID in the form of this dialect."""
        return re.sub(r"\d+", str(number), self.jobids[0], count=1)


def filled(parts: Mapping[str, str], jobs: Sequence[tuple[str, str, str]]) -> str:
    """The parts of a text around and for each of these jobs: (JOBID, code, token)."""

    def each(template: str) -> list[str]:
        return [
            template.replace("{jobid}", jobid).replace("{code}", code).replace("{token}", token)
            for jobid, code, token in jobs
        ]

    head = parts.get("head", "").replace("{index}", "".join(each(parts.get("index", ""))))
    return head + parts.get("between", "").join(each(parts["job"])) + parts.get("tail", "")
