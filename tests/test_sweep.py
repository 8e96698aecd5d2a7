"""What a sweep's file means: values, names, tables, and each mistake in it."""

from __future__ import annotations

import sys
from decimal import Decimal
from pathlib import Path

import pytest
from places import ROOT
from sweeps import DECLARED, TEMPLATE, planned, values

from jobauto.errors import UserError
from jobauto.sweep import naming

VARY = "[[vary]]\n"


# --- values


@pytest.mark.parametrize(
    ("axis", "wanted"),
    [
        ("[0.1, 0.2, 1e3]", "0.1 0.2 1E+3"),
        ("[0.10, 5]", "0.10 5"),
        ("{ start = 0.1, end = 0.5, step = 0.1 }", "0.1 0.2 0.3 0.4 0.5"),
        ("{ start = 0, end = 1, step = 0.3 }", "0 0.3 0.6 0.9"),
        ("{ start = 3, end = 1, step = -1 }", "3 2 1"),
        ("{ start = 100, end = 500, number = 5 }", "100 200 300 400 500"),
        ("{ start = 0, end = 1, number = 4 }", "0 0.333333333333 0.666666666667 1"),
        ("{ start = 0.001, end = 10, number = 5, scale = 'log' }", "0.001 0.01 0.1 1 10"),
        ("{ start = 7, end = 7, number = 1 }", "7"),
    ],
)
def test_a_range_is_exact_and_written_as_a_person_would(
    tmp_path: Path, axis: str, wanted: str
) -> None:
    assert values(planned(tmp_path, f"{DECLARED}{VARY}t = {axis}"), "t") == wanted.split()


def test_a_logarithmic_range_of_whole_numbers_is_rounded(tmp_path: Path) -> None:
    axis = "{ start = 1, end = 1000, number = 7, scale = 'log' }"
    made = planned(tmp_path, f"{DECLARED}{VARY}size = {axis}")
    assert values(made, "size") == "1 3 10 32 100 316 1000".split()


def test_groups_are_multiplied_and_variables_of_one_group_vary_together(tmp_path: Path) -> None:
    spec = """template = "mine"
    variables = { t = { default = 1.5 }, size = { default = 1 }, k = { default = "a" } }
    vary = [{ t = [0.5, 1.5] }, { size = [1, 2], k = ["a", "b"] }]
    """
    made = planned(tmp_path, spec, {**TEMPLATE, "more": "@k@"})
    seen = list(zip(*(values(made, name) for name in ("t", "size", "k")), strict=True))
    assert seen == [("0.5", "1", "a"), ("0.5", "2", "b"), ("1.5", "1", "a"), ("1.5", "2", "b")]
    assert list(made.folders) == ["t0.5_s1_ka", "t0.5_s2_kb", "t1.5_s1_ka", "t1.5_s2_kb"]


def test_repeats_count_and_may_set_a_variable(tmp_path: Path) -> None:
    spec = f'{DECLARED}{VARY}t = [1, 2]\n[repeat]\nnumber = 2\nvariable = "size"\nfirst = 5\n'
    made = planned(tmp_path, spec)
    assert list(made.folders) == ["t1_r1", "t1_r2", "t2_r1", "t2_r2"]
    assert values(made, "size") == ["5", "6", "5", "6"]
    assert values(made, "repeat") == ["1", "2", "1", "2"]


def test_a_variable_may_have_the_name_of_a_setting(tmp_path: Path) -> None:
    spec = f"""{DECLARED}[variables.seed]\ndefault = 1
    {VARY}seed = [3, 4]\n{VARY}sample = "random"\nseed = 7\nnumber = 2
    t = {{ start = 0, end = 1 }}"""
    made = planned(tmp_path, spec, {**TEMPLATE, "seed": "@seed@"})
    assert values(made, "seed") == ["3", "3", "4", "4"]


@pytest.mark.parametrize("sample", ["latin", "random"])
def test_a_sample_is_the_same_for_the_same_seed_and_within_its_range(
    tmp_path: Path, sample: str
) -> None:
    def drawn(seed: int) -> list[str]:
        text = f"""{DECLARED}{VARY}sample = "{sample}"\nnumber = 50\nseed = {seed}
        t = {{ start = 0.001, end = 1, scale = "log" }}
        size = {{ start = 1, end = 1000 }}"""
        made = planned(tmp_path, text)
        return [f"{t} {s}" for t, s in zip(values(made, "t"), values(made, "size"), strict=True)]

    first = drawn(7)
    assert first == drawn(7) != drawn(8)
    assert len(set(first)) == 50
    for pair in first:
        t, size = pair.split()
        assert Decimal("0.001") <= Decimal(t) <= 1
        assert len(Decimal(t).as_tuple().digits) <= 12
        assert 1 <= int(size) <= 1000


