"""Outputs of a run as one archive: what there is, packing some of it, and removing the run.

The archive is .jobauto/outputs/outputs.tar.gz in the run's folder on the remote, renamed into
place with its checksum. What stands beside it was made before its files were looked for: what is
newer than `listed` is not in it, or not as it is now; nor is a file that `state` does not have,
such as one that was moved into the run later and kept its old time.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from jobauto import quoting
from jobauto.errors import CouldNotAsk, UserError
from jobauto.remote.framing import Answer, Frame, Section, sections

MEMBER = "batch.json"  # in every run of a batch, and only there
PLACE = ".jobauto/outputs"
ARCHIVE = f"{PLACE}/outputs.tar.gz"
MINUTE, DAY = 60.0, 24 * 3600.0
# ls -lnd in the C locale: mode, links, owner, group, size, date, path
_LINE = re.compile(r"-\S+ +\d+ +\d+ +\d+ +(\d+) [^/]*? \./(.+)")
_SUM = re.compile(r"([0-9a-f]{64}) +(\d+)")
_FILES = "find . -path ./.jobauto -prune -o -type f"
_LINKS = "find . -path ./.jobauto -prune -o -type l"
_ODD = "-path '*[[:cntrl:]]*'"
_WRITTEN, _LS = f"-newer {MEMBER}", "-exec ls -lnd {} +"
_LISTED, _STATE = ".jobauto/listed", ".jobauto/state"
# without the number of links, as files of the store are linked into other runs meanwhile, and
# without the columns' blanks, which a longer line changes in all others
_STATES = (
    f"{_FILES} -exec ls -lndi {{}} + | tr -s ' ' | sed 's/^ *\\([0-9]* [^ ]*\\) [0-9]*/\\1/' | sort"
)
_NEWER = (
    f"newer=$({_FILES} -newer {PLACE}/listed -print) && "
    f"[ -f {PLACE}/state ] && other=$({_STATES} | comm -13 {PLACE}/state -)"
)
_PLAIN = "unset TIME_STYLE QUOTING_STYLE BLOCK_SIZE LS_BLOCK_SIZE POSIXLY_CORRECT\n"


@dataclass(frozen=True, slots=True)
class Packed:
    """An archive on the remote: its sha256, and its size in bytes."""

    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Listing:
    """The files of a run with their sizes in bytes, those that are newer than the batch was when
    it was sent, how many have control characters in their names, how many symbolic links there
    are, and the archive that is there already if nothing was written since it was begun.
    """

    files: dict[str, int]
    written: frozenset[str]
    odd: int
    links: int
    packed: Packed | None


@dataclass(frozen=True, slots=True)
class ListFiles:
    """All regular files of a run folder but the monitor's own."""

    folder: str
    frame: Frame = field(default_factory=Frame)

    @property
    def timeout(self) -> float:
        return 30 * MINUTE

    def script(self) -> str:
        kept = f'[ -f {PLACE}/sum ] && [ -f {ARCHIVE} ] && {_NEWER} && [ -z "$newer$other" ]'
        body = (
            f"{_PLAIN}mkdir -p .jobauto && : >{_LISTED} && {_STATES} >{_STATE} || exit 1\n"
            f"echo @odd; ask {quoting.word(f'{_FILES} {_ODD} -exec echo odd {chr(92)};')}\n"
            f"echo @links; ask {quoting.word(f'{_LINKS} -exec echo link {chr(92)};')}\n"
            f"echo @files; ask {quoting.word(f'{_FILES} ! {_ODD} ! {_WRITTEN} {_LS}')}\n"
            f"echo @written; ask {quoting.word(f'{_FILES} ! {_ODD} {_WRITTEN} {_LS}')}\n"
            f"if {kept}; then echo @packed; ask 'cat {PLACE}/sum'; fi"
        )
        return self.frame.script(self.folder, body)

    def read(self, answer: Answer) -> Listing:
        found = dict[str, dict[str, int]]()
        counts, packed = {"odd": 0, "links": 0}, None
        for section in sections(self.frame.body(answer, self.folder)):
            if section.tag in counts:
                counts[section.tag] = len(_whole(section, "count files").out)
            elif section.tag in ("files", "written"):
                lines = _whole(section, "list the files").out
                found[section.tag] = dict(map(_file, lines))
            elif section.tag == "packed":
                packed = _packed(section)
        if len(found) < 2:
            raise CouldNotAsk("the answer holds no list of files")
        written = found["written"]
        return Listing(found["files"] | written, frozenset(written), **counts, packed=packed)


