"""What can go wrong and be expected.

    JobautoError
    ├── UserError       bad usage, a bad tree, a file that cannot be read    exit 2
    ├── RemoteError     the remote cannot be used                            exit 4
    │   ├── NoConnection    no link
    │   │   └── NeedsLogin  a person has to log in, or to decide about a host key
    │   └── CouldNotAsk     the link is there, the answer is not
    ├── DatabaseError   the shared database cannot be used                   exit 4
    │   ├── NoDatabase      no link, no answer, no room: nothing is known
    │   ├── DatabaseRefused it does not let us in, or not do this
    │   └── WrongVersion    its tables are older or newer than ours, or not there
    └── Interrupted     a person stopped the monitor                         exit 3

An expected error is printed in one line (`where: what` and a line with what to do next);
anything else is a bug and keeps its traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

SHOWN = 20  # names or mistakes in one message
DONE, SOME_FAILED, BAD_USAGE, STOPPED, GAVE_UP = 0, 1, 2, 3, 4


class JobautoError(Exception):
    """An expected error: what happened, where, and what to do next."""

    exit_code = BAD_USAGE

    def __init__(self, what: str, where: str | None = None, hint: str | None = None) -> None:
        super().__init__(what)
        self.what, self.where, self.hint = what, where, hint

    def __str__(self) -> str:
        head = f"{self.where}: {self.what}" if self.where else self.what
        return f"{head}\n  -> {self.hint}" if self.hint else head


class UserError(JobautoError):
    """Something that the person can put right; nothing was sent."""


class TreeErrors(UserError):
    """All that is wrong with a tree, at once."""

    def __init__(self, problems: list[UserError]) -> None:
        super().__init__(f"{len(problems)} problem(s) in the tree")
        self.problems = problems

    def __str__(self) -> str:
        lines = [str(p) for p in self.problems[:SHOWN]]
        if len(self.problems) > SHOWN:
            lines.append(f"... and {len(self.problems) - SHOWN} more")
        return "\n".join(lines)


class RemoteError(JobautoError):
    """The remote cannot be used."""

    exit_code = GAVE_UP


class NoConnection(RemoteError):
    """There is no link to the remote."""


class NeedsLogin(NoConnection):
    """The remote does not let us in without a person: a code, a key, a changed host key."""


class CouldNotAsk(RemoteError):
    """The remote gave no answer that can be trusted; this proves nothing about any job."""


class DatabaseError(JobautoError):
    """The shared database cannot be used; no message holds a password."""

    exit_code = GAVE_UP


class NoDatabase(DatabaseError):
    """The database gave no answer; what was asked of it may have happened all the same."""


class DatabaseRefused(DatabaseError):
    """The database does not let us in, or does not let us do this."""


class WrongVersion(DatabaseError):
    """The tables are older or newer than this jobauto, or there are none."""


class Interrupted(JobautoError):
    """A person stopped the monitor."""

    exit_code = STOPPED

    def __init__(self, why: str = "stopped") -> None:
        super().__init__(why)


def near(name: str, known: Iterable[str]) -> str:
    """`did you mean X?` for the nearest known name, or the list of all of them."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    if close:
        return f"did you mean {close[0]}?"
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return "known: " + ", ".join(names[:SHOWN]) + more if names else "there are none"


def raise_all(problems: list[UserError]) -> None:
    """Raise what was collected: one problem as itself, several together."""
    if len(problems) == 1:
        raise problems[0]
    if problems:
        raise TreeErrors(problems)
