"""The tree of a plan: all of it is made, or nothing."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from jobauto import sources, templates
from jobauto.errors import UserError
from jobauto.quoting import literal, shown
from jobauto.steps import holes
from jobauto.steps.folders import Folder, Todo
from jobauto.steps.held import address_word
from jobauto.steps.planning import Plan, Turn

SERVICE = "service.toml"
_TOP = "../../"  # from a job's folder to that of the tree


def make(plan: Plan, service: Path, jobs: Path, ldir: Path) -> Path:
    """Make LDIR/init of the folders in `jobs`; UserError, and nothing is made, if it is there."""
    init = ldir / "init"
    if init.exists():
        raise UserError("it is there already", shown(str(init)), "choose another --ldir")
    try:
        ldir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".init-", dir=ldir) as temporary:
            built = Path(temporary)
            shutil.copyfile(service, built / SERVICE)
            for model, turns in plan.models.items():
                digits = len(str(len(turns)))
                for number, turn in enumerate(turns, 1):
                    target = built / model / f"{number:0{digits}d}-{turn.folder.name}"
                    target.mkdir(parents=True)
                    _fill(plan, model, turn, jobs / turn.folder.name, target)
            templates.place(built, init)
    except OSError as error:
        what = f"the init tree cannot be made: {error.strerror or error}"
        raise UserError(what, str(error.filename or ldir)) from error
    return init


def _fill(plan: Plan, model: str, turn: Turn, source: Path, target: Path) -> None:
    for todo in turn.folder.steps.values():
        shutil.copyfile(source / todo.file, target / todo.file)
        for name, text in _texts(plan, model, turn.folder, todo).items():
            (target / f"qsub.{name}").write_text(text, encoding="utf-8")


def _texts(plan: Plan, model: str, folder: Folder, todo: Todo) -> dict[str, str]:
    """The files of a job behind `qsub.`, and what is in them."""
    needs = [f"qsub.finished.{before.id}" for before in folder.after(plan.service, todo)]
    files = {
        todo.id: script(folder, todo, plan.skip),
        f"dependency.{todo.id}": _lines(needs),
        f"resources.{todo.id}": f"keep = {token(plan, model)}\n",
    }
    if plan.skip:
        outputs = [
            holes.filled(one.to, {"step": todo.id})
            for one in plan.service.steps[todo.step].download
        ]
        files[f"inputs.{todo.id}"] = _lines([todo.file, f"{_TOP}{SERVICE}"])
        files[f"outputs.{todo.id}"] = _lines(outputs)
    return files


def script(folder: Folder, todo: Todo, skip: bool) -> str:
    """The script of a job. It names its folder, so that no two have the same key, else one could
    be taken over out of turn; but not its model, which may be another one next time."""
    words = [sys.executable, "-m", "jobauto", "step", "--service", f"{_TOP}{SERVICE}"]
    words += [*([] if skip else ["--no-skip"]), "--job", folder.name, todo.id]
    return f"#!/bin/sh\n{' '.join(map(literal, words))} && : >qsub.finished.{todo.id}\n"


def token(plan: Plan, model: str) -> str:
    """What a folder keeps as long as it is at work on a model."""
    return f"model:{address_word(plan.service)}-{model}"


def _lines(words: list[str]) -> str:
    return "".join(f"{word}\n" for word in words)


def settle(plan: Plan, ldir: Path) -> str:
    """Write what such a run wants to LDIR/jobmon.toml; if there is one, what is to be added."""
    return sources.settle(ldir, {"scheduler": "local", "interval": 2, "maxqsub": len(plan.models)})


def copy_template(target: Path) -> None:
    """A copy of the template gi, to be edited; UserError if anything is there already."""
    source = templates.find("gi").folder
    try:
        shutil.copytree(source, target, ignore=shutil.ignore_patterns(templates.FILE))
    except (OSError, shutil.Error) as error:
        what = f"cannot be made: {getattr(error, 'strerror', None) or error}"
        raise UserError(what, shown(str(target))) from None
