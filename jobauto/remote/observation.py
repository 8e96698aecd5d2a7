"""One look at the remote in one command: the queue first, then files, claims and endings.

Invariant 2 is kept here: an answer counts only if the frame is whole, the scheduler's command
exited with 0, every line of its answer was understood and nothing unknown stood on stderr.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from jobauto import quoting
from jobauto.errors import CouldNotAsk
from jobauto.model import Attempt, Claim, Ending, InQueue, Queued, Seen
from jobauto.remote.framing import Answer, Frame, Section, sections, tests
from jobauto.remote.submission import CLAIM_FUNCTIONS, note_claim
from jobauto.schedulers import Dialect, Unreadable

TAIL_LINES = 20
# Seconds between two glances at the awaited files: GLANCE, less where there is not much time, more
# where there is much, or files are many (a glance at one is a question to a file system that others
# use, too). Where jobs run on the machine itself, the first glance is at once, as short jobs are
# over before anybody looks, and the next ones follow as GLANCES_HERE grow.
GLANCE, SHORTEST, GLANCES, FILES_A_SECOND = 0.5, 0.1, 100, 200
GLANCES_HERE = (0.005, 1.3)

# await [+FILE|-FILE]...: wait until a file has come (+) or gone (-). An early answer then ends the
# script. Nobody reads any more: so does it.
_AWAIT = r"""
await() {
  for pause in $pauses; do
    [ $pause = 0 ] || sleep $pause 2>/dev/null || sleep 1
    echo >&5 || exit
    for file; do
      case $file in +*) [ -e "${file#+}" ];; *) [ ! -e "${file#-}" ];; esac && early
    done
  done
}
"""

# fate JOBID: whether the job of $claim began; if its guard has not decided, it never will begin
_FATE = r"""
fate() {
  mkdir "$claim/fate" 2>/dev/null && mkdir "$claim/fate/turned-back"
  ls "$claim/fate" >/dev/null 2>&1
  if [ -d "$claim/fate/turned-back" ]; then echo "@unbegun $1"
  elif [ -d "$claim/fate" ] || [ ! -d "$claim" ]; then echo "@began $1"
  fi
}
"""


@dataclass(frozen=True, slots=True)
class Suspect:
    """A job that was missing from the last look: ask how it ended."""

    attempt: Attempt
    jobid: str


@dataclass(frozen=True, slots=True)
class Wait:
    """How long a look may wait for news of its files: `seconds`. It is no news that those in
    `there` are there. `elsewhere`: as in a Dialect."""

    seconds: float = 0.0
    elsewhere: bool = True
    there: frozenset[str] = frozenset()

    def pauses(self, files: int) -> list[str]:
        """Seconds between two glances at so many files, as words for `sleep`."""
        short = max(SHORTEST, min(GLANCE, self.seconds / 10))
        usual = max(short, self.seconds / GLANCES, files / FILES_A_SECOND)
        now, grows = (usual, 1.0) if self.elsewhere else GLANCES_HERE
        left = self.seconds
        found = [] if self.elsewhere or left <= 0 else ["0"]
        while left > 0.001:
            found.append(f"{min(now, left):.3f}")
            left -= now
            now = min(usual, now * grows)
        return found


@dataclass(frozen=True, slots=True)
class Observe:
    """Ask for the queue, for `files` (paths in the run), and for what doubt needs.

    `doubtful` attempts have no known JOBID: their claims are read, and tokens are looked up.
    `verify` asks for tokens, too: after a gap a JOBID may have been given to another job.
    If there is news of a file while it waits, the answer is `early`, and of the files alone.
    """

    dialect: Dialect
    folder: str
    jobids: Sequence[str] = ()
    files: Sequence[str] = ()
    doubtful: Sequence[Attempt] = ()
    suspects: Sequence[Suspect] = ()
    verify: bool = False
    wait: Wait = field(default_factory=Wait)
    frame: Frame = field(default_factory=Frame)

    @property
    def timeout(self) -> float:
        return 120.0 + 2.0 * self.wait.seconds  # a sleep that knows no fractions takes longer

    def script(self) -> str:
        tokens = self.dialect.tokens() if self.doubtful or self.verify else None
        parts = [
            self.dialect.prelude,
            CLAIM_FUNCTIONS,
            _FATE if any(suspect.attempt.after for suspect in self.suspects) else "",
            "look_at_files() {",
            *tests(self.files),
            ":\n}",
            *self._waiting(),
            "echo @queue",
            _ask(self.dialect.query([quoting.plain(jobid) for jobid in self.jobids])),
            f"echo @tokens\n{_ask(tokens)}" if tokens else "",
            # a network file system shows a new file sooner to whoever reads its folder
            *(f"ls {quoting.path(folder)} >/dev/null 2>&1" for folder in self._folders()),
            "look_at_files",
            *(f"report {quoting.plain(attempt.token)}" for attempt in self.doubtful),
            *map(self._autopsy, self.suspects),
        ]
        return self.frame.script(self.folder, "\n".join(parts))

    def _waiting(self) -> list[str]:
        pauses = self.wait.pauses(len(self.files))
        if not pauses or not self.files:
            return []
        files = (f"{'-' if f in self.wait.there else '+'}{quoting.path(f)}" for f in self.files)
        return [
            f"pauses='{' '.join(pauses)}'",
            f"early() {{ echo @early; look_at_files; {self.frame.end}; exit 0; }}",
            _AWAIT,
            " ".join(["await", *files]),
        ]

    def _folders(self) -> list[str]:
        return sorted({suspect.attempt.job.folder for suspect in self.suspects})

    def _autopsy(self, suspect: Suspect) -> str:
        attempt, folder = suspect.attempt, quoting.path(suspect.attempt.job.folder)
        jobid, token = quoting.plain(suspect.jobid), quoting.plain(attempt.token)
        outputs = self.dialect.outputs(jobid, quoting.word(f"qsub.{attempt.job.id}"))
        tails = f'for f in {outputs}; do [ -f "$f" ] && [ -s "$f" ] || continue; '
        tails += f'echo "==> $f"; tail -n {TAIL_LINES} -- "$f"; done'
        return (
            f'claim="$root/$claims/{token}"\necho "@ending {jobid}"\n'
            f"{_ask(self.dialect.autopsy(jobid))}\n"
            f"{f'fate {jobid}' if attempt.after else ''}\n"
            f'echo "@tail {jobid}"\n{_ask(f"cd {folder} && {{ {tails}; }}; true")}'
        )

    def read(self, answer: Answer) -> Seen:
        """What was seen. Raises CouldNotAsk if anything about the queue is in doubt."""
        queue: dict[str, InQueue] | None = None
        text = ""
        early = False
        there: set[str] = set()
        tokens: dict[str, str] = {}
        claims: dict[str, Claim] = {}
        endings: dict[str, Ending] = {}
        for section in sections(self.frame.body(answer, self.folder)):
            if section.tag == "queue":
                queue, text = read_queue(self.dialect, section), section.text
            elif section.tag == "tokens":
                tokens = read_tokens(self.dialect, section)
            elif section.tag == "early":
                early, queue = True, {}
            elif section.tag == "t":
                there.add(section.which(self.files))
            elif section.tag == "ending":
                endings[section.name] = self._ending(section)
            elif section.tag == "tail":
                end = endings.get(section.name, Ending())
                endings[section.name] = replace(end, tail=section.text[-4000:])
            elif section.tag in ("began", "unbegun"):
                end = endings.get(section.name, Ending())
                endings[section.name] = replace(end, began=section.tag == "began")
            else:
                note_claim(claims, section)
        if queue is None:
            raise CouldNotAsk("the answer holds no queue")
        return Seen(
            queue=with_tokens(queue, tokens),
            tokens_known=not early and (self.dialect.lists_tokens or bool(self.doubtful)),
            there=frozenset(there),
            missing=frozenset(self.files) - there,
            claims=claims,
            endings=endings,
            text=text,
            early=early,
        )

    def _ending(self, section: Section) -> Ending:
        try:
            return self.dialect.ending(section.text)
        except ValueError:  # such as a number too long to be one: it only explains, never decides
            return Ending()


def read_queue(dialect: Dialect, section: Section) -> dict[str, InQueue]:
    """JOBID to its line; CouldNotAsk unless the scheduler answered, and wholly."""
    check_answer(dialect, section)
    try:
        return {q.jobid: q for q in dialect.parse(section.text)}
    except Unreadable as error:
        raise CouldNotAsk(f"{dialect.name}: {error}") from None


def read_tokens(dialect: Dialect, section: Section) -> dict[str, str]:
    """Token to JOBID, where the queue does not show tokens; CouldNotAsk as in `read_queue`."""
    check_answer(dialect, section)
    try:
        return dialect.parse_tokens(section.text)
    except Unreadable as error:
        raise CouldNotAsk(f"{dialect.name}: {error}") from None


def check_answer(dialect: Dialect, section: Section) -> None:
    """CouldNotAsk if the command failed or said anything on stderr that is not known harmless."""
    doubts = [e for e in section.err if e.strip() and not dialect.harmless.search(e)]
    if section.exit_code != 0 or doubts:
        said = quoting.shown(" ".join([*section.err, *section.out]).strip()[-300:])
        status = f"exit status {section.exit_code}"
        raise CouldNotAsk(f"{dialect.name} does not answer ({status}): {said or 'no words'}")


def _ask(command: str) -> str:
    return f"ask {quoting.word(command)}"


def with_tokens(queue: dict[str, InQueue], tokens: dict[str, str]) -> dict[str, InQueue]:
    """Give each token to its line; a job that only the token list knows is there as well."""
    for token, jobid in tokens.items():
        old = queue.get(jobid) or InQueue(jobid, Queued.UNKNOWN, "?")
        queue[jobid] = InQueue(jobid, old.state, old.code, old.reason, token)
    return queue
