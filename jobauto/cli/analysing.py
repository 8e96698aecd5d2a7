"""`jobauto analyse`: counts, what is missing and why, averages by variable, and files."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from jobauto.actions.status import Status, status
from jobauto.analysis import pictures, tables, writing
from jobauto.analysis.axes import label
from jobauto.analysis.collecting import GOOD, Results, collect
from jobauto.analysis.summary import Average, by_variable, strange
from jobauto.cli import show
from jobauto.cli.choosing import chosen_run
from jobauto.errors import DONE, SOME_FAILED
from jobauto.quoting import shown
from jobauto.report.theme import ORDER

BESIDE = 3  # metrics beside one another, so that 80 columns are enough
_TEACHES = """\
What is collected and drawn stands in sweep.toml, as [metrics.NAME] and [[plots]]: the file that
jobauto sweep was given, copied into the run. More may be added there later.

  table.csv, table.parquet   a row for each job: variables, state, numbers, what was wrong
  summary.csv                a row for each point: mean, standard deviation and error of repeats
  *.png, *.svg               the pictures

Numbers of jobs that failed stand in the table, but count in no average and no picture.
Exit code 1: a job did not finish, or a number was not found.
"""


def add_arguments(verb: argparse.ArgumentParser) -> None:
    """What follows the name of what is analysed."""
    verb.epilog = _TEACHES
    text = "where to write (default: analysis-<date> beside the run)"
    verb.add_argument("-o", "--output", type=Path, metavar="DIR", help=text)
    verb.add_argument("--json", action="store_true", help="for programs")


def analyse(arguments: argparse.Namespace, console: Console) -> int:
    """`jobauto analyse`: of a sweep that ran as one run."""
    folder = chosen_run(arguments.run)
    out = arguments.output or folder.parent / f"analysis-{folder.name}"
    return write(folder, folder, states_of(status(folder)), out, console, arguments.json)


def write(
    source: Path,
    results: Path,
    states: Mapping[str, str],
    out: Path,
    console: Console,
    as_json: bool = False,
) -> int:
    """Write table, summary and pictures into `out`, and print what is in them.

    `source` has the files of the sweep, `results` a folder for each name, `states` their states.
    """
    found = collect(source, results, states)
    writing.folder(out)
    written = [*tables.write(found, out), *pictures.write(found, out)]
    if as_json:
        print(json.dumps(_data(found, written), indent=1))
    else:
        _print(found, written, console)
    return SOME_FAILED if found.missing() else DONE


def states_of(status: Status) -> dict[str, str]:
    """The state of each folder of a run: of its jobs' states the one that most needs a person."""
    worst: dict[str, int] = {}
    for name, state in status.states.items():
        folder = name.partition("/")[0]
        worst[folder] = min(worst.get(folder, len(ORDER)), ORDER.index(state))
    return {folder: ORDER[at].word for folder, at in worst.items()}


def _data(found: Results, written: Sequence[Path]) -> dict[str, object]:
    missing = [{"name": r.name, "state": r.state, "why": r.why} for r in found.missing()]
    return {
        "counts": found.counts(),
        "missing": missing,
        "summary": list(tables.as_data(found)),
        "files": [str(path) for path in written],
    }


def _print(found: Results, written: Sequence[Path], console: Console) -> None:
    counts = ", ".join(f"{number} {state}" for state, number in found.counts().items())
    console.print(escape(f"{len(found.rows)} jobs: {counts}"))
    _print_missing(found, console)
    for variable in found.varied:
        _print_summary(found, variable, console)
    if found.varied:
        console.print("\n±: standard deviation of repeats; (n): only n jobs count")
    for name, number in strange(found).items():
        console.print(escape(f"{name}: {number} numbers are not finite, and so are their means"))
    aside = sum(not row.good and set(row.numbers.values()) != {None} for row in found.rows)
    if aside:
        said = f"numbers of {aside} jobs that did not finish are in {tables.TABLE}, in no average"
        console.print(escape(said))
    for path in written:
        console.print(escape(show.short(path.absolute())))


def _print_missing(found: Results, console: Console) -> None:
    missing = found.missing()
    if not missing:
        return
    lacking = sum(row.state in GOOD for row in missing)
    said = f", {lacking} of them finished without a number" if lacking else ""
    console.print(f"{len(missing)} missing{said}:")
    for row in missing[: show.LISTED]:
        console.print(escape(f"  {shown(row.name)}: {row.why}"))
    if len(missing) > show.LISTED:
        console.print(f"  ... and {len(missing) - show.LISTED} more: see why in {tables.TABLE}")


def _print_summary(found: Results, variable: str, console: Console) -> None:
    lines = by_variable(found, variable)
    names = list(found.metrics)
    for begin in range(0, len(names), BESIDE):
        some = names[begin : begin + BESIDE]
        heads = [label(name, found.metrics[name].unit) for name in some]
        first = Column(escape(label(variable, found.about[variable].unit)), overflow="fold")
        columns = [Column(escape(head), justify="right", overflow="fold") for head in heads]
        table = Table(first, Column("jobs", justify="right"), *columns, box=None, pad_edge=False)
        for line in lines[: show.LISTED]:
            cells = [_said(line.averages[name], line.jobs) for name in some]
            table.add_row(escape(shown(line.key[0])), str(line.jobs), *cells)
        console.print()
        console.print(table)
        if len(lines) > show.LISTED:
            console.print(f"... and {len(lines) - show.LISTED} more")


def _said(one: Average, jobs: int) -> str:
    return _mean(one) + (f" ({one.used})" if 0 < one.used < jobs else "")


def _mean(one: Average) -> str:
    """A mean with as many digits as its spread allows: `-3.41 ± 0.02`."""
    if one.mean is None:
        return "-"
    if one.sd is None or not one.sd or not math.isfinite(one.sd) or not math.isfinite(one.mean):
        return f"{one.mean:.6g}" if one.sd is None else f"{one.mean:.6g} ± {one.sd:.2g}"
    digits = 1 - math.floor(math.log10(one.sd))
    if 0 <= digits <= 6 and abs(one.mean) < 1e7:
        return f"{one.mean:.{digits}f} ± {one.sd:.{digits}f}"
    return f"{one.mean:.6g} ± {one.sd:.2g}"
