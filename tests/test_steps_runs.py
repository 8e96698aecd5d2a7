"""Steps of a web service in real runs of jobmon.py, and the example of the README."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from places import ROOT, Place, newest, words
from places import place as place_called
from simulator import Simulator, simulating
from stepping import grid, places, planted, results, typed
from trees import make

from jobauto.cli.main import main


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    with place_called("local", tmp_path) as made:
        yield made


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with simulating(seconds=0.05) as made:
        yield made


def test_two_runs_on_the_same_model_at_once_and_a_third_one_after(
    tmp_path: Path, place: Place, simulator: Simulator
) -> None:
    planted(tmp_path, grid(1, 2), simulator)
    for ldir in ("one", "two"):
        assert typed(tmp_path, ldir, models="1") == 0
    started = [place.start(tmp_path / ldir, "--no-http") for ldir in ("one", "two")]
    for process in started:
        out, err = process.communicate(timeout=200)
        assert process.returncode == 0, out + err
    runs = [newest(tmp_path / ldir) for ldir in ("one", "two")]
    for run in runs:
        assert all(said[-1] == "finished" for said in words(run).values())
    assert simulator.overlaps == 0
    turns = "".join(f"{step} " for _, step, _ in simulator.work)
    # the chain of one folder is over before another one begins
    assert re.fullmatch(r"((galaxy\d )*(merge interact )?plot plot ){4}", turns), turns
    assert len(results(runs[0])) == 4
    assert results(runs[0]) == results(runs[1])

    simulator.work.clear()
    assert place.jobmon(tmp_path / "one", "--no-http").returncode == 0
    third = newest(tmp_path / "one")
    assert third != runs[0]
    assert simulator.work == []
    assert all(said == ["skipped"] for said in words(third).values())
    assert results(third) == results(runs[0])


def test_in_a_run_folders_are_done_in_the_order_that_was_planned(
    tmp_path: Path, place: Place, simulator: Simulator
) -> None:
    planted(tmp_path, grid(2, 2), simulator, plots=1)
    assert typed(tmp_path, "L", models="1") == 0
    done = place.jobmon(tmp_path / "L", "--no-http")
    assert done.returncode == 0, done.stdout + done.stderr
    work = Counter(step.rstrip("12") for _, step, _ in simulator.work)
    assert work == {"galaxy": 5, "merge": 4, "interact": 4, "plot": 4}


def test_a_step_that_fails_fails_its_job_and_what_comes_after(
    tmp_path: Path, place: Place, simulator: Simulator
) -> None:
    chains = grid(1, 2)
    planted(tmp_path, chains, simulator)
    (tmp_path / "jobs/0-0-0/plot1.json").rename(tmp_path / "jobs/0-0-0/plot7.json")
    simulator.fails.add("plot7")
    assert typed(tmp_path, "L", models="1") == 0
    done = place.jobmon(tmp_path / "L", "--no-http")
    assert done.returncode == 1
    assert "400 Bad Request" in (newest(tmp_path / "L") / "jobmon.log").read_text()
    bad = [name for name, said in words(newest(tmp_path / "L")).items() if said[-1] == "failed"]
    assert [name.partition("-")[2] for name in bad] == ["0-0-0/qsub.plot7"]
    assert len(results(newest(tmp_path / "L"))) == 3


def example() -> str:
    """The service file of the README."""
    section = (ROOT / "README.md").read_text().split("**Steps of a web service.**")[1]
    return section.split("```toml")[1].split("```")[0]


def test_the_example_of_the_readme_is_no_galaxy_and_runs(
    tmp_path: Path, place: Place, simulator: Simulator
) -> None:
    text = re.sub(r'address = "[^"]*"', f'address = "{simulator.address}"', example())
    assert "galaxy" not in text
    steps = {"prepare": {"sequence": "MKV"}, "relax": {"steps": 10}}
    files = {f"jobs/{name}/{step}.json": json.dumps(given) for step, given in steps.items()
             for name in ("a", "b")}  # fmt: skip
    scores = {"jobs/a/score1.json": '{"by": 1}', "jobs/b/score1.json": '{"by": 2}'}
    make(tmp_path, {"service.toml": text, **files, **scores})
    place.variables["FOLD_TOKEN"] = "hush"
    assert typed(tmp_path, "L", models="gpu1") == 0
    assert len(places(tmp_path / "L/init", "gpu1")) == 2
    done = place.jobmon(tmp_path / "L", "--no-http")
    assert done.returncode == 0, done.stdout + done.stderr
    assert Counter(step for _, step, _ in simulator.work) == {"prepare": 1, "relax": 1, "score": 2}
    assert {said["authorization"] for said in simulator.headers} == {"Bearer hush"}
    found = list(newest(tmp_path / "L").rglob("score1.png"))
    assert len({file.read_bytes() for file in found}) == 2


def test_the_template_gi_is_as_the_seed_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["steps", "--copy-template", str(tmp_path / "gi")]) == 0
    assert main(["steps", "--copy-template", str(tmp_path / "gi")]) == 2
    given = ["--jobs", str(tmp_path / "gi/jobs"), "--service", str(tmp_path / "gi/service.toml")]
    capsys.readouterr()
    assert main(["steps", *given, "--models", "1", "--dry-run"]) == 0
    assert "3 folders on 1 model: 18 steps, 4 need not run" in capsys.readouterr().out
    assert main(["init", "gi", "--ldir", str(tmp_path / "L")]) == 2
    assert "is for jobauto steps" in capsys.readouterr().err
