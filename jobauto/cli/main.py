"""`jobauto VERB`: the companion of jobmon.py."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import argcomplete
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from jobauto import garbage
from jobauto.actions import kill as killing
from jobauto.actions import login as logging_in
from jobauto.actions import order as ordering
from jobauto.actions import status as statuses
from jobauto.actions import why as reasons
from jobauto.cli import looking, paging, show
from jobauto.cli.choosing import chosen_run
from jobauto.cli.commands import FOR_JOBS, FOR_RUNS, late, parser
from jobauto.clock import Clock
from jobauto.errors import DONE, JobautoError, UserError
from jobauto.host import Runner
from jobauto.quoting import shown
from jobauto.run import is_run, runs_in
from jobauto.templates import Template, instantiate, list_templates


def main(argv: Sequence[str] | None = None) -> int:
    """Do one verb; the exit code."""
    garbage.left_behind()
    top = parser()
    console = show.new_console()
    try:
        argcomplete.autocomplete(top)
        arguments = top.parse(list(sys.argv[1:] if argv is None else argv))
        if arguments.verb is None:
            top.print_help()
            return DONE
        verb = late(arguments.verb) or _VERBS[arguments.verb]
        return verb(arguments, console)
    except JobautoError as error:
        show.error("jobauto", error)
        return error.exit_code


def init(arguments: argparse.Namespace, console: Console) -> int:
    """`jobauto init`: without a template, a list of those there are."""
    if arguments.template is None:
        _list(list_templates(), console)
        return DONE
    if arguments.ldir is None:
        raise UserError("--ldir is missing", hint="name the project's folder: --ldir DIR")
    values = getattr(arguments, "set", {})
    made = instantiate(arguments.template, arguments.ldir, arguments.each, values)
    console.print(escape(f"{show.short(made.init)}: {len(made.folders)} folders, {made.jobs} jobs"))
    console.print(escape(f"run it with: jobmon.py --ldir {show.short(arguments.ldir.absolute())}"))
    return DONE


def _list(templates: list[Template], console: Console) -> None:
    table = Table("template", "what it makes", "--set", box=None, pad_edge=False)
    for template in templates:
        values = ", ".join(f"{key}={value}" for key, value in template.settable.items())
        table.add_row(template.name, template.description, values)
    console.print(table)


def status(arguments: argparse.Namespace, console: Console) -> int:
    """`jobauto status`: 0 all finished or still going well, 1 something failed."""
    folder = chosen_run(arguments.run)
    if arguments.watch:
        return looking.watch(folder, console, Clock())
    found = statuses.status(folder)
    if arguments.json:
        print(json.dumps(statuses.as_data(found), indent=1))
    else:
        show.print_status(found, console, arguments.all)
    return show.exit_code(found)


def why(arguments: argparse.Namespace, console: Console) -> int:
    """`jobauto why JOB`."""
    found = statuses.status(chosen_run(arguments.run))
    console.print(escape(reasons.why(found, arguments.job)))
    for line in reasons.tail(found, arguments.job).splitlines():
        console.print(escape(f"  {shown(line)}"))
    return DONE


def log(arguments: argparse.Namespace, console: Console) -> int:
    """`jobauto log [JOB] [RUN]`: one word that names a run is the run."""
    if arguments.job and arguments.run == Path("."):
        place = Path(arguments.job)
        if is_run(place) or runs_in(place):
            arguments.job, arguments.run = None, place
    return looking.print_log(arguments, console, chosen_run(arguments.run))


def order(arguments: argparse.Namespace, console: Console) -> int:
    """The verbs that change a run or some of its jobs."""
    words = list(getattr(arguments, "jobs", []))
    if "run" in arguments:
        folder = chosen_run(arguments.run)
    elif words and (is_run(Path(words[-1])) or runs_in(Path(words[-1]))):
        folder = chosen_run(Path(words.pop()))
    else:
        folder = chosen_run(Path("."))
    names = ("queue", "maxqsub", "maxpending", "interval")
    given = {name: getattr(arguments, name, None) for name in names}
    values = {name: text for name, text in given.items() if text is not None}
    runner = Runner(person=show.person_there())
    done = ordering.order(folder, arguments.verb, words, Clock(), runner, values)
    for name in done.jobs[: show.LISTED]:
        console.print(escape(f"{arguments.verb}: {shown(name)}"))
    if len(done.jobs) > show.LISTED:
        console.print(f"... and {len(done.jobs) - show.LISTED} more")
    if words and not done.jobs:
        console.print(f"nothing to {arguments.verb}")
    then = f"the monitor ({done.monitor}) was told" if done.monitor else show.go_on(folder)
    console.print(escape(then))
    return DONE


def page(arguments: argparse.Namespace, console: Console) -> int:
    """`jobauto page`."""
    return paging.page(chosen_run(arguments.run), arguments, console, Clock())


def menu(console: Console) -> int:
    """`jobauto menu`: the same verbs by numbers."""
    from jobauto.batches.batch import SHELF
    from jobauto.cli import batching
    from jobauto.cli import menu as menus

    if not show.person_there():
        raise menus.nobody()

    def batches() -> list[tuple[str, ...]]:
        return batching.listed(Path(SHELF))

    return menus.menu(lambda prompt: console.input(prompt, markup=False), console, main, batches)


def login(arguments: argparse.Namespace, console: Console) -> int:
    """`jobauto login`: ssh asks at this terminal what it wants to know."""
    folder = chosen_run(arguments.run)
    done = logging_in.login(folder, Runner(person=True))
    state = "is connected already" if done.before else "connected"
    then = f"the monitor ({done.monitor}) goes on" if done.monitor else show.go_on(folder)
    console.print(escape(f"{done.remote}: {state}; {then}"))
    return DONE


def kill(arguments: argparse.Namespace, console: Console) -> int:
    """`jobauto kill`, which is also what `./kill` in a run folder does; or some jobs only."""
    folders = [Path(word) for word in arguments.jobs]
    if len(folders) > 1 or any(not (is_run(path) or runs_in(path)) for path in folders):
        return order(arguments, console)
    folder = chosen_run(folders[0] if folders else Path("."))
    done = killing.kill(folder, Runner(person=show.person_there()), Clock())
    return show.print_killed(done, console)


_VERBS = {
    **dict.fromkeys((*FOR_JOBS, *FOR_RUNS), order),
    "init": init,
    "status": status,
    "why": why,
    "page": page,
    "web": lambda arguments, console: paging.web(arguments, console, Clock()),
    "menu": lambda _arguments, console: menu(console),
    "login": login,
    "log": log,
    "runs": looking.print_runs,
    "completion": lambda arguments, _console: looking.print_completion(arguments),
    "kill": kill,
}
