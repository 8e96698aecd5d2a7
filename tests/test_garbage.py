"""Making very many objects is not slowed down by a search for garbage; later there is one again."""

from __future__ import annotations

import gc
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from fake import FakeClock
from trees import make

from jobauto import run, start
from jobauto.errors import UserError
from jobauto.host import Runner
from jobauto.settings import Settings


@pytest.fixture
def collecting(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether garbage was looked for, at each survey of a tree."""
    found: list[bool] = []
    survey = run.survey

    def noted(root: Path) -> object:
        found.append(gc.isenabled())
        return survey(root)

    monkeypatch.setattr(run, "survey", noted)
    return found


def test_a_start_and_a_restart_look_for_no_garbage_but_what_follows_does(
    tmp_path: Path, collecting: list[bool]
) -> None:
    make(tmp_path / "init", {"a/qsub.0": "", "a/qsub.dependency.0": ""})
    chosen = Settings(ldir=tmp_path, scheduler="local")
    made, host = start.new_run(chosen, Runner(), FakeClock())
    with closing(host):
        start.prepare(made, chosen, host, FakeClock())
    assert collecting == [False, False]
    assert gc.isenabled()


def test_a_tree_with_something_wrong_leaves_it_as_it_was(
    tmp_path: Path, collecting: list[bool]
) -> None:
    make(tmp_path / "init", {"a/qsub.0": "", "a/qsub.dependency.0": "qsub.finished.0\n"})
    for enabled in (True, False):
        (gc.enable if enabled else gc.disable)()
        try:
            with pytest.raises(UserError):
                start.new_run(Settings(ldir=tmp_path, scheduler="local"), Runner(), FakeClock())
            assert gc.isenabled() is enabled
        finally:
            gc.enable()
    assert collecting == [False, False]


@pytest.mark.parametrize("program", ["jobmon", "main"])
def test_the_end_of_a_program_looks_for_none(program: str) -> None:
    code = f"""
import atexit, gc
from jobauto.cli import {program}
atexit.register(lambda: print(gc.get_freeze_count()))  # what is registered last comes first
assert gc.get_freeze_count() == 0
{program}.main([])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout.splitlines()[-1]) > 1000
