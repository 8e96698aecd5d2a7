"""`jobauto report`: pictures, pages and tables of a run."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from jobauto import report as reports
from jobauto.cli import show
from jobauto.cli.choosing import chosen_run
from jobauto.errors import DONE, UserError

_TEACHES = """\
The end of FILE's name says what is made:
  .html   one page that opens offline: counts, failures with the end of their output, timeline,
          slots over time, waiting and running by stage, graph, all jobs
  .svg    the timeline alone, for a talk
  .csv    a row a job, for a spreadsheet or pandas
  .json   the same, with every attempt and the slots over time
  .dot    the dependency graph with states, for Graphviz: dot -Tpdf graph.dot -o graph.pdf
  .mmd    the same for Mermaid; by stage if there are more than 60 jobs

It reads the files of the run folder and asks nobody, so it works while the run goes on, and years
later. A job began to run in the first look in which the queue said so: times are as fine as the
looks. Of a job that no look saw run, only waiting and running together is known, `in the queue`.

examples:
  jobauto report si -o si.html
  jobauto report si/20261120_231500 -o run.html -o timeline.svg -o jobs.csv
"""


def add_arguments(verb: argparse.ArgumentParser) -> None:
    """What follows `jobauto report RUN`."""
    verb.epilog = _TEACHES
    text = "where to write, again for more than one"
    verb.add_argument("-o", "--output", action="append", type=Path, metavar="FILE", help=text)


def report(arguments: argparse.Namespace, console: Console) -> int:
    """`jobauto report`: writes each file, or none if one name has an unknown ending."""
    folder, outputs = chosen_run(arguments.run), arguments.output
    if not outputs:
        hint = f"name one, such as: -o {show.short(folder / 'report.html')}"
        raise UserError("no file to write", hint=hint)
    for path in outputs:
        reports.check(path)
    found = reports.gather(folder)
    for path in outputs:
        reports.write(found, path)
        console.print(escape(f"{show.short(path.absolute())}: {path.stat().st_size} bytes"))
    return DONE
