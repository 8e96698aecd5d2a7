"""`jobauto task`: how far shared tasks are, who holds what, and a table of all jobs."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console

from jobauto.cli import exporting, opening, releasing, tasklists
from jobauto.cli.choosing import chosen_run
from jobauto.errors import UserError
from jobauto.run import open_run

_EXAMPLES = """\
examples:
  jobauto task list                               the tasks of your database
  jobauto task status                             of the run here: by data set, site and person
  jobauto task status si --db postgresql://me@db.example/tasks
  jobauto task release si 'mp-1*' --dry-run       what you hold, and since when
  jobauto task release si unsure                  jobs that are certainly in no queue any more
  jobauto task release si --site cluster-b        all that you hold there; asks before
  jobauto task export si -o si.csv                a row a job; also .json
"""

_JOBS = (
    "names, patterns like 'mp-1*/qsub.1', or words: claimed, submitting, submitted, unsure "
    "(default: all that is held)"
)


def add_arguments(verb: argparse.ArgumentParser) -> None:
    """The verbs of `task`, and their arguments."""
    verb.epilog = _EXAMPLES
    verbs = verb.add_subparsers(dest="task_verb", metavar="VERB", required=True)
    listing = verbs.add_parser("list", help="all tasks of a database")
    opening.add_option(listing)
    listing.add_argument("--json", action="store_true", help="for programs")
    status = verbs.add_parser("status", help="how far a task is: by data set, site and person")
    text = "the task (default: that of the run here, or the only one)"
    status.add_argument("name", nargs="?", metavar="NAME", help=text)
    opening.add_option(status)
    status.add_argument("--all", action="store_true", help="every data set, in order of name")
    status.add_argument("--json", action="store_true", help="for programs")
    release = verbs.add_parser("release", help="let others have jobs whose monitor is lost")
    release.add_argument("name", metavar="NAME", help="the task")
    release.add_argument("jobs", nargs="*", metavar="JOB", help=_JOBS)
    opening.add_option(release)
    release.add_argument("--person", help="who holds them (default: you)")
    release.add_argument("--site", help="only what is held for this cluster")
    release.add_argument("--run", metavar="RUN", help="only what this run holds")
    release.add_argument("--yes", action="store_true", help="do not ask")
    release.add_argument("-n", "--dry-run", action="store_true", help="only show what is held")
    export = verbs.add_parser("export", help="a row a job, as CSV or JSON")
    export.add_argument("name", metavar="NAME", help="the task")
    opening.add_option(export)
    text = "where to: .csv or .json; - is CSV to the screen"
    export.add_argument("-o", "--output", required=True, metavar="FILE", help=text)


def task(arguments: argparse.Namespace, console: Console) -> int:
    """`jobauto task VERB`."""
    if arguments.task_verb == "status" and arguments.name is None:
        _of_the_run_here(arguments)
    return _VERBS[arguments.task_verb](arguments, console)


def _of_the_run_here(arguments: argparse.Namespace) -> None:
    """Take task and database from the run here, if there is one that has a task."""
    try:
        settings = open_run(chosen_run(Path("."))).settings
    except UserError:
        return
    if settings.get("task"):
        arguments.name = settings["task"]
        arguments.db = arguments.db or settings.get("db")


_VERBS = {
    "list": tasklists.list_all,
    "status": tasklists.status,
    "release": releasing.release,
    "export": exporting.export,
}