def test_a_latin_hypercube_has_one_point_in_each_slice(tmp_path: Path) -> None:
    text = f"""{DECLARED}{VARY}sample = "latin"\nnumber = 20\n
    t = {{ start = 0, end = 20 }}\nsize = {{ start = 1, end = 20 }}"""
    made = planned(tmp_path, text)
    assert sorted(int(Decimal(t)) for t in values(made, "t")) == list(range(20))
    assert sorted(map(int, values(made, "size"))) == list(range(1, 21))


def test_a_sample_of_a_list_draws_from_all_of_it(tmp_path: Path) -> None:
    text = f"""{DECLARED}{VARY}sample = "latin"\nnumber = 20\n
    t = {{ start = 0, end = 1 }}\nsize = [7, 8, 9, 10]"""
    drawn = values(planned(tmp_path, text), "size")
    assert {size: drawn.count(size) for size in drawn} == dict.fromkeys(["7", "8", "9", "10"], 5)


def test_a_logarithmic_sample_of_whole_numbers_stays_in_its_range(tmp_path: Path) -> None:
    text = f"""{DECLARED}{VARY}sample = "latin"\nnumber = 100\n
    t = {{ start = 0, end = 1 }}\nsize = {{ start = 1, end = 3, scale = "log" }}"""
    drawn = values(planned(tmp_path, text), "size")
    assert set(drawn) == {"1", "2", "3"}
    assert drawn.count("1") > drawn.count("2") > drawn.count("3")


def test_without_scipy_a_latin_sample_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "scipy.stats", None)
    text = f'{DECLARED}{VARY}sample = "latin"\nnumber = 2\nt = {{ start = 0, end = 1 }}'
    with pytest.raises(UserError, match=r"scipy is not installed(.|\n)*jobauto\[sweep\]"):
        planned(tmp_path, text)
    assert planned(tmp_path, text.replace("latin", "random")).jobs == 2


@pytest.mark.parametrize("vary", ["number = 3", "sample", "number = 3, scale = 'log'"])
def test_rounding_never_leaves_a_range(tmp_path: Path, vary: str) -> None:
    low, high = "1.234567890123456", "1.234567890123457"
    head = "sample = 'random'\nnumber = 1\n" if vary == "sample" else ""
    how = "" if head else f", {vary}"
    text = f"{DECLARED}{VARY}{head}t = {{ start = {low}, end = {high}{how} }}"
    if head:
        (only,) = values(planned(tmp_path, text), "t")
        assert only in (low, high)
        return
    with pytest.raises(UserError, match=f"two jobs are equal: t = {low}"):
        planned(tmp_path, text)  # both ends as they were written, and nothing else between them
    wide = values(planned(tmp_path, text.replace(high, "2.345678901234567")), "t")
    assert (wide[0], wide[2]) == (low, "2.345678901234567")
    assert len(Decimal(wide[1]).as_tuple().digits) == 12


# --- names


def test_a_name_does_not_depend_on_the_other_points(tmp_path: Path) -> None:
    few = planned(tmp_path, f"{DECLARED}{VARY}t = [5]\n{VARY}size = [3]")
    many = planned(tmp_path, f"{DECLARED}{VARY}t = [1, 5, 50]\n{VARY}size = [33, 3]")
    assert set(few.folders) == {"t5_s3"} < set(many.folders)


@pytest.mark.parametrize(
    ("names", "short"),
    [
        (["temperature", "size"], ["t", "s"]),
        (["size", "steps", "s"], ["si", "st", "s"]),
        (["a", "ab", "abc"], ["a", "ab", "abc"]),
    ],
)
def test_a_variable_is_shortened_as_far_as_it_stays_alone(
    names: list[str], short: list[str]
) -> None:
    assert list(naming.prefixes(names).values()) == short


HOSTILE = [
    "a b",
    "it's",
    'say "x"',
    "a;touch b",
    "$(touch c)",
    "..",
    "-rf",
    "x/../../y",
    "é",
    "a_b",
]
HOSTILE += ["a-b", "x" * 60, "x" * 60 + "y", "*", "@k@", "__x__", "", " "]


