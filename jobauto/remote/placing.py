"""Files that many job folders share: kept once on the remote, by content, and linked into each."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from jobauto import quoting
from jobauto.errors import CouldNotAsk
from jobauto.remote.framing import Answer, Frame, sections

# Hard links: a program then finds its other files beside it, as it would not behind a symbolic
# link. Where there can be none, a copy.
_PUT = (
    """clear_{n}() {{ (cd "$1" && rm -f {names}); }}\n"""
    # a file that was linked before another one could not be is no place to copy to
    """put_{n}() {{ clear_{n} "$1" && {{ ln {files} "$1" ||\n"""
    """  {{ clear_{n} "$1" && cp {files} "$1"; }}; }}; }}"""
)


@dataclass(frozen=True, slots=True)
class PlaceFiles:
    """Put files of `store` (sha256 by path in it) into folders of a run.

    `sets` has what belongs together, as paths in the store, and the folders that get it. Done
    again it does the same. Gives what is not in the store, or was there with another content and
    is removed now: nothing was put anywhere then.
    """

    folder: str
    store: str
    sums: Mapping[str, str]
    sets: Sequence[tuple[Sequence[str], Sequence[str]]]
    frame: Frame = field(default_factory=Frame)

    @property
    def timeout(self) -> float:
        return 3600.0

    def script(self) -> str:
        there = {file: quoting.word(posixpath.join(self.store, file)) for file in self.sums}
        lines = ["bad=", "check() {", '  set -- "$1" "$2" "$3" $(sha256sum <"$3")']
        lines += ['  [ "$4" = "$2" ] || { bad=1; echo "@bad $1"; rm -f "$3"; }', "}"]
        for n, (file, digest) in enumerate(self.sums.items()):
            lines.append(f"check {n} {digest} {there[file]} 2>/dev/null")
        lines.append('put() { said=$("put_$1" "$2" 2>&1) && return 0')
        lines.append("""  echo @failed; echo "$said" | sed 's/^/o /'; }""")
        lines.append('if [ -z "$bad" ]; then')
        for n, (files, folders) in enumerate(self.sets):
            names = " ".join(quoting.path(posixpath.basename(file)) for file in files)
            lines.append(
                _PUT.format(n=n, files=" ".join(there[file] for file in files), names=names)
            )
            lines += [f"put {n} {quoting.path(folder)}/" for folder in folders]
        lines += ["echo @placed", "fi"]
        return self.frame.script(self.folder, "\n".join(lines))

    def read(self, answer: Answer) -> list[str]:
        names, bad, placed = list(self.sums), [], False
        for section in sections(self.frame.body(answer, self.folder)):
            if section.tag == "failed":
                said = quoting.shown(" ".join(section.text.split())[:300])
                raise CouldNotAsk(f"could not put common files into a job's folder: {said}")
            if section.tag == "bad":
                bad.append(section.which(names))
            placed = placed or section.tag == "placed"
        if not placed and not bad:
            raise CouldNotAsk("the answer does not say whether common files were put in place")
        return bad
