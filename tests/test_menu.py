"""`jobauto menu`: sessions line by line, down to the file that is written and the command run."""

from __future__ import annotations

import os
import pty
import select
import signal
import sys
import tempfile
import time
import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from menus import END, ROWS, STOP, template, typed

from jobauto.cli.commands import parser
from jobauto.cli.main import main
from jobauto.errors import DONE, STOPPED, UserError
from jobauto.sweep import writing
from jobauto.sweep.planning import plan
from jobauto.sweep.spec import Spec

NO_REPEATS, NO_CHANGE = "1", "0"
END_OF_IT = (NO_REPEATS, NO_CHANGE, "it")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a template `mine`, and the current one."""
    monkeypatch.chdir(tmp_path)
    template(tmp_path)
    return tmp_path


def made(*lines: str, name: str = "it") -> dict[str, Any]:
    """What is in the file after this session, all lines of which are used; it can be planned."""
    session = typed("1", "mine", *lines)
    assert session.ran == [["batch", "create", f"{name}.toml", "-o", name]], session.screen
    assert session.unread == []
    plan(Path(f"{name}.toml"))
    text = Path(f"{name}.toml").read_text(encoding="utf-8")
    return tomllib.loads(text, parse_float=Decimal)


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


# --- the main menu


@pytest.mark.parametrize(
    ("number", "verb"),
    [
        *(("2", "submit"), ("3", "status"), ("4", "receive")),
        *(("5", "analyse"), ("6", "cancel"), ("7", "delete")),
    ],
)
def test_a_number_and_a_batch_are_a_command_which_is_shown(number: str, verb: str) -> None:
    session = typed(number, "2", "0")
    assert session.ran == [["batch", verb, "a[b] c"]]
    assert f"the same as: jobauto batch {verb} 'a[b] c'" in session.screen
    assert session.code == DONE


def test_the_page_of_all_runs_is_a_choice_of_its_own() -> None:
    assert typed("8").ran == [["web"]]
    assert parser().parse(["web"]).verb == "web"


def test_batches_are_a_numbered_table_and_words_in_it_are_no_markup() -> None:
    screen = typed("3", "b", "0", rows=[*ROWS, ("x\x1b[2J", "[red]", "", "", "")]).screen
    assert "1  rings     60     2          2026-11-20 10:00:00  running" in screen
    assert "2  a[b] c    7      0                               new" in screen
    assert r"3  x\x1b[2J  [red]" in screen


def test_a_wrong_number_is_asked_again_saying_what_is_wanted() -> None:
    session = typed("9", "two", "-1", "1.0", "9" * 5000, "٣", "2", "3", "0", "1", "0")
    assert session.screen.count("is not a number from 0 to 8") == 6
    assert session.screen.count("is not a number from 1 to 2") == 2
    assert session.ran == [["batch", "submit", "rings"]]


def test_without_batches_it_says_how_to_get_one() -> None:
    session = typed("2", "0", rows=[])
    assert "there are no batches yet\n  -> 1 generates one" in session.screen
    assert session.unread == []


def test_an_error_of_a_command_is_printed_and_the_menu_goes_on() -> None:
    session = typed("2", "1", "3", "2", "0", fails=UserError("no link", hint="wait"))
    assert session.screen.count("no link\n  -> wait") == 2
    assert len(session.ran) == 2
    assert session.code == DONE


@pytest.mark.parametrize("line", ["0", "", "b", " B ", END])
def test_ways_out(line: Any) -> None:
    session = typed(line, "2", "1")
    assert session.code == DONE
    assert session.ran == []


@pytest.mark.parametrize(("key", "code"), [(END, DONE), (STOP, STOPPED)])
@pytest.mark.parametrize(
    "before",
    [
        [],
        ["2"],
        ["1"],
        ["1", "mine"],
        ["1", "mine", "1 2", "1"],
        ["1", "mine", "0", *END_OF_IT[:2]],
    ],
)
def test_keys_that_end_leave_nothing_behind(
    here: Path, key: Any, code: int, before: list[str]
) -> None:
    assert typed(*before, key).code == code
    assert files(here) == {"mine"}


@pytest.mark.parametrize("broken", [KeyboardInterrupt, UserError("no"), OSError(5, "no")])
def test_a_file_that_was_not_planned_is_gone(
    here: Path, monkeypatch: pytest.MonkeyPatch, broken: Any
) -> None:
    def fails(file: Path) -> None:
        assert file.is_file()
        raise broken

    monkeypatch.setattr(writing, "plan", fails)
    session = typed("1", "mine", "0", *END_OF_IT)
    assert session.ran == []
    assert files(here) == {"mine"}


# --- generating


def test_a_session_makes_a_file_that_a_person_could_have_written(here: Path) -> None:
    session = typed(
        *("1", "mine", "1 2 4", "2", "0.1", "0.5", "0.1", "1", "10, 20", "1", "true, false"),
        *("1 2", "2", "1", 'two "words" \\ \'é', "0", "rings"),
    )
    assert session.ran == [["batch", "create", "rings.toml", "-o", "rings"]]
    assert "rings.toml: 20 job folders, 20 jobs" in session.screen
    assert (
        (here / "rings.toml").read_text(encoding="utf-8")
        == """\
