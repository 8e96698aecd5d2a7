"""Pictures of a sweep show the numbers that were collected: asked of the figures themselves."""

from __future__ import annotations

import math
import sys
import warnings
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy
import pytest
from analyses import METRIC, collected, energies, jobs, sweep
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.collections import (
    FillBetweenPolyCollection,
    LineCollection,
    PathCollection,
    QuadMesh,
)
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from sweeps import DECLARED

from jobauto.analysis import pictures
from jobauto.analysis.axes import GAP, WIDE, Places, fitting
from jobauto.analysis.collecting import Results
from jobauto.analysis.lines import COLOURS, MARKERS, STYLES
from jobauto.errors import UserError
from jobauto.sweep.checking import MOST_LINES

GRID = "[[vary]]\nt = [0.1, 250, 1E+3]\n[[vary]]\nsize = [5, 6]\n[repeat]\nnumber = 2\n" + METRIC
LINES = '[[plots]]\nmetric = "energy"\nagainst = ["t"]\n'
HEAT = '[[plots]]\nmetric = "energy"\nagainst = ["t", "size"]\n'


def figure(results: Results) -> Figure:
    """The picture of the only plot, laid out."""
    (plot,) = results.plots
    drawn = pictures.drawn(results, plot)
    drawn.draw_without_rendering()
    return drawn


def axes(drawn: Figure) -> Axes:
    return drawn.axes[0]


def rows(values: object) -> list[Any]:
    """Numbers of matplotlib, as lists."""
    found: list[Any] = numpy.asarray(values).tolist()
    return found


def xs(line: Line2D) -> list[float]:
    return rows(line.get_xdata())


def ys(line: Line2D) -> list[float]:
    return rows(line.get_ydata())


def foot(drawn: Figure) -> str:
    """What stands below the picture."""
    return drawn.get_supxlabel()


def edges(band: FillBetweenPolyCollection) -> dict[float, tuple[float, float]]:
    """Lower and upper edge of a band at each x."""
    found: dict[float, list[float]] = {}
    for path in band.get_paths():
        for x, y in numpy.asarray(path.vertices):
            found.setdefault(float(x), []).append(float(y))
    return {x: (min(ys), max(ys)) for x, ys in found.items()}


def bands(drawn: Figure) -> list[FillBetweenPolyCollection]:
    return [c for c in axes(drawn).collections if isinstance(c, FillBetweenPolyCollection)]


def bars(drawn: Figure) -> list[list[list[float]]]:
    """Ends of vertical lines around means."""
    found = [c for c in axes(drawn).collections if isinstance(c, LineCollection)]
    return [segment.tolist() for one in found for segment in one.get_segments()]


def energy(job: Mapping[str, str]) -> float:
    """At size 5: t + 1 and t + 3; at size 6: 10 (t + 1) and 10 (t + 3)."""
    value = float(job["t"]) + 2 * float(job["repeat"]) - 1
    return value * (10 if job["size"] == "6" else 1)


def test_a_line_is_the_means_and_its_band_their_standard_error(tmp_path: Path) -> None:
    init = sweep(tmp_path, GRID + LINES)
    energies(init, energy)
    drawn = figure(collected(init))
    five, six = axes(drawn).lines
    assert xs(five) == [0.1, 250, 1000]
    assert ys(five) == pytest.approx([2.1, 252, 1002])
    assert ys(six) == pytest.approx([21, 2520, 10020])
    first, second = map(edges, bands(drawn))
    # sd of 1 and 3 is sqrt(2), its error 1
    assert first[250] == pytest.approx((251, 253))
    assert second[0.1] == pytest.approx((11, 31))
    assert foot(drawn) == "band: mean ± standard error of repeats"
    assert to_hex(numpy.asarray(bands(drawn)[1].get_facecolor())[0]) == COLOURS[1]


def test_labels_units_and_ticks_are_as_they_were_written(tmp_path: Path) -> None:
    declared = DECLARED.replace('allowed = ">0"', 'unit = "nm"')
    init = sweep(tmp_path, GRID + LINES + 'file = "e.svg"\n', declared)
    energies(init, energy)
    results = collected(init)
    (path,) = pictures.write(results, tmp_path)
    assert path == tmp_path / "e.svg"
    texts = [element.text for element in ET.parse(path).iter() if element.text]
    for text in ("t (K)", "energy (eV)", "size (nm)", "0.1", "250", "1E+3", "5", "6"):
        assert text in texts, text
    again = path.read_bytes()
    pictures.write(results, tmp_path)
    assert path.read_bytes() == again  # the same numbers, the same file


def test_only_points_of_where_are_drawn_and_the_title_says_so(tmp_path: Path) -> None:
    init = sweep(tmp_path, f"{GRID}{LINES}where = {{ size = 6 }}\n")
    energies(init, energy)
    drawn = figure(collected(init))
    (line,) = axes(drawn).lines
    assert ys(line) == pytest.approx([21, 2520, 10020])
    assert axes(drawn).get_title(loc="left") == "size = 6"
    assert drawn.legends == []


