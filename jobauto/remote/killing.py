"""Ending jobs: one remote command that also looks at the queue and the markers afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from jobauto import quoting
from jobauto.errors import CouldNotAsk
from jobauto.model import Attempt, Claim, InQueue
from jobauto.remote.framing import Answer, Frame, portions, sections, tests
from jobauto.remote.observation import read_queue, read_tokens, with_tokens
from jobauto.remote.submission import CLAIM_FUNCTIONS, claim_folders, note_claim
from jobauto.schedulers import Dialect

# A claim that was made to be void looks like a refused submission.
_VOID = r"""
void() {
  c="$root/$claims/$1"
  take "$c" && echo "killed before it was submitted" >"$c/err" && echo 1 >"$c/rc"
  report "$1"
}
"""


@dataclass(frozen=True, slots=True)
class Killed:
    """What the scheduler said, what it still names, and the claims of doubtful attempts."""

    said: str
    queue: dict[str, InQueue]
    markers: frozenset[str]
    claims: dict[str, Claim]


@dataclass(frozen=True, slots=True)
class Kill:
    """End `jobids`. Attempts without a JOBID lose the right to be submitted, or show their claim.

    Making the claim of an attempt that has none is what takes the right away: a submission that
    is still under way finds it made.
    """

    dialect: Dialect
    folder: str
    jobids: Sequence[str]
    markers: Sequence[str] = ()
    doubtful: Sequence[Attempt] = ()
    frame: Frame = field(default_factory=Frame)

    @property
    def timeout(self) -> float:
        return 120.0

    def script(self) -> str:
        jobids = [jobid for some in portions(self.jobids) for jobid in some]
        tokens = self.dialect.tokens() if self.doubtful else None
        parts = [
            self.dialect.prelude,
            CLAIM_FUNCTIONS,
            _VOID,
            claim_folders(self.doubtful),
            *(f"void {quoting.plain(attempt.token)}" for attempt in self.doubtful),
            "echo @kill",
            *(f"ask {quoting.word(self.dialect.kill(ids))}" for ids in portions(jobids)),
            "echo @queue",
            f"ask {quoting.word(self.dialect.query(jobids))}",
            f"echo @tokens\nask {quoting.word(tokens)}" if tokens else "",
            *tests(self.markers),
        ]
        return self.frame.script(self.folder, "\n".join(parts))

    def read(self, answer: Answer) -> Killed:
        said, markers, claims = "", set(), dict[str, Claim]()
        queue: dict[str, InQueue] | None = None
        tokens: dict[str, str] = {}
        for section in sections(self.frame.body(answer, self.folder)):
            if section.tag == "kill":
                said = section.text + section.errors
            elif section.tag == "queue":
                queue = read_queue(self.dialect, section)
            elif section.tag == "tokens":
                tokens = read_tokens(self.dialect, section)
            elif section.tag == "t":
                markers.add(section.which(self.markers))
            else:
                note_claim(claims, section)
        if queue is None:
            raise CouldNotAsk("the answer holds no queue")
        return Killed(said, with_tokens(queue, tokens), frozenset(markers), claims)
