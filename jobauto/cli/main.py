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

from jobauto import __version__
from jobauto.actions import kill as killing
from jobauto.actions import login as logging_in
from jobauto.actions import order as ordering
from jobauto.actions import status as statuses
from jobauto.actions import why as reasons
from jobauto.cli import looking, paging, reporting, show
from jobauto.clock import Clock
from jobauto.errors import BAD_USAGE, DONE, JobautoError, UserError
from jobauto.host import Runner
from jobauto.options import Parser, add_pairs
from jobauto.quoting import shown
from jobauto.run import is_run, runs_in
from jobauto.templates import Template, instantiate, list_templates

_EXAMPLES = """\
examples:
  jobauto init                                    list the templates
  jobauto init ecalj --ldir si --each 'poscars/POSCAR.*' --set iterations=2
  jobauto status si                               the newest run of the project si
  jobauto status si/20261120_231500 --all         one run, job by job
  jobauto status si --watch                       until it is over
  jobauto log mp-149/qsub.1 si                    all that happened to a job
  jobauto why mp-149/qsub.1 si                    why is this job not running
  jobauto retry mp-149/qsub.1 si                  run a failed or unsure job again
  jobauto retry failed si                         run all failed jobs again
  jobauto stop si                                 submit nothing more, until: jobauto resume si
  jobauto limit si --maxqsub 50                   while the run goes on
  jobauto hold 'mp-1*' si                         some jobs are not to start, until: release
  jobauto page si                                 a link to the page of a run that goes on
  jobauto report si -o si.html                    timeline, failures, graph; also .svg .csv
  jobauto login si                                the remote wants a code: type it here
  jobauto kill si/20261120_231500                 the same as ./kill in that folder
"""


_FOR_JOBS = {
    "retry": "run failed, killed or unsure jobs again",
    "hold": "let jobs not start, here or in the queue",
    "release": "let held jobs start",
    "switchq": "move jobs that wait, and those to come, to another queue",
    "kill": "end some jobs; without JOB, stop the monitor and end them all",
}
_FOR_RUNS = {
    "stop": "submit nothing more; what is in the queue goes on",
    "resume": "submit again after a stop",
    "limit": "change limits of a run while it goes on",
    "check": "look at the queue now",
}
_JOBS = (
    "names, patterns like 'mp-1*/qsub.1', words of states like failed, or all; last the run, "
    "if it is not the current folder"
)


def parser() -> Parser:
    """The command line of jobauto, a sub-command for each verb."""
    top = Parser(
        prog="jobauto",
        description="Make init trees, and look after the runs of jobmon.py.",
        epilog=_EXAMPLES,
    )
    top.add_argument("--version", action="version", version=f"jobauto {__version__}")
    verbs = top.add_subparsers(dest="verb", metavar="VERB")
    _init(verbs.add_parser("init", help="make LDIR/init from a template"))
    status = verbs.add_parser("status", help="counts, what runs now, and failures")
    _run_argument(status)
    status.add_argument("--all", action="store_true", help="list every job")
    status.add_argument("--json", action="store_true", help="for programs")
    status.add_argument("--watch", action="store_true", help="go on until the run is over")
    why = verbs.add_parser("why", help="why a job is where it is, in one line")
    why.add_argument("job", help="its name as in quelist: folder/qsub.ID (or folder/ID)")
    _run_argument(why)
    log = verbs.add_parser("log", help="what happened: to a run, or to one job")
    log.add_argument("job", nargs="?", help="a job; without it: the last lines of jobmon.log")
    _run_argument(log)
    log.add_argument("-n", type=int, default=20, metavar="N", help="lines (default 20)")
    runs = verbs.add_parser("runs", help="your runs on this machine")
    runs.add_argument("ldir", nargs="?", type=Path, help="only those of this project")
    completion = verbs.add_parser("completion", help="for your shell: eval its output")
    completion.add_argument("shell", choices=looking.SHELLS)
    report = verbs.add_parser("report", help="a page, a picture or a table of a run, as a file")
    _run_argument(report)
    reporting.add_arguments(report)
    page = verbs.add_parser("page", help="a link to the web page of a run that goes on")
    _run_argument(page)
    page.add_argument("--read-only", action="store_true", help="a link that can change nothing")
    for name, text in _FOR_JOBS.items():
        verb = verbs.add_parser(name, help=text)
        if name == "switchq":
            verb.add_argument("queue", metavar="QUEUE", help="where to")
        number = "*" if name in ("kill", "switchq") else "+"
        verb.add_argument("jobs", nargs=number, metavar="JOB", help=_JOBS)
    for name, text in _FOR_RUNS.items():
        verb = verbs.add_parser(name, help=text)
        _run_argument(verb)
        for option in ("maxqsub", "maxpending", "interval") if name == "limit" else ():
            verb.add_argument(f"--{option}", metavar="N", help="as in jobmon.py --help")
    login = verbs.add_parser("login", help="open the connection of a run at this terminal")
    _run_argument(login)
    return top


