"""Colours, signs and patterns of states: each state differs in all three, so none needs colour.

The colours are those of Okabe and Ito, which people with any kind of colour vision tell apart.
"""

from __future__ import annotations

from jobauto.model import State
from jobauto.report.markup import Element, el

PUTBACK = "putback"  # an attempt that was refused for a limit
QUEUED = "queued"  # the part of a bar in which the job waits in the queue
FILL = {
    "finished": "#009e73",
    "skipped": "#7fcdb6",
    "started": "#56b4e9",
    "submitting": "#b5dcf3",
    "failed": "#d55e00",
    "killed": "#cc79a7",
    "unsure": "#f0e442",
    "blocked": "#e69f00",
    "ready": "#3f7fbf",
    "waiting": "#aab0b8",
    "held": "#7d838c",
    PUTBACK: "#aab0b8",
    QUEUED: "#cfe0ec",
}
SIGN = {
    "finished": "✓",
    "skipped": "»",
    "started": "▶",
    "submitting": "…",
    "failed": "✕",
    "killed": "■",
    "unsure": "?",
    "blocked": "⊘",
    "ready": "○",
    "waiting": "◇",
    "held": "‖",
    PUTBACK: "↺",
    QUEUED: "∷",
}
# From what needs a person to what needs nobody.
ORDER = [
    *(State.FAILED, State.UNSURE, State.KILLED, State.BLOCKED, State.HELD),
    *(State.WAITING, State.READY, State.SUBMITTING, State.STARTED, State.SKIPPED, State.FINISHED),
]
_PATTERNS = {
    "failed": "M-2,2l4,-4M0,8l8,-8M6,10l4,-4",
    "blocked": "M-2,6l4,4M0,0l8,8M6,-2l4,4",
    "killed": "M0,2h8M0,6h8",
    "unsure": "M2,0v8M6,0v8",
    "submitting": "M4,0v8",
    PUTBACK: "M0,4h8M4,0v8",
    QUEUED: "M1,2h2M5,6h2",
}
_LIGHT = {
    "paper": "#ffffff", "page": "#f4f5f7", "ink": "#1b1f24", "soft": "#59626d", "line": "#d5d9de",
    "band": "#f1f3f5",
}  # fmt: skip
_DARK = {
    "paper": "#181b20", "page": "#101215", "ink": "#e8eaed", "soft": "#a3abb5", "line": "#3a4048",
    "band": "#20242a",
}  # fmt: skip
FONT = "system-ui, 'Segoe UI', 'DejaVu Sans', Arial, sans-serif"


def patterns() -> Element:
    """The hatchings that `drawing` refers to; once a document."""
    made = [
        el(
            "pattern",
            el("rect", width=8, height=8, fill=FILL[kind]),
            el("path", d=path, stroke="#000000", stroke_opacity="0.45", stroke_width="1.4"),
            id=f"hatch-{kind}",
            width=8,
            height=8,
            patternUnits="userSpaceOnUse",
        )
        for kind, path in _PATTERNS.items()
    ]
    tip = el("path", d="M0,0L7,3.5L0,7z", class_="tip")
    arrow = el("marker", tip, id="arrow", markerWidth=7, markerHeight=7, refX=6.5, refY="3.5")
    arrow.set("orient", "auto")
    return el("defs", *made, arrow)


def _drawing(colour: dict[str, str]) -> str:
    fills = [
        f".s-{kind} {{ fill: {f'url(#hatch-{kind})' if kind in _PATTERNS else fill} }}"
        for kind, fill in FILL.items()
    ]
    c = colour
    return "\n".join(
        [
            *fills,
            f"svg text {{ font-family: {FONT}; font-size: 11px; fill: {c['ink']} }}",
            f"svg text.soft {{ fill: {c['soft']} }}",
            "svg text.small { font-size: 9px } svg text.id { fill: #000000; pointer-events: none }",
            "svg text.end { text-anchor: end } svg text.mid { text-anchor: middle }",
            f".paper {{ fill: {c['paper']} }} .band {{ fill: {c['band']} }}",
            f".grid {{ stroke: {c['line']}; stroke-width: 1 }}",
            f".limit {{ stroke: {c['soft']}; stroke-width: 1.2; stroke-dasharray: 5 4 }}",
            f".arrow {{ fill: none; stroke: {c['soft']}; stroke-width: 1.1; stroke-opacity: 0.8 }}",
            f".tip {{ fill: {c['soft']} }}",
            f".node {{ fill: {c['band']}; stroke: {c['line']} }}",
            ".used { fill: #56b4e9; fill-opacity: 0.55; stroke: #2f86bd; stroke-width: 1.2 }",
            ".before { fill: #b8a25a }",
            ".dot { fill: #56b4e9; fill-opacity: 0.6; stroke: #1f6f9f; stroke-width: 1 }",
        ]
    )


def file_style() -> Element:
    """The style of an SVG file: light, without variables, as other programs read it."""
    return el("style", _drawing(_LIGHT))


def page_style(page: str) -> Element:
    """The style of the HTML page, light or dark as the reader's machine is set."""
    variables = {key: f"var(--{key})" for key in _LIGHT}
    light, dark = (
        "; ".join(f"--{key}: {value}" for key, value in colours.items())
        for colours in (_LIGHT, _DARK)
    )
    root = f":root {{ color-scheme: light dark; {light} }}"
    night = f"@media (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}"
    # a report that is printed is light
    print_ = f"@media print {{ :root {{ {light} }} }}"
    return el("style", "\n".join([root, night, print_, _drawing(variables), page]))
