"""Questions asked once: what the remote has, whether the run can live there, what is done."""

from __future__ import annotations

from dataclasses import dataclass, field

from jobauto import quoting
from jobauto.errors import CouldNotAsk, UserError
from jobauto.remote.framing import Answer, Frame, sections
from jobauto.schedulers import DIALECTS, Dialect

#: the checksum that two rsyncs agree on if both have it; to be told of it saves them a round trip
SUMS = "xxh128"


@dataclass(frozen=True, slots=True)
class Found:
    """The remote as the probe saw it. `folder` is absolute; empty if it cannot be made. `sums`:
    whether its rsync has SUMS."""

    schedulers: tuple[str, ...]
    folder: str
    rsync: bool
    host: str
    complaint: str = ""
    sums: bool = False


@dataclass(frozen=True, slots=True)
class Probe:
    """Which schedulers are there, is rsync, and can `folder` be written (made, if `make`)?

    If one is `wanted` the others are looked for only where it is missing: programs of schedulers
    take their time. `local` is everywhere.
    """

    folder: str
    make: bool = True
    wanted: str = "auto"
    frame: Frame = field(default_factory=Frame)

    @property
    def timeout(self) -> float:
        return 60.0

    def script(self) -> str:
        folder = _from_home(self.folder)
        make = f"mkdir -p -- {folder}; " if self.make else ""
        check = f"{make}cd -- {folder} && [ -w . ] && pwd"
        return self.frame.script(
            None,
            f"{self._tests()}\ncommand -v rsync >/dev/null && echo '@has rsync'\n"
            f"case $(rsync --version 2>/dev/null) in *{SUMS}*) echo '@has {SUMS}'; esac\n"
            f"echo '@host'; ask 'uname -n'\necho '@folder'; ask {quoting.word(check)}",
        )

    def _tests(self) -> str:
        if self.wanted == "local":
            return ""
        tests = {
            d.name: f"{{ {d.detect}; }} >/dev/null 2>&1 </dev/null && echo '@has {d.name}'"
            for d in DIALECTS.values()
            if d.name != "local"
        }
        first = tests.pop(self.wanted, None)
        others = "\n".join(tests.values())
        return f"{first} || {{\n{others}\n}}" if first else others

    def read(self, answer: Answer) -> Found:
        has, folder, complaint, host = [], "", "", ""
        for section in sections(self.frame.body(answer)):
            if section.tag == "has":
                has += section.words
            elif section.tag == "host":
                host = section.text.strip()
            elif section.tag == "folder":
                folder = section.text.removesuffix("\n") if section.exit_code == 0 else ""
                complaint = " ".join(section.errors.split())
        schedulers = tuple(name for name in has if name in DIALECTS)
        return Found(schedulers, folder, "rsync" in has, host, complaint, SUMS in has)


def _from_home(folder: str) -> str:
    """`~/x` means x in the home folder, which is where a login lands."""
    folder = folder.removeprefix("~/") if folder != "~" else ""
    return quoting.word(folder) if folder.startswith("/") else quoting.path(folder)


def choose(wanted: str, found: Found, remote: str) -> Dialect:
    """The dialect for `--scheduler wanted`; UserError if auto finds none, or several."""
    if wanted != "auto":
        if wanted != "local" and wanted not in found.schedulers:
            raise UserError(
                f"{remote} has no {wanted} that answers to `ssh {remote} command`",
                hint=f"found there: {', '.join(found.schedulers) or 'no scheduler'}",
            )
        return DIALECTS[wanted]
    if len(found.schedulers) == 1:
        return DIALECTS[found.schedulers[0]]
    if found.schedulers:
        names = " and ".join(found.schedulers)
        raise UserError(f"{remote} has {names}", hint="say which with --scheduler")
    if remote == "local":
        return DIALECTS["local"]
    raise UserError(
        f"no scheduler found on {remote}",
        hint="if its programs are not on the PATH of a plain `ssh host command`, set it in "
        "~/.bashrc there; to run the jobs as processes of that machine: --scheduler local",
    )


@dataclass(frozen=True, slots=True)
class FindMarkers:
    """The markers that exist anywhere in a run folder; for when quelist was renamed."""

    folder: str
    frame: Frame = field(default_factory=Frame)

    @property
    def timeout(self) -> float:
        return 600.0

    def script(self) -> str:
        find = "find . -name .jobauto -prune -o -name 'qsub.finished.*' -print"
        return self.frame.script(self.folder, f"echo @markers\nask {quoting.word(find)}")

    def read(self, answer: Answer) -> set[str]:
        for section in sections(self.frame.body(answer, self.folder)):
            if section.tag == "markers" and section.exit_code == 0:
                return {line.removeprefix("./") for line in section.out}
        raise CouldNotAsk(f"could not list the markers in {self.folder}")
