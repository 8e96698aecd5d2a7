"""Making very many objects is not slowed down by a search for garbage; later there is one again."""

from __future__ import annotations

import gc
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