def test_hostile_texts_make_harmless_names(tmp_path: Path) -> None:
    texts = ", ".join(f"'''{text}'''" for text in HOSTILE)
    spec = f'template = "mine"\n[variables.k]\ntype = "text"\n{VARY}k = [{texts}]'
    made = planned(tmp_path, spec, {"qsub.0": "", "in": "k = @k@\n"})
    assert values(made, "k") == HOSTILE
    assert len(made.folders) == len(HOSTILE)
    for name in made.folders:
        assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789.-+_")
        assert name[0] == "k"
        assert len(name) <= 40
    assert "ka-b" in made.folders  # as it is; a_b and a b look alike and get a digest


@pytest.mark.parametrize("text", ['"a\\nb"', '"a\\u0000b"', '"\\u001b[31m"'])
def test_control_characters_are_refused(tmp_path: Path, text: str) -> None:
    spec = f'template = "mine"\n[variables.k]\ntype = "text"\n{VARY}k = ["a", {text}]'
    with pytest.raises(UserError, match="control characters in this text"):
        planned(tmp_path, spec, {"qsub.0": "", "in": "@k@"})


# --- mistakes

TYPED = f"{DECLARED}{VARY}t = [1]\n"
MISTAKES = {
    "t = [1, -5]": r"a.toml:11: t = -5 is not allowed \(allowed: from 0 K\)",
    "t = ['hot']": "t = 'hot' is not a number",
    "size = [0.5]": 'size = 0.5 is not a whole number\n  -> or write type = "float" for size',
    "size = [0]": r"a.toml:11: size = 0 is not allowed \(allowed: above 0\)",
    "size = { start = 1, end = 2, number = 3 }": "size = 1.5 is not a whole number",
    "tt = [1]": "a.toml:11: there is no variable 'tt' .*\n  -> did you mean t?",
    "sice = [7]": r"no variable 'sice' \(its value here: 7\)\n  -> did you mean size?",
    "t = [1, 2, 1.0]": r"two jobs are equal: t = 1.0\n  -> .*\[repeat\]",
    "t = [1]\nsize = [1, 2]": "unequal numbers of values in one group: t has 1, size has 2",
    "t = []": "vary.0.t: .*at least 1",
    "t = 5": "vary.0.t: a list .* or a range .* belongs here .it was 5",
    "t = { start = 1, stop = 2 }": "a.toml:11: unknown key vary.0.t.stop\n",
    "t = { start = 1, end = 2 }": "t: a range has a step or a number",
    "t = { start = 1, end = 2, step = 1, number = 2 }": "either step or number",
    "t = { start = 1, end = 2, step = -1 }": "step does not lead from start to end",
    "t = { start = 1, end = 2, step = -5 }": "step does not lead from start to end",
    "t = { start = 1, end = 2, step = 0 }": "step does not lead from start to end",
    "t = { start = 0, end = 1, step = 1e-9 }": "makes over 100000 values",
    "t = { start = 1, end = 2, number = 100001 }": "less than or equal to 100000",
    "t = { start = 0, end = 2, number = 3, scale = 'log' }": "are above 0",
    "t = { start = 1, end = 2, number = 1 }": "one number does not lead from start to end",
    "t = [nan]": "not finite",
    "t = [inf]": "not finite",
    "t = [1e999]": "too large",
    f"t = [{'9' * 60}]": "too large",
    "t = [2020-01-01]": "a number, a text, true or false belongs here",
    "sample = 'latin'\nt = { start = 0, end = 1 }": "needs a number of points",
    "sample = 'grid'\nnumber = 3\nt = { start = 0, end = 1 }": "'latin' or 'random'",
    "sample = 'latin'\nnumber = 3\nt = { start = 0, end = 1, step = 1 }": "start and end only",
    "number = 3\nt = [1]": "number and seed belong to sample",
    "t = [1]\n[[vary]]\nt = [2]": "t varies twice",
    "t = [1]\n[repeat]\nnumber = 0": "repeat.number: .*greater than or equal to 1",
    "t = [1]\n[repeat]\nnumber = 2\nvariable = 'sed'": "there is no variable 'sed'",
    "t = [1]\n[repeat]\nnumber = 2\nvariable = 't'": "t varies twice",
    "t = [1]\n[repeat]\nnumber = 2\nvariable = 'size'\nfirst = 0": "a.toml:14: size = 0 is not",
    "t = [1]\n[variables.new]\ndefault = 1": "new is used nowhere: no @new@ in the template",
    "t = [1]\n[variables.new]\ntype = 'int'": "new has no value",
    "t = [1]\n[variables.new]\nunit = 'K'": "new has neither type nor default",
    "t = [1]\n[variables.new]\ntipe = 'int'": "unknown key new.tipe\n  -> did you mean type?",
    "t = [1]\n[variables.new]\ndefault = 7\nmax = 5": "new = 7 is not allowed .allowed: up to 5",
    "t = [1]\n[variables.new]\nmin = 7\nmax = 5": "nothing lies between 7 and 5",
    "t = [1]\n[variables.new]\ndefault = 'a'\nmin = 5": "new is a text: it has no range",
    "t = [1]\n[variables.new]\ndefault = 'cat'\nallowed = ['cut', 'dog']": "did you mean cut?",
    "t = [1]\n[variables.'two words']\ndefault = 1": "cannot name a variable",
    "t = [1]\n[variables.repeat]\ndefault = 1": "'repeat' cannot name a variable",
    "t = [1]\n[put.inn]\nt = 'x'": "the template has no file 'inn'\n  -> did you mean in?",
    "t = [1]\n[put.in]\nx = 't'": "a.toml:12: there is no variable 'x'",
    "t = [1]\n[put.in]\nt = 'a'\nsize = 'a'": "t and size are put at the same key 'a' of in",
    "t = [1]\n[put.'../a.toml']\nt = 'x'": "the template has no file '../a.toml'",
    "t = [1]\n[repaet]\nnumber = 1": "unknown key repaet\n  -> did you mean repeat?",
}


