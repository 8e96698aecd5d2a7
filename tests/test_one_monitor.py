"""A second monitor on the same run is refused."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import jobauto
from jobauto import lock

SECOND = """
import sys
from pathlib import Path
from jobauto import lock
from jobauto.errors import UserError
try:
    with lock.held(Path(sys.argv[1]), "20261120_231500"):
        print("held")
except UserError as error:
    print(error.what)
"""


def test_a_second_monitor_on_the_same_run_is_refused_and_told_who_holds_it(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SECOND, str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(Path(jobauto.__file__).parent.parent)}

    def second() -> str:
        return subprocess.run(command, env=environment, capture_output=True, text=True).stdout

    with lock.held(tmp_path, "20261120_231500"):
        assert f"pid {os.getpid()}" in second()
    assert second() == "held\n"
