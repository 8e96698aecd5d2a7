"""New batches: of a sweep, or of an init tree that is there."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from jobauto.batches.batch import Batch
from jobauto.batches.contents import Contents
from jobauto.batches.packing import pack
from jobauto.errors import UserError
from jobauto.sweep.making import make
from jobauto.sweep.planning import Plan


def of_sweep(batch: Batch, plan: Plan, outputs: Sequence[str], date: str) -> Contents:
    """Make the jobs of a sweep, and keep them as a batch; its own `outputs` if none are given."""
    outputs = outputs or plan.spec.outputs or plan.template.outputs
    try:
        batch.shelf.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{batch.name}-", dir=batch.shelf) as temporary:
            made = make(plan, Path(temporary, "L"))
            return pack(made.init, batch.file, date, plan.template.name, outputs, list(plan.shared))
    except OSError as error:
        raise _cannot(batch, error) from error


def of_tree(batch: Batch, folder: Path, outputs: Sequence[str], date: str) -> Contents:
    """Keep an init tree as a batch: that of a project, or a folder of job folders itself."""
    tree = folder / "init" if (folder / "init").is_dir() else folder
    try:
        return pack(tree, batch.file, date, tree.absolute().parent.name, outputs, ())
    except OSError as error:
        raise _cannot(batch, error) from error


def _cannot(batch: Batch, error: OSError) -> UserError:
    what = f"the batch cannot be made: {error.strerror or error}"
    return UserError(what, str(error.filename or batch.file))
