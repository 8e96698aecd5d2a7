"""Keys: the same for the same job wherever it is, another one when anything that counts is."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from trees import make

from jobauto.model import Job
from jobauto.reuse.keys import SCRIPT, Keys, keys
from jobauto.run import survey

CHAIN = {
    "m/POSCAR": "Si",
    "m/pseudo/Si.upf": "pp",
    "m/notes": "of no account",
    "m/qsub.0": "relax",
    "m/qsub.dependency.0": "",
    "m/qsub.inputs.0": "# what counts\nPOSCAR\npseudo/*\n",
    "m/qsub.1": "bands",
    "m/qsub.dependency.1": "qsub.finished.0\n",
    "m/qsub.inputs.1": "\n",
}


def of(root: Path) -> Keys:
    found, graph, problems = survey(root)
    assert problems == []
    assert found.jobs

    def text(job: Job) -> str:
        return (root / job.name).read_text()

    return keys(root, graph, text)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return make(tmp_path / "tree", CHAIN)


def words(found: Keys) -> dict[str, str]:
    return {name: key.word for name, key in found.found.items()}


def test_a_key_has_script_inputs_and_the_keys_of_what_is_needed(tree: Path) -> None:
    found = of(tree)
    assert found.found["m/qsub.0"].parts.keys() == {SCRIPT, "POSCAR", "pseudo/Si.upf"}
    assert found.found["m/qsub.1"].parts.keys() == {SCRIPT, "qsub.0"}
    assert found.found["m/qsub.1"].parts["qsub.0"] == found.found["m/qsub.0"].word
    assert (found.without, found.problems) == ({}, [])


def test_the_same_tree_elsewhere_has_the_same_keys(tree: Path, tmp_path: Path) -> None:
    shutil.copytree(tree, tmp_path / "other")
    assert words(of(tmp_path / "other")) == words(of(tree))


def test_the_same_job_in_another_folder_has_the_same_key(tree: Path) -> None:
    shutil.copytree(tree / "m", tree / "n")
    found = words(of(tree))
    assert found["m/qsub.0"] == found["n/qsub.0"]
    assert found["m/qsub.1"] == found["n/qsub.1"]


@pytest.mark.parametrize("file", ["m/POSCAR", "m/pseudo/Si.upf", "m/qsub.0"])
def test_what_changes_counts_for_all_that_comes_after_it(tree: Path, file: str) -> None:
    before = of(tree).found
    (tree / file).write_text("other")
    after = of(tree).found
    name = SCRIPT if file == "m/qsub.0" else file.removeprefix("m/")
    assert after["m/qsub.0"].changed(before["m/qsub.0"].parts) == [name]
    assert after["m/qsub.1"].changed(before["m/qsub.1"].parts) == ["qsub.0"]
    assert not set(words(of(tree)).values()) & {key.word for key in before.values()}


def test_what_is_not_named_does_not_count(tree: Path) -> None:
    before = words(of(tree))
    (tree / "m/notes").write_text("other")
    (tree / "m/qsub.inputs.0").write_text("pseudo/*\nPOSCAR\n")
    assert words(of(tree)) == before


def test_one_more_file_that_fits_a_pattern_counts(tree: Path) -> None:
    before = of(tree).found["m/qsub.0"]
    (tree / "m/pseudo/O.upf").write_text("pp")
    assert of(tree).found["m/qsub.0"].changed(before.parts) == ["pseudo/O.upf"]


def test_a_name_is_part_of_the_key(tree: Path) -> None:
    before = words(of(tree))
    (tree / "m/pseudo/Si.upf").rename(tree / "m/pseudo/Ge.upf")
    assert words(of(tree))["m/qsub.0"] != before["m/qsub.0"]


def test_a_file_that_is_waited_for_and_nobody_makes_counts(tree: Path) -> None:
    make(tree, {"m/qsub.dependency.0": "../shared/basis\n", "shared/basis": "b"})
    before = of(tree).found["m/qsub.0"]
    assert "../shared/basis" in before.parts
    (tree / "shared/basis").write_text("c")
    assert of(tree).found["m/qsub.0"].changed(before.parts) == ["../shared/basis"]


def test_without_a_list_of_inputs_there_is_no_key_nor_for_what_needs_it(tree: Path) -> None:
    (tree / "m/qsub.inputs.0").unlink()
    found = of(tree)
    assert found.found == {}
    assert found.without == {"m/qsub.1": "m/qsub.0, which it needs, has no key"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("POSCAR\nPOSKAR\n", "m/qsub.inputs.0:2: there is no file POSKAR"),
        ("/etc/passwd\n", "m/qsub.inputs.0:1: /etc/passwd leaves the run folder"),
        ("#\n\n../../x\n", "m/qsub.inputs.0:3: ../../x leaves the run folder"),
    ],
)
def test_what_is_wrong_in_a_list_is_said_with_its_line(tree: Path, text: str, said: str) -> None:
    (tree / "m/qsub.inputs.0").write_text(text)
    (problem,) = of(tree).problems
    assert str(problem).startswith(said)


def test_what_a_job_makes_may_be_named_by_the_next(tree: Path) -> None:
    (tree / "m/qsub.inputs.1").write_text("CHGCAR\n")
    found = of(tree)
    assert found.problems == []
    assert found.found["m/qsub.1"].parts.keys() == {SCRIPT, "qsub.0"}


def test_a_list_without_its_script_is_a_mistake(tree: Path) -> None:
    make(tree, {"m/qsub.inputs.7": "POSCAR\n", "m/qsub.outputs.8": "x\n"})
    _, _, problems = survey(tree)
    assert [str(one).partition("\n")[0] for one in problems] == [
        "m/qsub.inputs.7:1: there is no m/qsub.7",
        "m/qsub.outputs.8:1: there is no m/qsub.8",
    ]


def test_what_is_done_already_has_no_key_nor_has_what_needs_it(tree: Path) -> None:
    """Nobody knows of what its result was made; and two such jobs may need each other."""
    (tree / "m/qsub.finished.0").touch()
    (tree / "m/qsub.dependency.0").write_text("qsub.finished.1\n")
    found = of(tree)
    assert found.found == {}
    assert found.without == {"m/qsub.1": "m/qsub.0, which it needs, has no key"}


def test_jobs_that_need_one_another_have_no_keys(tree: Path) -> None:
    (tree / "m/qsub.dependency.0").write_text("qsub.finished.1\n")
    assert of(tree).found == {}
