"""A dialect is one short file and one folder: a toy passes the contract, a broken toy does not."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from answers import KINDS, RECORDED, read
from contract import checks
from toy.toy import Toy

from jobauto.model import Ending, InQueue, Queued
from jobauto.schedulers import DIALECTS, Dialect, Unreadable

TOY = Path(__file__).parent / "toy"
FOLDER = TOY / "recorded"


def failed(dialect: Dialect, folder: Path = FOLDER) -> list[str]:
    """The names of the checks that fail."""
    found = []
    for what, check in checks(dialect, folder):
        try:
            check()
        except Exception:
            found.append(what)
    return found


@pytest.mark.parametrize(
    "check", [pytest.param(check, id=what) for what, check in checks(Toy(), FOLDER)]
)
def test_the_toy_passes_the_whole_contract(check: Callable[[], None]) -> None:
    check()


def test_the_toy_is_a_seventh_dialect_in_under_60_lines() -> None:
    assert Toy.name not in DIALECTS
    assert len((TOY / "toy.py").read_text().splitlines()) < 60


class IgnoresJunk(Toy):
    def parse(self, text: str) -> list[InQueue]:
        lines = [line for line in text.split("\n") if re.match(r"\d+(?:\.\d+)? [A-Z]+ ", line)]
        return super().parse("".join(f"{line}\n" for line in [*lines, "all"]))


class KnowsNoLimit(Toy):
    limit = re.compile(r"(?!)")


class LosesNothing(Toy):
    lost = re.compile(r"(?!)")


class TakesAnyNumber(Toy):
    def jobid(self, out: str) -> str | None:
        found = re.search(r"\d+", out)
        return found[0] if found else None


class ShowsWhatHasEnded(Toy):
    def parse(self, text: str) -> list[InQueue]:
        return super().parse(text.replace("OVER", "RUN"))


class StumblesOverNewStates(Toy):
    def parse(self, text: str) -> list[InQueue]:
        if "NEW" in text:
            raise Unreadable("what is NEW?")
        return super().parse(text)


class KillsOneByOne(Toy):
    def kill(self, jobids: list[str], program: str = "tkill") -> str:  # type: ignore[override]
        return "; ".join(f"$limit {program} {jobid}" for jobid in jobids)


class CallsAllEndingsGood(Toy):
    def ending(self, text: str) -> Ending:
        return Ending(0)


class ForgetsTheToken(Toy):
    def submit(self, script: str, token: str, options: str) -> str:
        return f"$limit tsub {options} {script}"


class LeavesAQuoteOpen(Toy):
    def autopsy(self, jobid: str) -> str:
        return f"$limit tlast '{jobid}"


BROKEN = {
    IgnoresJunk: ["a banner before a listing", "1.0/tq-many: cut at any byte"],
    KnowsNoLimit: ["1.0/tsub-full: limit"],
    LosesNothing: ["1.0/tsub-down: lost", "limit, then loss, 0"],
    TakesAnyNumber: ["no JOBID in a banner", "1.0/tsub: JOBID, banner before"],
    ShowsWhatHasEnded: ["state 'OVER': gone"],
    StumblesOverNewStates: ["state 'NEW': unknown"],
    KillsOneByOne: ["to kill many jobs"],
    CallsAllEndingsGood: ["1.0/tlast-exit-3: how it ended", "1.0/tlast-forgotten: how it ended"],
    ForgetsTheToken: ["a shell reads all commands"],
    LeavesAQuoteOpen: ["a shell reads all commands"],
}


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.__name__)
def test_a_broken_toy_does_not_pass(broken: type[Toy]) -> None:
    assert set(BROKEN[broken]) <= set(failed(broken()))


def copied(folder: Path) -> Path:
    """The toy's folder, to be spoilt."""
    for file in FOLDER.rglob("*.*"):
        if file.is_file():
            (folder / file.relative_to(FOLDER)).parent.mkdir(exist_ok=True)
            (folder / file.relative_to(FOLDER)).write_text(file.read_text())
    return folder


def test_a_dialect_without_recorded_answers_does_not_pass(tmp_path: Path) -> None:
    assert "it has recorded answers" in failed(Toy(), tmp_path)
    assert "it has recorded answers" in failed(Toy(), RECORDED / Toy.name)


