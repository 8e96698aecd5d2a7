"""The grammar of quelist: what is written is read back, and what cannot be read is explained."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from jobauto.errors import UserError
from jobauto.ledger import Entry
from jobauto.ledger.quelist import MEANING, Word, format_lines, parse
from jobauto.model import Job, State, stamp

# names that `tree.scan` lets pass: printable, in UTF-8
letters = st.characters(exclude_categories=["C", "Zl", "Zp"], exclude_characters="/\u3000\xa0")
parts = st.text(letters, min_size=1, max_size=12)
ids = st.text(letters, min_size=1, max_size=8).filter(lambda text: "." not in text)
jobs = st.builds(
    lambda folder, job_id: Job("/".join(folder), job_id), st.lists(parts, max_size=3), ids
)
dates = st.integers(0, 2**32).map(stamp)
details = st.text(letters | st.just("/"), max_size=20)
words = st.builds(Word, st.sampled_from(sorted(MEANING)), dates, details)
records = st.dictionaries(jobs.map(lambda job: job.name), st.lists(words, max_size=4), max_size=5)


def refused(text: str) -> UserError:
    with pytest.raises(UserError) as error:
        parse(text)
    return error.value


@settings(max_examples=150, deadline=None)
@given(records)
@example({"a b/qsub.#1": [Word("failed", "20261120_231500", 'it\'s "x" \\ @ %')], "qsub.'": []})
@example({"#a/qsub.0": [], "-rf/qsub.x y": [Word("started", "20261120_231500", "353143.host[1]")]})
def test_what_is_written_is_read_back_in_its_order(record: dict[str, list[Word]]) -> None:
    text = format_lines(record)
    assert parse(text) == record
    assert list(parse(text)) == list(record)
    assert text.count("\n") == len(record), "one line a job"


@settings(max_examples=150, deadline=None)
@given(st.text(st.characters(), max_size=60))
@example("a/qsub.1 started@20261120_231500@1\\")
@example("''")
def test_any_text_is_read_or_refused_with_its_line(text: str) -> None:
    try:
        parse(text)
    except UserError as error:
        refusal = error
    else:
        return
    assert str(refusal.where).startswith("quelist:")
    assert refusal.hint
    str(refusal).encode("utf-8")


def test_the_example_of_the_design_reads_as_it_should() -> None:
    text = "mp-149/qsub.1 started@20261120_231500@353143 finished@20261120_233012\n"
    assert parse(text) == {
        "mp-149/qsub.1": [
            Word("started", "20261120_231500", "353143"),
            Word("finished", "20261120_233012"),
        ]
    }
    assert format_lines(parse(text)) == text


@pytest.mark.parametrize(
    ("line", "state"),
    [
        ("", State.READY),
        (" finished@20261120_233012", State.FINISHED),
        (" failed@20261120_233012@exit-1", State.FAILED),
        (" killed@20261120_233012", State.KILLED),
        (" skipped@20261120_233012@marker-found", State.SKIPPED),
        (" unsure@20261120_233012@x", State.UNSURE),
        (" failed@20261120_233012@exit-1 retry@20261120_233013", State.READY),
        (" failed@20261120_233012@x retry@20261120_233013 killed@20261120_233014", State.KILLED),
    ],
)
def test_the_last_word_is_the_state(line: str, state: State) -> None:
    [(name, found)] = parse(f"a/qsub.0{line}\n").items()
    assert Entry(Job.from_name(name), found).state is state


def test_comments_and_blank_lines_are_skipped() -> None:
    text = "# mine\n\na/qsub.0\n   \n\t# more\nb/qsub.0\n\n"
    assert list(parse(text)) == ["a/qsub.0", "b/qsub.0"]


def test_extra_blanks_and_lines_from_windows_do_no_harm() -> None:
    text = "  a/qsub.0   failed@20261120_233012@x\t\r\n'b c/qsub.0'\r\n"
    assert parse(text) == {"a/qsub.0": [Word("failed", "20261120_233012", "x")], "b c/qsub.0": []}


def test_a_last_line_without_its_end_is_a_file_that_was_cut() -> None:
    error = refused("a/qsub.0\nb/qsub.0 started@20261120_233012@35")
    assert error.where == "quelist:2"
    assert "cut short" in error.what


def test_a_detail_may_hold_the_sign_that_parts_words() -> None:
    [[word]] = parse("a/qsub.0 failed@20261120_233012@me@host@x\n").values()
    assert word.detail == "me@host@x"


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("a/qsub.0 finshed@20261120_233012", "unknown word 'finshed'"),
        ("a/qsub.0 finished", "no date like 20261120_231500 in 'finished'"),
        ("a/qsub.0 finished@yesterday", "no date like"),
        ("a/qsub.0 finished@20261120_2330123", "no date like"),
        ("a/qsub.0 finished@20261120_233012 x", "unknown word 'x'"),
        ("a/qsub.0 'finished@20261120_233012", "No closing quotation"),
        ("a/qsub.0\\", "No escaped character"),
        ("a/other.0", "not the name of a job: 'a/other.0'"),
        ("a/qsub.finished.0", "not the name of a job"),
        ("a b/qsub.0", "not the name of a job: 'a'"),
        ("a/qsub.", "not the name of a job"),
        ("''", "not the name of a job: ''"),
        ("good/qsub.0 finished@20261120_233012", "second line for good/qsub.0"),
    ],
)
def test_a_line_that_cannot_be_read_is_named_with_what_to_do(line: str, what: str) -> None:
    error = refused(f"# c\ngood/qsub.0\n\n{line}\nlast/qsub.0\n")
    assert error.where == "quelist:4"
    assert error.what.startswith(f"cannot be read: {what}")
    assert error.hint == (
        "correct the line, or delete it: a job without a line starts anew, "
        "unless it is in the queue or its marker is there"
    )


def test_an_unknown_word_is_answered_with_the_known_ones() -> None:
    what = refused("a/qsub.0 done@20261120_233012\n").what
    for word in ("started", "finished", "skipped", "failed", "killed", "unsure", "retry"):
        assert word in what


def test_the_file_that_was_read_is_named() -> None:
    with pytest.raises(UserError, match="/si/20261120_231500/quelist:1: "):
        parse("x\n", "/si/20261120_231500/quelist")
