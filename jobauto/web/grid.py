"""All jobs at once: folders by ids, a cell a job."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from jobauto.graph import Graph
from jobauto.model import Queued, State
from jobauto.report.layers import depths
from jobauto.report.theme import FILL, ORDER, SIGN
from jobauto.web.snapshot import Snapshot

RUNNING = "running"  # the one kind of `started` that has a cell of its own
_NUMBERS = re.compile(r"(\d+)")

Data = dict[str, Any]


def cell(at: Snapshot, name: str) -> str:
    """The word of a job's cell: its state, or `running` where the queue says so."""
    state = at.status.states[name]
    if state is State.STARTED:
        entry = at.status.entries.get(name)
        line = at.status.queue.get(entry.jobid) if entry else None
        if line and line.state is Queued.RUNNING:
            return RUNNING
    return state.word


def legend() -> list[Data]:
    """Each kind of cell: its word, colour, sign and meaning; first what needs a person."""
    found = []
    for state in ORDER:
        if state is State.STARTED:
            found.append(_kind(RUNNING, "#0072b2", "▶", "runs on the cluster"))
        found.append(_kind(state.word, FILL[state.word], SIGN[state.word], state.sentence))
    return found


def _kind(word: str, fill: str, sign: str, says: str) -> Data:
    return {"word": word, "fill": fill, "sign": sign, "says": says}


def grid(at: Snapshot) -> Data:
    """Every cell, a row a folder: an index into `legend`, or -1 where there is no such job."""
    words = legend()
    number = {kind["word"]: n for n, kind in enumerate(words)}
    jobs = at.status.graph.jobs
    known = [name for name in at.names if name in jobs]
    ids = _in_order(at.status.graph, {jobs[name].id for name in known})
    column = {id: n for n, id in enumerate(ids)}
    rows: dict[str, list[int]] = {}
    for name in known:
        job = jobs[name]
        row = rows.setdefault(job.folder, [-1] * len(ids))
        row[column[job.id]] = number[cell(at, name)]
    folders = sorted(rows, key=natural)
    cells = [rows[folder] for folder in folders]
    return {"tick": at.tick, "legend": words, "ids": ids, "folders": folders, "cells": cells}


def _in_order(graph: Graph, ids: Iterable[str]) -> list[str]:
    """Ids in the order in which they depend on one another."""
    import networkx as nx  # as in graph.py

    stages: nx.DiGraph[str] = nx.DiGraph()
    stages.add_nodes_from(ids)
    jobs = graph.jobs
    for name, needs in graph.needs.items():
        makers = (graph.makers[n.file] for n in needs if not n.absent and n.file in graph.makers)
        stages.add_edges_from((jobs[maker].id, jobs[name].id) for maker in makers)
    depth = depths(stages)
    return sorted(stages, key=lambda id: (depth[id], natural(id)))


@lru_cache(maxsize=20_000)
def natural(text: str) -> list[tuple[int, int, str]]:
    """A key that sorts mp-2 before mp-10."""
    parts = _NUMBERS.split(text)
    return [(1, int(p), "") if p.isdecimal() and p.isascii() else (0, 0, p) for p in parts]
