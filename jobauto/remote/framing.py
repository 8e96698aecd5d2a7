"""The frame of every script for the remote and of every answer from it.

A script is one compound command, so a connection cut while it is sent runs nothing of it. The
answer begins and ends with lines that carry a number used once, so that banners around it are
passed over and an answer cut short is never taken for a whole one. Inside, each line starts with
a tag, and output of programs is prefixed line by line: it can never be taken for a tag.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from jobauto import quoting
from jobauto.errors import CouldNotAsk

T_co = TypeVar("T_co", covariant=True)
CLAIMS = ".jobauto/claims"
PER_COMMAND = 1000  # JOBIDs or tokens on one command line
_NUMBER = re.compile(r"[0-9]{1,9}")

# look PID: sets $code (the state's letter, empty when there is no such process), $start, which
# tells the process from a later one with the same pid, and (where there is a /proc) its session in
# $sid. There PID may be `self`: the shell that looks; $pid is its number. Its text is in $look, for
# other shells.
_LOOK = r"""
look='
look() {
  code= start= sid= pid=
  if [ -r /proc/self/stat ]; then
    IFS= read -r code 2>/dev/null <"/proc/$1/stat" || return 0
    pid=${code%% *}
    set -f; set -- ${code##*) }; set +f
    code=$1 sid=$4 start=${20}
  else
    pid=$1
    code=$(ps -o stat= -p "$1" | cut -c1) start=$(ps -o lstart= -p "$1" | tr -cd 0-9A-Za-z)
  fi
}
'
eval "$look"
"""

# ask COMMAND: its stdout as `o ` lines, then its stderr as `e ` lines and its status as `r N`.
# What may lack its last newline gets one; empty lines between are passed over.
_ASK = r"""
ask() {
  said=$( {
    { eval "$1" 2>&3 3>&-; printf '\nr %s\n' $? >&3; } |
      { sed 's/^/o /' >&5 || echo 'sed failed: the answer may be cut' >&3; }
  } 3>&1 )
  echo; printf '%s\n' "$said" | sed '$!s/^/e /'
}
t() { [ -e "$2" ] && echo "@t $1"; } # t NUMBER FILE: a tag if there is such a file
show() { # show TAG FILE [ENDED]: the lines of a small file; one without its end only if ENDED
  [ -s "$2" ] || return 0
  while IFS= read -r line || { [ "$3" ] && [ "$line" ]; }; do
    printf '%s %s\n' "$1" "$line"
  done <"$2"
}
"""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a process gave back: exit status and both streams (odd bytes as surrogates)."""

    exit_code: int
    out: str
    err: str


class Request(Protocol[T_co]):
    """One round trip: a script for the remote's shell, and the reading of what it answers."""

    @property
    def timeout(self) -> float:
        """Seconds after which to stop waiting."""

    def script(self) -> str:
        """Shell text for `sh -s`."""

    def read(self, answer: Answer) -> T_co:
        """The meaning of the answer; CouldNotAsk if it cannot be trusted."""


class Frame:
    """Builds a framed script and unpacks the framed answer."""

    def __init__(self) -> None:
        self.nonce = secrets.token_hex(8)

    def script(self, folder: str | None, body: str) -> str:
        """`body` inside the frame, run in `folder` (None: where the login lands)."""
        enter = f"cd -- {quoting.word(folder)} 2>/dev/null || nofolder" if folder else ":"
        return (
            "{\nLC_ALL=C; export LC_ALL; unset CDPATH\n"
            # a cut connection must not end a script between a submission and its record
            "trap '' HUP PIPE\nexec 5>&1\n"
            # a scheduler that hangs must not hang the remote's shell for ever
            "limit=; command -v timeout >/dev/null && limit='timeout 60'\n"
            f"nofolder() {{ echo 'nofolder {self.nonce}'; exit 0; }}\n"
            f"{_LOOK}{_ASK}\n{enter}\necho 'begin {self.nonce}'\n"
            f"{body}\n{self.end}\nexit 0\n}}\n"
        )

    @property
    def end(self) -> str:
        """The command that ends the answer; behind it nothing counts."""
        return f"echo 'end {self.nonce}'"

    def body(self, answer: Answer, folder: str | None = None) -> list[str]:
        """The lines between begin and end."""
        lines = answer.out.split("\n")
        if f"nofolder {self.nonce}" in lines:
            raise CouldNotAsk(f"the run folder {folder} is not there (any more)")
        try:
            begin = lines.index(f"begin {self.nonce}")
            end = lines.index(f"end {self.nonce}", begin)
        except ValueError:
            said = " ".join(answer.err.split())[-300:] or "no words"
            raise CouldNotAsk(
                f"answer cut short (exit status {answer.exit_code}; {quoting.shown(said)})"
            ) from None
        return lines[begin + 1 : end]


@dataclass(slots=True)
class Section:
    """A tag line with its words, and the program output under it."""

    tag: str
    words: list[str]
    out: list[str]
    err: list[str]
    exit_code: int | None = None

    @property
    def name(self) -> str:
        """The word behind the tag: whom the section is about."""
        if not self.words:
            raise CouldNotAsk(f"a word is missing behind @{quoting.shown(self.tag[:80])}")
        return self.words[0]

    def which(self, asked: Sequence[str]) -> str:
        """The one of `asked` whose number stands behind the tag."""
        if not _NUMBER.fullmatch(self.name) or int(self.name) >= len(asked):
            raise CouldNotAsk(f"{quoting.shown(self.name[:80])!r} is no number of a file")
        return asked[int(self.name)]

    @property
    def text(self) -> str:
        return "".join(line + "\n" for line in self.out)

    @property
    def errors(self) -> str:
        return "".join(line + "\n" for line in self.err)


def tests(files: Sequence[str]) -> list[str]:
    """Commands that tell which of these files are there, each as a section `t`: see `which`."""
    return [f"t {n} {quoting.path(name)}" for n, name in enumerate(files)]


def portions(words: Sequence[str]) -> Iterator[list[str]]:
    """JOBIDs or tokens for one command line after the other, fit to stand there as they are."""
    for n in range(0, len(words), PER_COMMAND):
        yield [quoting.plain(word) for word in words[n : n + PER_COMMAND]]


def closed(lines: list[str], tag: str, missing: str) -> Iterator[Section]:
    """The sections of an answer in which there must be `@tag`; CouldNotAsk that the answer does not
    say what is `missing`, if there is not."""
    whole = False
    for section in sections(lines):
        whole = whole or section.tag == tag
        yield section
    if not whole:
        raise CouldNotAsk(f"the answer does not say {missing}")


def sections(lines: list[str]) -> Iterator[Section]:
    """Group the lines of an answer: `@tag words` begins a section, `o e r` lines belong to it."""
    current: Section | None = None
    for line in filter(None, lines):
        if line.startswith("@"):
            if current:
                yield current
            tag, *words = line[1:].split(" ")
            current = Section(tag, words, [], [])
        elif current is None or line[:2] not in ("o ", "e ", "r "):
            raise CouldNotAsk(f"unexpected line in the answer: {quoting.shown(line[:80])!r}")
        elif line[0] == "o":
            current.out.append(line[2:])
        elif line[0] == "e":
            current.err.append(line[2:])
        elif _NUMBER.fullmatch(line[2:]):
            current.exit_code = int(line[2:])
    if current:
        yield current
