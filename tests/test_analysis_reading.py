"""Numbers out of result files: what each kind finds, and what is said of broken ones."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from analyses import collected, fill, jobs, sweep
from hypothesis import given
from hypothesis import strategies as st
from trees import make

from jobauto.analysis.columns import from_column
from jobauto.analysis.files import Text, Unusable, read
from jobauto.analysis.keys import from_key
from jobauto.analysis.numbers import TAKE, mean, number
from jobauto.analysis.patterns import PATIENCE, Pattern
from jobauto.errors import UserError

TABLE = "step,energy\n1,-1.5\n2,-2.5\n3,-3.25\n"


def column(text: str, name: str | int = "energy", take: str = "last") -> float:
    return from_column(Text(text), "run.csv", name, take)


@pytest.mark.parametrize(
    ("take", "value"),
    [("last", -3.25), ("first", -1.5), ("min", -3.25), ("max", -1.5), ("mean", -7.25 / 3)],
)
def test_of_a_column_one_number_is_taken(take: str, value: float) -> None:
    assert column(TABLE, take=take) == value
    assert column(TABLE, 2, take) == value


@pytest.mark.parametrize(
    "text",
    [
        "# made by me\nenergy time\n1 5\n7 6\n",
        "# time\n#  energy time\n1 5\n7 6\n",
        "#energy,time\n\n1,5\n7,6\n\n# end\n",
        "energy;time\n1;5\n7;6\n",
        "energy,time\r\n1,5\r\n7,6\r\n",
        '"energy", "time"\n1,5\n"7",6,,\n',
        "  energy\ttime\n  1\t5\n  7.0D+00 \t6",
    ],
)
def test_tables_of_many_programs_are_read(text: str) -> None:
    assert column(text) == 7
    assert column(text, "time") == 6
    assert column(text, 1, "first") == 1
    assert column(text, 2, "mean") == 5.5


def test_rows_without_a_head_have_numbers_only_and_words_beside_blanks() -> None:
    assert column("1 2\n3 4\n", 2) == 4
    assert column("1,2\n3,4\n", 1, "first") == 1
    assert column("converged 12 -3.5\n", 3) == -3.5


@pytest.mark.parametrize(
    ("text", "name", "take", "why"),
    [
        ("", "energy", "last", "run.csv is empty"),
        ("\n# energy\n", "energy", "last", "run.csv has no rows"),
        ("step,energy\n", "energy", "last", "run.csv has no rows"),
        (TABLE, "enrgy", "last", r"no column 'enrgy' \(did you mean 'energy'\?\)"),
        ("1 2\n", "energy", "last", r"no column 'energy' \(no head\)"),
        (TABLE, 3, "last", "2 columns, no column 3"),
        ("energy,energy\n1,2\n", "energy", "last", "2 columns 'energy'"),
        ("# step energy (eV)\n1 2\n", "energy", "last", "3 names stand above 2 columns"),
        (f"{TABLE}4\n", "energy", "last", "run.csv:5 has 1 cells, not 2"),
        (f"{TABLE}4,5,6\n", "energy", "last", "run.csv:5 has 3 cells, not 2"),
        ("step,energy\n1\n2,3\n", "energy", "mean", "run.csv:2 has 1 cells, not 2"),
        ("step,energy\n1,****\n", "energy", "last", r"run.csv:2: '\*\*\*\*' is not a number"),
        ("step,energy\n1,\n", "energy", "last", "'' is not a number"),
        ("t;e\n1;3,14\n", "e", "last", "'3,14' is not a number"),
        ("t,e\n1,1_000\n", "e", "last", "'1_000' is not a number"),
        ("\0\x01\x02\ufffd\x7f" * 9, "e", "last", "no column 'e'"),
    ],
)
def test_a_broken_table_gives_no_number_and_says_why(
    text: str, name: str | int, take: str, why: str
) -> None:
    with pytest.raises(Unusable, match=why):
        column(text, name, take)


def test_a_broken_row_above_the_last_one_does_not_matter_to_it() -> None:
    assert column("step,energy\n1\n2,3\n") == 3


def key(text: str, name: str) -> float:
    return from_key(Text(text), "r.json", name)


def test_keys_lead_inwards_and_numbers_count_in_lists_from_0() -> None:
    text = '{"a": {"b": [1, {"c": 2.5}]}, "x.y": 3, "n": NaN, "i": -Infinity}'
    assert key(text, "a.b.0") == 1
    assert key(text, "a.b.1.c") == 2.5
    assert key(text, "x.y") == 3
    assert key("[4]", "0") == 4
    assert math.isnan(key(text, "n"))
    assert key(text, "i") == -math.inf


@pytest.mark.parametrize(
    ("text", "name", "why"),
    [
        ('{"energy": 1', "energy", "r.json is no JSON: "),
        ("", "energy", "r.json is empty"),
        ("\0\x01", "energy", "is no JSON"),
        ("[" * 100_000, "0", "is no JSON"),
        ('{"e": ' + "9" * 5000 + "}", "e", "is no JSON"),
        ('{"e": 1' + "0" * 400 + "}", "e", "e is too large"),
        ('{"energy": 1}', "enrgy", r"no key 'enrgy' \(did you mean energy\?\)"),
        ('{"a": {"mean": 1}}', "a.men", "did you mean a.mean"),
        ('{"a": 1}', "a.mean", r"no key 'a.mean' \(a has no keys\)"),
        ('{"a": [1]}', "a.1", "no key 'a.1'"),
        ('{"a": [1]}', "a.-1", "no key"),
        ('{"a": "1"}', "a", "a is '\"1\"', not a number"),
        ('{"a": true}', "a", "a is 'true', not a number"),
        ('{"a": null}', "a", "a is null, not a number"),
        ('{"a": {}}', "a", "a is an object, not a number"),
        ('{"a": []}', "a", "a is a list, not a number"),
    ],
)
def test_broken_json_gives_no_number_and_says_why(text: str, name: str, why: str) -> None:
    with pytest.raises(Unusable, match=why):
        key(text, name)


def match(pattern: str, text: str) -> float:
    return Pattern(pattern, "here").find(Text(text), "log")


def test_the_last_match_of_a_pattern_counts_its_group_or_all_of_it() -> None:
    text = "took 1 s\ntook 2.5e-1 s\nend\n"
    assert match("took ([0-9.eE+-]+) s", text) == 0.25
    assert match(r"\d+(?= s)", text) == 1  # the 1 of e-1
    assert match(r"^took (\S+) s$", text) == 0.25
    with pytest.raises(Unusable, match="log: the pattern matches nowhere"):
        match("need", text)
    with pytest.raises(Unusable, match="log: 'took' is not a number"):
        match("took", text)
    with pytest.raises(Unusable, match="the group of the last match is empty"):
        match("end(x)?", text)


def test_a_pattern_that_takes_for_ever_is_given_up_soon_for_good() -> None:
    hostile = Pattern(r"(x|xx)+$", "here", seconds=0.05)
    long = Text("x" * 60 + "y")
    for _ in range(PATIENCE):
        with pytest.raises(Unusable, match=r"more than 0\.05 s"):
            hostile.find(long, "log")
    with pytest.raises(Unusable, match="took too long in 3 files before"):
        hostile.find(Text("5xx"), "log")


def test_without_regex_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "regex", None)
    with pytest.raises(UserError, match=r"regex is not installed(.|\n)*jobauto\[analyse\]"):
        Pattern("x", "here")


# --- files


def test_of_a_large_file_only_the_end_is_read(tmp_path: Path) -> None:
    rows = [f"{n},{n / 4}" for n in range(2000)]
    (tmp_path / "j").mkdir()
    (tmp_path / "j/run.csv").write_text("\n".join(["step,energy", *rows, ""]))
    found = read(tmp_path, "j", "run.csv", 500)
    assert found.cut
    assert len(found.text) <= 500
    assert found.text.splitlines()[0] in rows  # no rest of a line
    assert from_column(found, "run.csv", "energy", "last") == 1999 / 4
    with pytest.raises(Unusable, match="only its end was read: no mean of a column"):
        from_column(found, "run.csv", "energy", "mean")
    with pytest.raises(Unusable, match="too large to be read as JSON"):
        from_key(found, "run.csv", "energy")
    assert not read(tmp_path, "j", "run.csv").cut


def test_a_large_file_is_said_to_be_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobauto.analysis.files.read.__defaults__", (50,))
    init = sweep(tmp_path, '[metrics.e]\nfile = "log"\npattern = "e=(.*)"\n[[vary]]\nt = [1]\n')
    fill(init, "log", lambda _: "e=1\n" * 20)
    (row,) = collected(init).rows
    assert row.numbers["e"] == 1
    assert row.why == "log: only its end was read"
    assert row.whole


def test_what_is_no_plain_file_below_the_results_is_not_read(tmp_path: Path) -> None:
    make(tmp_path, {"results/j/x": "1", "results/k/x": "2", "secret": "3"})
    results, job = tmp_path / "results", tmp_path / "results/j"
    (job / "folder").mkdir()
    (job / "out").symlink_to(tmp_path / "secret")
    (job / "beside").symlink_to(results / "k/x")
    (job / "loop").symlink_to("loop")
    (job / "nowhere").symlink_to("nothing")
    (results / "away").symlink_to(tmp_path)
    os.mkfifo(job / "pipe")
    said = {
        "out": "out is a link that leads out of the results",
        "folder": "folder is a folder",
        "pipe": "pipe is no plain file",
        "nowhere": "no nowhere",
        "nothing": "no nothing",
        "x/y": "cannot be read: Not a directory|no x/y|no folder",
        "loop": "loop cannot be read: ",
        "../k/x": "leads out of the job folder",
        "/etc/passwd": "leads out of the job folder",
        "n" * 300: "cannot be read: File name too long",
    }
    for file, why in said.items():
        with pytest.raises(Unusable, match=why):
            read(results, "j", file)
    with pytest.raises(Unusable, match="secret is a link that leads out"):
        read(results, "away", "secret")
    with pytest.raises(Unusable, match=r"^no folder$"):
        read(results, "gone", "x")
    assert read(results, "j", "beside").text == "2"


def test_odd_bytes_do_not_matter(tmp_path: Path) -> None:
    make(tmp_path, {"j/x": ""})
    (tmp_path / "j/x").write_bytes(b"\xef\xbb\xbfname \xff\ntook 5 s\n\0")
    assert Pattern("took (.) s", "here").find(read(tmp_path, "j", "x"), "x") == 5
    assert read(tmp_path, "j", "x").text.startswith("name")


def test_a_value_of_a_variable_in_the_name_of_a_file_does_not_lead_out(tmp_path: Path) -> None:
    text = """template = "mine"