# 5 (t) x 2 (size, on) x 2 (repeats) = 20 job folders
# the first of them: jobauto sweep rings.toml --dry-run

template = "mine"

[variables.k]
default = "two \\"words\\" \\\\ 'é"

[[vary]]
t = { start = 0.1, end = 0.5, step = 0.1 }    # K

[[vary]]
size = [10, 20]
on = [true, false]

[repeat]
number = 2
"""
    )


def test_the_screen_shows_the_variables_with_type_and_what_is_allowed_at_the_right() -> None:
    screen = typed("1", "mine").screen
    assert "1  t         300    K     float  from 0" in screen
    assert "2  size      10           int    from 1 up to 50" in screen
    assert "of the bath" in typed("1", "mine", "1").screen
    assert max(map(len, screen.splitlines())) <= 80


def test_a_template_may_be_chosen_by_number() -> None:
    screen = typed("1", "2").screen
    assert "variables of triangle_raft" in screen
    assert "demo" not in screen.split("variables of")[0]  # it has none


@pytest.mark.parametrize(
    ("lines", "axis"),
    [
        (["1", "1, 2.50,1e3"], [1, Decimal("2.50"), 1000]),
        (["2", "1", "2", "0.5"], {"start": 1, "end": 2, "step": Decimal("0.5")}),
        (["3", "1", "2", "4"], {"start": 1, "end": 2, "number": 4}),
        (["4", "1", "8", "4"], {"start": 1, "end": 8, "number": 4, "scale": "log"}),
    ],
)
def test_ways_to_vary(lines: list[str], axis: Any) -> None:
    assert made("1", *lines, *END_OF_IT)["vary"] == [{"t": axis}]


@pytest.mark.parametrize(("how", "sample"), [("5", "random"), ("6", "latin")])
def test_variables_of_one_sample_share_their_points(how: str, sample: str) -> None:
    lines = ["1 5 3", how, "2", "0", "9", how, "3", "1e-3", "1", how, "one, two", "20", "7"]
    assert made(*lines, *END_OF_IT)["vary"] == [
        {
            **{"sample": sample, "number": 20, "seed": 7},
            "t": {"start": 0, "end": 9},
            "p": {"start": Decimal("0.001"), "end": 1, "scale": "log"},
            "k": ["one", "two"],
        }
    ]


def test_texts_with_commas_are_quoted_as_in_a_table() -> None:
    found = made("3", "1", '"a, b", c d,"say ""x"""', *END_OF_IT)
    assert found["vary"] == [{"k": ["a, b", "c d", 'say "x"']}]


def test_a_variable_counts_the_repeats_and_all_its_values_are_allowed() -> None:
    session = typed("1", "mine", "0", "3", "1", "49", "48", NO_CHANGE, "it")
    assert "size = 51 is not allowed (allowed: from 1 up to 50)" in session.screen
    found = tomllib.loads(Path("it.toml").read_text())
    assert found["repeat"] == {"number": 3, "variable": "size", "first": 48}


def test_two_groups_vary_together() -> None:
    lines = ["1 2 3 4", "1", "1, 2", "1", "1, 2", "1", "a, b", "1", "true, false"]
    session = typed("1", "mine", *lines, "1", "1 1", "1 2; 2 3", "1 5", "1 3; 2 4", *END_OF_IT)
    for said in ("alone", "twice", "in two groups", "from 1 to 4"):
        assert said in session.screen
    assert [list(group) for group in tomllib.loads(Path("it.toml").read_text())["vary"]] == [
        ["t", "k"],
        ["size", "on"],
    ]


