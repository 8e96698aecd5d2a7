"""Folders of an inbox's jobs that are over and home: taken away from the remote, or put aside.

A claim is emptied, but `begun` stays: a submission that arrives late still finds that it was made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from jobauto import quoting
from jobauto.remote.framing import CLAIMS, Answer, Frame, closed

# What is moved away at first is gone at once, however long it takes to remove it. A shell that
# comes late finds no folder, as one of the same name is sent only when all of this is over.
_CLEAR = r"""
clear() { # clear NUMBER FOLDER PREFIX KEEP
  [ -z "$3" ] || rm -f "$claims/$3"-*/[!b]* # all but `begun`
  [ "$2" ] && [ -d "$2" ] || return 0
  chmod u+rwx "$2"
  if [ "$4" ] || [ "$(find "$2" -type l -print | head -n 1)" ]; then
    mkdir -p .jobauto/kept && mv "$2" ".jobauto/kept/${2#./}.$nonce" && echo "@kept $1"
  else
    mv "$2" "$going/$1"
  fi
  [ ! -d "$2" ] || echo "@stays $1"
}
"""


@dataclass(frozen=True, slots=True)
class Gone:
    """One folder of a run, or '' if there is none of it, and what its claims begin with."""

    folder: str
    claims: str = ""


@dataclass(frozen=True, slots=True)
class Cleared:
    """Which folders were put aside in .jobauto/kept (wanted, or for symbolic links in them, which
    are not all brought), and which could not be moved."""

    kept: frozenset[str]
    stay: frozenset[str]


@dataclass(frozen=True, slots=True)
class Clear:
    """Take folders away (`keep`: put them aside). Done again it does the same."""

    folder: str
    gone: Sequence[Gone]
    keep: bool = False
    frame: Frame = field(default_factory=Frame)

    @property
    def timeout(self) -> float:
        return 3600.0

    def script(self) -> str:
        head = f"claims={CLAIMS} nonce={self.frame.nonce} going=.jobauto/going/{self.frame.nonce}"
        calls = [
            f"clear {n} {quoting.path(one.folder) if one.folder else quoting.word('')} "
            f"{quoting.word(one.claims)} {'keep' if self.keep else quoting.word('')}"
            for n, one in enumerate(self.gone)
        ]
        # nobody waits for what cannot be removed now: it is tried again the next time
        end = 'chmod -R u+rwX "$going"; rm -rf .jobauto/going/*'
        body = f'{head}\nmkdir -p "$going" || exit 1\n{_CLEAR}\n{{ ' + "\n".join(calls)
        return self.frame.script(
            self.folder, f"{body}\n}} 2>/dev/null\n{{ {end}; }} 2>/dev/null\necho @cleared"
        )

    def read(self, answer: Answer) -> Cleared:
        names = [one.folder for one in self.gone]
        kept, stay = set(), set()
        lines = self.frame.body(answer, self.folder)
        for section in closed(lines, "cleared", "which folders are gone"):
            if section.tag == "kept":
                kept.add(section.which(names))
            elif section.tag == "stays":
                stay.add(section.which(names))
        return Cleared(frozenset(kept), frozenset(stay))
