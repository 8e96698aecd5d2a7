"""The dependency graph as a drawing, from left to right."""

from __future__ import annotations

from jobauto.quoting import shown
from jobauto.report.chart import fitting, titled
from jobauto.report.gather import Report
from jobauto.report.layers import MOST_STAGES, Layers, Node, layers
from jobauto.report.markup import Element, el, svg
from jobauto.report.theme import ORDER, SIGN

_WIDE, _HIGH = 150.0, 36.0
_STEP_X, _STEP_Y = 200.0, 48.0


def graph_drawing(report: Report) -> Element | None:
    """Boxes with signs and counts of states, and arrows; None if it could not be read."""
    found = layers(report)
    if not found.nodes or len(found.nodes) > MOST_STAGES:
        return None
    width = 20 + _STEP_X * max(n.column for n in found.nodes.values()) + _WIDE
    height = 20 + _STEP_Y * max(n.row for n in found.nodes.values()) + _HIGH
    arrows = [_arrow(found, edge, number) for edge, number in found.edges.items()]
    boxes = [_box(node) for node in found.nodes.values()]
    label = el("title", "what needs what: an arrow leads to the job that waits")
    return svg(width, height, label, *arrows, *boxes)


def _place(node: Node) -> tuple[float, float]:
    return 10 + node.column * _STEP_X, 10 + node.row * _STEP_Y


def _arrow(found: Layers, edge: tuple[str, str], number: int) -> Element:
    (x1, y1), (x2, y2) = _place(found.nodes[edge[0]]), _place(found.nodes[edge[1]])
    x1, y1, y2 = x1 + _WIDE, y1 + _HIGH / 2, y2 + _HIGH / 2
    bend = max(22.0, abs(x2 - x1) / 2)
    path = f"M{x1:.0f},{y1:.0f}C{x1 + bend:.0f},{y1:.0f} {x2 - bend:.0f},{y2:.0f} {x2:.0f},{y2:.0f}"
    shape = el("path", class_="arrow", d=path, marker_end="url(#arrow)")
    times = f" ({number} times)" if number > 1 else ""
    return titled(shape, f"{shown(edge[0])} → {shown(edge[1])}{times}")


def _box(node: Node) -> Element:
    x, y = _place(node)
    total = sum(node.counts.values())
    states = [s for s in ORDER if node.counts[s]]
    words = ", ".join(f"{node.counts[s]} {s.word}" for s in states)
    group = el("g", el("rect", class_="node", x=x, y=y, width=_WIDE, height=_HIGH, rx=4))
    left = x
    for state in states:
        part = _WIDE * node.counts[state] / total
        kind = f"s-{state.word}"
        group.append(el("rect", class_=kind, x=left, y=y + _HIGH - 7, width=part, height=7))
        left += part
    signs = " ".join(f"{SIGN[s.word]}{node.counts[s] if total > 1 else ''}" for s in states)
    room = 23 - min(len(signs), 13)
    group.append(el("text", fitting(shown(node.name), room), x=x + 7, y=y + 18))
    group.append(el("text", fitting(signs, 13), class_="end", x=x + _WIDE - 7, y=y + 18))
    return titled(group, f"{shown(node.name)}: {words}")