def _run_argument(verb: argparse.ArgumentParser) -> None:
    text = "a run folder, or a project: then its newest run (default: the current folder)"
    verb.add_argument("run", nargs="?", type=Path, default=Path("."), help=text)


def _init(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("template", nargs="?", help="its name, or a folder; none: list them")
    verb.add_argument("--ldir", type=Path, help="the project's folder; init/ is made in it")
    text = "once for each file: a folder named after it, with the file in it"
    verb.add_argument("--each", nargs="+", type=Path, metavar="FILE", help=text)
    add_pairs(verb, "--set", "values of the template (jobauto init lists them)")


def main(argv: Sequence[str] | None = None) -> int:
    """Do one verb; the exit code."""
    top = parser()
    console = show.new_console()
    try:
        argcomplete.autocomplete(top)
        arguments = top.parse(list(sys.argv[1:] if argv is None else argv))
        if arguments.verb is None:
            top.print_help()
            return DONE
        return _VERBS[arguments.verb](arguments, console)
    except JobautoError as error:
        show.error("jobauto", error)
        return error.exit_code


def chosen_run(folder: Path) -> Path:
    """The run meant by a folder: itself, the run it lies in, or the newest one of a project."""
    start = folder.absolute()
    for place in (start, *start.parents):
        if is_run(place):
            return place
    runs = runs_in(folder)
    if not runs:
        hint = "name LDIR or LDIR/<date>, as jobmon.py printed it"
        raise UserError("no run here", str(folder), hint)
    return runs[-1]


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


def report(arguments: argparse.Namespace, console: Console) -> int:
    """`jobauto report`."""
    return reporting.report(chosen_run(arguments.run), arguments.output, console)


def page(arguments: argparse.Namespace, console: Console) -> int:
    """`jobauto page`."""
    return paging.page(chosen_run(arguments.run), arguments.read_only, console, Clock())


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
    stopped = f"monitor stopped ({done.monitor})" if done.monitor else "no monitor was running"
    console.print(escape(f"{stopped}; {len(done.killed)} job(s) killed"))
    for name in done.finished:
        console.print(escape(f"{name} had finished already"))
    for name in done.unsure:
        console.print(escape(f"{name} may or may not have been submitted; look at the queue"))
    for name in done.left:
        console.print(escape(f"{name} is still in the queue: {done.said}"))
    return BAD_USAGE if done.left else DONE


_VERBS = {
    **dict.fromkeys((*_FOR_JOBS, *_FOR_RUNS), order),
    "init": init,
    "status": status,
    "why": why,
    "report": report,
    "page": page,
    "login": login,
    "log": log,
    "runs": looking.print_runs,
    "completion": lambda arguments, _console: looking.print_completion(arguments),
    "kill": kill,
}
