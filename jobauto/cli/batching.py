"""`jobauto batch`: from a table of parameters to a folder of results."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.filesize import decimal
from rich.markup import escape
from rich.table import Column, Table

from jobauto.actions import kill as killing
from jobauto.actions.status import status as status_of
from jobauto.batches import creating, ending, sending
from jobauto.batches.batch import SHELF, Batch, find, new, rows, state_of
from jobauto.batches.contents import Contents
from jobauto.batches.receiving import Received, received
from jobauto.cli import analysing, show
from jobauto.clock import Clock
from jobauto.errors import DONE, UserError
from jobauto.host import Runner
from jobauto.options import add_settings
from jobauto.quoting import shown
from jobauto.settings import OF_THE_CALL, Settings
from jobauto.sweep.planning import Plan, plan

HEADS = ("batch", "jobs", "submitted", "last submitted", "state")
_EXAMPLES = """\
examples:
  jobauto batch create rings.toml -o rings        a sweep (jobauto sweep --help) as one file
  jobauto batch submit rings --remote me@cluster  then the terminal may be closed
  jobauto batch list                              what was submitted when, and how far it is
  jobauto batch status rings
  jobauto batch receive rings                     by hand, if the monitor could not at the end
  jobauto batch analyse rings                     table, summary and pictures
