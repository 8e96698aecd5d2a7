"""Outputs of finished jobs: what is in them, and taking them over for a job that need not run."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from jobauto import quoting
from jobauto.errors import CouldNotAsk
from jobauto.remote.framing import Answer, Frame, closed

_SUM = re.compile(r"[0-9a-f]{64}")

# take NUMBER SUM FROM TO: a copy of FROM, under a name of its own until it is known to be whole
_TAKE = r"""
take() {
  [ ! -d "$4" ] || return 1
  mkdir -p "${4%/*}" 2>/dev/null
  rm -f "$4.taken"
  cp "$3" "$4.taken" 2>/dev/null && set -- "$1" "$2" "$3" "$4" $(sha256sum <"$4.taken") &&
    [ "$5" = "$2" ] && mv -f "$4.taken" "$4" && return 0
  rm -f "$4.taken"
  return 1
}
"""


@dataclass(frozen=True, slots=True)
class SumOutputs:
    """The sha256 of files of a run, by their paths; those that are not there are left out."""

    folder: str
    files: Sequence[str]
    frame: Frame = field(default_factory=Frame)

    @property
    def timeout(self) -> float:
        return 3600.0

    def script(self) -> str:
        lines = ['sum() { [ -f "$2" ] && set -- "$1" $(sha256sum <"$2") && echo "@sum $1 $2"; }']
        lines += [f"sum {n} {quoting.path(file)}" for n, file in enumerate(self.files)]
        return self.frame.script(self.folder, "\n".join([*lines, "echo @summed"]))

    def read(self, answer: Answer) -> dict[str, str]:
        found: dict[str, str] = {}
        lines = self.frame.body(answer, self.folder)
        for section in closed(lines, "summed", "whether all outputs were read"):
            if section.tag == "sum" and len(section.words) == 2:
                if not _SUM.fullmatch(section.words[1]):
                    raise CouldNotAsk("the answer has no checksum where one should be")
                found[section.which(self.files)] = section.words[1]
        return found


@dataclass(frozen=True, slots=True)
class Found:
    """Outputs of one job that another one gets: sha256 and place of each, by its path in the run;
    `marker` is made when all are there."""

    files: Mapping[str, tuple[str, str]]
    marker: str


@dataclass(frozen=True, slots=True)
class TakeOver:
    """Copy outputs of earlier jobs into this run's folders, each checked before it gets its name.

    Gives a truth for each of `jobs`: whether all of its files and its marker are there now. Done
    again it does the same.
    """

    folder: str
    jobs: Sequence[Found]
    frame: Frame = field(default_factory=Frame)

    @property
    def timeout(self) -> float:
        return 3600.0

    def script(self) -> str:
        lines = [_TAKE]
        for n, job in enumerate(self.jobs):
            steps = [
                f"take {n} {digest} {quoting.word(place)} {quoting.path(file)}"
                for file, (digest, place) in job.files.items()
            ]
            marker = quoting.path(job.marker)
            steps.append(f": >{marker}")
            lines.append(f"{{ {' && '.join(steps)}; }} 2>/dev/null && echo '@taken {n}'")
        return self.frame.script(self.folder, "\n".join([*lines, "echo @over"]))

    def read(self, answer: Answer) -> list[bool]:
        numbers = [str(n) for n in range(len(self.jobs))]
        found: set[str] = set()
        lines = self.frame.body(answer, self.folder)
        for section in closed(lines, "over", "whether all outputs were taken over"):
            if section.tag == "taken":
                found.add(section.which(numbers))
        return [number in found for number in numbers]
