"""Files that many job folders share: kept once on the remote, by content, and put into each."""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from jobauto import quoting
from jobauto.errors import CouldNotAsk
from jobauto.remote.framing import Answer, Frame, sections

# clear NAMES: out of the folder $to. give HOW FILES: into it.
_GIVE = """
clear() { (cd "$to" && rm -f "$@"); }
give() { how=$1; shift; "$how" "$@" "$to"; }
"""


@dataclass(frozen=True, slots=True)
class PlaceFiles:
    """Put files of `store` (sha256 by path in it) into folders of a run.

    `sets` has what belongs together, as paths in the store, and the folders that get it; those in
    `links` as hard links: a program then finds its other files beside it, as it would not behind a
    symbolic link. Where there can be none, and all else, as a copy. Done again it does the same.
    Gives what is not in the store, or was there with another content and
    is removed now: nothing was put anywhere then.
    """

    folder: str
    store: str
    sums: Mapping[str, str]
    sets: Sequence[tuple[Sequence[str], Sequence[str]]]
    links: Collection[str] = ()
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
        lines.append('put() { to=$2; said=$("put_$1" 2>&1) && return 0')
        lines.append("""  echo @failed; echo "$said" | sed 's/^/o /'; }""")
        lines += [_GIVE, 'if [ -z "$bad" ]; then']
        for n, (files, folders) in enumerate(self.sets):
            lines.append(f"put_{n}() {{ {self._put(files, there)}; }}")
            lines += [f"put {n} {quoting.path(folder)}/" for folder in folders]
        lines += ["echo @placed", "fi"]
        return self.frame.script(self.folder, "\n".join(lines))

    def _put(self, files: Sequence[str], there: Mapping[str, str]) -> str:
        """Commands that give these files to the folder $to."""
        clear = " ".join(["clear", *(quoting.path(posixpath.basename(file)) for file in files)])
        links = " ".join(there[file] for file in files if file in self.links)
        copies = " ".join(there[file] for file in files if file not in self.links)
        steps = [clear]
        if links:
            # a file that was linked before another one could not be is no place to copy to
            steps.append(f"{{ give ln {links} || {{ {clear} && give cp {links}; }}; }}")
        if copies:
            steps.append(f"give cp {copies}")
        return " && ".join(steps)

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
