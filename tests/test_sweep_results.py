"""[metrics] and [[plots]] of a sweep's file: what fits, and what is said of what does not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from places import ROOT
from sweeps import DECLARED, TEMPLATE, planned

from jobauto.errors import UserError
from jobauto.sweep import about
from jobauto.sweep.checking import settled
from jobauto.sweep.making import make
from jobauto.sweep.results import inside

GRID = f"{DECLARED}[[vary]]\nt = [0.1, 0.5]\n[[vary]]\nsize = [5, 6]\n"
METRIC = '[metrics.energy]\nfile = "run.csv"\ncolumn = "e"\n'


def plots(folder: Path, text: str) -> list[tuple[tuple[str, ...], str | None, str]]:
    """Axes, lines and file of each plot of a sweep with this text."""
    plan = planned(folder, text)
    points = [point.values for point in plan.folders.values()]
    known = about.about(plan.spec, plan.variables)
    return [(p.against, p.each, p.name) for p in settled(plan.spec, known, points, plan.file, "")]


def test_what_is_known_of_variables_is_kept_beside_the_table(tmp_path: Path) -> None:
    text = f"{DECLARED}help = 'of the box'\n[[vary]]\nt = [0.1, 0.5]\n[repeat]\nnumber = 2\n"
    made = make(planned(tmp_path, text), tmp_path / "L")
    kept = json.loads((made.init / "sweep.json").read_text())["variables"]
    temperature = {"type": "float", "unit": "K", "help": "", "varies": True, "sampled": False}
    assert kept == {
        "t": temperature,
        "size": {**temperature, "type": "int", "unit": "", "help": "of the box", "varies": False},
    }
    assert about.read(made.init / "sweep.json")["t"] == about.About("float", "K", "", True)


def test_a_sampled_variable_is_known_as_one(tmp_path: Path) -> None:
    text = f"{DECLARED}[[vary]]\nsample = 'random'\nnumber = 3\nt = {{ start = 0, end = 1 }}\n"
    plan = planned(tmp_path, text)
    found = about.about(plan.spec, plan.variables)
    assert {name for name in found if found[name].sampled} == {"t"}


@pytest.mark.parametrize("text", ["{", "[]", '{"variables": {"t": {"type": "x"}}}', "{}"])
def test_a_broken_sweep_json_is_an_error_with_its_name(tmp_path: Path, text: str) -> None:
    (tmp_path / "sweep.json").write_text(text)
    with pytest.raises(UserError, match=r"sweep\.json: cannot be read"):
        about.read(tmp_path / "sweep.json")


def test_a_variable_that_is_left_over_gets_a_line_for_each_value(tmp_path: Path) -> None:
    plot = '[[plots]]\nmetric = "energy"\nagainst = ["t"]\n'
    assert plots(tmp_path, GRID + METRIC + plot) == [(("t",), "size", "energy-t.png")]
    only = f'{plot}where = {{ size = 5 }}\nfile = "e.svg"\n'
    assert plots(tmp_path, GRID + METRIC + only) == [(("t",), None, "e.svg")]
    heat = plot.replace('["t"]', '["t", "size"]')
    assert plots(tmp_path, GRID + METRIC + heat) == [(("t", "size"), None, "energy-t-size.png")]


THREE = """template = "mine"
variables = { t = { default = 1 }, size = { default = 1 }, u = { default = 1 } }
[[vary]]
t = [1, 2]
[[vary]]
size = [1, 2]
u = [3, 4]
[put.in]
u = "t"
"""


def test_variables_that_vary_together_are_no_average(tmp_path: Path) -> None:
    plot = '[[plots]]\nmetric = "energy"\nagainst = ["size"]\nwhere = { t = 1 }\n'
    assert plots(tmp_path, THREE + METRIC + plot) == [(("size",), None, "energy-size.png")]
    plot = '[[plots]]\nmetric = "energy"\nagainst = ["t"]\n'
    assert plots(tmp_path, THREE + METRIC + plot) == [(("t",), "size", "energy-t.png")]


def test_two_variables_that_are_left_over_are_an_error(tmp_path: Path) -> None:
    text = THREE.replace("u = [3, 4]", "[[vary]]\nu = [3, 4]") + METRIC
    line = '[[plots]]\nmetric = "energy"\nagainst = ["t"]\n'
    with pytest.raises(UserError, match=r"size and u would be averaged(.|\n)*where = { size = 1 }"):
        planned(tmp_path, text + line)
    heat = '[[plots]]\nmetric = "energy"\nagainst = ["t", "size"]\n'
    with pytest.raises(UserError, match=r"a\.toml:\d+: u would be averaged"):
        planned(tmp_path, text + heat)
    assert planned(tmp_path, f"{text}{heat}where = {{ u = 4 }}\n").jobs == 8


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[metrics.e]\nfile = "x"\n', r"a\.toml:15: metrics\.e: exactly one of key, column"),
        ('[metrics.e]\nfile = "x"\nkey = "a"\npattern = "a"\n', "not key and pattern"),
        ('[metrics.e]\nfile = "x"\nkey = ""\n', r"a\.toml:17: metrics\.e\.key"),
        ('[metrics.e]\nfile = "x"\ncolum = 1\n', r"a\.toml:17: unknown(.|\n)*mean column"),
        ('[metrics.e]\nfile = "x"\ncolumn = 0\n', r"a\.toml:17: metrics\.e\.column"),
        ('[metrics.e]\nfile = "x"\nkey = "a"\ntake = "mean"\n', "take belongs to a column"),
        ('[metrics.e]\nfile = "x"\ncolumn = 1\ntake = "lst"\n', r"a\.toml:18: metrics\.e\.take"),
        ('[metrics.e]\nfile = "../x"\nkey = "a"\n', r"a\.toml:16: .*relative, without \.\."),
        ('[metrics.e]\nfile = "/x"\nkey = "a"\n', "relative, without"),
        ('[metrics.e]\nfile = ""\nkey = "a"\n', "relative, without"),
        ('[metrics.e]\nfile = "@siz@"\nkey = "a"\n', r"a\.toml:16: (.|\n)*did you mean size"),
        ('[metrics.e]\nfile = "x"\npattern = "("\n', "no regular expression"),
        ('[metrics.e]\nfile = "x"\npattern = "(a)(b)"\n', r"leave one(.|\n)*\(\?:"),
        ('[metrics.e]\nfile = "x"\nkey = "a"\nunit = "\\u0007"\n', "control characters"),
        ('[metrics.t]\nfile = "x"\nkey = "a"\n', r"a\.toml:15: 't' cannot name a metric"),
        ('[metrics.why]\nfile = "x"\nkey = "a"\n', "'why' cannot name a metric"),
        ('[metrics."a b"]\nfile = "x"\nkey = "a"\n', "cannot name a metric"),
    ],
)
def test_a_metric_that_cannot_be_found_is_an_error(tmp_path: Path, text: str, said: str) -> None:
    assert GRID.count("\n") == 13
    with pytest.raises(UserError, match=said):
        planned(tmp_path, f"{GRID}\n{text}")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('metric = "enrgy"\nagainst = ["t"]', r"a\.toml:23: (.|\n)*did you mean energy"),
        ('metric = "energy"\nagainst = ["siz"]', "did you mean size"),
        ('metric = "energy"\nagainst = []', "against"),
        ('metric = "energy"\nagainst = "t"', "against"),
        ('metric = "energy"\nagainst = ["t", "t"]', "t stands twice"),
        ('metric = "energy"\nagainst = ["t", "size"]\neach = "t"', "t stands twice"),
        ('metric = "energy"\nagainst = ["t", "size"]\nx_scale = "log"', "x_scale belongs"),
        ('metric = "energy"\nagainst = ["t"]\nwhere = { siz = 1 }', "did you mean size"),
        ('metric = "energy"\nagainst = ["t"]\nwhere = { size = 7 }', "no job has size = 7"),
        ('metric = "energy"\nagainst = ["t"]\nwhere = { size = true }', "no job has size = true"),
        ('metric = "energy"\nagainst = ["t"]\nfile = "a.pdf"', "ends with .png or .svg"),
        ('metric = "energy"\nagainst = ["t"]\nfile = "a/b.png"', "without a folder"),
        ('metric = "energy"\nagainst = ["t"]\nfile = ".png"', "without a folder"),
        ('metric = "energy"\nagainst = ["t"]\nagianst = ["t"]', "did you mean against"),
    ],
)
def test_a_plot_that_does_not_fit_is_an_error(tmp_path: Path, text: str, said: str) -> None:
    first = '\n[[plots]]\nmetric = "energy"\nagainst = ["t", "size"]\n'
    with pytest.raises(UserError, match=said):
        planned(tmp_path, f"{GRID}{METRIC}{first}\n[[plots]]\n{text}\n")


def test_plots_of_what_stands_still_is_zero_or_too_many_are_errors(tmp_path: Path) -> None:
    plot = '[[plots]]\nmetric = "energy"\nagainst = ["size"]\n'
    fixed = f"{DECLARED}[[vary]]\nt = [0, 1]\n{METRIC}"
    with pytest.raises(UserError, match="size does not vary"):
        planned(tmp_path, fixed + plot)
    log = plot.replace("size", "t") + 'x_scale = "log"\n'
    with pytest.raises(UserError, match="t is not always above 0"):
        planned(tmp_path, fixed + log)
    many = GRID.replace("[0.1, 0.5]", "{ start = 1, end = 25, step = 1 }") + METRIC
    with pytest.raises(UserError, match=r'25 lines, one for each t(.|\n)*against = ."size", "t".'):
        planned(tmp_path, many + plot)
    with pytest.raises(UserError, match=r"two plots are written to energy-t-size\.png"):
        planned(tmp_path, many + plot.replace('"size"', '"t", "size"') * 2)
    with pytest.raises(UserError, match=r"there is no metric 'energy'(.|\n)*add .metrics"):
        planned(tmp_path, GRID + plot)


@given(st.text(max_size=12))
def test_what_is_inside_never_leads_out(name: str) -> None:
    if inside(name):
        assert Path("/a/b", name).is_relative_to("/a/b")
        assert ".." not in Path(name).parts


def test_the_metrics_of_the_documents_are_such(tmp_path: Path) -> None:
    blocks = (ROOT / "init_templates/README.md").read_text().split("```toml\n")[1:]
    (text,) = (block for block in blocks if block.startswith("[metrics."))
    head = """template = "mine"
variables = { temperature = { default = 1 }, size = { default = 1 }, alpha = { default = 0.5 } }
[[vary]]
temperature = [1, 2]
[[vary]]
size = [1, 2]
[[vary]]
alpha = [0.5, 1.0]
[put.in]
alpha = "t"
temperature = "size"
"""
    template = {**TEMPLATE, "more": "@size@"}
    made = planned(tmp_path, head + text.split("```")[0], template)
    assert list(made.spec.metrics) == ["magnetisation", "energy", "seconds"]
    assert made.spec.plots[0].name == "energy.svg"
