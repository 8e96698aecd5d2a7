"""The init trees of the random histories, each made once and used by many of them."""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trees import create

from jobauto import run as runs
from jobauto import tree
from jobauto.model import Job
from jobauto.settings import Settings

CHAIN = ["a", "it's odd/$(touch x)", "-dash"]
Needs = dict[str, list[str]]  # job -> the lines of its dependency file


def chains() -> Needs:
    """Three jobs one after the other, in folders with odd names."""
    needs: Needs = {}
    for folder in CHAIN:
        needs |= {f"{folder}/qsub.{n}": [f"qsub.finished.{n - 1}"] if n else [] for n in range(3)}
    return needs


MID = {"c;d/mid": "c;d/qsub.0"}


def across() -> Needs:
    """Jobs that wait for other folders, and for a file that a job writes in mid-run."""
    return {
        "a b/qsub.lda": [],
        "a b/qsub.gw": ["qsub.finished.lda"],
        "c;d/qsub.0": ["../a b/qsub.finished.lda"],
        "c;d/qsub.1": ["mid", "../a b/qsub.finished.gw"],
        "qsub.all": ["c;d/qsub.finished.0", "c;d/qsub.finished.1"],
        "é#/qsub.0": [],
    }


def single() -> Needs:
    """Jobs that need nothing."""
    return {f"m{n} & co/qsub.0": [] for n in range(5)}


@dataclass
class Tree:
    """One init tree, made once and used by many histories."""

    folder: Path
    needs: Needs
    memory: bytes  # of run.json
    scanned: tree.Tree

    @classmethod
    def make(cls, base: Path, needs: Needs) -> Tree:
        init = base / "init"
        for name, lines in needs.items():
            job = Job.from_name(name)
            (init / name).parent.mkdir(parents=True, exist_ok=True)
            (init / name).write_text("#!/bin/sh\n")
            (init / job.dependency).write_text("".join(f"{line}\n" for line in lines))
        chosen = Settings.model_construct(**{**defaults(), "ldir": base})
        found, _, _ = runs.check(init)
        run = runs.plan(chosen, base / "20270115_080000")
        run.settings = {}  # short, as it is written often
        run.id, run.scheduler, run.rdir = "5eed", "slurm", "/remote/it's a run/$(date)"
        create(chosen, run, found)
        memory = (run.private / "run.json").read_bytes()
        return cls(run.folder, needs, memory, tree.scan(run.folder))

    def scan(self) -> tree.Tree:
        """What tree.scan finds; in a history only markers come and go."""
        was = self.scanned
        markers = {
            j.marker for j in was.jobs.values() if (os.path.exists(f"{self.folder}/{j.marker}"))
        }
        return tree.Tree(dict(was.jobs), dict(was.scripts), dict(was.dependencies), markers, [])

    def reset(self, scheduler: str) -> None:
        """As it was before the first history, on a cluster with this scheduler."""
        own = [entry.path for entry in os.scandir(self.folder) if entry.is_file()]
        own += [entry.path for entry in os.scandir(self.folder / ".jobauto") if entry.is_file()]
        mine = {str(self.folder / Job.from_name(name).name) for name in self.needs}
        mine |= {str(self.folder / Job.from_name(name).dependency) for name in self.needs}
        for path in set(own) - mine:
            os.unlink(path)
        for name in self.needs:
            (self.folder / Job.from_name(name).marker).unlink(missing_ok=True)
        (self.folder / ".jobauto" / "run.json").write_bytes(
            self.memory.replace(b'"scheduler": "slurm"', f'"scheduler": "{scheduler}"'.encode())
        )

    def files(self) -> Needs:
        """Job to the files of the run that it needs."""
        return {
            name: [os.path.normpath(os.path.join(os.path.dirname(name), line)) for line in lines]
            for name, lines in self.needs.items()
        }


@functools.cache
def defaults() -> dict[str, Any]:
    """The options as they are when nothing is said."""
    fields = Settings.model_fields.items()
    return {n: f.get_default(call_default_factory=True) for n, f in fields if not f.is_required()}


SHAPES = (chains, across, single)
