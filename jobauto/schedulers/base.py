"""What a scheduler's dialect is: text in, text out. It never runs, waits, logs or opens a file."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence

from jobauto.model import Ending, InQueue
from jobauto.resources import Inexpressible, Resources


class Unreadable(ValueError):
    """The text is not a whole and well-formed answer of this scheduler."""


class Dialect(ABC):
    """One scheduler. Commands are POSIX shell text; names in them come quoted already.

    `$limit` before a program ends it when it hangs. `look PID` sets `$code`, the letter of a
    process's state (empty: there is none), and `$start`, which no later process with the same pid
    has; `$look` is the text of this function, for a shell that a command starts.
    """

    name: str
    #: shell condition: true where this scheduler can be used
    detect: str = "false"
    #: functions that the other commands use
    prelude: str = ""
    #: whether every answer to `query` shows the tokens of submissions
    lists_tokens: bool = False
    #: what a line of directives begins with in a script
    directive: str = ""
    #: jobs run on other machines than the one that is asked, where their files may show up late
    elsewhere: bool = True
    #: shell words that let a job wait for those whose JOBIDs are in `$after`, with `between`
    #: between any two of them; '' if the scheduler can do no such thing
    after: str = ""
    between: str = ","
    #: a directive by which a script itself waits for others; `after` would take its place
    waits = re.compile(r"(?!)")
    #: shell text that makes of `$jobid`, the first line of the answer to `submit`, the JOBID
    told: str = ":"
    #: `submit` takes care itself that the job begins with the line in `$guard`
    guards: bool = False
    #: calls `attempts`, which submits all jobs of a command. Until it is over, `submit` may leave
    #: `$claim` empty and the claim without an answer
    together: str = "attempts"
    #: lines on stderr that do not put an answer in doubt
    harmless = re.compile(r"(?!)")
    #: a refusal by policy that means "not now" rather than "never": nothing was accepted
    limit = re.compile(r"(?!)")
    #: trouble on the way to the server or back: the job may have been accepted all the same.
    #: Where a text shows both, this one counts
    lost = re.compile(r"(?!)")

    def bad_name(self, folder: str, id: str) -> str:
        """Why `qsub.<id>` in `folder` (absolute) cannot be submitted here, or ''."""
        return ""

    @abstractmethod
    def submit(self, script: str, token: str, options: str) -> str:
        """Hand in `script` from its own folder, marked with `token`. All three are shell text:
        quoted names, and as `options` no, one or many words that `options()` gave."""

    @abstractmethod
    def options(self, asked: Resources) -> list[tuple[str, ...]]:
        """The options of `submit` for what is asked; each is one word or several.

        Raises Inexpressible for what cannot be said to this scheduler.
        """

    def header(self, asked: Resources) -> list[str]:
        """The same as lines of directives, for a script's `__HEADER__`."""
        return [" ".join((self.directive, *option)) for option in self.options(asked)]

    @abstractmethod
    def jobid(self, out: str) -> str | None:
        """The JOBID in the answer to `submit`, among banners; None if there is none."""

    @abstractmethod
    def query(self, jobids: Sequence[str]) -> str:
        """Ask for the user's jobs, at least for `jobids`."""

    @abstractmethod
    def parse(self, text: str) -> list[InQueue]:
        """The jobs in the answer to `query`; Unreadable unless it is whole."""

    @abstractmethod
    def kill(self, jobids: Sequence[str]) -> str:
        """End these jobs, in one command."""

    @abstractmethod
    def hold(self, jobids: Sequence[str]) -> str:
        """Let these jobs not start, in one command."""

    @abstractmethod
    def release(self, jobids: Sequence[str]) -> str:
        """Let held jobs start, in one command."""

    @abstractmethod
    def move(self, jobids: Sequence[str], queue: str) -> str:
        """Put these jobs into `queue` (quoted), in one command."""

    @abstractmethod
    def autopsy(self, jobid: str) -> str:
        """Ask how a job ended that the queue no longer names."""

    @abstractmethod
    def ending(self, text: str) -> Ending:
        """What the answer to `autopsy` tells.

        Reasons that all have in common: `walltime`, `memory`, `node-failure`, `cancelled`,
        `signal N`; anything else in the scheduler's own words.
        """

    def tokens(self) -> str | None:
        """Ask for JOBID and token of each job, where `query` does not show tokens."""
        return None

    def parse_tokens(self, text: str) -> dict[str, str]:
        """Token to JOBID, from the answer to `tokens`."""
        return {}

    @abstractmethod
    def outputs(self, jobid: str, script: str) -> str:
        """Shell words for the files with a job's stdout and stderr, seen from its folder.

        Those that the scheduler names by itself, and those which `script` (quoted) asks for.
        """


def only_match(pattern: re.Pattern[str], text: str) -> str | None:
    """The first group of the lines that match as a whole: banners may stand around an answer.

    None if two lines disagree: a number in a banner must not be taken for a JOBID.
    """
    lines = map(str.strip, text.splitlines())
    found = {match[1] for line in lines if (match := pattern.fullmatch(line))}
    return found.pop() if len(found) == 1 else None


def hours(seconds: int) -> str:
    """A walltime as `H:MM:SS`, which most schedulers read."""
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def no_environment(asked: Resources) -> None:
    """Raises Inexpressible for cores in an environment, where there is no such thing."""
    if asked.environment:
        why = f"give a number: {asked.environment}: is for Grid Engine's parallel environments"
        raise Inexpressible("cores", why)
