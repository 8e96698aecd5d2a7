"""`page` and `web`: the ways into the web page of a run, and of all runs."""

from __future__ import annotations

import argparse
import json
import os
import socket
from dataclasses import fields
from pathlib import Path
from typing import Any

from rich.console import Console

from jobauto import lock
from jobauto.clock import Clock
from jobauto.errors import DONE, UserError
from jobauto.ledger import files
from jobauto.run import open_run
from jobauto.web.sessions import FILE, MINUTES, ticket


def add_arguments(verb: argparse.ArgumentParser) -> None:
    """The options of `page` and `web`."""
    verb.add_argument("--read-only", action="store_true", help="a link that can change nothing")


def add_listening(verb: argparse.ArgumentParser) -> None:
    """Where `web` listens."""
    verb.add_argument("--port", type=int, help="default: the first free from 8080")
    text = "elsewhere than 127.0.0.1 only with --tls-cert and --token-file"
    verb.add_argument("--address", default="127.0.0.1", help=text)
    verb.add_argument("--tls-cert", type=Path, metavar="FILE", help="certificate, for https")
    verb.add_argument("--tls-key", type=Path, metavar="FILE", help="its key, if not in that file")
    text = "a token of your own instead of a random one: a file that only you can read"
    verb.add_argument("--token-file", type=Path, metavar="FILE", help=text)


def page(folder: Path, arguments: argparse.Namespace, console: Console, clock: Clock) -> int:
    """`jobauto page`: print a link that is good for one login."""
    run = open_run(folder)
    file = run.private / FILE
    if lock.watcher(run.private) is None or not file.is_file():
        hint = "start its monitor, or: jobauto web, which serves all runs, finished ones too"
        raise UserError("no monitor serves this run", str(folder), hint)
    _say(json.loads(files.read(file)), arguments.read_only, console, clock)
    return DONE


def web(arguments: argparse.Namespace, console: Console, clock: Clock) -> int:
    """`jobauto web`: serve all runs until Ctrl-C; print a link that is good for one login."""
    # an import that takes a moment
    from jobauto.web import many

    names = [field.name for field in fields(many.Where)]
    where = many.Where(**{name: getattr(arguments, name) for name in names})

    def ready(facts: dict[str, Any]) -> None:
        _say(facts, arguments.read_only, console, clock)

    many.serve(where, clock, ready)
    return DONE


def _say(facts: dict[str, Any], read_only: bool, console: Console, clock: Clock) -> None:
    """Print the link to a server of which a file tells, and how to reach it from elsewhere."""
    token = facts["read_only_token" if read_only else "token"]
    console.print(f"{facts['url']}/login#{ticket(token, clock.now())}", soft_wrap=True)
    may = "looks, and changes nothing" if read_only else "may change the run"
    console.print(f"good for one login within {MINUTES} minutes; who has it {may}")
    if os.environ.get("SSH_CONNECTION") and "//127.0.0.1" in facts["url"]:
        port = facts["port"]
        there = f"ssh -L {port}:127.0.0.1:{port} {socket.gethostname()}"
        console.print(f"if your browser is on another machine, first there: {there}")