def test_what_is_missing_is_a_gap_and_is_counted_below(tmp_path: Path) -> None:
    init = sweep(tmp_path, GRID + LINES)
    energies(init, lambda job: None if job["t"] == "250" and job["size"] == "5" else energy(job))
    states = {job["name"]: "finished" for job in jobs(init)}
    states["t0.1_s5_r1"] = "failed"
    drawn = figure(collected(init, states))
    five, six = axes(drawn).lines
    assert ys(five) == pytest.approx([3.1, math.nan, 1002], nan_ok=True)
    assert not numpy.isnan(six.get_ydata()).any()
    assert foot(drawn).splitlines() == [
        "band: mean ± standard error of repeats, none around one repeat",
        "missing: 3 of 12 jobs, 1 of 6 points",
    ]
    # 1E+3 stands alone, so that its band has no width: a bar instead
    assert bars(drawn) == [[[1000.0, 1001.0], [1000.0, 1003.0]]]


def test_one_job_a_point_has_no_band(tmp_path: Path) -> None:
    init = sweep(tmp_path, f"[[vary]]\nt = [1, 2]\n{METRIC}{LINES}")
    energies(init, lambda job: "inf" if job["t"] == "2" else 5)
    drawn = figure(collected(init))
    assert bars(drawn) == []
    assert [edges(band) for band in bands(drawn)] == [{}]
    assert foot(drawn) == "one job a point: no band\nnot finite: 1 of 2 points"


def test_without_any_number_the_picture_says_so(tmp_path: Path) -> None:
    init = sweep(tmp_path, GRID + LINES + HEAT)
    results = collected(init)
    assert len(pictures.write(results, tmp_path)) == 2
    for plot in results.plots:
        drawn = pictures.drawn(results, plot)
        assert "no values" in [text.get_text() for text in axes(drawn).texts]
        assert "missing: 12 of 12 jobs, 6 of 6 points" in foot(drawn)


def test_a_heat_map_has_each_value_in_its_cell(tmp_path: Path) -> None:
    init = sweep(tmp_path, GRID + HEAT)
    energies(init, lambda job: None if job["t"] == "250" and job["size"] == "6" else energy(job))
    drawn = figure(collected(init))
    (mesh,) = (c for c in axes(drawn).collections if isinstance(c, QuadMesh))
    cells: Any = mesh.get_array()
    corners: Any = mesh.get_coordinates()
    assert cells.shape == (2, 3)
    assert cells[0].tolist() == pytest.approx([2.1, 252, 1002])  # size 5 at the bottom
    assert cells[1].tolist() == [pytest.approx(21), None, pytest.approx(10020)]
    assert corners[0, 0].tolist() == [-0.5, -0.5]
    assert corners[2, 3].tolist() == [2.5, 1.5]
    ticks = {text.get_text(): text.get_position() for text in axes(drawn).get_xticklabels()}
    assert [(text, x) for text, (x, _) in ticks.items()] == [("0.1", 0), ("250", 1), ("1E+3", 2)]
    assert [text.get_text() for text in axes(drawn).get_yticklabels()] == ["5", "6"]
    assert axes(drawn).get_xlabel() == "t (K)"
    assert drawn.axes[1].get_ylabel() == "energy (eV)"  # of the colours
    assert axes(drawn).patch.get_hatch()
    assert foot(drawn) == "mean of repeats\nmissing: 2 of 12 jobs, 1 of 6 points (hatched)"
    written = {text.get_position(): text.get_text() for text in axes(drawn).texts}
    assert written == {
        (0, 0): "2.1",
        (1, 0): "252",
        (2, 0): "1002",
        (0, 1): "21",
        (2, 1): "1.002e+04",
    }


def test_sampled_points_are_dots_and_not_joined(tmp_path: Path) -> None:
    sample = """[[vary]]
sample = "random"
number = 5
t = { start = 0, end = 1 }
size = { start = 1, end = 1000 }
"""
    init = sweep(tmp_path, sample + METRIC + LINES + HEAT)
    energies(init, lambda job: float(job["t"]) * 2)
    results = collected(init)
    line, heat = (pictures.drawn(results, plot) for plot in results.plots)
    assert foot(line) == "one job a point: no bars"
    assert foot(heat) == "one job a point"
    ticks = set(axes(line).get_xticks())
    assert not ticks & {float(job["t"]) for job in jobs(init)}  # but round ones
    assert [one.get_linestyle() for one in axes(line).lines] == ["None"]
    assert bands(line) == []
    (dots,) = (c for c in axes(heat).collections if isinstance(c, PathCollection))
    expected = sorted((float(j["t"]), float(j["size"]), float(j["t"]) * 2) for j in jobs(init))
    places = zip(rows(dots.get_offsets()), rows(dots.get_array()), strict=True)
    assert sorted((x, y, value) for (x, y), value in places) == expected