@pytest.mark.parametrize("text", MISTAKES, ids=lambda text: text.replace("\n", " "))
def test_a_mistake_names_variable_and_value(tmp_path: Path, text: str) -> None:
    with pytest.raises(UserError) as caught:
        planned(tmp_path, f"{DECLARED}{VARY}{text}\n")
    caught.match(MISTAKES[text])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "template is missing"),
        ("template = 'nine'", "there is no template 'nine'"),
        ("template = 'mine'\ntable = 'x'", "unknown key 'table'"),
        ("template = 5", "template: .*valid string"),
        ("template =", "a.toml: no TOML: "),
        (f"template = 1e{'9' * 30}", "a.toml: no TOML: "),
        ("template = 'mine'\nmain_file = 'x'", "template mine has no main_file"),
        ("template = '.'", "the sweep's file is inside its template"),
        ("template = 'ecalj'", "template ecalj needs a POSCAR"),
    ],
)
def test_a_wrong_file_is_an_error_with_its_name(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(UserError, match=says):
        planned(tmp_path, text)


def test_a_typo_in_the_template_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"t is used nowhere(.|\n)*@tt@"):
        planned(tmp_path, TYPED, {"qsub.0": "", "in": "@tt@ @size@"})


def test_too_many_points_are_refused_before_they_are_made(tmp_path: Path) -> None:
    axis = "{ start = 1, end = 90000, step = 1 }"
    with pytest.raises(UserError, match="8100000000 points are too many"):
        planned(tmp_path, f"{DECLARED}{VARY}t = {axis}\n{VARY}size = {axis}")


@pytest.mark.parametrize(
    ("file", "text", "put"),
    [
        ("qsub.0", "echo @k@", ""),
        ("qsub.dependency.0", "@k@", ""),
        ("deep/qsub.1", "k=1", "[put.'deep/qsub.1']\nk = 'k'\n"),
    ],
)
def test_a_text_that_a_shell_takes_apart_is_kept_out_of_scripts(
    tmp_path: Path, file: str, text: str, put: str
) -> None:
    spec = f"template = 'mine'\n[variables.k]\ndefault = 'a'\n{VARY}k = ['b', '$(touch x)']\n"
    with pytest.raises(UserError, match=r"k = '\$\(touch x\)' in a script"):
        planned(tmp_path, spec + put, {"qsub.0": "", file: text})


def test_nothing_is_put_into_a_file_that_is_no_text(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="data is no text"):
        planned(tmp_path, TYPED + "[put.data]\nt = 't'", {**TEMPLATE, "data": "t 1\0"})


# --- where variables come from


