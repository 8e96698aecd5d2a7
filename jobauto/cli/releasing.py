"""`task release`: a person ends claims whose monitor is lost."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from jobauto.actions.why import full
from jobauto.claims import Holder, Record, Task, held
from jobauto.claims.tables import HELD
from jobauto.cli import opening, show, tasklists
from jobauto.errors import DONE, SOME_FAILED, UserError, near, raise_all
from jobauto.quoting import shown
from jobauto.report.times import clock

_TWICE = (
    "If one of these jobs is still in a queue there, it will run twice: make sure that it is not,\n"
    "and that the monitor which handed it in has ended."
)


def release(arguments: argparse.Namespace, console: Console) -> int:
    """`task release`: 1 if some could not be released."""
    database = opening.existing(arguments)
    name = tasklists.named(database, arguments.name)
    person = arguments.person or database.person
    every = held(database, name)
    found = chosen(every, person, arguments.site, arguments.run, arguments.jobs)
    console.print(escape(f"{shown(person)} holds in task {shown(name)}:"))
    _show(found if arguments.dry_run else found[: show.LISTED], console)
    if len(found) > show.LISTED and not arguments.dry_run:
        console.print(f"... and {len(found) - show.LISTED} more; see: --dry-run")
    console.print(f"\n{_TWICE}")
    if arguments.dry_run:
        return DONE
    question = f"release {len(found)} job(s)?"
    show.confirm(question, arguments.yes, console, otherwise="nothing was released")
    task = Task(database, name, Holder(database.person, "", ""))
    freed = task.release(person, [one.name for one in found], [one.token for one in found])
    console.print(f"released {len(freed)} job(s): whoever has room takes them")
    return _say_kept([one.name for one in found if one.name not in set(freed)], console)


def _say_kept(kept: Sequence[str], console: Console) -> int:
    for name in kept[: show.LISTED]:
        console.print(escape(f"{shown(name)} was not released: its claim is another one by now"))
    if len(kept) > show.LISTED:
        console.print(f"... and {len(kept) - show.LISTED} more")
    return SOME_FAILED if kept else DONE


def chosen(
    every: Sequence[Record],
    person: str,
    site: str | None,
    run: str | None,
    wanted: Sequence[str],
) -> list[Record]:
    """Those of the jobs that are held which are meant; UserError if there are none.

    `wanted`: names, patterns, words of states, `all`; none: all of this person, site and run.
    """
    fitting = {
        one.name: one
        for one in every
        if one.person == person and site in (None, one.site) and run in (None, one.run)
    }
    if not fitting:
        where = "".join(f", {k} {shown(v)}" for k, v in (("site", site), ("run", run)) if v)
        raise UserError(f"nothing is held by {shown(person)}{where}", hint=_others(every))
    names, problems = dict[str, None](), list[UserError]()
    for text in wanted or ["all"]:
        try:
            names |= dict.fromkeys(_named(fitting, text))
        except UserError as error:
            problems.append(error)
    raise_all(problems)
    return [fitting[name] for name in names]


def _others(every: Iterable[Record]) -> str:
    """Who holds what, as a hint."""
    counts: dict[str, int] = {}
    for one in every:
        who = f"--person {shown(one.person)} --site {shown(one.site)} --run {shown(one.run)}"
        counts[who] = counts.get(who, 0) + 1
    lines = [f"{number} job(s): {who}" for who, number in sorted(counts.items())]
    return "\n     ".join(lines[: show.LISTED]) or "nobody holds a job of this task"


def _named(fitting: Mapping[str, Record], text: str) -> Iterable[str]:
    if text == "all":
        return fitting
    if text in HELD:
        names = [name for name, one in fitting.items() if one.state == text]
    elif any(c in text for c in "*?["):
        names = [name for name in fitting if fnmatchcase(name, text)]
    else:
        names = [name for name in (text, full(text)) if name in fitting][:1]
    if not names:
        raise UserError(f"nothing that is held is {shown(text)}", hint=shown(near(text, fitting)))
    return names


def _show(found: Iterable[Record], console: Console) -> None:
    """A table that needs no more than 80 columns."""
    heads = [Column(head, overflow="fold") for head in ("job", "state", "site", "run", "JOBID")]
    table = Table(*heads, Column("since", no_wrap=True), box=None, pad_edge=False)
    for one in found:
        cells = (one.name, one.state, one.site, one.run, one.jobid or "-")
        since = clock(one.submitted or one.taken)[:16]
        table.add_row(*(escape(shown(cell)) for cell in cells), since)
    console.print(table)
