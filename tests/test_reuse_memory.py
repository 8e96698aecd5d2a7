"""What runs remember of jobs that finished."""

from __future__ import annotations

from pathlib import Path

from jobauto.reuse.keys import Key
from jobauto.reuse.memory import FILE, Known, Result, note, read

OLD, NEW = Key.of({"its script": "1", "POSCAR": "2"}), Key.of({"its script": "1", "POSCAR": "3"})


def result(job: str, key: Key) -> Result:
    return Result(job, key.word, key.parts, {f"{job}.out": "0" * 64})


def test_results_come_back_as_they_were(tmp_path: Path) -> None:
    assert read(tmp_path) == []
    note(tmp_path, [])
    odd = result("a\udcff ü/qsub.0", OLD)
    note(tmp_path, [odd, result("b/qsub.0", NEW)])
    note(tmp_path, [result("c/qsub.0", OLD)])
    assert read(tmp_path) == [odd, result("b/qsub.0", NEW), result("c/qsub.0", OLD)]


def test_a_line_that_was_cut_short_costs_only_its_own_job(tmp_path: Path) -> None:
    note(tmp_path, [result("a/qsub.0", OLD), result("b/qsub.0", OLD)])
    whole = (tmp_path / FILE).read_bytes()
    last = whole.rindex(b"{")
    for end in range(last, len(whole) - 2):
        (tmp_path / FILE).write_bytes(whole[:end])
        note(tmp_path, [result("c/qsub.0", OLD)])
        assert [one.job for one in read(tmp_path)] == ["a/qsub.0", "c/qsub.0"]


def test_the_newest_with_the_same_key_comes_first_whatever_its_name(tmp_path: Path) -> None:
    known = Known()
    known.add(result("a/qsub.0", OLD), "1", "/r/1")
    known.add(result("x/qsub.0", OLD), "2", "/r/2")
    known.add(result("a/qsub.0", NEW), "2", "/r/2")
    assert [(one.run, one.result.job) for one in known.same(OLD)] == [
        ("2", "x/qsub.0"),
        ("1", "a/qsub.0"),
    ]
    assert known.same(Key.of({"other": "1"})) == []


def test_why_a_result_is_not_taken_over() -> None:
    known = Known()
    assert known.why_not("a/qsub.0", NEW) == "no earlier run has finished it"
    known.add(result("a/qsub.0", OLD), "20261120_120000", "/r")
    assert known.why_not("a/qsub.0", NEW) == "changed since 20261120_120000: POSCAR"
    assert known.why_not("a/qsub.0", OLD) == "its result is not there"
