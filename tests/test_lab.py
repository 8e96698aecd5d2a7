"""The lab's scripts are at least shell; what they start is tried by `lab/up` itself."""

import subprocess
from pathlib import Path

import pytest

LAB = Path(__file__).parent.parent / "lab"
SCRIPTS = sorted(path for path in LAB.iterdir() if path.is_file())


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_script_is_valid_sh(script: Path) -> None:
    done = subprocess.run(["sh", "-n", str(script)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_what_a_person_runs_is_executable() -> None:
    assert [
        name for name in ("up", "down", "status") if not (LAB / name).stat().st_mode & 0o100
    ] == []


def test_an_odd_state_folder_is_refused(tmp_path: Path) -> None:
    done = subprocess.run(
        [str(LAB / "status")],
        env={"JOBAUTO_LAB": f"{tmp_path}/a b"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "JOBAUTO_LAB must be an absolute path" in done.stderr
