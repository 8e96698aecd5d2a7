"""A run as a picture, a page or a table, from the files of its folder alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from jobauto.errors import UserError
from jobauto.ledger import files
from jobauto.report.gather import Report, gather
from jobauto.report.graphs import as_dot, as_mermaid
from jobauto.report.markup import as_html, as_xml
from jobauto.report.page import page
from jobauto.report.tables import as_csv, as_json
from jobauto.report.timeline import as_file

__all__ = ["FORMATS", "Report", "gather", "text", "write"]

FORMATS: dict[str, Callable[[Report], str]] = {
    ".html": lambda report: as_html(page(report)),
    ".svg": lambda report: as_xml(as_file(report)),
    ".csv": as_csv,
    ".json": as_json,
    ".dot": as_dot,
    ".mmd": as_mermaid,
}


def check(path: Path) -> None:
    """Raise UserError if the end of the name is not that of a known format."""
    if path.suffix.lower() not in FORMATS:
        what = f"no format {path.suffix or 'without an ending'}"
        raise UserError(what, str(path), "known: " + " ".join(FORMATS))


def text(report: Report, path: Path) -> str:
    """The report in the format that the name of the file asks for."""
    check(path)
    return FORMATS[path.suffix.lower()](report)


def write(report: Report, path: Path) -> None:
    """Write the report; the file appears whole or not at all."""
    try:
        files.replace(path, text(report, path), durable=False)
    except OSError as error:
        raise UserError(f"cannot be written: {error.strerror or error}", str(path)) from error
