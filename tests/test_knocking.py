"""The connection is made while the tree is checked and copied."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from fake import FakeClock
from places import wait_for
from trees import make

from jobauto import run
from jobauto.errors import NeedsLogin, UserError
from jobauto.host import Runner
from jobauto.start import new_run, read_options

# lets nobody in, and says so only when somebody has opened the door, or after a while
SSH = """#!/bin/sh
case $* in *" -M "*) ;; *) exit 0;; esac
echo $$ >"$DOOR/knocked"
for n in 0 1 2 3 4 5 6 7 8 9; do
  if [ -e "$DOOR/opened" ]; then echo "Permission denied" >&2; exit 255; fi
  sleep 0.5
done
touch "$DOOR/gave-up"
exit 255
"""


@pytest.fixture
def runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runner:
    ssh = tmp_path / "bin/ssh"
    make(tmp_path, {"bin/ssh": SSH})
    ssh.chmod(0o755)
    monkeypatch.setenv("PATH", f"{ssh.parent}:/usr/bin:/bin")
    monkeypatch.setenv("DOOR", str(tmp_path))
    return Runner()


def knocked(door: Path) -> Path:
    """The file with the pid of who stands at the door, once somebody does."""
    file = door / "knocked"
    wait_for(lambda: file.exists() and file.stat().st_size > 0)
    return file


def given(root: Path, *, needs: str) -> dict[str, object]:
    make(root / "L/init", {"a/qsub.0": "#!/bin/sh\n", "a/qsub.dependency.0": needs})
    return {"ldir": root / "L", "rdir": "work", "remote": "me@cluster"}


@pytest.mark.parametrize(("where", "step"), [(run, "check_scripts"), (os, "sync")])
def test_the_tree_is_checked_and_copied_while_the_connection_is_made(
    tmp_path: Path, runner: Runner, monkeypatch: pytest.MonkeyPatch, where: object, step: str
) -> None:
    does = getattr(where, step)

    def slow(*args: object) -> None:
        does(*args)
        knocked(tmp_path)
        (tmp_path / "opened").touch()

    monkeypatch.setattr(where, step, slow)
    chosen, _ = read_options(given(tmp_path, needs=""))
    with pytest.raises(NeedsLogin) as refused:
        new_run(chosen, runner, FakeClock())
    assert refused.value.where == "Permission denied"
    assert not (tmp_path / "gave-up").exists()
    assert [path.name for path in (tmp_path / "L").iterdir()] == ["init"]


def test_what_is_wrong_with_the_tree_is_said_at_once_and_nobody_knocks_any_more(
    tmp_path: Path, runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = run.check

    def after_the_knock(*args: Any) -> object:
        knocked(tmp_path)
        return check(*args)

    monkeypatch.setattr(run, "check", after_the_knock)
    chosen, _ = read_options(given(tmp_path, needs="qsub.finished.0\n"))
    with pytest.raises(UserError, match="cycle"):
        new_run(chosen, runner, FakeClock())
    pid = knocked(tmp_path).read_text().strip()
    assert not Path(f"/proc/{pid}").exists()
    assert not (tmp_path / "gave-up").exists()  # it did not end by itself
    assert sorted(path.name for path in (tmp_path / "L").iterdir()) == ["init"]
