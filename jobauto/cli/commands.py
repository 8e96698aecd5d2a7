"""The command line of `jobauto`: a sub-command for each verb."""

from __future__ import annotations

import argparse
import importlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from jobauto import __version__
from jobauto.cli import looking, paging
from jobauto.options import Parser, add_pairs

_EXAMPLES = """\
examples:
  jobauto init                                    list the templates
  jobauto init ecalj --ldir si --each 'poscars/POSCAR.*' --set iterations=2
  jobauto sweep rings.toml --ldir rings           a job for each combination of values
  jobauto runlist task.toml                       a job for each file of run lists
  jobauto steps --help                            a job for each step of a web service
  jobauto batch --help                            the same as a file to submit and receive
  jobauto inbox --root ~/jobs                     run each folder that is put into ~/jobs/inbox
  jobauto task status si                          how far a task is that several people share
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
  jobauto web                                     a page of all your runs, finished ones too
  jobauto report si -o si.html                    timeline, failures, graph; also .svg .csv
  jobauto menu                                    batches by numbers, if you prefer that
  jobauto analyse rings                           what came of a sweep: table, averages, pictures
  jobauto db --help                               who may share the tasks of a database
  jobauto login si                                the remote wants a code: type it here
  jobauto kill si/20261120_231500                 the same as ./kill in that folder
"""


FOR_JOBS = {
    "retry": "run failed, killed or unsure jobs again",
    "hold": "let jobs not start, here or in the queue",
    "release": "let held jobs start",
    "switchq": "move jobs that wait, and those to come, to another queue",
    "kill": "end some jobs; without JOB, stop the monitor and end them all",
}
FOR_RUNS = {
    "stop": "submit nothing more; what is in the queue goes on",
    "resume": "submit again after a stop",
    "limit": "change limits of a run while it goes on",
    "check": "look at the queue now",
}
_JOBS = (
    "names, patterns like 'mp-1*/qsub.1', words of states like failed, or all; last the run, "
    "if it is not the current folder"
)


#: verbs whose imports take a moment: the module of jobauto.cli that does them
_LATE = {
    "sweep": "sweeping",
    "runlist": "runlists",
    "steps": "stepping",
    "step": "stepping",
    "batch": "batching",
    "report": "reporting",
    "analyse": "analysing",
    "task": "tasks",
    "db": "accounts",
    "inbox": "inboxes",
}


def late(name: str) -> Callable[[argparse.Namespace, Console], int] | None:
    """What does one of `_LATE`; None for other verbs."""
    module = _LATE.get(name)
    return getattr(importlib.import_module(f"jobauto.cli.{module}"), name) if module else None


class _Verb(Parser):
    """A sub-command; one of `_LATE` gets its arguments when it is used."""

    module = ""

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        self.fill()
        return super().parse_known_args(args, namespace)

    def fill(self) -> None:
        """Add the arguments, unless they are there."""
        module, self.module = self.module, ""
        if module:
            made = importlib.import_module(f"jobauto.cli.{module}")
            verb = self.prog.split()[-1]
            getattr(made, f"add_{verb}_arguments", made.add_arguments)(self)


def parser() -> Parser:
    """The command line of jobauto, a sub-command for each verb."""
    top = Parser(
        prog="jobauto",
        description="Make init trees, and look after the runs of jobmon.py.",
        epilog=_EXAMPLES,
    )
    top.add_argument("--version", action="version", version=f"jobauto {__version__}")
    verbs = top.add_subparsers(dest="verb", metavar="VERB", parser_class=_Verb)
    _init(verbs.add_parser("init", help="make LDIR/init from a template"))
    verbs.add_parser("sweep", help="make LDIR/init: a job for each value")
    verbs.add_parser("runlist", help="make LDIR/init: a job for each file")
    verbs.add_parser("steps", help="make LDIR/init: a job for each step of a web service")
    verbs.add_parser("step", help="what the jobs of `jobauto steps` call: one step")
    text = "sweeps and trees kept as one file: create, submit, receive, analyse"
    verbs.add_parser("batch", help=text)
    text = "jobs that several monitors share: how far they are, release, export"
    verbs.add_parser("task", help=text)
    verbs.add_parser("inbox", help="run what is put into a folder, and give it back in another")
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
    analyse = verbs.add_parser("analyse", help="numbers of a sweep: a table, averages, pictures")
    _run_argument(analyse)
    page = verbs.add_parser("page", help="a link to the web page of a run that goes on")
    _run_argument(page)
    paging.add_arguments(page)
    web = verbs.add_parser("web", help="a web page of all your runs on this machine")
    paging.add_arguments(web)
    paging.add_listening(web)
    for name, text in FOR_JOBS.items():
        verb = verbs.add_parser(name, help=text)
        if name == "switchq":
            verb.add_argument("queue", metavar="QUEUE", help="where to")
        number = "*" if name in ("kill", "switchq") else "+"
        verb.add_argument("jobs", nargs=number, metavar="JOB", help=_JOBS)
    for name, text in FOR_RUNS.items():
        verb = verbs.add_parser(name, help=text)
        _run_argument(verb)
        for option in ("maxqsub", "maxpending", "interval") if name == "limit" else ():
            verb.add_argument(f"--{option}", metavar="N", help="as in jobmon.py --help")
    text = "the database of shared tasks: its tables, and who may come in"
    verbs.add_parser("db", help=text)
    verbs.add_parser("menu", help="generate batches, and look after them, by numbers")
    login = verbs.add_parser("login", help="open the connection of a run at this terminal")
    _run_argument(login)
    for name, module in _LATE.items():
        verbs.choices[name].module = module
        if "_ARGCOMPLETE" in os.environ:  # it looks at all of them
            verbs.choices[name].fill()
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
