"""The dependency graph in layers: of jobs where they are few, else of stages (ids)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from statistics import median_low
from typing import TYPE_CHECKING

from jobauto.model import State
from jobauto.report.gather import Report

if TYPE_CHECKING:
    import networkx as nx

MOST_JOBS = 60  # in a drawing by job
MOST_STAGES = 60


@dataclass(frozen=True, slots=True)
class Node:
    """A job or a stage: its name, how many jobs are in each state, and where it is drawn."""

    name: str
    counts: Counter[State]
    column: int
    row: int


@dataclass(frozen=True, slots=True)
class Layers:
    """Nodes by key, and edges from what is needed to what needs it, with how many they are."""

    nodes: dict[str, Node] = field(default_factory=dict)
    edges: dict[tuple[str, str], int] = field(default_factory=dict)


def by_job(report: Report) -> Layers:
    """Each job; the jobs of a folder lie side by side."""
    depth = depths(report.graph.edges)
    folders: dict[str, list[str]] = {}
    for row in report.rows:
        folders.setdefault(row.job.folder, []).append(row.job.name)
    made = Layers()
    top = 0
    for names in folders.values():
        used: Counter[int] = Counter()
        for name in sorted(names, key=lambda n: (depth.get(n, 0), n)):
            column = depth.get(name, 0)
            counts = Counter([report.status.states[name]])
            made.nodes[name] = Node(name, counts, column, top + used[column])
            used[column] += 1
        top += max(used.values())
    made.edges.update(dict.fromkeys(report.graph.edges.edges, 1))
    return made


def by_stage(report: Report) -> Layers:
    """All jobs with the same id together."""
    columns = stage_depths(report)
    stages: dict[str, Counter[State]] = {}
    for row in report.rows:
        stages.setdefault(row.job.id, Counter())[row.state] += 1
    used: Counter[int] = Counter()
    made = Layers()
    # a column that no stage has is left out
    places = {column: n for n, column in enumerate(sorted(set(columns.values())))}
    for stage in sorted(stages, key=lambda s: (columns[s], s)):
        column = places[columns[stage]]
        made.nodes[stage] = Node(stage, stages[stage], column, used[column])
        used[column] += 1
    jobs = report.graph.jobs
    made.edges.update(Counter((jobs[a].id, jobs[b].id) for a, b in report.graph.edges.edges))
    return made


def layers(report: Report) -> Layers:
    """By job if that can be read, else by stage."""
    return by_job(report) if len(report.rows) <= MOST_JOBS else by_stage(report)


def stage_depths(report: Report) -> dict[str, int]:
    """How many jobs come before those with an id: the median, as some folders are different."""
    depth = depths(report.graph.edges)
    found: dict[str, list[int]] = {}
    for row in report.rows:
        found.setdefault(row.job.id, []).append(depth.get(row.job.name, 0))
    return {stage: median_low(many) for stage, many in found.items()}


def depths(edges: nx.DiGraph[str]) -> dict[str, int]:
    """How many jobs come before each, one after the other; those in a circle count as one."""
    import networkx as nx  # as in graph.py

    knots = nx.condensation(edges)
    depth: dict[int, int] = {}
    for knot in nx.topological_sort(knots):
        before: Iterable[int] = knots.predecessors(knot)
        depth[knot] = max((depth[b] + 1 for b in before), default=0)
    return {name: depth[knot] for knot in knots for name in knots.nodes[knot]["members"]}