"""


def add_verbs(verb: argparse.ArgumentParser) -> None:
    """The verbs of `batch`, and their arguments."""
    verb.epilog = _EXAMPLES
    verb.formatter_class = argparse.RawDescriptionHelpFormatter
    text = f"the folder that has {SHELF}/ (default: the current one)"
    verb.add_argument("--dir", type=Path, default=Path("."), help=text)
    verbs = verb.add_subparsers(dest="batch_verb", metavar="VERB", required=True)
    create = verbs.add_parser("create", help="keep a sweep, or an init tree, as one zip")
    create.add_argument("source", type=Path, metavar="SPEC.toml", help="or a folder with init/")
    create.add_argument("-o", dest="name", metavar="NAME", required=True, help="its name")
    text = "files to bring home, such as '*.dat' (default: what the sweep says, or all)"
    create.add_argument("--outputs", nargs="+", metavar="PATTERN", default=[], help=text)
    create.add_argument("--yes", action="store_true", help="do not ask, however many jobs")
    listing = verbs.add_parser("list", help="all batches, the last submitted first")
    listing.add_argument("--json", action="store_true", help="for programs")
    submit = verbs.add_parser("submit", help="run a batch; asks before anything is sent")
    _name(submit)
    submit.add_argument("--yes", action="store_true", help="do not ask")
    submit.add_argument("--dry-run", action="store_true", help="show what would be sent where")
    add_settings(submit, without=OF_THE_CALL)
    state = verbs.add_parser("status", help="how far a batch is")
    state.add_argument("name", nargs="?", metavar="NAME", help="without it: list them all")
    _date(state)
    receive = verbs.add_parser("receive", help="bring outputs home and remove them there")
    _name(receive)
    _date(receive)
    receive.add_argument("--receive-path", type=Path, help="another folder for the outputs")
    receive.add_argument("--keep-remote", action="store_true", help="remove nothing there")
    analyse = verbs.add_parser("analyse", help="numbers of a sweep: a table, averages, pictures")
    _name(analyse)
    _date(analyse)
    analysing.add_arguments(analyse)
    cancel = verbs.add_parser("cancel", help="stop the monitor, and end all jobs")
    _name(cancel)
    _date(cancel)
    delete = verbs.add_parser("delete", help="remove a batch here and there, not what was received")
    _name(delete)
    delete.add_argument("--yes", action="store_true", help="do not ask")
    delete.add_argument("--keep-remote", action="store_true", help="remove nothing there")


def _name(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("name", metavar="NAME", help="of the batch")


def _date(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--run", metavar="DATE", help="one of its runs (default: the newest)")


def batch(arguments: argparse.Namespace, console: Console) -> int:
    """`jobauto batch VERB`."""
    return _VERBS[arguments.batch_verb](arguments, console)


def _shelf(arguments: argparse.Namespace) -> Path:
    return Path(arguments.dir) / SHELF


def _found(arguments: argparse.Namespace) -> Batch:
    return find(_shelf(arguments), arguments.name)


def create(arguments: argparse.Namespace, console: Console) -> int:
    """`batch create`."""
    source = arguments.source
    target = new(_shelf(arguments), arguments.name)
    if source.is_dir():
        contents = creating.of_tree(target, source, arguments.outputs, Clock().date())
        return _say_made(target, contents, console)
    found = plan(source)
    show.confirm_jobs(found.jobs, arguments.yes, console)
    return keep(target, found, console, arguments.outputs)


def keep(target: Batch, found: Plan, console: Console, outputs: Sequence[str] = ()) -> int:
    """Keep the jobs of a sweep as a batch, and say so."""
    contents = creating.of_sweep(target, found, outputs, Clock().date())
    return _say_made(target, contents, console)


def _say_made(target: Batch, contents: Contents, console: Console) -> int:
    size = decimal(target.file.stat().st_size)
    console.print(escape(f"{show.short(target.file)}: {contents.jobs} jobs, {size}"))
    console.print(escape(f"submit it with: jobauto batch submit {target.name}"))
    return DONE


def listed(shelf: Path) -> list[tuple[str, ...]]:
    """All batches as texts: name, jobs, times submitted, when last, state."""
    return [
        (
            row.name,
            "?" if row.jobs is None else str(row.jobs),
            str(row.submitted),
            row.last or "-",
            row.state,
        )
        for row in rows(shelf)
    ]


def list_all(arguments: argparse.Namespace, console: Console) -> int:
    """`batch list`."""
    if getattr(arguments, "json", False):
        print(json.dumps([asdict(row) for row in rows(_shelf(arguments))], indent=1))
        return DONE
    found = listed(_shelf(arguments))
    if not found:
        console.print("no batches here; make one: jobauto batch create SPEC.toml -o NAME")
        return DONE
    table = Table(*HEADS, box=None, pad_edge=False)
    for cells in found:
        table.add_row(*map(escape, cells))
    console.print(table)
    return DONE


def submit(arguments: argparse.Namespace, console: Console) -> int:
    """`batch submit`."""
    target = _found(arguments)
    given = {k: v for k, v in vars(arguments).items() if k in Settings.model_fields}
    given.pop("dry_run")
    chosen = sending.options(target, given)
    _show_plan(target, chosen, console)
    if arguments.dry_run:
        return DONE
    show.ask("submit?", arguments.yes, "nothing was sent", console)
    clock = Clock()
    run, host = sending.send(target, chosen, Runner(person=show.person_there()), clock)
    try:
        watched = sending.watch(run, clock)
    except UserError:
        host.close()
        raise
    who = f"watched by {watched}" if watched else "over already"
    console.print(escape(f"run {show.short(run.folder)}, {who}"))
    console.print(f"this terminal may be closed; see: jobauto batch status {target.name}")
    return DONE


def _show_plan(target: Batch, chosen: Settings, console: Console) -> None:
    contents, sizes = target.contents(), sending.sizes(target)
    where = "this machine" if chosen.remote == "local" else chosen.remote
    where += f", in {chosen.rdir}/<date>" if chosen.rdir else ""
    own = f"{sizes.own} file(s) of the jobs ({decimal(sizes.own_bytes)})"
    common = f"{sizes.shared} common file(s) ({decimal(sizes.shared_bytes)}), unless they are there"
    place = chosen.receive_path / target.name / "<date>"
    then = "kept" if chosen.keep_remote or not chosen.rdir else "removed when all is here"
    table = Table("", Column(overflow="fold"), box=None, pad_edge=False, show_header=False)
    table.add_row("batch", escape(f"{target.name}: {contents.jobs} jobs of {contents.source}"))
    table.add_row("sends", f"{own}, and {common}")
    table.add_row("to", escape(where))
    table.add_row("at most", f"{chosen.maxqsub} jobs in the queue (--maxqsub)")
    table.add_row("brings", escape(" ".join(contents.outputs)) or "all that the jobs write")
    table.add_row("into", escape(show.short(place)))
    table.add_row("there", then)
    console.print(table)


def status(arguments: argparse.Namespace, console: Console) -> int:
    """`batch status`."""
    if arguments.name is None:
        return list_all(arguments, console)
    target = _found(arguments)
    folder = target.run(arguments.run)
    console.print(escape(f"batch {target.name}, run {folder.name}: {state_of(folder)}\n"))
    found = status_of(folder)
    show.print_status(found, console)
    here = received(folder)
    if here:
        _say_received(here, console)
    return show.exit_code(found)


def receive(arguments: argparse.Namespace, console: Console) -> int:
    """`batch receive`: 0 all of it is here; what failed is told by status and analyse."""
    folder = _found(arguments).run(arguments.run)
    runner = Runner(person=show.person_there())
    path, keep = arguments.receive_path, arguments.keep_remote
    _say_received(ending.receive_run(folder, path, keep, runner, Clock()), console)
    return DONE


def _say_received(here: Received, console: Console) -> None:
    place = show.short(Path(here.place))
    what = f"received: {here.files} files, {decimal(here.size)}, in {place} ({here.date})"
    kept = f"kept on the remote: {here.kept}" if here.kept else "not yet removed on the remote"
    then = "removed on the remote" if here.removed else kept
    left = f"; {here.links} symbolic link(s) were left out" if here.links else ""
    console.print(escape(f"{what}; {then}{left}"))


def analyse(arguments: argparse.Namespace, console: Console) -> int:
    """`batch analyse`: 1 if a job did not finish or a number was not found."""
    target = _found(arguments)
    folder = target.run(arguments.run)
    here = received(folder)
    if here is None:
        hint = "a monitor does that at the end of the run; or: jobauto batch receive"
        raise UserError("nothing was received yet", str(folder), f"{hint} {target.name}")
    place = Path(here.place)
    if not (place / "sweep.csv").is_file():
        hint = "its table, sweep.csv, says which values the jobs had"
        raise UserError("only the batch of a sweep can be analysed", str(place), hint)
    states = analysing.states_of(status_of(folder))
    out = arguments.output or place.parent / f"analysis-{folder.name}"
    return analysing.analyse(place, place, states, out, console, arguments.json)


def cancel(arguments: argparse.Namespace, console: Console) -> int:
    """`batch cancel`."""
    folder = _found(arguments).run(arguments.run)
    return show.print_killed(
        killing.kill(folder, Runner(person=show.person_there()), Clock()), console
    )


def delete(arguments: argparse.Namespace, console: Console) -> int:
    """`batch delete`."""
    target = _found(arguments)
    there = [] if arguments.keep_remote else ending.leftovers(target)
    console.print(escape(f"{show.short(target.file)}, with {len(target.runs())} runs here"))
    for folder in there:
        console.print(escape(f"and on the remote the folder of {folder.name}: {state_of(folder)}"))
    show.ask("delete?", arguments.yes, "nothing was deleted", console)
    ending.delete(target, arguments.keep_remote, Runner(person=show.person_there()), Clock())
    console.print(escape(f"deleted {shown(target.name)}; what was received stays"))
    return DONE


_VERBS: dict[str, Callable[[argparse.Namespace, Console], int]] = {
    "create": create,
    "list": list_all,
    "submit": submit,
    "status": status,
    "receive": receive,
    "analyse": analyse,
    "cancel": cancel,
    "delete": delete,
}