def test_only_variables_of_equal_length_may_vary_together() -> None:
    screen = typed("1", "mine", "1 2", "1", "1, 2", "1", "1, 2, 3").screen
    assert "together" not in screen
    assert "6 points" in screen
    lines = ["1 2 3 5", "1", "1, 2", "1", "1, 2", "1", "a, b, c", "1", "1, 2, 3"]
    screen = typed("1", "mine", *lines, "1 3", "1 2").screen
    assert "unequal numbers of values in one group: t has 2, k has 3" in screen
    assert "18 points" in screen


def test_many_variables_get_a_remark_and_more_than_ten_are_refused() -> None:
    assert "very many jobs" not in typed("1", "mine", "1 2 3").screen
    assert "very many jobs" in typed("1", "mine", "1 2 3 4").screen
    screen = typed("1", "1", " ".join(map(str, range(1, 12)))).screen
    assert "11 are too many: at most 10" in screen


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (["1", "1", "-5"], "t = -5 is not allowed (allowed: from 0 K)"),
        (["1", "1", "warm"], "t = 'warm' is not a number\n  -> such as 0.5 or 1e-3"),
        (["1", "1", "1e999"], "t: this number is not finite, too long or too large"),
        (["1", "1", "nan"], "t = 'nan' is not a number"),
        (["1", "1", "1,,2"], "a value between two commas is missing"),
        (["1", "1", "1, 1.0"], "two jobs are equal: t = 1.0"),
        (["1", "2", "1", "2", "0"], "step does not lead from start to end"),
        (["1", "2", "1", "2", "-1"], "step does not lead from start to end"),
        (["1", "2", "1", "x"], "a number belongs here"),
        (["1", "3", "1", "-2"], "t = -2 is not allowed"),
        (["1", "3", "1", "2", "0"], "'0' is not a number from 1 to 100000"),
        (["1", "3", "1", "2", "1"], "one number does not lead from start to end"),
        (["1", "4", "0", "2", "3"], "start and end of a logarithmic range are above 0"),
        (["2", "1", "1.5"], "size = 1.5 is not a whole number\n  -> such as 10"),
        (["2", "2", "49", "51", "1"], "size = 51 is not allowed (allowed: from 1 up to 50)"),
        (["2", "3", "1", "4", "3"], "size = 2.5 is not a whole number"),
        (["2", "1", "9" * 60], "size: this number is not finite, too long or too large"),
        (["3", "1", '"open'], "no list: "),
        (["3", "1", "a\x1bb"], "there are control characters in this line"),
        (["3", "1", "a\nb"], "there are control characters in this line"),
        (["3", "1", "\udc80"], "there are control characters in this line"),
        (["3", "2"], "k has no range: it is of type text"),
        (["4", "1", "yes"], "on = 'yes' is not true or false"),
        (["2", "5", "2", "1", "3", "9", "1"], "two jobs are equal: size = "),
        (["six"], "'six' is not a number from 1 to 5"),
        (["1 1"], "1 stands there twice"),
        (["1 6"], "'6' is not a number from 1 to 5"),
    ],
)
def test_values_are_checked_at_once(here: Path, lines: list[str], says: str) -> None:
    session = typed("1", "mine", *lines)
    assert says in session.screen
    assert session.code == DONE
    assert files(here) == {"mine"}


def test_a_line_that_is_no_utf_8_is_asked_again() -> None:
    wrong = UnicodeDecodeError("utf-8", b"\xff", 0, 1, "no")
    assert typed(wrong, "2", "1").ran == [["batch", "submit", "rings"]]


def test_a_variable_with_the_name_of_a_setting_is_not_sampled(here: Path) -> None:
    (here / "mine/template.toml").write_text("variables.number = { default = 1 }")
    (here / "mine/in").write_text("@number@")
    assert "called number cannot be sampled" in typed("1", "mine", "1", "5").screen
    assert made("1", "1", "1, 2", NO_REPEATS, "it")["vary"] == [{"number": [1, 2]}]


def test_what_a_template_says_does_nothing_to_the_terminal(here: Path) -> None:
    odd = '"[bold]\\u001b[2J\\n"'
    text = f"variables.t = {{ default = 1, unit = {odd}, help = {odd} }}\ndescription = {odd}"
    (here / "mine/template.toml").write_text(text)
    (here / "mine/in").write_text("@t@")
    screen = typed("1", "mine", "1", "1", "1, 2", NO_REPEATS, "it").screen
    assert "\x1b" not in screen
    assert screen.count("[bold]") == 3  # the table, the title, the help
    screen = typed("1", "mine", "0", NO_REPEATS, "1").screen
    assert "\x1b" not in screen
    assert "t ([bold]" in screen