def test_a_template_declares_variables_and_a_file_overrides_them_key_by_key(
    tmp_path: Path,
) -> None:
    toml = "[variables.t]\ndefault = 300\nmin = 0\nunit = 'K'\n[set]\niterations = 2\n"
    template = {"qsub.@n@": "@t@", "template.toml": toml}
    spec = "template = 'mine'\n[variables.t]\nmax = 400\n[[vary]]\niterations = [1, 3]"
    made = planned(tmp_path, spec, template)
    assert values(made, "t") == ["300", "300"]
    assert made.variables["t"].limits() == "allowed: from 0 up to 400 K"
    assert made.jobs == 4
    with pytest.raises(UserError, match="iterations = 0 is not allowed"):
        planned(tmp_path, spec.replace("[1, 3]", "[0]"), template)


TABLE = """\
Line Number,Value,Is Var?,Name,Type,Allowed Values,unit
1,I/O,False,None,str,None,
2,./output_files,False,Folder Name,str,None,
6,100,True,Number of Rings,int,>4,
11,hexagonal,True,Lattice,str,hexagonal;square;cairo,
20,-3,True,Start Temperature (10^x),float,<100,K
47,1,True,Maintain Convexity,bool,0;1,
53,1E-06,True,Tolerance,float,0..1,
"""


def test_a_table_of_the_seed_is_read_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "v.csv").write_text(TABLE)
    names = "@Number_of_Rings@ @Lattice@ @Start_Temperature_10_x@ @Maintain_Convexity@ @Tolerance@"
    spec = "template = 'mine'\nvariables = 'v.csv'\n[[vary]]\nLattice = ['square', 'cairo']"
    made = planned(tmp_path, spec, {"qsub.0": "", "in": names})
    (point, _) = made.folders.values()
    assert list(point.texts().values()) == ["100", "square", "-3", "1", "0.000001", "1"]
    assert made.variables["Number_of_Rings"].limits() == "allowed: above 4"
    for wrong, says in [
        ("Lattice = ['round']", "allowed: hexagonal, square, cairo"),
        ("Number_of_Rings = [4]", "Number_of_Rings = 4 is not allowed"),
        ("Maintain_Convexity = [2]", "Maintain_Convexity = 2 is not allowed .allowed: 0, 1"),
        ("Tolerance = [1.5]", "from 0 up to 1"),
        ("Number_of_Ring = [7]", "did you mean Number_of_Rings?"),
    ]:
        with pytest.raises(UserError, match=says):
            planned(tmp_path, spec.partition("Lattice")[0] + wrong)


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ("name,val\na,1\n", "v.csv:1: there is no column 'value'"),
        ("name,value\na,1\na,2\n", "v.csv:3: a stands twice"),
        ("name,value,type\na,1,dual int\n", "v.csv:2: a: 'dual int' is no type"),
        ("name,value,type\na,x,int\n", "v.csv:2: a = 'x' is not a whole number"),
        ("name,value,allowed\na,1,>x\n", "v.csv:2: a: 'x' is no number"),
        ("name,value,allowed\na,7,0..5\n", "v.csv:2: a = 7 is not allowed"),
        ("name,value\n7a,7\n", "'7a' cannot name a variable"),
    ],
)
def test_a_mistake_in_a_table_names_its_line(tmp_path: Path, table: str, says: str) -> None:
    (tmp_path / "v.csv").write_text(table)
    with pytest.raises(UserError, match=says):
        planned(tmp_path, "template = 'mine'\nvariables = 'v.csv'\n[repeat]\nnumber = 2")


# --- the documents


@pytest.mark.parametrize(
    ("file", "count"), [("README.md", 15), ("init_templates/README.md", 5 * 3 * 20 * 2)]
)
def test_the_sweep_of_the_documents_is_one(tmp_path: Path, file: str, count: int) -> None:
    blocks = (ROOT / file).read_text().split("```toml\n")[1:]
    (text,) = (block for block in blocks if block.startswith(('template = "r', 'description = "r')))
    text = text.split("```")[0].replace('"rings"   ', '"mine"', 1)
    if "random_seed" in text:
        declared = ("size", "steps", "alpha", "beta", "random_seed")
        text += "".join(f"[variables.{name}]\ndefault = 1\n" for name in declared[:2])
        text += "".join(f"[variables.{name}]\ndefault = 1.5\n" for name in declared[2:4])
        text += "[variables.random_seed]\ndefault = 1\n"
    words = "@size@ @steps@ @alpha@ @beta@ @random_seed@"
    files = {"qsub.0": "", "in": words, "input.json": '{"physics": {"temperature": 1}}'}
    made = planned(tmp_path, text, files)
    assert len(made.folders) == count
