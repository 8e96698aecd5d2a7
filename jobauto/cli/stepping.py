"""`jobauto steps`: jobs for the steps of a web service; `jobauto step`: one of them, in its job."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from jobauto import quoting
from jobauto.cli import show
from jobauto.clock import Clock
from jobauto.errors import DONE, UserError
from jobauto.quoting import shown
from jobauto.steps.doing import Doing
from jobauto.steps.folders import folders, read_folder
from jobauto.steps.link import Link
from jobauto.steps.making import copy_template, make, settle
from jobauto.steps.planning import Plan, plan
from jobauto.steps.reading import read_service

LISTED = 20
_MODEL = re.compile(r"[A-Za-z0-9_][\w-]{0,39}", re.ASCII)
_EXAMPLES = """\
examples:
  jobauto steps --copy-template gi         a service file and three job folders, to be edited
  jobauto steps --jobs gi/jobs --models 1 2 --service gi/service.toml --dry-run
  jobauto steps --jobs gi/jobs --models 1 2 --service gi/service.toml --ldir runs
"""


def add_arguments(verb: argparse.ArgumentParser) -> None:
    """The arguments of `steps`."""
    verb.epilog = _EXAMPLES
    text = "its folders are the jobs: galaxy1.json ..., as the service file says"
    verb.add_argument("--jobs", type=Path, metavar="DIR", help=text)
    text = "the service's models to be used, one or more numbers or names"
    verb.add_argument("--models", nargs="+", metavar="MODEL", help=text)
    verb.add_argument("--service", type=Path, metavar="FILE.toml", help="what steps there are")
    verb.add_argument("--ldir", type=Path, help="the project's folder; init/ is made in it")
    text = "show the order, and what runs; make nothing"
    verb.add_argument("-t", "--dry-run", action="store_true", help=text)
    text = "send every step of every folder, also what the service holds"
    verb.add_argument("--no-skip", action="store_true", help=text)
    verb.add_argument("--yes", action="store_true", help=f"do not ask above {show.MANY} jobs")
    text = "copy the template gi, a service file and example jobs, to DIR"
    verb.add_argument("--copy-template", type=Path, metavar="DIR", help=text)


def steps(arguments: argparse.Namespace, console: Console) -> int:
    """`jobauto steps`."""
    if arguments.copy_template is not None:
        copy_template(arguments.copy_template)
        where = show.short(arguments.copy_template.absolute())
        console.print(escape(shown(f"{where}: edit service.toml; jobs/ are examples")))
        return DONE
    wanted = ("jobs", "models", "service", *([] if arguments.dry_run else ["ldir"]))
    missing = [f"--{name}" for name in wanted if not getattr(arguments, name)]
    if missing:
        raise UserError(f"{', '.join(missing)} missing", hint="see: jobauto steps --help")
    _check_models(arguments.models)
    service = read_service(arguments.service)
    found = plan(service, folders(service, arguments.jobs), arguments.models, not arguments.no_skip)
    if arguments.dry_run:
        _show(found, console)
    _count(found, console)
    if arguments.dry_run:
        return DONE
    show.confirm_jobs(found.steps, arguments.yes, console)
    init = make(found, arguments.service, arguments.jobs, arguments.ldir)
    console.print(escape(f"{shown(show.short(init))}: {found.steps} jobs"))
    if more := settle(found, arguments.ldir):
        console.print(escape(more.rstrip()))
    ldir = quoting.word(show.short(arguments.ldir.absolute()))
    console.print(escape(f"run it with: jobmon.py --ldir {ldir}"))
    return DONE


def _check_models(models: list[str]) -> None:
    for model in models:
        if not _MODEL.fullmatch(model):
            what = f"{shown(repr(model))} cannot name a model"
            raise UserError(what, "--models", "letters, digits, _ and -, up to 40")
        if models.count(model) > 1:
            raise UserError(f"{model} stands twice", "--models", "name each once")


def _show(found: Plan, console: Console) -> None:
    for model, turns in found.models.items():
        console.print(escape(f"model {model}:"))
        for turn in turns[:LISTED]:
            run = [name for name in turn.folder.steps if name not in turn.held]
            held = f" ({len(turn.held)} held)" if turn.held else ""
            console.print(escape(shown(f"  {turn.folder.name}: {' '.join(run)}{held}")))
        if len(turns) > LISTED:
            console.print(f"  ... and {len(turns) - LISTED} more")


def _count(found: Plan, console: Console) -> None:
    number = sum(len(turns) for turns in found.models.values())
    models = f"{len(found.models)} models" if len(found.models) > 1 else "1 model"
    text = f"{number} folders on {models}: {found.steps} steps, {found.spared} need not run"
    console.print(text)


def add_step_arguments(verb: argparse.ArgumentParser) -> None:
    """The arguments of `step`."""
    verb.add_argument("step", metavar="STEP", help="such as merge, or plot3")
    verb.add_argument("--service", type=Path, required=True, metavar="FILE.toml")
    text = "the service's model (default: the name of the folder above)"
    verb.add_argument("--model", help=text)
    verb.add_argument("--job", default="", help="what to call it in messages")
    verb.add_argument("--no-skip", action="store_true", help="send it also if the service holds it")


def step(arguments: argparse.Namespace, console: Console) -> int:
    """`jobauto step`: one step of the current folder, and what it rests on."""
    here = Path.cwd()
    model = arguments.model or here.parent.name
    _check_models([model])
    service = read_service(arguments.service)
    folder = read_folder(service, here, made=True)
    before = f"{arguments.job}: " if arguments.job else ""

    def say(text: str) -> None:
        console.print(escape(shown(f"{before}{text} (model {model})")))

    link = Link(service)
    try:
        doing = Doing(service, model, here, folder, link, Clock(), say, skip=not arguments.no_skip)
        doing.do(arguments.step)
    finally:
        link.close()
    return DONE
