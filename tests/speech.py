"""How the scheduler of a cluster in memory speaks: from the recorded answers of its dialect.

Only answers are made here, and commands told from one another; that the shell text of a dialect
works with programs is shown by test_accent_*.py and on the lab.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from answers import RECORDED, REFUSALS, Folder, Recorded
from shell import Reply

from jobauto.model import Queued
from jobauto.schedulers import DIALECTS

_MARK = "JOBID"


class Speech:
    """One dialect's answers; JOBIDs are numbers in its own form."""

    def __init__(self, name: str) -> None:
        self.dialect = DIALECTS[name]
        folder = self._folder = Folder(RECORDED / name)
        states = {kind: codes.split() for kind, codes in folder.told["states"].items()}
        self._codes: dict[Queued, str] = {
            s: states[s.value][0] for s in Queued if states.get(s.value)
        }
        refusals = list(folder.expecting("refused"))
        self.limits, self.lost, self.never = (
            [_reply(a, 1) for a in refusals if a.refusal == kind] for kind in REFUSALS
        )
        no_answer = [a for a in folder.expecting("queue") if ("no", "answer") in a.of("queue")]
        self.down = [_reply(answer) for answer in no_answer]
        self.no_tokens = [_reply(a) for a in folder.expecting("tokens") if a.tokens == {}]
        endings = [(answer.ending[0], answer) for answer in folder.expecting("ending")]
        self._bad = next(answer for ending, answer in endings if ending.exit_code)
        self._good = next((answer for ending, answer in endings if ending.exit_code == 0), None)
        self._forgotten = next(answer for ending, answer in endings if not ending.known)

    def jobid(self, number: int) -> str:
        return self._folder.numbered(number)

    def taken(self, jobid: str) -> Reply:
        """A submission was accepted."""
        said = self._folder.taken(jobid)
        return Reply(said.exit_code, said.out, said.err)

    def code(self, state: Queued) -> str:
        """The code of a state; of a running job where there is none."""
        return self._codes.get(state, self._codes[Queued.RUNNING])

    def queue(self, jobs: Iterable[tuple[str, str, str]]) -> Reply:
        """A listing of (JOBID, code, token)."""
        return Reply(0, self._folder.listing(*jobs))

    def tokens(self, jobs: Iterable[tuple[str, str, str]]) -> Reply:
        """The tokens, where `queue` does not show them."""
        found = list(jobs)
        return Reply(0, self._folder.tokens(*found)) if found else self.no_tokens[0]

    def ended(self, jobid: str, good: bool | None) -> Reply:
        """How a job ended; None: nobody remembers."""
        answer = self._good if good else self._bad
        if good is None or answer is None:
            return _reply(self._forgotten)
        return _reply(answer)

    def about(self, command: str) -> tuple[str, list[str]]:
        """What a command of the dialect does (queue, tokens, kill, autopsy), and the JOBIDs in it;
        ('', []) for any other."""
        if command == self.dialect.query([]):
            return "queue", []
        if command == self.dialect.tokens():
            return "tokens", []
        for kind, shape in _shapes(self.dialect.name).items():
            match = shape.fullmatch(command)
            if match:
                return kind, re.split(r"[ ,]+", match.groupdict().get("jobids", ""))
        return "", []


@lru_cache
def speech(name: str) -> Speech:
    """The one Speech of a dialect."""
    return Speech(name)


@lru_cache
def _shapes(name: str) -> dict[str, re.Pattern[str]]:
    """What a command looks like around its JOBIDs."""
    dialect = DIALECTS[name]
    commands = {
        "queue": dialect.query([_MARK]),
        "kill": dialect.kill([_MARK]),
        "autopsy": dialect.autopsy(_MARK),
    }
    texts = {kind: re.escape(text) for kind, text in commands.items()}
    texts = {kind: text.replace(_MARK, "(?P<jobids>.+?)", 1) for kind, text in texts.items()}
    return {kind: re.compile(text.replace(_MARK, "(?P=jobids)")) for kind, text in texts.items()}


def _reply(answer: Recorded, code: int | None = None) -> Reply:
    return Reply(code or answer.exit_code, answer.out, answer.err)
