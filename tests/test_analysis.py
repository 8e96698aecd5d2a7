"""What came of a sweep: a row for each job, averages of those that ended well, and files."""

from __future__ import annotations

import csv
import json
import math
import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import polars
import pytest
from analyses import METRIC, collected, energies, fill, jobs, sweep
from fake import FakeJob
from hypothesis import given, settings
from hypothesis import strategies as st
from test_monitor import World, world
from trees import make

from jobauto.actions.status import status
from jobauto.analysis import tables
from jobauto.analysis.collecting import Results, collect
from jobauto.analysis.summary import Average, average, by_point, by_variable, strange
from jobauto.cli import show
from jobauto.cli.analysing import states_of, write
from jobauto.cli.main import main
from jobauto.errors import BAD_USAGE, DONE, SOME_FAILED, UserError

__all__ = ["world"]  # a fixture

PLOT = "[[plots]]\nmetric = 'x'\nagainst = ['t']"
REPEATED = f"[[vary]]\nt = [0.10, 1E+3]\n[repeat]\nnumber = 3\n{METRIC}"


def row(results: Results, name: str) -> dict[str, float | None]:
    return dict(next(r for r in results.rows if r.name == name).numbers)


def test_mean_deviation_and_error_are_those_of_the_sample() -> None:
    one = average([2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0])
    assert one.used == 8
    assert one.mean == 5.0
    assert one.sd == pytest.approx(2.138089935299395)  # sqrt(32 / 7)
    assert one.se == pytest.approx(0.7559289460184544)  # sqrt(32 / 7 / 8)
    assert average([3.5]) == Average(1, 3.5)
    assert average([3.5]).se is None
    assert average([]) == Average(0)
    assert average([1.0, 1.0]).sd == 0
    strange = average([1.0, math.nan])
    assert (strange.used, str(strange.mean), str(strange.sd)) == (2, "nan", "nan")
    assert average([1e200, -1e200]).sd == pytest.approx(math.sqrt(2) * 1e200)