NEEDED = {
    "tsub*": ["a JOBID", "refused: limit", "refused: lost", "refused: never"],
    "tq-empty": ["an empty queue"],
    "tq-many": ["a queue of three or more"],
    "tq-no-state": ["an unreadable queue"],
    "tq-down": ["a queue without an answer"],
    "tlast-exit-3": ["an ending with an exit code"],
    "tlast-forgotten": ["a forgotten ending"],
}


@pytest.mark.parametrize("name", NEEDED)
def test_a_kind_of_answer_that_is_missing_is_found(name: str, tmp_path: Path) -> None:
    for file in copied(tmp_path).glob(f"1.0/{name}.txt"):
        file.unlink()
    assert failed(Toy(), tmp_path) == [f"the folder shows {what}" for what in NEEDED[name]]


SPOILT = {
    "no headers": ("# command", "# comand"),
    "no origin": ("typed from nothing", "somewhere"),
    "no expectation": ("# queue: empty\n", ""),
    "no such kind of expectation": ("# queue:", "# queues:"),
    "no such state": ("# queue: empty", "# queue: 7 sleeping RUN"),
    "words that are no facts": ("# queue: empty", "# queue: 7 running RUN None"),
    "no stderr": ("--- stderr\n", ""),
}


@pytest.mark.parametrize("what", SPOILT)
def test_a_file_that_is_not_well_formed_does_not_pass(what: str, tmp_path: Path) -> None:
    file = copied(tmp_path) / "1.0" / "tq-empty.txt"
    file.write_text(file.read_text().replace(*SPOILT[what]))
    assert "1.0/tq-empty: can be read" in failed(Toy(), tmp_path)


@pytest.mark.parametrize("part", ["listing", "states", "commands"])
def test_a_part_of_the_table_that_is_missing_fails_as_a_check(part: str, tmp_path: Path) -> None:
    table = copied(tmp_path) / "dialect.toml"
    table.write_text(table.read_text().replace(f"[{part}]", "[other]"))
    assert any("the folder" in what for what in failed(Toy(), tmp_path))


def test_a_value_that_can_be_expressed_after_all_is_found(tmp_path: Path) -> None:
    table = copied(tmp_path) / "dialect.toml"
    table.write_text(table.read_text().replace('"mpi:16"', '"16"'))
    assert "cannot express cores = 16" in failed(Toy(), tmp_path)


CONTRIBUTING = (TOY.parent.parent / "CONTRIBUTING.md").read_text()


def test_an_answer_recorded_as_contributing_says_can_be_read(tmp_path: Path) -> None:
    [function] = re.findall(r"```sh\n(.*?)```", CONTRIBUTING, re.DOTALL)
    command = "printf 'job 3214\\n'; echo 'tsub: oops' >&2; exit 3"
    text = subprocess.run(
        ["sh", "-c", f'{function}\nrecord "$1" "Toy 1.0"', "sh", command],
        capture_output=True,
        check=True,
        text=True,
        timeout=60,
    ).stdout
    file = tmp_path / "tsub.txt"
    file.write_text(text.replace("--- stdout", "# jobid: 3214\n--- stdout"))
    said = read(file)
    assert (said.out, said.err, said.exit_code) == ("job 3214\n", "tsub: oops\n", 3)
    assert text.startswith(f"# command: {command}\n# origin: Toy 1.0, recorded 2")


def test_contributing_names_all_that_a_folder_may_hold() -> None:
    tables = ["listing", "states", "commands", "asked", "inexpressible"]
    assert all(f"`# {kind}: " in CONTRIBUTING for kind in KINDS)
    assert all(f"| `[{table}]` |" in CONTRIBUTING for table in tables)
    assert " ".join(state.value for state in Queued) in CONTRIBUTING
    assert len(CONTRIBUTING.splitlines()) <= 100


def test_every_file_that_contributing_names_is_there() -> None:
    names = re.findall(r"`((?:tests|jobauto)/[\w./]+)`|\]\(([\w.]+)\)", CONTRIBUTING)
    assert [
        name for pair in names for name in pair if not (TOY.parent.parent / name).exists()
    ] == []
