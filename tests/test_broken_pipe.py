"""A run whose screen nobody reads any more."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from places import ROOT
from trees import job, make


def test_a_reader_that_went_away_does_not_stop_the_run(tmp_path: Path) -> None:
    make(tmp_path / "init", {"a/qsub.0": job("sleep 1"), "a/qsub.dependency.0": ""})
    jobmon = f"{sys.executable} {ROOT / 'jobmon.py'} --ldir {tmp_path} --scheduler local"
    done = subprocess.run(
        ["sh", "-c", f"{{ {jobmon} --interval 0.3; echo $? >{tmp_path}/code; }} | head -n 1"],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "XDG_STATE_HOME": str(tmp_path / "state")},
    )
    assert done.stdout.startswith("run ")
    assert "Traceback" not in done.stderr
    assert (tmp_path / "code").read_text() == "0\n"
