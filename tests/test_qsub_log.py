"""The grammar of qsub.log: every attempt before and after it is made, and lines cut by a crash."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobauto.ledger import attempts, files
from jobauto.ledger.attempts import Line, Tried, append, read

DATE = "20261120_231500"
letters = st.characters(exclude_categories=["C", "Zl", "Zp"], exclude_characters="/.")
names = st.builds(
    lambda folder, job_id: "/".join([*folder, f"qsub.{job_id}"]),
    st.lists(st.text(letters, min_size=1, max_size=10), max_size=2),
    st.text(letters, min_size=1, max_size=6),
)
details = st.text(letters | st.sampled_from("=/@. '"), max_size=15)


def intent(name: str, number: int = 1, token: str = "") -> Line:
    return Line("intent", name, number, (("token", token or f"t{number}"),))


def accepted(name: str, jobid: str, number: int = 1) -> Line:
    return Line("accepted", name, number, (("jobid", jobid),))


def written(folder: Path, *lines: Line) -> Path:
    path = folder / "qsub.log"
    append(path, DATE, lines)
    return path


# Round trips


@settings(max_examples=100, deadline=None)
@given(
    st.dictionaries(
        names, st.tuples(st.integers(1, 99), details, details, st.booleans()), max_size=4
    )
)
def test_what_is_written_is_read_back(tried: dict[str, tuple[int, str, str, bool]]) -> None:
    lines = []
    for name, (number, token, jobid, ended) in tried.items():
        lines.append(Line("intent", name, number, (("token", token),)))
        lines.append(accepted(name, jobid, number))
        if ended:
            lines.append(Line("failed", name, number, (("reason", jobid),)))
    with TemporaryDirectory() as folder:
        found = read(written(Path(folder), *lines))
    assert found == {
        name: Tried(number, token, jobid, DATE, "failed" if ended else "")
        for name, (number, token, jobid, ended) in tried.items()
    }


def test_the_lines_are_those_of_the_design(tmp_path: Path) -> None:
    path = written(tmp_path, intent("mp-149/qsub.1", token="ja3f-1"))
    append(path, DATE, [accepted("mp-149/qsub.1", "353143")])
    append(path, DATE, [Line("running", "mp-149/qsub.1", 1)])
    append(path, DATE, [Line("finished", "mp-149/qsub.1", 1)])
    assert path.read_text() == (
        "20261120_231500 intent mp-149/qsub.1 1 token=ja3f-1\n"
        "20261120_231500 accepted mp-149/qsub.1 1 jobid=353143\n"
        "20261120_231500 running mp-149/qsub.1 1\n"
        "20261120_231500 finished mp-149/qsub.1 1\n"
    )


def test_names_with_blanks_and_quotes_stay_one_word(tmp_path: Path) -> None:
    name = 'it\'s a "test"/qsub.0 (日本) #torn'
    path = written(tmp_path, intent(name), accepted(name, "1 2'3"))
    assert read(path) == {name: Tried(1, "t1", "1 2'3", DATE)}


def test_bytes_that_are_not_utf8_survive(tmp_path: Path) -> None:
    path = written(tmp_path, intent("a\udcff/qsub.0"), accepted("a\udcff/qsub.0", "7\udce9"))
    assert b"a\xff/qsub.0" in path.read_bytes()
    assert read(path) == {"a\udcff/qsub.0": Tried(1, "t1", "7\udce9", DATE)}


def test_without_a_file_nothing_was_tried(tmp_path: Path) -> None:
    assert read(tmp_path / "qsub.log") == {}


# The order intent, accepted, verdict


def test_an_intent_alone_is_an_open_attempt(tmp_path: Path) -> None:
    assert read(written(tmp_path, intent("a/qsub.0"))) == {"a/qsub.0": Tried(1, "t1")}


@pytest.mark.parametrize("verdict", sorted(attempts.SETTLED))
def test_each_verdict_closes_the_attempt(tmp_path: Path, verdict: str) -> None:
    path = written(tmp_path, intent("a/qsub.0"), Line(verdict, "a/qsub.0", 1))
    assert read(path)["a/qsub.0"].verdict == verdict


def test_left_is_noted_beside_the_verdict(tmp_path: Path) -> None:
    lines = [intent("a/qsub.0"), accepted("a/qsub.0", "7"), Line("finished", "a/qsub.0", 1)]
    assert not read(written(tmp_path, *lines))["a/qsub.0"].left
    found = read(written(tmp_path, Line("left", "a/qsub.0", 1)))["a/qsub.0"]
    assert (found.verdict, found.left) == ("finished", True)


def test_an_attempt_that_was_seen_to_run_is_still_open(tmp_path: Path) -> None:
    lines = [intent("a/qsub.0"), accepted("a/qsub.0", "7")]
    assert not read(written(tmp_path, *lines))["a/qsub.0"].ran
    path = written(tmp_path, Line("running", "a/qsub.0", 1))
    assert read(path) == {"a/qsub.0": Tried(1, "t1", "7", DATE, ran=True)}
    append(path, DATE, [intent("a/qsub.0", 2), Line("running", "a/qsub.0", 1)])
    assert read(path) == {"a/qsub.0": Tried(2, "t2")}, "that was the first attempt"


def test_a_new_attempt_begins_with_nothing_of_the_old_one(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        intent("a/qsub.0"),
        accepted("a/qsub.0", "7"),
        Line("failed", "a/qsub.0", 1),
        intent("a/qsub.0", 2),
    )
    assert read(path) == {"a/qsub.0": Tried(2, "t2")}


def test_an_attempt_sent_again_keeps_what_is_known_of_it(tmp_path: Path) -> None:
    path = written(tmp_path, intent("a/qsub.0"), accepted("a/qsub.0", "7"), intent("a/qsub.0"))
    assert read(path) == {"a/qsub.0": Tried(1, "t1", "7", DATE)}


def test_late_words_on_an_earlier_attempt_do_not_touch_the_last_one(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        intent("a/qsub.0"),
        intent("a/qsub.0", 2),
        accepted("a/qsub.0", "7", 1),
        Line("failed", "a/qsub.0", 1),
        Line("left", "a/qsub.0", 1),
        intent("a/qsub.0", 1, "old"),
    )
    assert read(path) == {"a/qsub.0": Tried(2, "t2")}


def test_a_word_without_an_intent_is_no_attempt(tmp_path: Path) -> None:
    path = written(tmp_path, accepted("a/qsub.0", "7"), Line("finished", "b/qsub.0", 1))
    assert read(path) == {}


def test_jobs_do_not_mix(tmp_path: Path) -> None:
    path = written(tmp_path, intent("a/qsub.0"), intent("a/qsub.1"), accepted("a/qsub.1", "7"))
    assert read(path) == {"a/qsub.0": Tried(1, "t1"), "a/qsub.1": Tried(1, "t1", "7", DATE)}


# Damage


HISTORY = [
    intent("a b/qsub.0"),
    accepted("a b/qsub.0", "71"),
    Line("running", "a b/qsub.0", 1),
    intent("日本/qsub.1"),
    Line("failed", "a b/qsub.0", 1, (("reason", "exit 1; it's over"),)),
    intent("a b/qsub.0", 2),
    accepted("a b/qsub.0", "72", 2),
    accepted("日本/qsub.1", "73"),
]


def cuts(folder: Path) -> list[tuple[bytes, int]]:
    """The log of HISTORY cut at every byte, and how many of its lines are whole then."""
    data = written(folder, *HISTORY).read_bytes()
    return [(data[:n], data[:n].count(b"\n")) for n in range(len(data) + 1)]


def after(folder: Path, whole: int) -> dict[str, Tried]:
    """What is known after so many lines of HISTORY."""
    path = folder / "expected"
    path.unlink(missing_ok=True)
    append(path, DATE, HISTORY[:whole])
    return read(path)


def test_a_log_torn_at_any_byte_is_read_up_to_its_last_whole_line(tmp_path: Path) -> None:
    torn = tmp_path / "torn"
    expected = [after(tmp_path, n) for n in range(len(HISTORY) + 1)]
    for data, whole in cuts(tmp_path):
        torn.write_bytes(data)
        assert read(torn) == expected[whole]


def test_what_is_appended_after_a_torn_line_keeps_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)  # hundreds of times
    torn = tmp_path / "torn"
    new = [intent("new/qsub.0"), accepted("new/qsub.0", "99")]
    expected = [after(tmp_path, n) for n in range(len(HISTORY) + 1)]
    for data, whole in cuts(tmp_path):
        torn.write_bytes(data)
        append(torn, DATE, new)
        assert read(torn) == {**expected[whole], "new/qsub.0": Tried(1, "t1", "99", DATE)}
        assert torn.read_bytes().startswith(data), "nothing that was there is taken away"
        append(torn, DATE, [Line("finished", "new/qsub.0", 1)])
        assert read(torn)["new/qsub.0"].verdict == "finished"


@pytest.mark.parametrize(
    "junk",
    [
        b"\0" * 4096,
        b"a note of mine\n",
        b"20261120_231500 intent a/qsub.0 one token=x\n",
        b"20261120_231500 intent a/qsub.0 9 token\n",
        b"20261120_231500 intent nonsense 9 token=x\n",
        b"20261120_231500 intent 'a/qsub.0 9 token=x\n",
        b"20261120_231500 forgotten a/qsub.0 9 token=x\n",
        b"20261120_231500 intent\n",
        b"\xff\xfe\n\n\n",
        b"# intent a/qsub.0 9 token=x\n",
        b"20261120_231500 intent a/qsub.0 9\n",
    ],
)
def test_lines_that_are_not_ours_are_passed_over(tmp_path: Path, junk: bytes) -> None:
    path = written(tmp_path, intent("a/qsub.0"))
    path.write_bytes(path.read_bytes() + junk)
    append(path, DATE, [accepted("a/qsub.0", "7")])
    assert read(path) == {"a/qsub.0": Tried(1, "t1", "7", DATE)}


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=80))
def test_no_bytes_whatever_make_a_traceback(data: bytes) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "qsub.log"
        path.write_bytes(data)
        append(path, DATE, [intent("a/qsub.0", 10**6)])
        assert read(path)["a/qsub.0"] == Tried(10**6, f"t{10**6}")


# On disk


def test_lines_are_on_disk_before_append_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = []
    fsync = os.fsync

    def watching(descriptor: int) -> None:
        sizes.append(os.fstat(descriptor).st_size)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", watching)
    path = written(tmp_path, intent("a/qsub.0"))
    assert len(sizes) == 2, "a new file: itself and its name in the folder"
    append(path, DATE, [accepted("a/qsub.0", "7")])
    assert sizes[2:] == [path.stat().st_size]


def test_nothing_to_say_writes_nothing(tmp_path: Path) -> None:
    append(tmp_path / "qsub.log", DATE, [])
    assert os.listdir(tmp_path) == []


def test_a_new_file_is_replaced_whole_with_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "kill"
    files.replace(path, "odd \udcff\n", 0o755)
    assert path.read_bytes() == b"odd \xff\n"
    assert files.read(path) == "odd \udcff\n"
    assert path.stat().st_mode & 0o777 == 0o755
    assert os.listdir(tmp_path) == ["kill"]