def test_each_job_is_a_row_with_its_variables_as_they_were_written(tmp_path: Path) -> None:
    init = sweep(tmp_path, REPEATED)
    energies(init, lambda job: {"1": "1.5", "2": "2.5", "3": None}[job["repeat"]])
    written = tables.write(collected(init), tmp_path)
    assert [path.name for path in written] == ["table.csv", "table.parquet", "summary.csv"]
    with (tmp_path / "table.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["name", "t", "size", "repeat", "state", "energy", "why"]
    assert rows[1] == ["t0.10_r1", "0.10", "10", "1", "finished", "1.5", ""]
    assert rows[6] == ["t1E+3_r3", "1E+3", "10", "3", "finished", "", "no run.csv"]
    assert len(rows) == 7
    with (tmp_path / "summary.csv").open(newline="") as file:
        head, first, _ = csv.reader(file)
    assert head == ["t", "jobs", "energy.used", "energy.mean", "energy.sd", "energy.se"]
    assert first[:4] == ["0.10", "3", "2", "2.0"]
    assert [float(cell) for cell in first[4:]] == pytest.approx([math.sqrt(0.5), 0.5])


def test_csv_and_parquet_read_back_equal(tmp_path: Path) -> None:
    text = f"""template = "mine"
variables.x = {{ default = 1.5 }}
variables.big = {{ default = 1 }}
variables.word = {{ default = "a" }}
variables.yes = {{ default = true }}
[[vary]]
x = [0.5, 1e-7]
big = [1, {10**40}]
word = ['$a_b\\c', 'ü, "q"']
yes = [true, false]
[put.in]
x = "t"
big = "size"
{METRIC}"""
    make(tmp_path, {"mine/more": "@word@ @yes@\n"})
    init = sweep(tmp_path, text, declared="")
    energies(init, lambda job: "nan" if job["x"] == "0.5" else "-1e-300")
    results = collected(init, {jobs(init)[0]["name"]: "failed"})
    tables.write(results, tmp_path)
    parquet = polars.read_parquet(tmp_path / "table.parquet")
    kinds = dict(parquet.schema)
    assert parquet.equals(polars.read_csv(tmp_path / "table.csv", schema=kinds))
    assert parquet["x"].to_list() == [0.5, 1e-7]
    assert parquet["big"].to_list() == ["1", str(10**40)]  # no number of Parquet is so large
    assert parquet["word"].to_list() == ["$a_b\\c", 'ü, "q"']
    assert parquet["yes"].to_list() == [True, False]
    assert str(parquet["energy"].to_list()) == "[nan, -1e-300]"
    assert parquet["state"].to_list() == ["failed", "missing"]


def test_failed_and_missing_jobs_are_counted_and_told_but_in_no_average(tmp_path: Path) -> None:
    init = sweep(tmp_path, REPEATED)
    energies(init, lambda job: {"1": 1, "2": 2, "3": 9}[job["repeat"]])
    names = [job["name"] for job in jobs(init)]
    states = dict(zip(names, ["finished", "skipped", "failed", "finished", "unsure"], strict=False))
    results = collected(init, {**states, "somebody_else": "failed"})
    assert results.counts() == {
        "finished": 2,
        "skipped": 1,
        "failed": 1,
        "missing": 1,
        "unsure": 1,
    }
    assert row(results, names[2]) == {"energy": 9.0}  # kept in the table
    told = [(one.name, one.why) for one in results.missing()]
    assert told == [(names[2], "failed"), (names[4], "unsure"), (names[5], "no state is known")]
    first, second = by_point(results)
    assert (first.jobs, first.averages["energy"].used, first.averages["energy"].mean) == (3, 2, 1.5)
    assert second.averages["energy"] == Average(1, 1.0)


GRID = f"[[vary]]\nt = [1, 2]\n[[vary]]\nsize = [5, 6]\n[repeat]\nnumber = 2\n{METRIC}"


def test_by_variable_the_spread_is_that_of_repeats_only(tmp_path: Path) -> None:
    init = sweep(tmp_path, GRID)
    shift = {"5": 0, "6": 100}
    energies(init, lambda job: shift[job["size"]] + float(job["t"]) * float(job["repeat"]))
    one, two = by_variable(collected(init), "t")
    assert (one.key, one.jobs) == (("1",), 4)
    assert one.averages["energy"].mean == 51.5  # of 1 2 101 102
    assert one.averages["energy"].sd == pytest.approx(math.sqrt(0.5))  # of 1 2, and of 101 102
    assert two.averages["energy"].sd == pytest.approx(math.sqrt(2))


def test_what_is_not_finite_is_a_value_and_is_counted(tmp_path: Path) -> None:
    init = sweep(tmp_path, REPEATED)
    energies(init, lambda job: "NaN" if job["repeat"] == "2" else "inf")
    results = collected(init)
    assert results.missing() == []
    assert strange(results) == {"energy": 6}
    assert str(by_point(results)[0].averages["energy"].mean) == "nan"


def test_without_polars_it_is_said_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = collected(sweep(tmp_path, REPEATED))
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(UserError, match=r"polars is not installed(.|\n)*jobauto\[analyse\]"):
        tables.write(results, tmp_path)


@pytest.mark.parametrize(
    ("file", "change", "said"),
    [
        ("sweep.csv", lambda text: text.replace("t0.10_r1", "../x"), r"csv:2: '\.\./x' names no"),
        ("sweep.csv", lambda text: text.replace("t0.10_r1", ""), "csv:2: '' names no folder"),
        ("sweep.csv", lambda text: text + text.splitlines()[1], "csv:8: .* or twice"),
        ("sweep.csv", lambda text: text.replace("t,size", "size,t"), "csv:1: its columns are not"),
        ("sweep.csv", lambda text: text.replace("0.10,", "x,"), "csv:2: 'x' is not of the type"),
        ("sweep.csv", lambda text: text.replace("10,1\n", "10,y\n"), "csv:2: 'y' is not of the"),
        ("sweep.csv", lambda text: text + "a,b\n", "csv:8: 2 cells, not 4"),
        ("sweep.csv", lambda _: "\udcff", "sweep.csv: cannot be read"),
        ("sweep.csv", None, "sweep.csv: cannot be read: No such file"),
        ("sweep.json", None, r"sweep\.json: cannot be read(.|\n)*jobauto sweep writes it"),
        ("sweep.toml", None, "sweep.toml: cannot be read"),
        ("sweep.toml", lambda text: text.partition("[metrics")[0], "there are no metrics"),
        (
            "sweep.toml",
            lambda text: text + "[[plots]]\nmetric = 'x'\nagainst = ['t']",
            "toml:19: there is no metric",
        ),
    ],
)
def test_a_sweep_that_cannot_be_read_is_an_error_with_its_place(
    tmp_path: Path, file: str, change: Callable[[str], str] | None, said: str
) -> None:
    init = sweep(tmp_path, REPEATED)
    if change:
        text = change((init / file).read_text())
        (init / file).write_bytes(text.encode("utf-8", "surrogateescape"))
    else:
        (init / file).unlink()
    with pytest.raises(UserError, match=said):
        collected(init, {})


def test_a_metric_may_be_added_when_the_jobs_have_run(tmp_path: Path) -> None:
    init = sweep(tmp_path, "[[vary]]\nt = [1, 2]\n")
    fill(init, "log", lambda job: f"took {job['t']} s")
    more = '[metrics.seconds]\nfile = "log"\npattern = "took (.)"\n'
    (init / "sweep.toml").write_text((init / "sweep.toml").read_text() + more)
    assert [one.numbers["seconds"] for one in collected(init).rows] == [1.0, 2.0]


STATES = st.sampled_from(["finished", "skipped", "failed", "killed", "blocked", None])
CONTENTS = st.sampled_from([None, "", "energy\n", "energy\n1\n", "energy\nnan\n", "x\n", "\0"])


@settings(max_examples=50)
@given(st.lists(st.tuples(STATES, CONTENTS), min_size=6, max_size=6))
def test_no_row_is_ever_lost(outcomes: list[tuple[str | None, str | None]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        init = sweep(Path(folder), REPEATED)
        names = [job["name"] for job in jobs(init)]
        texts = dict(zip(names, (text for _, text in outcomes), strict=True))
        fill(init, "run.csv", lambda job: texts[job["name"]])
        states = {name: state for name, (state, _) in zip(names, outcomes, strict=True) if state}
        results = collected(init, states)
        table = tables.table(results)
        assert table["name"].to_list() == names
        assert sum(results.counts().values()) == len(names)
        assert sum(line.jobs for line in by_point(results)) == len(names)
        counted = sum(line.averages["energy"].used for line in by_point(results))
        assert counted + len(results.missing()) == len(names)
        assert all(one.why for one in results.missing())


# --- the door


def analysed(init: Path, out: Path, states: dict[str, str] | None = None, **more: bool) -> int:
    states = states or {job["name"]: "finished" for job in jobs(init)}
    return write(init, init, states, out, show.new_console(), **more)


def test_what_is_missing_is_listed_with_why_and_makes_exit_code_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    init = sweep(tmp_path, REPEATED.replace("number = 3", "number = 20"))
    energies(init, lambda job: -3.5)
    assert analysed(init, tmp_path / "out") == DONE
    assert " missing" not in capsys.readouterr().out
    names = [job["name"] for job in jobs(init)]
    states = {names[0]: "finished", names[1]: "failed"}
    (init / names[0] / "run.csv").unlink()
    assert analysed(init, tmp_path / "out", states) == SOME_FAILED
    said = capsys.readouterr().out
    assert "40 jobs: 1 finished, 38 missing, 1 failed\n" in said
    assert "40 missing, 1 of them finished without a number:\n" in said
    assert f"  {names[0]}: no run.csv\n  {names[1]}: failed\n" in said
    assert "... and 20 more: see why in table.csv" in said
    assert said.count("no state is known") == 18
    assert "numbers of 39 jobs that did not finish are in table.csv, in no average" in said
    assert all(re.search(name, said) for name in ("table.csv", "table.parquet", "summary.csv"))


def test_the_summary_by_variable_has_units_and_fits_a_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = "".join(f'[metrics.m{n}]\nfile = "run.csv"\ncolumn = "x"\n' for n in range(4))
    init = sweep(tmp_path, GRID + more)
    energies(init, lambda job: None if job["size"] == "6" else float(job["repeat"]) / 10)
    analysed(init, tmp_path / "out")
    said = capsys.readouterr().out
    assert re.search(r"^t \(K\) +jobs +energy \(eV\) +m0 +m1 *$", said, re.MULTILINE)
    assert re.search(r"^1 +4 +0.150 ± 0.071 \(2\) +0 ± 0 \(2\)", said, re.MULTILINE)
    assert re.search(r"^6 +4 +- +- +- *$", said, re.MULTILINE)
    assert re.search(r"^size +jobs +m2 +m3 *$", said, re.MULTILINE)
    assert "\n±: standard deviation of repeats; (n): only n jobs count\n" in said
    assert max(len(line) for line in said.partition("table.csv")[0].splitlines()[:-1]) <= 80


def test_for_programs_all_is_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    init = sweep(tmp_path, REPEATED)
    energies(init, lambda job: "nan" if job["t"] == "0.10" else job["repeat"])
    (init / jobs(init)[5]["name"] / "run.csv").unlink()
    assert analysed(init, tmp_path / "out", as_json=True) == SOME_FAILED

    def no_constant(name: str) -> float:
        raise AssertionError(f"{name} is no JSON")

    said = json.loads(capsys.readouterr().out, parse_constant=no_constant)
    assert said["counts"] == {"finished": 6}
    assert said["missing"][0]["why"] == "no run.csv"
    energy = {"used": 2, "mean": 1.5, "sd": pytest.approx(0.5**0.5), "se": pytest.approx(0.5)}
    assert said["summary"][1] == {"point": {"t": "1E+3"}, "jobs": 3, "metrics": {"energy": energy}}
    assert said["summary"][0]["metrics"]["energy"]["mean"] == "nan"
    assert [Path(path).name for path in said["files"]] == [
        *("table.csv", "table.parquet", "summary.csv")
    ]


def test_files_are_replaced_whole_and_no_others_touched(tmp_path: Path) -> None:
    init = sweep(tmp_path, REPEATED)
    out = make(tmp_path / "out", {"table.csv": "old", "mine.txt": "mine"})
    (out / ".summary.csv.new").symlink_to(out / "mine.txt")  # of a crash, or of somebody
    analysed(init, out)
    assert (out / "mine.txt").read_text() == "mine"
    assert (out / "table.csv").read_text().startswith("name,t,")
    names = {"table.csv", "table.parquet", "summary.csv", "mine.txt"}
    assert {path.name for path in out.iterdir()} == names
    with pytest.raises(UserError, match=r"mine\.txt: cannot be made"):
        analysed(init, out / "mine.txt")
    (out / "table.csv").unlink()
    (out / "table.csv").mkdir()
    with pytest.raises(UserError, match=r"table\.csv: cannot be written"):
        analysed(init, out)
    assert not list(out.glob(".*"))


def test_a_run_of_a_sweep_is_analysed_beside_it(
    tmp_path: Path, world: Callable[..., World], capsys: pytest.CaptureFixture[str]
) -> None:
    init = sweep(tmp_path / "made", f"[[vary]]\nt = [1, 2, 3]\n{METRIC}")
    tree = {name: (init / name).read_text() for name in ("sweep.csv", "sweep.json", "sweep.toml")}
    for job in jobs(init):
        needs = {"0": "", "1": "qsub.finished.0\n"}
        tree |= {f"{job['name']}/qsub.{id}": "" for id in needs}
        tree |= {f"{job['name']}/qsub.dependency.{id}": text for id, text in needs.items()}
    w = world(tree)
    w.cluster.plans["t2/qsub.1"] = FakeJob(succeeds=False)
    w.cluster.plans["t3/qsub.0"] = FakeJob(succeeds=False)
    w.finish()
    energies(w.folder, lambda job: float(job["t"]))
    assert states_of(status(w.folder)) == {"t1": "finished", "t2": "failed", "t3": "failed"}
    assert main(["analyse", str(tmp_path / "L")]) == SOME_FAILED
    assert "3 jobs: 1 finished, 2 failed\n" in capsys.readouterr().out
    out = tmp_path / "L" / f"analysis-{w.folder.name}"
    assert polars.read_csv(out / "table.csv")["energy"].to_list() == [1.0, 2.0, 3.0]
    assert main(["analyse", str(w.folder), "-o", str(tmp_path / "o"), "--json"]) == SOME_FAILED
    assert json.loads(capsys.readouterr().out)["counts"] == {"finished": 1, "failed": 2}
    assert (tmp_path / "o/table.csv").is_file()
    assert main(["analyse", str(tmp_path)]) == BAD_USAGE


def test_results_may_lie_behind_a_link(tmp_path: Path) -> None:
    init = sweep(tmp_path, REPEATED)
    energies(init, lambda job: 1)
    (tmp_path / "link").symlink_to(init)
    states = {job["name"]: "finished" for job in jobs(init)}
    assert collect(init, tmp_path / "link", states).missing() == []
