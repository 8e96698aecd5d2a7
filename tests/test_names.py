"""Odd names from end to end: no character of a folder or an id does more than name something."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import pytest
from places import FAKES, Place, newest, words
from trees import make

from jobauto.schedulers import DIALECTS

ODD = [
    "two  words",
    "it's",
    'say "x"',
    "a;touch b",
    "$(touch c)",
    "`touch d`",
    "$x",
    "back\\slash",
    "*",
    "?",
    "[a-z]",
    "{a,b}",
    "-rf",
    "--help",
    "#",
    "%j",
    "50%",
    "a~b",
    "é",
    "日本",
    "a:b",
    "me@there",
    "a&b|c<d>e",
    "!x^",
    "x" * 200,
]
EXPANDED = ["$HOME", "x$USER", "$JOB_ID"]  # by Grid Engine, in the names of folders
NOT_FOR_GRID_ENGINE = [
    "two  words", 'say "x"', "a;touch b", "$(touch c)", "`touch d`", "back\\slash",
    "*", "?", "é", "日本", "a:b", "me@there",
]  # fmt: skip


def script(folder: str, id: str) -> str:
    """Counts, makes a result that tells its own name, and writes its marker."""
    q = shlex.quote
    return (
        f"#!/bin/sh\nset -e\necho run >>{q(f'ran.{id}')}\n"
        f"printf '%s\\n' {q(f'{folder}/{id}')} >{q(f'result.{id}')}\n"
        f"date >{q(f'qsub.finished.{id}')}\n"
    )


def tree(root: Path, ids: list[str], folders: list[str]) -> dict[str, str]:
    """A folder with all ids, odd folders with one job each, and a job that needs them all."""
    jobs = [("ids", id) for id in ids] + [(folder, "0") for folder in folders]
    files = {f"{folder}/qsub.{id}": script(folder, id) for folder, id in jobs}
    files |= {f"{folder}/qsub.dependency.{id}": "" for folder, id in jobs}
    files["last/qsub.0"] = script("last", "0")
    files["last/qsub.dependency.0"] = "".join(f"../{f}/qsub.finished.{i}\n" for f, i in jobs)
    make(root, files)
    return {f"{f}/qsub.{i}": f"{f}/{i}\n" for f, i in [*jobs, ("last", "0")]}


def test_odd_names_do_nothing_but_name(place: Place, tmp_path: Path) -> None:
    ids, folders = ODD, ODD + EXPANDED
    if place.scheduler == "sge":
        ids, folders = [i for i in ODD if i not in NOT_FOR_GRID_ENGINE], ODD
    elif place.name in FAKES:
        bad_name = DIALECTS[place.scheduler].bad_name
        ids = [id for id in ids if not bad_name("/f", id)]
        folders = [folder for folder in folders if not bad_name(f"/{folder}", "0")]
    ldir = tmp_path / "L"
    jobs = tree(ldir / "init", ids, folders)
    done = place.jobmon(ldir, "--results", "result.*", "--maxqsub", "64")
    assert done.returncode == 0, done.stdout + done.stderr
    run = newest(ldir)
    assert words(run) == {name: ["started", "finished"] for name in jobs}
    for name, told in jobs.items():
        folder, id = name.rsplit("/qsub.", 1)
        assert (run / folder / f"result.{id}").read_text() == told
        assert (place.there(run) / folder / f"ran.{id}").read_text() == "run\n"
    made = {p.name for p in place.there(run).rglob("*") if p.name in "bcd"}
    assert made == set()


@pytest.mark.parametrize("place", ["sge"], indirect=True)
def test_names_that_grid_engine_refuses_are_refused_before_anything_is_sent(
    place: Place, tmp_path: Path
) -> None:
    ldir = tmp_path / "L"
    tree(ldir / "init", NOT_FOR_GRID_ENGINE, EXPANDED)
    done = place.jobmon(ldir)
    assert done.returncode == 2
    assert [p.name for p in ldir.iterdir()] == ["init"]
    assert not place.folder.exists() or not list(place.folder.iterdir())
    for id in NOT_FOR_GRID_ENGINE:
        assert f"ids/qsub.{id}: Grid Engine takes no " in done.stderr
    for folder in EXPANDED:
        expanded = folder.removeprefix("x")
        assert f"{folder}/qsub.0: Grid Engine expands {expanded} in the name" in done.stderr
    assert done.stderr.count("Grid Engine") == len(NOT_FOR_GRID_ENGINE + EXPANDED)


@pytest.mark.parametrize(
    ("id", "why"),
    [
        ("0", ""),
        ("lda-2_x+y", ""),
        ("#%~!", ""),
        ("a b", "blank"),
        ("a:b", "':'"),
        ("a@b", "'@'"),
        ("*", "'*'"),
        ("?", "'?'"),
        ("\\", "'\\'"),
        ("é", "'é'"),
    ],
)
def test_grid_engine_says_which_character_it_does_not_take(id: str, why: str) -> None:
    said = DIALECTS["sge"].bad_name("/r/a", id)
    assert why in said
    assert bool(why) == bool(said)
    assert DIALECTS["slurm"].bad_name("/r/a", id) == ""
    assert DIALECTS["local"].bad_name("/r/a", id) == ""


def test_a_terminal_gets_no_control_byte_of_a_name(tmp_path: Path) -> None:
    names = [b"\x1b[2J\x1b]0;owned\x07", b"a\nb", b"bell\x07", b"\xff\xfe", "\x9b31m".encode()]
    for name in names:
        folder = os.fsencode(tmp_path) + b"/L/init/" + name
        os.makedirs(folder)
        with open(folder + b"/qsub.0", "w"):
            pass
    with_local = Place("local", "local", "local", False, tmp_path, tmp_path)
    done = with_local.jobmon(tmp_path / "L")
    assert done.returncode == 2
    text = done.stdout + done.stderr
    assert text.count("in the name") + text.count("not UTF-8") == len(names)
    assert all(c.isprintable() or c == "\n" for c in text), repr(text)