def _file(line: str) -> tuple[str, int]:
    found = _LINE.fullmatch(line)
    if not found:
        raise CouldNotAsk(f"unexpected line in a list of files: {quoting.shown(line[:80])!r}")
    return found[2], int(found[1])


def _packed(section: Section) -> Packed:
    found = _SUM.fullmatch(section.text.strip())
    if not found:
        raise CouldNotAsk("the checksum of the archive cannot be read")
    return Packed(found[1], int(found[2]))


def _whole(section: Section, what: str) -> Section:
    if section.exit_code != 0:
        said = quoting.shown(" ".join(section.errors.split())[-300:])
        raise CouldNotAsk(f"could not {what}: exit status {section.exit_code}: {said}")
    return section


@dataclass(frozen=True, slots=True)
class Pack:
    """Make the archive of `files`; another one goes when this one is whole."""

    folder: str
    files: Sequence[str]
    frame: Frame = field(default_factory=Frame)

    @property
    def timeout(self) -> float:
        return DAY

    def script(self) -> str:
        mine, end = f"{PLACE}.{self.frame.nonce}", f"end-of-list-{self.frame.nonce}"
        # zero bytes: otherwise tar would read backslashes and dashes of the names
        steps = (
            # at first: a later list is not of this archive, should this shell be slow
            f"mv {_LISTED} {mine}/listed && mv {_STATE} {mine}/state",
            f"tr '\\n' '\\0' <{mine}/list >{mine}/list0",
            f"tar -c -z -f {mine}/outputs.tar.gz --null -T {mine}/list0",
            f"set -- $(sha256sum <{mine}/outputs.tar.gz) && "
            f'echo "$1 $(($(wc -c <{mine}/outputs.tar.gz)))" >{mine}/sum',
            f"rm -rf {PLACE} && mv {mine} {PLACE} && cat {PLACE}/sum",
        )
        paths = "".join(f"./{path}\n" for path in self.files)
        body = (
            # what a cut connection left; the next mv of a shell that still packs will fail
            f"rm -rf {PLACE}.*; mkdir -p {mine}\n"
            f"cat >{mine}/list <<'{end}'\n{paths}{end}\n"
            f"echo @packed; ask {quoting.word(' && '.join(steps))}"
        )
        return self.frame.script(self.folder, body)

    def read(self, answer: Answer) -> Packed:
        for section in sections(self.frame.body(answer, self.folder)):
            if section.tag == "packed":
                return _packed(_whole(section, "pack the outputs"))
        raise CouldNotAsk("the answer does not say what was packed")


@dataclass(frozen=True, slots=True)
class RemoveRun:
    """Remove the folder of a batch's run, if its archive is the one with this sha256 and nothing
    was written since (None: whatever is in it). Gives a file that was written since, or "" if all
    is gone.
    """

    folder: str
    sha256: str | None
    frame: Frame = field(default_factory=Frame)

    @property
    def timeout(self) -> float:
        return 60 * MINUTE

    def script(self) -> str:
        parent, _, name = self.folder.rpartition("/")
        if not parent or name in ("", ".", ".."):
            raise UserError("not the folder of a run", self.folder)
        run, going = quoting.path(name), quoting.path(f".{name}.removed")
        steps = [f"cd {run}", f"[ -f {MEMBER} ]"]
        if self.sha256 is not None:
            test = f'[ "$(sha256sum <{ARCHIVE})" = {quoting.word(f"{self.sha256}  -")} ]'
            say = "printf 'newer %s\\n' \"${newer:-$other}\""
            steps += [test, _NEWER, f'{{ [ -z "$newer$other" ] || {{ {say}; false; }}; }}']
        # an earlier try may have moved it already
        checked = f"if [ -d {run} ]; then ({' && '.join(steps)}) && mv {run} {going}; fi"
        body = f"{_PLAIN}echo @removed; ask {quoting.word(f'{checked} && rm -rf {going}')}"
        return self.frame.script(parent, body)

    def read(self, answer: Answer) -> str:
        parent = self.folder.rpartition("/")[0]
        for section in sections(self.frame.body(answer, parent)):
            if section.tag == "removed":
                if section.out and section.out[0].startswith("newer "):
                    return section.out[0].partition("./")[2] or "a file"
                _whole(section, f"remove {self.folder} (it may not be what was packed)")
                return ""
        raise CouldNotAsk("the answer does not say what was removed")
