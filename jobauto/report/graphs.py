"""The dependency graph as text for Graphviz (DOT) and Mermaid, with states."""

from __future__ import annotations

from jobauto.quoting import shown
from jobauto.report.gather import Report
from jobauto.report.layers import Layers, Node, by_job, layers
from jobauto.report.theme import FILL, ORDER, SIGN


def as_dot(report: Report) -> str:
    """Every job, in a box for each folder."""
    found = by_job(report)
    numbers = {key: f"n{number}" for number, key in enumerate(found.nodes)}
    folders: dict[str, list[str]] = {}
    for row in report.rows:
        text = f"{row.job.id} {SIGN[row.state.word]} {row.state.word}"
        colour = f'fillcolor="{FILL[row.state.word]}"'
        line = f"    {numbers[row.job.name]} [label={_dot(text)}, {colour}];"
        folders.setdefault(row.job.folder, []).append(line)
    lines = [
        f"digraph {_dot(report.title)} {{",
        "  rankdir=LR;",
        '  node [shape=box, style="filled,rounded", fontname="sans-serif"];',
    ]
    for number, (folder, inside) in enumerate(folders.items()):
        head = f"  subgraph cluster_{number} {{"
        lines += [head, f"    label={_dot(folder or '.')};", *inside, "  }"]
    lines += [f"  {numbers[a]} -> {numbers[b]};" for a, b in found.edges]
    return "\n".join([*lines, "}"]) + "\n"


def _dot(text: str) -> str:
    escaped = shown(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def as_mermaid(report: Report) -> str:
    """By job if they are few, else by stage: Mermaid draws no more than some hundred arrows."""
    found = layers(report)
    numbers = {key: f"n{number}" for number, key in enumerate(found.nodes)}
    lines = ["flowchart LR"]
    for key, node in found.nodes.items():
        lines.append(f'  {numbers[key]}["{_mermaid(_label(node))}"]:::{_worst(node)}')
    lines += [f"  {_link(found, numbers, edge)}" for edge in found.edges]
    kinds = sorted({_worst(node) for node in found.nodes.values()})
    lines += [f"  classDef {kind} fill:{FILL[kind]},stroke:#333,color:#000" for kind in kinds]
    return "\n".join(lines) + "\n"


def _label(node: Node) -> str:
    total = sum(node.counts.values())
    states = [s for s in ORDER if node.counts[s]]
    if total == 1:
        return f"{node.name} {SIGN[states[0].word]} {states[0].word}"
    return f"{node.name}: " + ", ".join(f"{node.counts[s]} {s.word}" for s in states)


def _worst(node: Node) -> str:
    return next(s.word for s in ORDER if node.counts[s])


def _link(found: Layers, numbers: dict[str, str], edge: tuple[str, str]) -> str:
    times = f"|{found.edges[edge]}|" if found.edges[edge] > 1 else ""
    return f"{numbers[edge[0]]} -->{times} {numbers[edge[1]]}"


def _mermaid(text: str) -> str:
    """Anything but letters, digits and a few harmless signs as a code that Mermaid resolves."""
    return "".join(c if c.isalnum() or c in " ./,:_-" else f"#{ord(c)};" for c in shown(text))
