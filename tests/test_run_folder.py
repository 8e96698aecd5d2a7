"""A run folder: what is checked before it is made, how it is made, and how it is opened again."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from trees import create, make

from jobauto import run as runs
from jobauto import tree
from jobauto.copying import Filler
from jobauto.errors import TreeErrors, UserError
from jobauto.ledger import files
from jobauto.model import stamp
from jobauto.run import Run
from jobauto.settings import Settings

GOOD = {
    "a/qsub.0": "#!/bin/sh\ncd __cwd__\n",
    "a/qsub.dependency.0": "",
    "b/qsub.0": "#!/bin/sh\n: __maxcore__\n",
    "b/qsub.dependency.0": "../a/qsub.finished.0\n",
}


def chosen(ldir: Path, **values: object) -> Settings:
    fields = {n: f.get_default(call_default_factory=True) for n, f in Settings.model_fields.items()}
    return Settings.model_construct(**{**fields, "ldir": ldir, **values})


def said(init: Path) -> str:
    """What `check` says of an init tree that it refuses."""
    with pytest.raises(UserError) as error:
        runs.check(init)
    return str(error.value)


def made(ldir: Path, **values: object) -> Run:
    """A run of the tree in ldir/init."""
    options = chosen(ldir, **values)
    found, _, _ = runs.check(ldir / "init")
    run = runs.plan(options, runs.new_folder(ldir, 1e9))
    run.rdir, run.scheduler = str(run.folder), "local"
    create(options, run, found)
    return run


# What is wrong with an init tree


def test_a_good_tree_is_found_whole(tmp_path: Path) -> None:
    found, graph, warnings = runs.check(make(tmp_path, GOOD))
    assert list(found.jobs) == ["a/qsub.0", "b/qsub.0"]
    assert [graph.satisfied(n) for n in found.jobs] == [True, False]
    assert warnings == []


def test_there_must_be_an_init_folder(tmp_path: Path) -> None:
    assert said(tmp_path / "init") == (
        f"{tmp_path}/init: there is no such folder\n  -> put the job folders into LDIR/init/"
    )


def test_a_tree_without_a_job_is_refused(tmp_path: Path) -> None:
    make(tmp_path, {"a/readme": "", "b/qsub.0.old": ""})
    assert said(tmp_path).startswith(f"{tmp_path}: no job: no file called qsub.<id>\n  -> ")


def test_a_cycle_is_refused(tmp_path: Path) -> None:
    make(tmp_path, {**GOOD, "a/qsub.dependency.0": "../b/qsub.finished.0"})
    assert said(tmp_path).startswith("a/qsub.dependency.0:1: cycle: a/qsub.0 needs b/qsub.0")


def test_a_dependency_file_without_a_script_is_refused(tmp_path: Path) -> None:
    make(tmp_path, {**GOOD, "a/qsub.dependency.x": ""})
    assert said(tmp_path).startswith("a/qsub.dependency.x:1: there is no a/qsub.x")


def test_a_dependency_that_leaves_the_tree_is_refused(tmp_path: Path) -> None:
    make(tmp_path, {**GOOD, "a/qsub.dependency.0": "\n../../etc/x"})
    assert said(tmp_path).startswith("a/qsub.dependency.0:2: ../../etc/x leaves the run folder")


def test_a_file_that_would_be_taken_for_the_monitors_is_refused(tmp_path: Path) -> None:
    make(tmp_path, {**GOOD, "quelist": ""})
    assert said(tmp_path).startswith("quelist: this name belongs to the monitor's own files")


def test_a_placeholder_left_over_is_refused_with_file_and_line(tmp_path: Path) -> None:
    make(tmp_path, {**GOOD, "b/qsub.0": "#!/bin/sh\n\n__binpath__/lmf __nk__\n"})
    found, _, _ = runs.check(tmp_path)
    with pytest.raises(TreeErrors) as error:
        runs.check_scripts(tmp_path, found, runs.filler(chosen(tmp_path), "/r", "run"))
    assert str(error.value).splitlines()[::2] == [
        "b/qsub.0:3: placeholder __binpath__ is left over",
        "b/qsub.0:3: placeholder __nk__ is left over",
    ]


def test_all_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    make(
        tmp_path,
        {
            **GOOD,
            "a/qsub.dependency.0": "/etc/x\n../b/qsub.finished.0",
            "a/qsub.dependency.9": "",
            "a/qsub.inputs": "",
            "kill": "",
        },
    )
    with pytest.raises(TreeErrors) as error:
        runs.check(tmp_path)
    assert sorted(str(p.where) for p in error.value.problems) == [
        "a/qsub.dependency.0:1",
        "a/qsub.dependency.0:2",
        "a/qsub.dependency.9:1",
        "a/qsub.inputs",
        "kill",
    ]
    for problem in error.value.problems:
        assert str(problem) in str(error.value)
        assert problem.hint
    assert error.value.exit_code == 2


def test_hundreds_of_mistakes_are_cut_short(tmp_path: Path) -> None:
    make(tmp_path, {f"a/qsub.dependency.{n}": "" for n in range(100)})
    text = said(tmp_path)
    assert text.count("there is no") == 20
    assert text.endswith("... and 80 more")


def test_a_name_that_is_too_long_for_the_disk_is_only_unknown(tmp_path: Path) -> None:
    make(tmp_path, {"a/qsub.0": "", "a/qsub.dependency.0": "x" * 300})
    _, _, [warning] = runs.check(tmp_path)
    assert warning.startswith("a/qsub.dependency.0:1: ")
    assert "a/xxx" in warning


def test_a_file_that_nobody_makes_is_a_warning(tmp_path: Path) -> None:
    make(tmp_path, {**GOOD, "a/qsub.dependency.0": "# c\nllmf.finished\ninput\n", "a/input": ""})
    _, _, [warning] = runs.check(tmp_path)
    assert warning.startswith("a/qsub.dependency.0:2: ")
    assert "a/llmf.finished" in warning
    assert "does not exist" in warning


def test_a_job_without_a_dependency_file_is_on_hold_and_no_mistake(tmp_path: Path) -> None:
    _, graph, warnings = runs.check(make(tmp_path, {"a/qsub.0": ""}))
    assert graph.held("a/qsub.0")
    assert warnings == []


def test_a_marker_in_the_init_tree_means_done(tmp_path: Path) -> None:
    make(tmp_path, {**GOOD, "a/qsub.finished.0": ""})
    _, graph, _ = runs.check(tmp_path)
    assert graph.satisfied("b/qsub.0")


def test_a_cycle_through_a_marker_that_stands_is_none(tmp_path: Path) -> None:
    make(tmp_path, {**GOOD, "a/qsub.dependency.0": "../b/qsub.finished.0", "b/qsub.finished.0": ""})
    runs.check(tmp_path)


# Making a run


def test_a_run_is_a_filled_copy_with_its_memory(tmp_path: Path) -> None:
    make(tmp_path / "init", {**GOOD, "a/input": "data __cwd__"})
    run = made(tmp_path, maxcore=3)
    assert run.folder.parent == tmp_path
    assert (run.folder / "a/qsub.0").read_text() == f"#!/bin/sh\ncd {run.folder}/a\n"
    assert (run.folder / "b/qsub.0").read_text() == "#!/bin/sh\n: 3\n"
    assert (run.folder / "a/input").read_text() == "data __cwd__"
    assert (tmp_path / "init/a/qsub.0").read_text() == GOOD["a/qsub.0"]
    assert runs.open_run(run.folder) == run
    assert run.private.stat().st_mode & 0o777 == 0o700
    assert not run.mirrored


def test_scripts_that_share_one_by_links_get_their_own_values(tmp_path: Path) -> None:
    make(tmp_path / "init", {"a/qsub.0": "cd __cwd__", "b/x": ""})
    (tmp_path / "init/b/qsub.0").symlink_to("../a/qsub.0")
    run = made(tmp_path)
    assert (run.folder / "b/qsub.0").read_text() == f"cd {run.folder}/b"


def test_the_kill_file_is_a_script_that_anybody_can_run(tmp_path: Path) -> None:
    make(tmp_path / "init", GOOD)
    kill = made(tmp_path).folder / "kill"
    assert os.access(kill, os.X_OK)
    assert subprocess.run(["sh", "-n", str(kill)]).returncode == 0
    text = kill.read_text()
    assert sys.executable in text
    assert "-m jobauto kill" in text


def test_a_run_is_not_seen_before_it_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path / "init", GOOD)
    seen: list[tuple[str, bool]] = []
    replace = files.replace

    def watching(path: Path, *rest: Any) -> None:
        replace(path, *rest)
        seen.append((path.name, any(runs.runs_in(tmp_path))))

    monkeypatch.setattr(files, "replace", watching)
    made(tmp_path)
    assert seen == [("run.json", False), ("kill", False)]
    assert [p.name for p in runs.runs_in(tmp_path)] == [stamp(1e9)]


def full_disk(*_: object, **__: object) -> None:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize(
    ("where", "what"),
    [
        (shutil, "copytree"),
        (Filler, "fill"),
        (files, "replace"),
        (files, "flush_folder"),
        (Path, "mkdir"),
        (Path, "rename"),
    ],
)
def test_a_run_that_cannot_be_made_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: object, what: str
) -> None:
    make(tmp_path / "init", GOOD)
    with monkeypatch.context() as broken:
        broken.setattr(where, what, full_disk)
        with pytest.raises(UserError, match="cannot be made: No space left"):
            made(tmp_path)
    assert os.listdir(tmp_path) == ["init"]


def test_a_file_that_cannot_be_copied_leaves_nothing_behind(tmp_path: Path) -> None:
    make(tmp_path / "init", GOOD)
    os.mkfifo(tmp_path / "init/b/pipe")
    with pytest.raises(UserError, match="cannot be copied"):
        made(tmp_path)
    assert os.listdir(tmp_path) == ["init"]


def test_a_mistake_in_the_last_script_leaves_nothing_behind(tmp_path: Path) -> None:
    make(tmp_path / "init", GOOD)
    options, (found, _, _) = chosen(tmp_path), runs.check(tmp_path / "init")
    run = runs.plan(options, tmp_path / "run")
    make(tmp_path / "init", {"b/qsub.0": "__nk__"})  # edited since it was checked
    with pytest.raises(UserError, match="placeholder __nk__ is left over"):
        create(options, run, found)
    assert os.listdir(tmp_path) == ["init"]
    assert run.folder == tmp_path / "run"


def test_two_runs_have_different_ids(tmp_path: Path) -> None:
    ids = {runs.plan(chosen(tmp_path), tmp_path / "x").id for _ in range(50)}
    assert len(ids) == 50
    assert all(len(i) == 8 and i.isalnum() for i in ids)


def test_what_one_call_is_to_do_is_not_remembered(tmp_path: Path) -> None:
    make(tmp_path / "init", GOOD)
    run = made(tmp_path, once=True, dry_run=False, maxqsub=7, set={"k": "v"}, keep=["Q"])
    kept = runs.open_run(run.folder).settings
    assert not kept.keys() & {"once", "initonly", "dry_run", "datedir", "ldir"}
    assert (kept["maxqsub"], kept["set"], kept["keep"]) == (7, {"k": "v"}, ["Q"])


def test_a_run_remembers_how_to_fill_scripts_that_come_later(tmp_path: Path) -> None:
    make(tmp_path / "init", GOOD)
    header = make(tmp_path, {"header": "H __k__"}) / "header"
    run = runs.open_run(made(tmp_path, set={"k": "v"}, qsubheader=header, keep=["Q"]).folder)
    make(run.folder, {"new/qsub.0": "__HEADER__ __cwd__ __Q__"})
    job = tree.scan(run.folder).jobs["new/qsub.0"]
    assert run.filler().fill(run.folder, job) == []
    assert (run.folder / "new/qsub.0").read_text() == f"H v {run.folder}/new __Q__"


# Names of runs


def test_a_run_is_called_by_the_date_of_its_start(tmp_path: Path) -> None:
    assert runs.new_folder(tmp_path, 1e9) == tmp_path / stamp(1e9)


@pytest.mark.parametrize("taken", ["{}", ".{}.partial"])
def test_two_runs_that_start_in_one_second_get_different_names(tmp_path: Path, taken: str) -> None:
    (tmp_path / taken.format(stamp(1e9))).mkdir()
    assert runs.new_folder(tmp_path, 1e9) == tmp_path / stamp(1e9 + 1)


def test_the_runs_of_a_project_are_listed_oldest_first(tmp_path: Path) -> None:
    make(tmp_path / "init", GOOD)
    first, second = made(tmp_path), made(tmp_path)
    make(tmp_path, {"20200101_000000/notes": "", "results/x": ""})
    assert runs.runs_in(tmp_path) == [first.folder, second.folder]
    assert runs.runs_in(tmp_path / "gone") == []


# Opening a run


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not a run folder\n  -> name LDIR/<date>") as error:
        runs.open_run(tmp_path)
    assert error.value.where == str(tmp_path)


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "",
        lambda text: text[: len(text) // 2],
        lambda text: "[1, 2]",
        lambda text: "null",
        lambda text: json.dumps({**json.loads(text), "unknown": 1}),
        lambda text: json.dumps({"settings": {}}),
        lambda text: "\0" * 100,
        lambda text: "caf\udce9",
    ],
)
def test_a_memory_that_cannot_be_read_is_one_line(
    tmp_path: Path, damage: Callable[[str], str]
) -> None:
    make(tmp_path / "init", GOOD)
    memory = made(tmp_path).private / "run.json"
    memory.write_bytes(damage(memory.read_text()).encode("utf-8", "surrogateescape"))
    with pytest.raises(UserError, match="cannot be read") as error:
        runs.open_run(memory.parent.parent)
    assert error.value.where == str(memory)


def test_a_run_opened_through_a_link_knows_its_true_folder(tmp_path: Path) -> None:
    make(tmp_path / "init", GOOD)
    run = made(tmp_path)
    (tmp_path / "latest").symlink_to(run.folder)
    assert runs.open_run(tmp_path / "latest") == run


def test_remembered_settings_give_way_to_given_ones(tmp_path: Path) -> None:
    make(tmp_path / "init", GOOD)
    run = made(tmp_path, maxqsub=7, maxcore=3)
    kept = runs.remembered(run, {"maxqsub": 9})
    assert kept["maxcore"] == 3
    assert "maxqsub" not in kept


def test_the_dated_copy_is_on_disk_before_it_appears(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dependency file that a power cut left empty would mean: start at once."""
    seen = []
    monkeypatch.setattr(os, "sync", lambda: seen.append([p.name for p in tmp_path.iterdir()]))
    make(tmp_path / "init", {"a/qsub.0": "", "a/qsub.dependency.0": "x\n"})
    made = runs.plan(chosen(tmp_path), tmp_path / "20261120_231500")
    made.rdir = str(made.folder)
    create(chosen(tmp_path), made, runs.check(tmp_path / "init")[0])
    assert [sorted(names) for names in seen] == [[".20261120_231500.partial", "init"]] * 2