def test_texts_on_the_axis_stand_beside_one_another_with_bars(tmp_path: Path) -> None:
    text = f"""template = "mine"
variables = {{ who = {{ default = "a" }}, size = {{ default = 5 }} }}
[[vary]]
who = ["b", "$a_b$ \\\\frac", "日本"]
[[vary]]
size = [5, 6]
[repeat]
number = 2
[put.in]
who = "t"
{METRIC}
[[plots]]
metric = "energy"
against = ["who"]
file = "w.png"
[[plots]]
metric = "energy"
against = ["size"]
file = "w.svg"
"""
    init = sweep(tmp_path, text, declared="")
    energies(init, lambda job: float(job["repeat"]))
    results = collected(init)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pictures.write(results, tmp_path)
    assert (tmp_path / "w.png").read_bytes().startswith(b"\x89PNG")
    assert "$a_b$ \\frac" in (tmp_path / "w.svg").read_text()
    drawn = pictures.drawn(results, results.plots[0])
    ticks = [label.get_text() for label in axes(drawn).get_xticklabels()]
    assert ticks == ["b", "$a_b$ \\frac", "日本"]
    first, second = (xs(line) for line in axes(drawn).lines)
    assert all(round(x) == at and x < at for at, x in enumerate(first))
    assert all(round(x) == at and x > at for at, x in enumerate(second))
    assert len(bars(drawn)) == 6
    assert foot(drawn) == "bars: mean ± standard error of repeats"


def test_a_logarithmic_axis_has_ticks_at_the_values(tmp_path: Path) -> None:
    init = sweep(tmp_path, f"[[vary]]\nt = [1E-3, 0.1, 10]\n{METRIC}{LINES}x_scale = 'log'\n")
    energies(init, lambda job: 1)
    drawn = figure(collected(init))
    assert axes(drawn).get_xscale() == "log"
    assert axes(drawn).get_xticks().tolist() == [0.001, 0.1, 10]
    assert axes(drawn).get_xticks(minor=True).tolist() == []
    assert [t.get_text() for t in axes(drawn).get_xticklabels()] == ["0.001", "0.1", "10"]


def test_many_values_have_regular_ticks_where_they_are_regular() -> None:
    hundred = Places({str(n): n for n in range(1, 101)}, True)
    numbers = [int(text) for text in fitting(hundred)]
    steps = {b - a for a, b in pairwise(numbers)}
    assert len(numbers) > 8
    assert len(steps) == 1
    powers = Places({str(10**n): 10**n for n in range(6)}, True)
    assert fitting(powers) == ["1", "10000", "100000"]
    assert len(fitting(powers, log=True)) == 6


def test_no_two_lines_look_alike() -> None:
    looks = [
        (n % len(COLOURS), n % len(MARKERS), n // len(COLOURS) % len(STYLES))
        for n in range(MOST_LINES)
    ]
    assert len(set(looks)) == MOST_LINES


def test_many_lines_fit_beside_their_legend(tmp_path: Path) -> None:
    many = GRID.replace("[5, 6]", "{ start = 1, end = 24, step = 1 }")
    init = sweep(tmp_path, many + LINES)
    energies(init, energy)
    drawn = figure(collected(init))
    legend = drawn.legends[0]
    assert [text.get_text() for text in legend.get_texts()] == [str(n + 1) for n in range(24)]
    box, whole = legend.get_window_extent(), drawn.bbox
    assert box.y0 >= 0
    assert box.x1 <= whole.x1
    assert box.x0 >= axes(drawn).get_window_extent().x1


def test_settings_of_a_person_do_not_reach_the_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import matplotlib

    monkeypatch.setitem(matplotlib.rcParams, "text.usetex", True)
    monkeypatch.setitem(matplotlib.rcParams, "svg.fonttype", "path")
    init = sweep(tmp_path, GRID + LINES + 'file = "e.svg"\n')
    energies(init, energy)
    (path,) = pictures.write(collected(init), tmp_path)
    assert "energy (eV)" in path.read_text()
    assert matplotlib.rcParams["text.usetex"] is True


def test_without_matplotlib_it_is_said_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = collected(sweep(tmp_path, GRID + LINES))
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UserError, match=r"matplotlib is not installed(.|\n)*jobauto\[analyse\]"):
        pictures.write(results, tmp_path)


@given(st.lists(st.floats(1e-5, 1e5), min_size=1, max_size=40, unique=True), st.booleans())
def test_ticks_never_run_into_one_another(values: list[float], log: bool) -> None:
    found = Places({str(value): value for value in sorted(values)}, True)
    kept = fitting(found, log)
    assert kept[0] == str(min(values))
    for left, right in pairwise(kept):
        room = found.along(right, log) - found.along(left, log)
        assert room >= WIDE * (len(left) + len(right)) / 2 + GAP - 1e-9
    assert not any(math.isnan(found.along(text, log)) for text in kept)
