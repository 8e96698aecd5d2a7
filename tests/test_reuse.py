"""Jobs that take over the results of earlier ones, in real runs on this machine."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from places import Place, newest, words
from trees import job, make

RELAX = job("echo relaxed $(cat POSCAR) > CONTCAR\n")
BANDS = job("echo bands of $(cat CONTCAR) > bands.dat\n", "1")


def tree(name: str, poscar: str = "Si") -> dict[str, str]:
    """A chain of two jobs with lists of what goes in and what comes out."""
    return {
        f"{name}/POSCAR": poscar,
        f"{name}/qsub.0": RELAX,
        f"{name}/qsub.dependency.0": "",
        f"{name}/qsub.inputs.0": "POSCAR\n",
        f"{name}/qsub.outputs.0": "CONTCAR\n",
        f"{name}/qsub.1": BANDS,
        f"{name}/qsub.dependency.1": "qsub.finished.0\n",
        f"{name}/qsub.inputs.1": "CONTCAR\n",
        f"{name}/qsub.outputs.1": "bands.dat\n",
    }


@pytest.fixture(params=["local", "mirror"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> object:
    from places import place as made

    with made(request.param, tmp_path) as here:
        yield here


def run(place: Place, ldir: Path, *options: str) -> Path:
    before = {path.name for path in ldir.glob("2*")}
    done = place.jobmon(ldir, *options, "--no-http")
    assert done.returncode == 0, done.stdout + done.stderr
    found = newest(ldir)
    assert found.name not in before
    return found


def ran(place: Place, folder: Path) -> list[str]:
    there = place.there(folder)
    return sorted(str(path.relative_to(there)) for path in there.glob("*/ran.*"))


def test_a_second_run_takes_over_all_that_is_the_same(place: Place, tmp_path: Path) -> None:
    ldir = tmp_path / "L"
    make(ldir / "init", tree("si") | tree("ge", "Ge"))
    first = run(place, ldir)
    assert len(ran(place, first)) == 4
    (ldir / "init/ge/POSCAR").write_text("Ge2")
    second = run(place, ldir)
    assert ran(place, second) == ["ge/ran.0", "ge/ran.1"]
    there = place.there(second)
    assert (there / "si/bands.dat").read_text() == "bands of relaxed Si\n"
    assert (there / "ge/bands.dat").read_text() == "bands of relaxed Ge2\n"
    assert words(second)["si/qsub.1"] == ["skipped"]
    assert f"same-as:{first.name}/si/qsub.1" in (second / "quelist").read_text()
    why = place.jobauto("why", "ge/0", str(second)).stdout
    assert why.endswith(f"; no earlier result was taken over: changed since {first.name}: POSCAR\n")
    third = run(place, ldir, "--reuse", "off")
    assert len(ran(place, third)) == 4


def test_of_jobs_that_are_the_same_one_runs(place: Place, tmp_path: Path) -> None:
    ldir = tmp_path / "L"
    make(ldir / "init", tree("a") | tree("b") | tree("c"))
    only = run(place, ldir)
    assert len(ran(place, only)) == 2
    there = place.there(only)
    assert {(there / name / "bands.dat").read_text() for name in "abc"} == {"bands of relaxed Si\n"}
    assert sorted(said[-1] for said in words(only).values()) == ["finished"] * 2 + ["skipped"] * 4


def test_what_is_not_as_it_was_is_made_again(place: Place, tmp_path: Path) -> None:
    ldir = tmp_path / "L"
    make(ldir / "init", tree("si"))
    first = run(place, ldir)
    (place.there(first) / "si/CONTCAR").write_text("tampered with")
    os.unlink(place.there(first) / "si/bands.dat")
    second = run(place, ldir)
    assert ran(place, second) == ["si/ran.0", "si/ran.1"]
    assert (place.there(second) / "si/bands.dat").read_text() == "bands of relaxed Si\n"


def test_a_script_that_is_edited_in_the_run_runs(place: Place, tmp_path: Path) -> None:
    ldir = tmp_path / "L"
    make(ldir / "init", tree("si"))
    run(place, ldir)
    second = run(place, ldir, "--initonly")
    script = second / "si/qsub.0"
    script.write_text(script.read_text().replace("relaxed", "relaxed well"))
    assert place.jobmon(second, new=False).returncode == 0
    assert ran(place, second) == ["si/ran.0", "si/ran.1"]
    assert (place.there(second) / "si/bands.dat").read_text() == "bands of relaxed well Si\n"
    third = run(place, ldir)  # the first has the same key
    assert ran(place, third) == []
    assert (place.there(third) / "si/bands.dat").read_text() == "bands of relaxed Si\n"


def test_what_is_wrong_in_a_list_is_said_before_anything_is_made(
    place: Place, tmp_path: Path
) -> None:
    make(tmp_path / "L/init", tree("si") | {"si/qsub.inputs.0": "POSKAR\n"})
    done = place.jobmon(tmp_path / "L")
    assert done.returncode == 2
    assert "si/qsub.inputs.0:1: there is no file POSKAR" in done.stderr
    assert list((tmp_path / "L").glob("2*")) == []


def test_inputs_edited_in_the_run_are_not_taken_for_what_they_were(
    place: Place, tmp_path: Path
) -> None:
    ldir = tmp_path / "L"
    make(ldir / "init", tree("si"))
    first = run(place, ldir, "--initonly")
    for root in {first, place.there(first)}:
        (root / "si/POSCAR").write_text("Si, stretched")
    assert place.jobmon(first, new=False).returncode == 0
    assert (place.there(first) / "si/bands.dat").read_text() == "bands of relaxed Si, stretched\n"
    second = run(place, ldir)
    assert ran(place, second) == ["si/ran.0", "si/ran.1"]
    assert (place.there(second) / "si/bands.dat").read_text() == "bands of relaxed Si\n"
    for text in ("Ge", "Si"):
        (ldir / "init/si/POSCAR").write_text(text)
        third = run(place, ldir, "--initonly")
        (third / "si/POSCAR").write_text("Si")
        assert place.jobmon(third, new=False).returncode == 0
        edited = text == "Ge"
        assert ran(place, third) == (["si/ran.0", "si/ran.1"] if edited else [])
        why = place.jobauto("why", "si/0", str(third)).stdout
        assert why.endswith("edited in the run: POSCAR\n") is edited


def test_a_job_that_a_person_wants_again_runs(place: Place, tmp_path: Path) -> None:
    ldir = tmp_path / "L"
    make(ldir / "init", tree("si"))
    run(place, ldir)
    second = run(place, ldir)
    assert ran(place, second) == []
    script = second / "si/qsub.1"
    script.write_text(script.read_text().replace("bands of", "new bands of"))
    lines = (second / "quelist").read_text().splitlines()
    (second / "quelist").write_text(f"{lines[0]}\n{lines[1]} retry@20260101_000000@me\n")
    assert place.jobmon(second, new=False).returncode == 0
    assert ran(place, second) == ["si/ran.1"]
    third = run(place, ldir)  # the edited one is no result of the script that is in init
    assert ran(place, third) == []
    assert (place.there(third) / "si/bands.dat").read_text() == "bands of relaxed Si\n"


def test_what_a_later_job_wrote_over_is_never_noted_after_a_restart(
    place: Place, tmp_path: Path
) -> None:
    """The sums are those of the moment in which the job had finished."""
    ldir = tmp_path / "L"
    overwrites = job("echo other > CONTCAR; echo b > bands.dat\n", "1")
    make(ldir / "init", tree("si") | {"si/qsub.1": overwrites})
    first = run(place, ldir)
    before = (first / ".jobauto/results").read_text()
    assert place.jobmon(first, new=False).returncode == 0
    assert (first / ".jobauto/results").read_text() == before
    assert ran(place, run(place, ldir)) == ["si/ran.0"]


def test_outputs_in_folders_that_jobs_make_are_taken_over(place: Place, tmp_path: Path) -> None:
    ldir = tmp_path / "L"
    files = tree("si") | {
        "si/qsub.1": job("mkdir -p out\necho plot > out/p.png\n", "1"),
        "si/qsub.outputs.1": "out/p.png\n",
    }
    make(ldir / "init", files)
    run(place, ldir)
    second = run(place, ldir)
    assert ran(place, second) == []
    assert (place.there(second) / "si/out/p.png").read_text() == "plot\n"


def test_a_run_whose_memory_is_broken_stops_no_other_one(place: Place, tmp_path: Path) -> None:
    ldir = tmp_path / "L"
    make(ldir / "init", tree("si"))
    first = run(place, ldir)
    (first / ".jobauto/run.json").write_text("{")
    assert len(ran(place, run(place, ldir))) == 2


@pytest.mark.parametrize(
    ("text", "said"), [("../../x", "leaves the run folder"), ("*.png", "is a pattern")]
)
def test_what_is_wrong_in_a_list_of_outputs_is_said(
    place: Place, tmp_path: Path, text: str, said: str
) -> None:
    make(tmp_path / "L/init", tree("si") | {"si/qsub.outputs.0": f"CONTCAR\n{text}\n"})
    done = place.jobmon(tmp_path / "L")
    assert done.returncode == 2
    assert f"si/qsub.outputs.0:2: {text} {said}" in done.stderr
