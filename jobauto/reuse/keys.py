"""Keys: one word for all that a job's result depends on.

A job has a key if it has a file `qsub.inputs.<id>`, and everything that it waits for has one, too.
Names count as seen from the job's folder, so that the same job elsewhere has the same key.
"""

from __future__ import annotations

import contextlib
import glob
import hashlib
import json
import os
import posixpath
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from jobauto.errors import UserError
from jobauto.graph import Graph
from jobauto.ledger.files import sha256
from jobauto.model import Job
from jobauto.quoting import decoded, encoded, shown

SCRIPT = "its script"  # the part that always counts
Text = Callable[[Job], str]
_LISTS = ("qsub.inputs.", "qsub.outputs.")


@dataclass(frozen=True, slots=True)
class Key:
    """The word, and a hash of each part that is in it, by name."""

    word: str
    parts: Mapping[str, str]

    @classmethod
    def of(cls, parts: Mapping[str, str]) -> Key:
        """The key of these parts, in whatever order."""
        return cls(_hash(json.dumps(sorted(parts.items())).encode()), dict(parts))

    def changed(self, before: Mapping[str, str]) -> list[str]:
        """The parts that are others, new or gone, compared with those of an earlier key."""
        names = self.parts.keys() | before.keys()
        return sorted(name for name in names if self.parts.get(name) != before.get(name))


@dataclass(frozen=True, slots=True)
class Keys:
    """Keys by job; why others that have inputs have none; and mistakes in the lists of inputs."""

    found: Mapping[str, Key]
    without: Mapping[str, str]
    problems: list[UserError]


def keys(root: Path, graph: Graph, text: Text) -> Keys:
    """The keys of all jobs of the tree below `root`; `text` gives a script as far as it counts."""
    found: dict[str, Key] = {}
    without: dict[str, str] = {}
    problems: list[UserError] = []
    if not _has_lists(root, {job.folder for job in graph.jobs.values()}):
        return Keys(found, without, problems)
    for name in _order(graph):
        job = graph.jobs[name]
        problems += _wrong_outputs(root, job)
        patterns = listed(root, job.inputs)
        if patterns is None or job.marker in graph.present:
            continue
        keyless = sorted(n for n in graph.edges.predecessors(name) if n not in found)
        if keyless:
            without[name] = f"{shown(keyless[0])}, which it needs, has no key"
            continue
        files, wrong = _matched(root, graph, job, patterns)
        problems += wrong
        parts = {SCRIPT: text_hash(text(job))}
        parts |= {_seen(job, file): sha256(root / file) for file in sorted(files)}
        for maker in graph.edges.predecessors(name):
            parts[_seen(job, maker)] = found[maker].word
        found[name] = Key.of(parts)
    return Keys(found, without, problems)


def _has_lists(root: Path, folders: Iterable[str]) -> bool:
    """Whether there is any list at all: most trees have none, and are looked through quickly."""
    for folder in folders:
        with contextlib.suppress(OSError):
            if any(name.startswith(_LISTS) for name in os.listdir(f"{root}/{folder}")):
                return True
    return False


def _order(graph: Graph) -> Iterator[str]:
    """Jobs, each behind those that it needs; what is done already needs none. None at all if they
    need one another in a circle, of which others complain."""

    def counts(_maker: str, user: str) -> bool:
        return graph.jobs[user].marker not in graph.present

    import networkx as nx  # as in graph.py

    edges = nx.subgraph_view(graph.edges, filter_edge=counts)
    return nx.topological_sort(edges) if nx.is_directed_acyclic_graph(edges) else iter(())


def listed(root: Path, file: str) -> list[tuple[int, str]] | None:
    """The entries of a list, one a line, with their line numbers; None if there is no such file."""
    try:
        text = decoded((root / file).read_bytes())
    except OSError:
        return None
    lines = ((number, line.strip()) for number, line in enumerate(text.split("\n"), 1))
    return [(number, line) for number, line in lines if line and not line.startswith("#")]


def _matched(
    root: Path, graph: Graph, job: Job, patterns: list[tuple[int, str]]
) -> tuple[set[str], list[UserError]]:
    """Files of the tree that are named, or that the job waits for and no job makes."""
    waits = {need.file for need in graph.needs.get(job.name, []) if not need.absent}
    files = {file for file in waits - graph.makers.keys() if (root / file).is_file()}
    problems = []
    for line, pattern in patterns:
        if problem := _leaves(job, pattern, f"{shown(job.inputs)}:{line}"):
            problems.append(problem)
            continue
        here = set(_below(root, job.folder, pattern))
        if not here and not glob.has_magic(pattern) and not _made(graph, job):
            hint = "correct the name; what jobs make counts by their own keys"
            what = f"there is no file {shown(pattern)}"
            problems.append(UserError(what, f"{shown(job.inputs)}:{line}", hint))
        files |= here
    return files, problems


def _leaves(job: Job, name: str, where: str) -> UserError | None:
    place = posixpath.normpath(posixpath.join(job.folder, name))
    if not (name.startswith("/") or place == ".." or place.startswith("../")):
        return None
    hint = "name files relative to the job's folder, inside the tree"
    return UserError(f"{shown(name)} leaves the run folder", where, hint)


def _wrong_outputs(root: Path, job: Job) -> Iterator[UserError]:
    for line, name in listed(root, job.outputs) or []:
        where = f"{shown(job.outputs)}:{line}"
        if problem := _leaves(job, name, where):
            yield problem
        elif glob.has_magic(name):
            what = f"{shown(name)} is a pattern"
            yield UserError(what, where, "name each output, so that a missing one is found out")


def edited(root: Path, graph: Graph, job: Job, key: Key) -> list[str]:
    """What is not as in the key any more: input files below `root`, and which jobs it needs."""
    makers = {_seen(job, maker) for maker in graph.edges.predecessors(job.name)}
    files = key.parts.keys() - makers - {SCRIPT}
    changed = {file for file in files if sha256(root / job.folder / file) != key.parts[file]}
    return sorted(changed | makers - key.parts.keys())


def _below(root: Path, folder: str, pattern: str) -> Iterator[str]:
    """Files that fit, as paths below `root`; those of jobs and of the monitor are none."""
    base = root / folder
    for found in glob.iglob(pattern, root_dir=base, recursive=True):
        if (base / found).is_file() and not posixpath.basename(found).startswith("qsub."):
            yield posixpath.normpath(posixpath.join(folder, found))


def _made(graph: Graph, job: Job) -> bool:
    """Whether jobs run before this one, and so may make what it reads."""
    return graph.edges.in_degree(job.name) > 0


def _seen(job: Job, path: str) -> str:
    return posixpath.relpath(path, job.folder or ".")


def text_hash(script: str) -> str:
    """What stands in a key for the text of a script."""
    return _hash(encoded(script))


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
