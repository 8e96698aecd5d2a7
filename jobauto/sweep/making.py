"""The tree of a sweep: all of it is made, or nothing."""

from __future__ import annotations

import csv
import shutil
import tempfile
from pathlib import Path

from jobauto import templates
from jobauto.errors import UserError
from jobauto.sweep.about import FILE, about, as_text
from jobauto.sweep.planning import Plan, own_entries
from jobauto.sweep.points import Point
from jobauto.sweep.putting import put
from jobauto.templates import Instantiated, Texts

TABLE, COPY = "sweep.csv", "sweep.toml"


def make(plan: Plan, ldir: Path) -> Instantiated:
    """Make `ldir`/init, or add to it: job folders, shared folders, what tells of the sweep."""
    with templates.building(plan.template, ldir) as built:
        for name, point in plan.folders.items():
            _job_folder(plan, built / name, point)
        for folder, point in plan.shared.values():
            _build(plan, [folder], built, point)
        (built / COPY).write_text(plan.text, encoding="utf-8")
        told = as_text(about(plan.spec, plan.variables))
        (built / FILE).write_text(told, encoding="utf-8")
        _write_table(plan, built / TABLE)
        return Instantiated(ldir / "init", templates.place(built, ldir / "init"), plan.jobs)


def try_one(plan: Plan) -> None:
    """Make the first job folder elsewhere, and remove it: UserError for what cannot be made."""
    try:
        with tempfile.TemporaryDirectory() as temporary:
            _job_folder(plan, Path(temporary, "job"), next(iter(plan.folders.values())))
    except OSError as error:
        raise UserError(f"cannot be read: {error.strerror}", str(error.filename)) from None


def _job_folder(plan: Plan, folder: Path, point: Point) -> None:
    folder.mkdir()
    _build(plan, own_entries(plan.template), folder, point)
    if plan.template.main_file:
        name = templates.filled(plan.spec.main_file, point.texts())
        shutil.copyfile(plan.file.parent / name, folder / plan.template.main_file)


def _build(plan: Plan, entries: list[Path], target: Path, point: Point) -> None:
    def change(file: Path, text: str, _: Texts) -> str:
        for variable, key in plan.puts.get(file, {}).items():
            text = put(str(file), text, key, point.values[variable])
        return text

    templates.build(entries, target, point.texts(), change)


def _write_table(plan: Plan, file: Path) -> None:
    with file.open("x", encoding="utf-8", newline="") as opened:
        table = csv.writer(opened, lineterminator="\n")
        table.writerow(["name", *plan.variables, "repeat"])
        for name, point in plan.folders.items():
            texts = point.texts()
            table.writerow([name, *(texts[key] for key in plan.variables), texts["repeat"]])
