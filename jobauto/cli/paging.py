"""`page`: the way into the web page of a run."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any

from rich.console import Console

from jobauto import lock
from jobauto.clock import Clock
from jobauto.errors import DONE, UserError
from jobauto.ledger import files
from jobauto.run import open_run

FILE = "http.json"


def page(folder: Path, read_only: bool, console: Console, clock: Clock) -> int:
    """`jobauto page`: print a link that is good for one login."""
    run = open_run(folder)
    file = run.private / FILE
    if lock.watcher(run.private) is None or not file.is_file():
        hint = "start its monitor, or: jobauto web, which serves all runs, finished ones too"
        raise UserError("no monitor serves this run", str(folder), hint)
    say(json.loads(files.read(file)), read_only, console, clock)
    return DONE


def say(facts: dict[str, Any], read_only: bool, console: Console, clock: Clock) -> None:
    """Print the link to a server of which a file tells, and how to reach it from elsewhere."""
    # an import that takes a moment
    from jobauto.web.sessions import MINUTES, ticket

    token = facts["read_only_token" if read_only else "token"]
    console.print(f"{facts['url']}/login#{ticket(token, clock.now())}", soft_wrap=True)
    may = "looks, and changes nothing" if read_only else "may change the run"
    console.print(f"good for one login within {MINUTES} minutes; who has it {may}")
    if os.environ.get("SSH_CONNECTION"):
        port = facts["port"]
        there = f"ssh -L {port}:127.0.0.1:{port} {socket.gethostname()}"
        console.print(f"if your browser is on another machine, first there: {there}")
