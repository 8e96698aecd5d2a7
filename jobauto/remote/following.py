"""A submission and the glance at files that follows it in one command: what came meanwhile is known
without another round trip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from jobauto.model import Claim, Seen
from jobauto.remote.framing import Answer, sections, tests
from jobauto.remote.submission import Submit, note_claim


class Submitted(NamedTuple):
    """Token to its Claim (none: nothing was submitted for it), and an early look behind that."""

    claims: dict[str, Claim]
    seen: Seen


@dataclass(frozen=True, slots=True)
class SubmitThenLook:
    """Submit, then see which of `files` (paths in the run) are there."""

    submit: Submit
    files: Sequence[str]

    @property
    def timeout(self) -> float:
        return self.submit.timeout

    def script(self) -> str:
        body = "\n".join([self.submit.body(), *tests(self.files)])
        return self.submit.frame.script(self.submit.folder, body)

    def read(self, answer: Answer) -> Submitted:
        """CouldNotAsk unless all of it was understood."""
        claims: dict[str, Claim] = {}
        there: set[str] = set()
        for section in sections(self.submit.frame.body(answer, self.submit.folder)):
            if section.tag == "t":
                there.add(section.which(self.files))
            else:
                note_claim(claims, section)
        missing = frozenset(self.files) - there
        return Submitted(claims, Seen(there=frozenset(there), missing=missing, early=True))