def test_a_variable_without_a_value_must_get_one(here: Path) -> None:
    (here / "mine/template.toml").write_text("variables.t = { type = 'int' }")
    (here / "mine/in").write_text("@t@")
    session = typed("1", "mine", "0", NO_REPEATS, "0", "1", "7", "0", "it")
    assert "t has no value" in session.screen
    assert tomllib.loads(Path("it.toml").read_text())["variables"] == {"t": {"default": 7}}


def test_a_template_with_a_main_file_asks_for_it(here: Path) -> None:
    (here / "mine/template.toml").write_text(f'main_file = "POSCAR"\n{VARIABLES_OF_TEXT}')
    (here / "mine/in").write_text("@k@")
    found = made("POSCAR.@k@", "1", "1", "Si, Ge", NO_REPEATS, "it")
    assert found["main_file"] == "POSCAR.@k@"


VARIABLES_OF_TEXT = 'variables.k = { default = "Si" }\n'


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("demo", "template demo has no variables"),
        ("netmk", "there is no template 'netmk'"),
        ("9", "'9' is not a number from 1 to 2"),
        ("x" * 5000, "cannot be read"),
        ("broken", "cannot be read"),
        ("odd", "template.toml: "),
    ],
)
def test_templates_that_will_not_do_are_named(here: Path, line: str, says: str) -> None:
    (here / "broken").mkdir()
    (here / "broken/template.toml").write_text("[")
    (here / "odd").mkdir()
    (here / "odd/template.toml").write_text("variables.t = 5")
    session = typed("1", line, "mine", "b")
    assert says in session.screen
    assert "variables of mine" in session.screen


def test_too_many_points_lead_back_to_the_values() -> None:
    lines = ["1 5", "3", "1", "2", "1000", "3", "1", "2", "1001"]
    session = typed("1", "mine", *lines, "1", "2", "5", *END_OF_IT)
    assert "1001000 points are too many (at most 100000)" in session.screen
    assert "5000 points" in session.screen
    assert len(session.ran) == 1


def test_too_many_repeats_are_refused() -> None:
    screen = typed("1", "mine", "1", "3", "1", "2", "1000", "101", "100").screen
    assert "101000 points are too many" in screen
    assert "constants" not in screen.split("too many")[0]


@pytest.mark.parametrize("name", ["-x", "a b", "a/b", "..", ".a", "é", "a'b", "x" * 61])
def test_names_that_will_not_do(here: Path, name: str) -> None:
    session = typed("1", "mine", "0", NO_REPEATS, NO_CHANGE, name, "it.toml")
    assert "a name has up to 60 letters" in session.screen
    assert files(here) == {"mine", "it.toml"}


def test_a_file_that_is_there_is_never_written_over(here: Path) -> None:
    (here / "it.toml").write_text("mine, and dear to me")
    (here / "link.toml").symlink_to(here / "nowhere")
    session = typed("1", "mine", "0", *END_OF_IT, "link", "other")
    assert session.screen.count("is there already\n  -> choose another name") == 2
    assert (here / "it.toml").read_text() == "mine, and dear to me"
    assert files(here) == {"mine", "it.toml", "link.toml", "other.toml"}


def test_what_only_planning_finds_is_said_and_answers_can_be_changed(here: Path) -> None:
    (here / "mine/qsub.0").write_text("echo @k@\n")
    lines = ["3", "1", "a b", *END_OF_IT]
    session = typed("1", "mine", *lines, "b", "b", "b", "a, b", *END_OF_IT)
    assert "k = 'a b' in a script would be taken apart there" in session.screen
    assert "nothing was written; b leads back" in session.screen
    assert tomllib.loads(Path("it.toml").read_text())["vary"] == [{"k": ["a", "b"]}]
    assert len(session.ran) == 1


def test_back_leads_through_all_questions_to_the_main_menu(here: Path) -> None:
    lines = ["1", "mine", "1 2", "1", "1, 2", "1", "1, 2", "0", "2", NO_CHANGE]
    session = typed(*lines, *["b"] * 10, "2", "1")
    assert session.ran == [["batch", "submit", "rings"]]
    assert files(here) == {"mine"}


def test_an_answer_that_is_changed_leaves_no_trace() -> None:
    first = ["1 2", "1", "1, 2", "1", "1, 2", "1 2", "2", NO_CHANGE, "b", "b", "b", "b"]
    found = made(*first, "1, 2, 3", *END_OF_IT)
    assert found["vary"] == [{"t": [1, 2]}, {"size": [1, 2, 3]}]
    assert "repeat" not in found


