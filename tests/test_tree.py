"""Job folders on disk: what is a job, the dated copy, and scripts with their values."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from trees import make

from jobauto.copying import Filler, copied, own_dependency
from jobauto.errors import UserError
from jobauto.model import Job
from jobauto.tree import OWN_FILES, check_reserved, scan


def jobs(root: Path) -> list[str]:
    """The jobs of a tree without mistakes."""
    found = scan(root)
    assert found.problems == []
    assert {name: job.name for name, job in found.jobs.items()} == {n: n for n in found.jobs}
    return sorted(found.jobs)


def problems(root: Path) -> list[str]:
    return [str(p) for p in scan(root).problems]


# Finding jobs


def test_a_job_is_any_qsub_id_without_a_dot_and_a_folder_has_several(tmp_path: Path) -> None:
    files = ["a/qsub.0", "a/qsub.lda", "a/qsub.10", "a/b/c/qsub.1-x_y", "a/qsub.日本", "qsub.top"]
    make(tmp_path, dict.fromkeys(files, ""))
    assert jobs(tmp_path) == sorted(files)


@pytest.mark.parametrize(
    "name",
    [
        "qsub.0.bak",
        "qsub.0~",
        "qsub.dependency.0~",
        "qsub.0.swp",
        ".qsub.0.swp",
        "#qsub.0#",
        "qsub",
        "qsub-0",
        "Qsub.0",
        "myqsub.0",
        "notes",
        "qsub.0.o353143",
    ],
)
def test_other_files_are_no_jobs_and_no_mistakes(tmp_path: Path, name: str) -> None:
    make(tmp_path, {"a/qsub.1": "", f"a/{name}": ""})
    assert jobs(tmp_path) == ["a/qsub.1"]


def test_dot_folders_are_not_looked_into(tmp_path: Path) -> None:
    make(tmp_path, {"a/qsub.0": "", ".git/qsub.0": "", ".jobauto/qsub.0": "", "a/.b/qsub.0": ""})
    assert jobs(tmp_path) == ["a/qsub.0"]


def test_linked_folders_are_not_followed(tmp_path: Path) -> None:
    make(tmp_path, {"tree/a/qsub.0": "", "outside/qsub.0": ""})
    (tmp_path / "tree/out").symlink_to(tmp_path / "outside")
    (tmp_path / "tree/a/round").symlink_to(tmp_path / "tree")
    assert jobs(tmp_path / "tree") == ["a/qsub.0"]


def test_a_linked_script_is_a_job(tmp_path: Path) -> None:
    make(tmp_path, {"common/run.sh": "", "a/x": ""})
    (tmp_path / "a/qsub.0").symlink_to("../common/run.sh")
    assert jobs(tmp_path) == ["a/qsub.0"]


def test_a_link_to_nothing_is_a_mistake(tmp_path: Path) -> None:
    make(tmp_path, {"a/x": ""})
    (tmp_path / "a/qsub.0").symlink_to("gone")
    assert problems(tmp_path) == ["a/qsub.0: not a file, nor a link to one\n  -> remove it"]


@pytest.mark.parametrize("word", ["dependency", "finished", "resources", "inputs", "outputs"])
def test_words_of_the_format_cannot_be_ids(tmp_path: Path, word: str) -> None:
    make(tmp_path, {f"a/qsub.{word}": ""})
    [said] = problems(tmp_path)
    assert said.startswith(f"a/qsub.{word}: {word!r} cannot be a job's id")
    assert f"qsub.{word}.<id>" in said
    assert scan(tmp_path).jobs == {}


def test_an_id_is_needed(tmp_path: Path) -> None:
    make(tmp_path, {"a/qsub.": ""})
    assert problems(tmp_path) == [
        "a/qsub.: a job's script needs an id\n  -> rename it to qsub.<id>"
    ]


def test_now_and_log_are_ids_but_in_the_run_folder_itself(tmp_path: Path) -> None:
    make(tmp_path, {"qsub.now": "", "qsub.log": "", "a/qsub.now": "", "a/qsub.log": ""})
    assert jobs(tmp_path) == ["a/qsub.log", "a/qsub.now"]


def test_a_dependency_file_without_its_script_is_a_mistake(tmp_path: Path) -> None:
    make(tmp_path, {"a/qsub.0": "", "a/qsub.dependency.1": ""})
    assert problems(tmp_path) == [
        "a/qsub.dependency.1:1: there is no a/qsub.1\n  -> add the script, or remove this file"
    ]


def test_dependencies_and_markers_belong_to_their_jobs(tmp_path: Path) -> None:
    make(
        tmp_path,
        {
            "a/qsub.0": "",
            "a/qsub.dependency.0": "",
            "a/qsub.finished.0": "",
            "qsub.lda": "",
            "qsub.finished.lda": "",
            "qsub.finished.0.old": "",
        },
    )
    found = scan(tmp_path)
    assert set(found.dependencies) == {"a/qsub.0"}
    assert found.markers == {"a/qsub.finished.0", "qsub.finished.lda"}
    assert set(found.jobs) == set(found.scripts) == {"a/qsub.0", "qsub.lda"}


def test_a_folder_whose_name_looks_like_a_script_is_a_folder(tmp_path: Path) -> None:
    make(tmp_path, {"qsub.0/qsub.1": ""})
    assert jobs(tmp_path) == ["qsub.0/qsub.1"]


def odd(root: Path, name: bytes) -> None:
    """Write an empty script whose name is given in bytes."""
    path = os.path.join(os.fsencode(root), name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb"):
        pass


@pytest.mark.parametrize("name", [b"a\xff/qsub.0", b"a/qsub.\xe9"])
def test_names_that_are_not_utf8_are_refused(tmp_path: Path, name: bytes) -> None:
    odd(tmp_path, name)
    [said] = problems(tmp_path)
    assert said.endswith("the name is not UTF-8\n  -> rename the folder or file")
    assert "\\udc" in said
    assert scan(tmp_path).jobs == {}


@pytest.mark.parametrize("name", [b"a\nb/qsub.0", b"a/qsub.\x1b[2J", b"a/qsub.0\r", b"\t/qsub.0"])
def test_names_with_control_characters_are_refused(tmp_path: Path, name: bytes) -> None:
    odd(tmp_path, name)
    [said] = problems(tmp_path)
    assert "control characters in the name" in said
    assert said.replace("\n  -> ", "").isprintable()


@pytest.mark.parametrize(
    "name", ["two words", "it's; $(rm)", "-rf", "日本", "x" * 200, "\\", "not x"]
)
def test_weird_but_printable_names_are_jobs(tmp_path: Path, name: str) -> None:
    make(tmp_path, {f"{name}/qsub.0": "", f"a/qsub.{name}": ""})
    assert jobs(tmp_path) == sorted([f"{name}/qsub.0", f"a/qsub.{name}"])


def test_every_edit_changes_the_signature(tmp_path: Path) -> None:
    make(tmp_path, {"a/qsub.0": "one", "a/qsub.dependency.0": "x"})
    before = scan(tmp_path)
    time = (tmp_path / "a/qsub.0").stat().st_mtime_ns
    assert scan(tmp_path).scripts == before.scripts
    make(tmp_path, {"a/new": "two"})
    os.replace(tmp_path / "a/new", tmp_path / "a/qsub.0")
    os.utime(tmp_path / "a/qsub.0", ns=(time, time))  # same size, and the date is faked
    make(tmp_path, {"a/qsub.dependency.0": "longer"})
    after = scan(tmp_path)
    assert after.scripts["a/qsub.0"] != before.scripts["a/qsub.0"]
    assert after.dependencies["a/qsub.0"] != before.dependencies["a/qsub.0"]


def test_a_tree_that_is_not_there_has_no_jobs(tmp_path: Path) -> None:
    assert jobs(tmp_path / "gone") == []


@pytest.mark.parametrize("name", OWN_FILES)
def test_files_with_the_monitors_own_names_are_refused(tmp_path: Path, name: str) -> None:
    make(tmp_path, {f"a/{name}": ""})  # deeper down they are the person's own
    assert check_reserved(tmp_path) == []
    (tmp_path / name).symlink_to("gone")
    [said] = map(str, check_reserved(tmp_path))
    assert said.startswith(f"{name}: this name belongs to the monitor's own files")


# The dated copy


def test_the_copy_has_everything_beside_the_run_and_hidden(tmp_path: Path) -> None:
    make(tmp_path / "init", {"a/qsub.0": "x", "a/.hidden": "h", "b/c/data": "d"})
    (tmp_path / "init/a/link").symlink_to("../b/c/data")
    (tmp_path / "init/empty").mkdir()
    (tmp_path / "init/a/qsub.0").chmod(0o750)
    with copied(tmp_path / "init", tmp_path / "20261120_231500") as made:
        assert made == tmp_path / ".20261120_231500.partial"
        assert {str(p.relative_to(made)) for p in made.rglob("*")} == {
            str(p.relative_to(tmp_path / "init")) for p in (tmp_path / "init").rglob("*")
        }
        assert os.readlink(made / "a/link") == "../b/c/data"
        assert (made / "a/qsub.0").stat().st_mode & 0o7777 == 0o750
        assert scan(tmp_path).jobs.keys() == {"init/a/qsub.0"}, "a half-made copy is not seen"


def test_a_file_that_cannot_be_copied_is_named_and_nothing_stays(tmp_path: Path) -> None:
    make(tmp_path / "init", {"a/qsub.0": "x"})
    os.mkfifo(tmp_path / "init/a/pipe")
    with (
        pytest.raises(UserError, match=r"cannot be copied: .*named pipe") as error,
        copied(tmp_path / "init", tmp_path / "run"),
    ):
        pass
    assert error.value.where == str(tmp_path / "init/a/pipe")
    assert os.listdir(tmp_path) == ["init"]


def test_a_copy_of_which_nothing_became_is_removed(tmp_path: Path) -> None:
    make(tmp_path / "init", {"a/qsub.0": "x"})
    with copied(tmp_path / "init", tmp_path / "run") as made:
        assert (made / "a/qsub.0").exists()
    assert os.listdir(tmp_path) == ["init"]


def test_the_copy_of_another_start_in_the_same_second_is_left_alone(tmp_path: Path) -> None:
    make(tmp_path, {"init/a/qsub.0": "x", ".run.partial/a/qsub.0": "another's"})
    with (
        pytest.raises(UserError, match="cannot be made: File exists"),
        copied(tmp_path / "init", tmp_path / "run"),
    ):
        pass
    assert (tmp_path / ".run.partial/a/qsub.0").read_text() == "another's"


def test_a_copy_that_is_interrupted_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path / "init", {"a/qsub.0": "x", "b/qsub.0": "x"})

    def interrupted(source: Path, target: Path, **_: object) -> None:
        make(target, {"a/qsub.0": "x"})
        raise KeyboardInterrupt

    monkeypatch.setattr(shutil, "copytree", interrupted)
    with pytest.raises(KeyboardInterrupt), copied(tmp_path / "init", tmp_path / "run"):
        pass
    assert os.listdir(tmp_path) == ["init"]


# Placeholders in their places

FILL = Filler({"maxcore": "8"}, "/remote/run", run_name="run")


def test_a_script_is_filled_where_it_stands(tmp_path: Path) -> None:
    make(tmp_path, {"m/a/qsub.0": "#!/bin/sh\ncd __cwd__ # __jobname__ __maxcore__\n"})
    assert FILL.fill(tmp_path, Job("m/a", "0")) == []
    assert (tmp_path / "m/a/qsub.0").read_text() == "#!/bin/sh\ncd /remote/run/m/a # a 8\n"


@pytest.mark.parametrize("mode", [0o644, 0o755, 0o700, 0o660])
def test_filling_keeps_the_mode(tmp_path: Path, mode: int) -> None:
    path = make(tmp_path, {"a/qsub.0": "__maxcore__"}) / "a/qsub.0"
    path.chmod(mode)
    assert FILL.fill(tmp_path, Job("a", "0")) == []
    assert path.stat().st_mode & 0o7777 == mode


def test_a_read_only_script_is_filled_and_becomes_writable_for_its_owner(tmp_path: Path) -> None:
    path = make(tmp_path, {"a/qsub.0": "__maxcore__"}) / "a/qsub.0"
    path.chmod(0o555)
    assert FILL.fill(tmp_path, Job("a", "0")) == []
    assert path.read_text() == "8"
    assert path.stat().st_mode & 0o7777 == 0o755


def test_filling_does_not_reach_a_file_that_shares_the_disk_blocks(tmp_path: Path) -> None:
    make(tmp_path, {"a/qsub.0": "__maxcore__"})
    os.link(tmp_path / "a/qsub.0", tmp_path / "original")
    assert FILL.fill(tmp_path, Job("a", "0")) == []
    assert (tmp_path / "original").read_text() == "__maxcore__"


def test_a_script_without_placeholders_is_not_written(tmp_path: Path) -> None:
    path = make(tmp_path, {"a/qsub.0": "#!/bin/sh\n"}) / "a/qsub.0"
    before = scan(tmp_path).scripts
    assert FILL.fill(tmp_path, Job("a", "0")) == []
    assert path.read_text() == "#!/bin/sh\n"
    assert scan(tmp_path).scripts == before


def test_bytes_that_are_not_utf8_survive(tmp_path: Path) -> None:
    path = make(tmp_path, {"a/qsub.0": ""}) / "a/qsub.0"
    path.write_bytes(b"# caf\xe9 \x00\r\n__maxcore__\r\n")
    assert FILL.fill(tmp_path, Job("a", "0")) == []
    assert path.read_bytes() == b"# caf\xe9 \x00\r\n8\r\n"


def test_a_script_with_something_left_over_is_not_touched(tmp_path: Path) -> None:
    path = make(tmp_path, {"a/qsub.0": "__maxcore__ __nk__"}) / "a/qsub.0"
    [problem] = FILL.fill(tmp_path, Job("a", "0"))
    assert problem.where == "a/qsub.0:1"
    assert path.read_text() == "__maxcore__ __nk__"


def test_linked_scripts_become_files_of_their_own(tmp_path: Path) -> None:
    make(tmp_path, {"common/run.sh": "cd __cwd__", "a/x": "", "b/x": ""})
    (tmp_path / "common/run.sh").chmod(0o755)
    for folder in "ab":
        (tmp_path / folder / "qsub.0").symlink_to("../common/run.sh")
        assert FILL.fill(tmp_path, Job(folder, "0")) == []
    for folder in "ab":
        path = tmp_path / folder / "qsub.0"
        assert not path.is_symlink()
        assert path.read_text() == f"cd /remote/run/{folder}"
        assert path.stat().st_mode & 0o7777 == 0o755
    assert (tmp_path / "common/run.sh").read_text() == "cd __cwd__"


def test_a_script_linked_to_that_of_another_job_gets_its_own_values(tmp_path: Path) -> None:
    make(tmp_path / "init", {"a/qsub.0": "cd __cwd__", "b/x": "", "c/x": ""})
    (tmp_path / "init/b/qsub.0").symlink_to("../a/qsub.0")
    (tmp_path / "init/c/qsub.0").symlink_to("../b/qsub.0")
    with copied(tmp_path / "init", tmp_path / "run") as made:
        for folder in "abc":
            assert FILL.fill(made, Job(folder, "0"), tmp_path / "init") == []
        assert [(made / f / "qsub.0").read_text() for f in "abc"] == [
            f"cd /remote/run/{f}" for f in "abc"
        ]


def test_an_absolute_link_inside_the_init_tree_is_copied_as_a_file(tmp_path: Path) -> None:
    make(tmp_path / "init", {"common.sh": "cd __cwd__", "a/x": ""})
    (tmp_path / "init/a/qsub.0").symlink_to(tmp_path / "init/common.sh")
    with copied(tmp_path / "init", tmp_path / "run") as made:
        assert FILL.fill(made, Job("a", "0"), tmp_path / "init") == []
        assert not (made / "a/qsub.0").is_symlink()
        assert (made / "a/qsub.0").read_text() == "cd /remote/run/a"


def test_a_linked_script_without_placeholders_becomes_a_file_too(tmp_path: Path) -> None:
    make(tmp_path, {"run.sh": "true", "a/x": ""})
    (tmp_path / "a/qsub.0").symlink_to("../run.sh")
    assert FILL.fill(tmp_path, Job("a", "0")) == []
    assert not (tmp_path / "a/qsub.0").is_symlink()


@pytest.mark.parametrize("target", ["../../outside", "/etc/passwd", "..", "gone"])
def test_a_script_that_links_out_of_the_tree_is_refused(tmp_path: Path, target: str) -> None:
    make(tmp_path, {"outside": "__maxcore__", "tree/a/x": ""})
    (tmp_path / "tree/a/qsub.0").symlink_to(target)
    [problem] = FILL.fill(tmp_path / "tree", Job("a", "0"))
    assert problem.where == "a/qsub.0"
    assert problem.what.startswith("links to ")
    assert problem.hint == "copy the file into the tree"
    assert (tmp_path / "tree/a/qsub.0").is_symlink()
    assert (tmp_path / "outside").read_text() == "__maxcore__"


def test_a_tree_of_links_to_links_is_followed_to_its_end(tmp_path: Path) -> None:
    make(tmp_path, {"out": "secret", "tree/a/x": "", "tree/b/x": ""})
    (tmp_path / "tree/b/inner").symlink_to(tmp_path / "out")
    (tmp_path / "tree/a/qsub.0").symlink_to("../b/inner")
    text, [problem] = FILL.text(tmp_path / "tree", Job("a", "0"))
    assert (text, problem.where) == ("", "a/qsub.0")


def test_a_pipe_is_no_script(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    os.mkfifo(tmp_path / "a/qsub.0")
    assert problems(tmp_path) == ["a/qsub.0: not a file, nor a link to one\n  -> remove it"]


def test_a_folder_that_cannot_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path, {"a/qsub.0": "", "b/qsub.0": ""})
    real = os.scandir

    def refuse(path: Path) -> object:
        if Path(path).name == "a":
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert problems(tmp_path) == [
        "a: cannot be read: Permission denied\n  -> mend or remove the folder"
    ]
    assert list(scan(tmp_path).jobs) == ["b/qsub.0"]


# Links that lead out of the tree, and names that are too long

OUT = ["../../outside", "/etc/passwd", "..", "gone", "qsub.dependency.0"]


@pytest.mark.parametrize("target", OUT)
def test_a_dependency_file_that_links_out_of_the_tree_is_refused(
    tmp_path: Path, target: str
) -> None:
    make(tmp_path, {"outside": "", "tree/a/qsub.0": ""})
    (tmp_path / "tree/a/qsub.dependency.0").symlink_to(target)
    found = scan(tmp_path / "tree")
    [problem] = found.problems
    assert problem.where == "a/qsub.dependency.0"
    assert problem.what.startswith("links to /")
    assert problem.hint == "copy the file into the tree"
    assert found.dependencies == {}


def test_a_dependency_file_may_be_a_link_inside_the_tree(tmp_path: Path) -> None:
    make(tmp_path, {"common/needs": "x", "a/qsub.0": ""})
    (tmp_path / "a/qsub.dependency.0").symlink_to("../common/needs")
    assert jobs(tmp_path) == ["a/qsub.0"]
    assert set(scan(tmp_path).dependencies) == {"a/qsub.0"}


@pytest.mark.parametrize("absolute", [False, True])
def test_a_linked_dependency_file_is_one_of_its_own_in_the_copy(
    tmp_path: Path, absolute: bool
) -> None:
    init = make(tmp_path / "init", {"needs": "x\n", "a/qsub.0": ""})
    (init / "a/qsub.dependency.0").symlink_to(init / "needs" if absolute else "../needs")
    with copied(init, tmp_path / "run") as made:
        own_dependency(made, Job("a", "0"), init)
        assert not (made / "a/qsub.dependency.0").is_symlink()
        assert (made / "a/qsub.dependency.0").read_text() == "x\n"
        assert (init / "a/qsub.dependency.0").is_symlink()


def test_a_dependency_file_that_is_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    make(tmp_path, {"a/qsub.0": ""})
    os.mkfifo(tmp_path / "a/qsub.dependency.0")
    assert problems(tmp_path) == [
        "a/qsub.dependency.0: not a file, nor a link to one\n  -> remove it"
    ]


def test_a_marker_counts_if_it_is_a_file_or_a_link_inside_the_tree(tmp_path: Path) -> None:
    tree = make(tmp_path / "tree", {"a/qsub.finished.0": "", "a/qsub.finished.real": ""})
    make(tmp_path, {"outside": ""})
    links = {"in": "qsub.finished.0", "out": "../../outside", "gone": "x", "me": "qsub.finished.me"}
    for name, target in links.items():
        (tree / "a" / f"qsub.finished.{name}").symlink_to(target)
    os.mkfifo(tree / "a/qsub.finished.pipe")
    found = scan(tree)
    assert found.markers == {f"a/qsub.finished.{name}" for name in ("0", "real", "in")}
    assert found.problems == []


@pytest.mark.parametrize("name", ["quelist", "qstat", "kill", "qsub.now"])
def test_a_link_where_the_monitor_writes_before_it_renames_is_refused(
    tmp_path: Path, name: str
) -> None:
    """It would be written through, to wherever it leads."""
    (tmp_path / f".{name}.new").symlink_to("/somewhere/else")
    [said] = map(str, check_reserved(tmp_path))
    assert said.startswith(f".{name}.new: this name belongs to the monitor's own files")


def test_a_script_is_never_written_through_a_link_that_came_in_between(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path, {"a/qsub.0": "__maxcore__", "outside": "mine"})
    real = os.unlink

    def replace_by_link(path: Path) -> None:
        real(path)
        os.symlink(tmp_path / "outside", path)

    monkeypatch.setattr(os, "unlink", replace_by_link)
    with pytest.raises(FileExistsError):
        FILL.fill(tmp_path, Job("a", "0"))
    assert (tmp_path / "outside").read_text() == "mine"


def test_an_id_whose_marker_could_have_no_name_is_refused(tmp_path: Path) -> None:
    make(
        tmp_path, {f"a/qsub.{'x' * 220}": "", f"a/qsub.{'x' * 221}": "", f"b/qsub.{'é' * 111}": ""}
    )
    found = scan(tmp_path)
    assert list(found.jobs) == [f"a/qsub.{'x' * 220}"]
    assert [str(p).count("the id is too long") for p in found.problems] == [1, 1]


def test_a_tree_that_is_too_deep_is_one_clear_line(tmp_path: Path) -> None:
    make(tmp_path, {"x/" * 90 + "qsub.0": "", "y/" * 120 + "qsub.0": ""})
    found = scan(tmp_path)
    assert list(found.jobs) == ["x/" * 90 + "qsub.0"]
    [problem] = found.problems
    assert "the path is too long" in problem.what
    assert (problem.where or "").startswith("y/y/")


def test_a_path_that_no_program_can_use_any_more_is_one_clear_line(tmp_path: Path) -> None:
    folder = os.open(tmp_path, os.O_RDONLY)
    for _ in range(20):
        os.mkdir("x" * 250, dir_fd=folder)
        below = os.open("x" * 250, os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = below
    os.close(folder)
    make(tmp_path, {"a/qsub.0": ""})
    found = scan(tmp_path)
    assert list(found.jobs) == ["a/qsub.0"]
    [problem] = found.problems
    assert "the path is too long" in problem.what
    assert len(str(problem)) < 300