variables = { who = { default = "a" } }
[[vary]]
who = ["../b", "b"]
[put.in]
who = "t"
[metrics.e]
file = "@who@.@repeat@.json"
key = "e"
"""
    init = sweep(tmp_path, text, declared="")
    make(init, {"b.1.json": '{"e": 1}'})
    fill(init, "b.1.json", lambda _: '{"e": 2}')
    first, second = collected(init).rows
    assert first.numbers == {"e": None}
    assert first.why == "'../b.1.json' leads out of the job folder"
    assert second.numbers == {"e": 2.0}


# --- numbers


@pytest.mark.parametrize(
    ("text", "value"),
    [("1", 1), (" -1.5e3 ", -1500), (".5", 0.5), ("5.", 5), ("1d2", 100), ("Infinity", math.inf)],
)
def test_numbers_as_programs_write_them(text: str, value: float) -> None:
    assert number(text) == value


def test_what_is_no_number_is_none() -> None:
    for text in ("", "1,5", "0x1", "1_0", "e5", "--1", "1 2", "١"):
        assert number(text) is None, text


def test_what_is_not_finite_makes_the_mean_so() -> None:
    assert math.isnan(mean([1.0, math.nan]))
    assert mean([1.0, math.inf]) == math.inf
    assert math.isnan(mean([math.inf, -math.inf]))
    assert mean([1.7e308, 1.7e308]) == 1.7e308
    assert mean([0.35, 0.35, 0.35]) == 0.35
    assert math.isnan(TAKE["min"]([1.0, math.nan]))
    assert math.isnan(TAKE["max"]([math.nan, 1.0]))


@given(st.floats(allow_nan=False))
def test_every_number_is_read_back(value: float) -> None:
    assert number(repr(value)) == value


@given(st.text(), st.sampled_from([*TAKE]), st.sampled_from(["a", 1]))
def test_any_text_is_a_number_or_says_why(text: str, take: str, name: str | int) -> None:
    finds: list[Callable[[], object]] = [
        lambda: from_column(Text(text), "x", name, take),
        lambda: from_key(Text(text), "x", "a.0"),
        lambda: match("a(.)", text),
    ]
    for find in finds:
        try:
            assert isinstance(find(), float)
        except Unusable as error:
            if not str(error).startswith(("x", "log")):  # the file
                raise


def test_a_file_that_two_metrics_need_is_said_to_be_missing_once(tmp_path: Path) -> None:
    two = '[metrics.a]\nfile = "r"\nkey = "a"\n[metrics.b]\nfile = "r"\nkey = "b"\n'
    init = sweep(tmp_path, f"{two}[[vary]]\nt = [1, 2]\n")
    make(init, {f"{jobs(init)[0]['name']}/r": '{"a": 1}'})
    first, second = collected(init).rows
    assert first.numbers == {"a": 1.0, "b": None}
    assert first.why == "r has no key 'b' (known: a)"
    assert second.why == "no r"