def test_back_from_the_constants_to_repeats_forgets_them() -> None:
    lines = ["3", "1", "a, b", "4", "1", "7", "b", "0", "b", "b"]
    session = typed("1", "mine", *lines, "2", "1", "8", "b", "0", NO_CHANGE, "it")
    assert session.screen.count("2 points") == 2
    assert tomllib.loads(Path("it.toml").read_text())["repeat"] == {"number": 2}


# --- whatever is typed

WORDS = (
    """b|mine|1 2|1 2 3 4 5|2 3; 4 5|0.1, 0.2|true, false|it|1e-3|-1|/|~|1, 2|a b|"|x.toml|\x03"""
)
KNOWN = st.sampled_from([*"0123456789", "", "1" * 400, *WORDS.split("|")])
LINES = st.lists(KNOWN | st.text(max_size=12) | st.integers().map(str), max_size=40)
BEGINNINGS = "|1|1 mine|1 mine 1|1 mine 0|1 mine 4 1|1 mine 4 1 true|1 mine 4 1 true 2 0 0"
BEGIN = st.sampled_from([words.split() for words in BEGINNINGS.split("|")])


@settings(max_examples=150)
@given(begin=BEGIN, lines=LINES)
def test_whatever_is_typed_it_ends_well(begin: list[str], lines: list[str]) -> None:
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            template(Path())
            session = typed(*begin, *lines)
            assert session.code == DONE
            written = {path.name for path in Path().glob("*.toml")}
            assert written == {a[2] for a in session.ran if a[:2] == ["batch", "create"]}
            for name in written:
                plan(Path(name))
        finally:
            os.chdir(before)


NUMBERS = st.integers(-(10**20), 10**20) | st.decimals(
    min_value=-1000, max_value=1000, places=3, allow_nan=False
)
VALUES = NUMBERS | st.booleans() | st.text(max_size=20).filter(str.isprintable)
AXES = st.lists(VALUES, min_size=1, max_size=30)


@given(default=VALUES, axis=AXES, unit=st.text(max_size=5), number=st.integers(1, 9))
def test_a_file_that_was_written_says_what_it_was_made_of(
    default: Any, axis: list[Any], unit: str, number: int
) -> None:
    data = {
        **{"template": "mine", "variables": {"a": {"default": default}}},
        **{"vary": [{"b": axis}, {"c": {"start": 0, "end": 1, "number": 2}}]},
        "repeat": {"number": number},
    }
    text = writing.as_toml(data, ["a\nb", unit], {"b": unit})
    found = tomllib.loads(text, parse_float=Decimal)
    assert found == data
    assert [type(one) is bool for one in found["vary"][0]["b"]] == [type(o) is bool for o in axis]
    assert max(map(len, text.splitlines())) <= 200
    Spec.model_validate(found)


def test_a_long_list_is_broken_into_lines() -> None:
    text = writing.as_toml({"template": "x", "vary": [{"a": list(range(1000, 1100))}]})
    assert max(map(len, text.splitlines())) <= writing.WIDTH
    assert tomllib.loads(text)["vary"] == [{"a": list(range(1000, 1100))}]


# --- the door


def test_without_a_terminal_it_names_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["menu"]) == 2
    said = capsys.readouterr().err
    assert "the menu needs a terminal\n  -> jobauto batch create|list|submit|status" in said


@pytest.mark.parametrize(("key", "code"), [(b"\x03", STOPPED), (b"\x04", DONE), (b"0\n", DONE)])
def test_at_a_terminal_it_asks_until_a_key_ends_it(key: bytes, code: int) -> None:
    pid, terminal = pty.fork()
    if pid == 0:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # trials may run in the background
        call = "import sys; from jobauto.cli.main import main; sys.exit(main(['menu']))"
        os.execv(sys.executable, [sys.executable, "-c", call])
    shown, pressed, end = b"", [b"9\n", key], time.monotonic() + 60
    try:
        while time.monotonic() < end:
            if not select.select([terminal], [], [], 1)[0]:
                continue
            try:
                shown += os.read(terminal, 4096)
            except OSError:  # it has ended
                break
            if pressed and shown.count(b"your choice: ") == 3 - len(pressed):
                os.write(terminal, pressed.pop(0))
    finally:
        os.close(terminal)  # it gets a hangup, if it is still there
        ended = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert ended == code, shown.decode()
    assert b"'9' is not a number from 0 to 8" in shown
    assert b"Traceback" not in shown
