"""Outputs that are summed and taken over, by a real shell."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from places import ask
from trees import make

from jobauto.errors import CouldNotAsk
from jobauto.remote.framing import Answer
from jobauto.remote.reusing import Found, SumOutputs, TakeOver


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """An earlier run `old` with outputs, and a run `new` without."""
    made = {"old/a b/x": "X", "old/a b/$y": "Y", "old/c/z": "Z"}
    make(tmp_path, {**made, "new/a b/k": "", "new/c/k": ""})
    return tmp_path


def over(runs: Path, *jobs: Found) -> list[bool]:
    return ask(TakeOver(str(runs / "new"), jobs))


def job(runs: Path, files: dict[str, str], marker: str) -> Found:
    return Found({f: (digest(text), str(runs / "old" / f)) for f, text in files.items()}, marker)


def test_sums_are_those_of_the_files_and_what_is_not_there_has_none(runs: Path) -> None:
    asked = SumOutputs(str(runs / "old"), ["a b/x", "a b/$y", "none", "c"])
    assert ask(asked) == {"a b/x": digest("X"), "a b/$y": digest("Y")}


def test_outputs_are_copied_and_then_the_marker_is_there(runs: Path) -> None:
    first = job(runs, {"a b/x": "X", "a b/$y": "Y"}, "a b/qsub.finished.0")
    second = job(runs, {"c/z": "Z"}, "c/qsub.finished.0")
    for _ in range(2):  # done again it does the same
        assert over(runs, first, second) == [True, True]
        assert sorted(os.listdir(runs / "new/a b")) == ["$y", "k", "qsub.finished.0", "x"]
        assert (runs / "new/a b/$y").read_text() == "Y"
    (runs / "new/c/z").write_text("mine")
    assert (runs / "old/c/z").read_text() == "Z"


@pytest.mark.parametrize("wrong", ["changed", "gone", "a folder", "no room for it"])
def test_what_is_not_as_it_was_is_not_taken_nor_is_the_job_done(runs: Path, wrong: str) -> None:
    wanted = job(runs, {"a b/x": "X", "c/z": "Z"}, "c/qsub.finished.0")
    if wrong == "changed":
        (runs / "old/c/z").write_text("other")
    else:
        (runs / "old/c/z").unlink()
    if wrong == "a folder":
        (runs / "old/c/z").mkdir()
    if wrong == "no room for it":
        (runs / "old/c/z").write_text("Z")
        make(runs / "new", {"c/z/mine": ""})
    other = job(runs, {"a b/$y": "Y"}, "a b/qsub.finished.1")
    found = over(runs, wanted, other)
    assert found == [False, True]
    left = [["k"], ["k", "z"]][wrong == "no room for it"]
    assert sorted(os.listdir(runs / "new/c")) == left


def test_an_answer_cut_short_is_none(runs: Path) -> None:
    for asked in (SumOutputs(str(runs), ["x"]), TakeOver(str(runs), [])):
        n = asked.frame.nonce
        with pytest.raises(CouldNotAsk):
            asked.read(Answer(0, f"begin {n}\nend {n}\n", ""))
    bad = SumOutputs(str(runs), ["x"])
    n = bad.frame.nonce
    with pytest.raises(CouldNotAsk):
        bad.read(Answer(0, f"begin {n}\n@sum 0 nonsense\n@summed\nend {n}\n", ""))
