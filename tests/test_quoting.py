"""Names as words: for a shell, for a line of our files, for a terminal."""

from __future__ import annotations

import os
import subprocess

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from jobauto.errors import UserError
from jobauto.model import Attempt, Job
from jobauto.quoting import path, plain, shown, slug, word, words
from jobauto.remote.framing import Request
from jobauto.remote.killing import Kill
from jobauto.remote.observation import Observe, Suspect
from jobauto.remote.submission import Submit
from jobauto.schedulers import DIALECTS, Dialect

WEIRD = [
    "plain",
    "two words",
    " blank at both ends ",
    "it's",
    'say "hi"',
    "a;touch harm",
    "$(touch harm)",
    "`touch harm`",
    "back\\slash",
    "ends in \\",
    "-rf",
    "--help",
    "~",
    "#comment",
    "*",
    "[a-z]?",
    "{a,b}",
    "a=b",
    "a&b|c>d<e",
    "!history",
    "日本語",
    "line one\nline two",
    "tab\there",
    "odd byte \udcff",
    "x" * 200,
    "'" * 200,
    "",
]

# any name but for control characters; surrogates stand for bytes that are not UTF-8
names = st.text(st.characters(exclude_categories=["Cc"]), max_size=30)
# what os.fsencode can give back to the system
bytes_names = st.binary(min_size=1, max_size=30).map(
    lambda b: os.fsdecode(b.replace(b"\0", b"").replace(b"\n", b"") or b"x")
)


@settings(max_examples=200, deadline=None)
@given(st.lists(names, max_size=6))
@example(["a b", "", "'", '"', "\\", "#", "\udcff", "\u2028", "\u3000"])
def test_words_of_a_line_come_back_as_they_were(line: list[str]) -> None:
    assert words(" ".join(map(word, line))) == line


@settings(max_examples=200, deadline=None)
@given(st.lists(bytes_names, max_size=6))
def test_names_of_any_bytes_come_back_as_they_were(line: list[str]) -> None:
    assert words(" ".join(map(word, line))) == line


def printed(arguments: str) -> list[str]:
    """What a real shell makes of `arguments`: one NUL-terminated record each."""
    script = os.fsencode(f"printf '%s\\0' {arguments}")
    done = subprocess.run(["sh", "-c", script], capture_output=True, check=True)
    assert done.stderr == b""
    return [os.fsdecode(part) for part in done.stdout.split(b"\0")[:-1]]


def test_a_real_shell_gives_back_each_weird_name() -> None:
    assert printed(" ".join(map(word, WEIRD))) == WEIRD


def test_a_real_shell_gives_back_any_names() -> None:
    @settings(max_examples=30, deadline=None)
    @given(st.lists(bytes_names, min_size=1, max_size=20))
    def check(found: list[str]) -> None:
        assert printed(" ".join(map(word, found))) == found

    check()


def test_a_name_without_odd_characters_stays_readable() -> None:
    assert word("mp-149/qsub.1") == "mp-149/qsub.1"
    assert word("started@20261120_231500@353143") == "started@20261120_231500@353143"


def test_an_empty_name_is_still_a_word() -> None:
    assert words(f"a {word('')} b") == ["a", "", "b"]


@pytest.mark.parametrize("line", ["a 'b", 'a "b', "a b\\"])
def test_an_open_quote_is_an_error(line: str) -> None:
    with pytest.raises(ValueError, match="No "):
        words(line)


def test_a_hash_within_a_line_begins_no_comment() -> None:
    assert words("a #b 'c d'") == ["a", "#b", "c d"]


@pytest.mark.parametrize("name", [n for n in WEIRD if n])
def test_no_program_takes_a_path_for_an_option(name: str) -> None:
    assert printed(path(name)) == ["./" + name]


def test_the_path_of_the_run_itself_is_a_dot() -> None:
    assert path("") == "."


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(), max_size=40))
@example("\x1b[2J\r\n\udcff\u202e")
def test_what_is_shown_is_harmless_for_a_terminal(text: str) -> None:
    safe = shown(text)
    assert safe.isprintable()
    safe.encode("utf-8")


def test_what_is_printable_is_shown_as_it_is() -> None:
    assert shown("mp-149/qsub.1 日本 'x'") == "mp-149/qsub.1 日本 'x'"


def test_escapes_show_which_character_it_was() -> None:
    assert shown("a\nb\x1b[0m\udcff") == "a\\nb\\x1b[0m\\udcff"


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(), max_size=200))
def test_a_slug_is_one_short_word_that_needs_no_inner_quotes(text: str) -> None:
    made = slug(text)
    assert 0 < len(made) <= 80
    assert made.split() == [made]
    assert not set(made) & set("'\"\\")
    assert words(f"failed {word(made)}") == ["failed", made]


def test_a_slug_keeps_what_was_said() -> None:
    assert slug("qsub: Invalid queue 'long'\n  try another\n") == (
        "qsub:-Invalid-queue-long-try-another"
    )


def test_a_slug_of_nothing_is_a_dash() -> None:
    assert slug("") == slug(" \n'") == "-"


def test_a_slug_has_a_greatest_length() -> None:
    assert slug("word " * 100, longest=9) == "word-word"


@pytest.mark.parametrize(
    "text", ["353143", "8812-345", "12.server-1", "ja0f-1a2b-1", "17_4", "a+b"]
)
def test_a_jobid_and_a_token_stand_as_they_are(text: str) -> None:
    assert plain(text) == text
    assert printed(plain(text)) == [text]


NO_JOBIDS = ["", "$(touch harm)", "1;2", "1 2", "-1", "1\n2", "*", "../x", "1/2", "`x`", "é", "1\n"]


@pytest.mark.parametrize("text", NO_JOBIDS)
def test_what_is_no_jobid_is_refused_in_one_clear_line(text: str) -> None:
    with pytest.raises(UserError, match="is no JOBID"):
        plain(text)


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
@pytest.mark.parametrize("text", ["$(touch harm)", "../../x", "1 2"])
def test_a_damaged_quelist_or_log_makes_no_shell_text(dialect: Dialect, text: str) -> None:
    """JOBIDs and tokens come from files that a person may edit, and stand unquoted in scripts."""
    job = Job("a", "0")
    good, bad = Attempt(job, 1, "t1"), Attempt(job, 1, text)
    requests: list[Request[object]] = [
        Submit(dialect, "/r", [bad]),
        Observe(dialect, "/r", [text]),
        Observe(dialect, "/r", doubtful=[bad]),
        Observe(dialect, "/r", suspects=[Suspect(good, text)]),
        Observe(dialect, "/r", suspects=[Suspect(bad, "7")]),
        Kill(dialect, "/r", [text]),
        Kill(dialect, "/r", [], doubtful=[bad]),
    ]
    for request in requests:
        with pytest.raises(UserError):
            request.script()
