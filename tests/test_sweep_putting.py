"""Values put into input files: nothing else in the file changes."""

from __future__ import annotations

import csv
import json
import tomllib
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobauto.errors import UserError
from jobauto.sweep.numbers import Value
from jobauto.sweep.putting import put

JSON = '{\n  "b": 0.10,\n  "physics": {"t": 3e2, "a,b": [1, {"x": "}"}, null]}\n}\n'
TOML = '''\
# t = 1
t = 1.50 # of the top
"q" = """
t = 4
"""
[physics] # here
  t = "a # b" # comment
x = { t = 5 }
list = [
  1,
]
[other.physics]
t=7
'''
CSV = 'name,unit,value\n"t",K,300\nsize,,"1,5"\r\nlast,,7'
LINES = """\
# t 1
t   300   ! Kelvin
n atoms = 5
size=10 # rings
empty =
dt 0.10
"""


@pytest.mark.parametrize(
    ("name", "text", "key", "value", "before", "after"),
    [
        ("a.json", JSON, "b", Decimal("0.1"), "0.10", "0.1"),
        ("a.json", JSON, "physics.t", Decimal("1E+3"), "3e2", "1E+3"),
        ("a.json", JSON, "physics.a,b.0", 7, "[1,", "[7,"),
        ("a.json", JSON, "physics.a,b.1.x", 'a"}\\', '"}"', r'"a\"}\\"'),
        ("a.json", JSON, "physics.a,b.2", True, "null", "true"),
        ("a.json", JSON, "physics.a,b", "é", '[1, {"x": "}"}, null]', '"é"'),
        ("a.json", '{"a": 1, "a": 2}', "a", 3, "2", "3"),
        ("a.toml", TOML, "t", Decimal("0.25"), "1.50", "0.25"),
        ("a.toml", TOML, "t", Decimal(2), "1.50", "2.0"),
        ("a.toml", TOML, "physics.t", 'say "x"', '"a # b"', r'"say \"x\""'),
        ("a.toml", TOML, "other.physics.t", 8, "t=7", "t=8"),
        ("a.toml", TOML, "physics.x", False, "{ t = 5 }", "false"),
        ("a.csv", CSV, "t", Decimal("0.5"), '"t",K,300', "t,K,0.5"),
        ("a.csv", CSV, "size", "2,5", 'size,,"1,5"\r\n', 'size,,"2,5"\r\n'),
        ("a.csv", CSV, "last", 8, "last,,7", "last,,8"),
        ("a.csv", "t;1,5\nu;2\n", "u", 3, "u;2", "u;3"),
        ("in", LINES, "t", 5, "t   300   !", "t   5   !"),
        ("in", LINES, "n atoms", 6, "= 5", "= 6"),
        ("in", LINES, "size", "a b", "=10 #", "=a b #"),
        ("in", LINES, "empty", True, "empty =", "empty =true"),
        ("in.txt", LINES, "dt", Decimal("0.2"), "0.10", "0.2"),
    ],
)
def test_one_value_changes_and_all_else_stays(
    name: str, text: str, key: str, value: Value, before: str, after: str
) -> None:
    assert text.count(before) == 1
    assert put(name, text, key, value) == text.replace(before, after)


@pytest.mark.parametrize(
    ("name", "text", "key", "says"),
    [
        ("a.json", JSON, "physics.tt", "a.json: there is no key 'physics.tt'"),
        ("a.json", '{"temp": 1}', "tmp", "did you mean temp?"),
        ("a.json", JSON, "b.c", "there is no key"),
        ("a.json", "{", "b", "'b' cannot be put here"),
        ("a.json", "[" * 100_000, "b", "'b' cannot be put here"),
        ("a.toml", TOML, "physics.u", "did you mean physics?|did you mean physics.t?"),
        ("a.toml", TOML, "physics.x.t", "only a whole line"),
        ("a.toml", TOML, "physics.list", "only a whole line"),
        ("a.toml", TOML, "q", "only a whole line"),
        ("a.toml", "a.b = 1", "a.b", "only a whole line"),
        ("a.toml", "[[a]]\nb = 1", "a.b", "there is no key"),
        ("a.toml", "x = ", "x", "cannot be put here"),
        ("a.csv", CSV, "sise", "did you mean size?"),
        ("a.csv", "t,1\nt,2\n", "t", "stands twice, in lines 1 and 2"),
        ("a.csv", "t\n", "t", "no column 2"),
        ("a.csv", "", "t", "there is no key in this file"),
        ("in", LINES, "tt", "there is no key 'tt'\n  -> did you mean t?"),
        ("in", "t 1\nt 2\n", "t", "stands twice"),
        ("in", LINES, "# t", "there is no key"),
    ],
)
def test_a_key_that_is_not_there_is_named(name: str, text: str, key: str, says: str) -> None:
    with pytest.raises(UserError, match=says):
        put(name, text, key, 1)


PRINTED = st.text(st.characters(exclude_categories=["C", "Z"]) | st.just(" "), max_size=20)
VALUES = PRINTED | st.booleans() | st.integers() | st.decimals(-100, 100, places=3)
KEYS = st.from_regex(r"[a-z]{1,4}", fullmatch=True)
TREES = st.recursive(VALUES, lambda below: st.dictionaries(KEYS, below, min_size=1, max_size=4))


def leaves(tree: object, path: str = "") -> list[str]:
    if not isinstance(tree, dict):
        return [path]
    return [leaf for key in tree for leaf in leaves(tree[key], f"{path}.{key}" if path else key)]


@given(st.dictionaries(KEYS, TREES, min_size=1), VALUES, st.data())
def test_json_reads_back_as_the_same_with_one_other_value(
    tree: dict[str, object], value: Value, data: st.DataObject
) -> None:
    text = json.dumps(tree, indent=1, default=str)
    key = data.draw(st.sampled_from(leaves(tree)))
    wanted = table = json.loads(text, parse_float=Decimal)
    *tables, last = key.split(".")
    for name in tables:
        table = table[name]
    table[last] = value
    assert json.loads(put("a.json", text, key, value), parse_float=Decimal) == wanted


@given(st.dictionaries(KEYS, VALUES, min_size=1), VALUES, st.data())
def test_toml_and_csv_read_back_too(
    table: dict[str, Value], value: Value, data: st.DataObject
) -> None:
    key = data.draw(st.sampled_from(sorted(table)))
    text = "[t]\n" + "".join(
        f"{name} = {json.dumps(v, default=str, ensure_ascii=False)}\n" for name, v in table.items()
    )
    seen = tomllib.loads(put("a.toml", text, f"t.{key}", value), parse_float=Decimal)["t"]
    assert seen[key] == value
    assert {**seen, key: 0} == {**tomllib.loads(text, parse_float=Decimal)["t"], key: 0}
    rows = [[name, str(v)] for name, v in table.items()]
    text = "".join(f'{name},"{v.replace(chr(34), chr(34) * 2)}"\n' for name, v in rows)
    read = dict(csv.reader(put("a.csv", text, key, value).splitlines()))
    assert {**read, key: ""} == {**dict(rows), key: ""}
    assert read[key] == (str(value).lower() if isinstance(value, bool) else str(value))
