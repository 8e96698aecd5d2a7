"""What real rsync does with links and odd names, between two folders of this machine."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from trees import make

from jobauto.errors import RemoteError
from jobauto.host import LocalHost, Runner, SshHost

HOST = LocalHost(Runner(), mirrored=True)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A run folder with a folder beside it that no run has a right to; the remote is `there`."""
    make(tmp_path, {"outside/precious": "mine", "run/a/qsub.0": "", "there/a/qsub.0": ""})
    return tmp_path / "run"


def fetch(home: Path, *only: str) -> None:
    HOST.pull(str(home.parent / "there"), home, ["*.png", "precious"], only).finish()


def assert_nothing_outside_changed(home: Path) -> None:
    assert (home.parent / "outside/precious").read_text() == "mine"
    assert os.listdir(home.parent / "outside") == ["precious"]


@pytest.mark.parametrize("only", [(), ("a",), ("a/b",)], ids=["all", "its parent", "itself"])
def test_results_are_not_written_through_a_linked_folder(home: Path, only: tuple[str, ...]) -> None:
    make(home.parent, {"there/a/b/precious": "new", "there/a/b/qsub.finished.0": ""})
    (home / "a/b").symlink_to(home.parent / "outside")
    fetch(home, *only)
    assert_nothing_outside_changed(home)
    assert (home / "a/b/precious").read_text() == "new"
    assert not (home / "a/b").is_symlink()


def test_a_job_folder_that_became_a_link_is_not_written_through(home: Path) -> None:
    make(home.parent, {"there/a/precious": "new"})
    (home / "a/qsub.0").unlink()
    (home / "a").rmdir()
    (home / "a").symlink_to(home.parent / "outside")
    fetch(home, "a")
    assert_nothing_outside_changed(home)


def test_results_are_not_written_through_a_linked_file(home: Path) -> None:
    make(home.parent, {"there/a/x.png": "new"})
    (home / "a/x.png").symlink_to(home.parent / "outside/precious")
    fetch(home, "a")
    assert_nothing_outside_changed(home)
    assert (home / "a/x.png").read_text() == "new"


@pytest.mark.parametrize(
    "target", ["/etc/passwd", "../../outside/precious", "../../there/a/qsub.0"]
)
def test_a_link_that_leads_out_of_the_run_is_not_brought_home(home: Path, target: str) -> None:
    there = make(home.parent / "there", {"a/y.png": "y"})
    (there / "a/x.png").symlink_to(target)
    (there / "a/qsub.finished.0").symlink_to(target)
    fetch(home, "a")
    assert sorted(os.listdir(home / "a")) == ["qsub.0", "y.png"]


def test_a_link_inside_the_run_is_brought_home_as_one(home: Path) -> None:
    there = make(home.parent / "there", {"a/y.png": "y"})
    (there / "a/x.png").symlink_to("../a/y.png")
    fetch(home, "a")
    assert os.readlink(home / "a/x.png") == "../a/y.png"


ODD = [
    "#a",
    ";a",
    "-r",
    "--delete",
    "it's",
    " b ",
    "x:y",
    ":x",
    "*",
    "[a]",
    "+ x",
    "- x",
    "\\",
    "é",
]


@pytest.mark.parametrize("name", ODD)
def test_a_folder_of_any_name_is_sent_and_brought_home_on_its_own(home: Path, name: str) -> None:
    there = home.parent / "there"
    make(home, {f"{name}/qsub.0": "new", "other/qsub.0": ""})
    HOST.push(home, str(there), [name])
    assert (there / name / "qsub.0").read_text() == "new"
    assert not (there / "other").exists()
    make(there, {f"{name}/qsub.finished.0": "", "a/qsub.finished.0": ""})
    fetch(home, name)
    assert (home / name / "qsub.finished.0").exists()
    assert not (home / "a/qsub.finished.0").exists()


@pytest.mark.parametrize("here", [True, False])
@pytest.mark.parametrize("there", [True, False])
def test_what_both_can_sum_needs_no_round_trip_to_agree_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, here: bool, there: bool
) -> None:
    words, status = tmp_path / "words", tmp_path / "status"
    lines = [f'echo "$@" >>{words}', f"echo {'xxh128' if here else 'md5'} none"]
    program = "\n".join(["#!/bin/sh", *lines, f"exit $(cat {status})\n"])
    make(tmp_path, {"bin/rsync": program, "status": "0"})
    (tmp_path / "bin/rsync").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    host = SshHost("nowhere", tmp_path / "socket", Runner())

    def told() -> bool:
        return "--checksum-choice=xxh128" in words.read_text().splitlines()[-1]

    host.check_tools(there)
    host.push(tmp_path, "/there")
    assert told() == (here and there)
    status.write_text("1")  # as one does that does not know the option
    with pytest.raises(RemoteError):
        host.push(tmp_path, "/there")
    status.write_text("0")
    host.push(tmp_path, "/there")
    assert not told()
