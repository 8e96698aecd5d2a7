"""Elements of HTML and SVG. All text and attributes are escaped by the XML library, and what XML
cannot hold (control characters, odd bytes) is made visible before."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from jobauto.quoting import shown

Element = ET.Element


def el(tag: str, *children: Element | str | None, **attributes: object) -> Element:
    """An element. `class_` means class, `stroke_width` means stroke-width, None is left out."""
    given = {_name(k): _value(v) for k, v in attributes.items() if v is not None}
    made = ET.Element(tag, given)
    for child in children:
        if isinstance(child, str):
            _add_text(made, child)
        elif child is not None:
            made.append(child)
    return made


def _name(key: str) -> str:
    return key.rstrip("_").replace("_", "-")


def _value(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.1f}".removesuffix(".0")
    return _clean(str(value))


def _clean(text: str) -> str:
    return text if text.isprintable() else "\n".join(map(shown, text.split("\n")))


def _add_text(parent: Element, text: str) -> None:
    if len(parent):
        parent[-1].tail = (parent[-1].tail or "") + _clean(text)
    else:
        parent.text = (parent.text or "") + _clean(text)


def svg(width: float, height: float, *children: Element | None, **attributes: object) -> Element:
    """A drawing with its own coordinates."""
    size = {"viewBox": f"0 0 {width:.0f} {height:.0f}", "width": width, "height": height}
    return el(
        "svg", *children, xmlns="http://www.w3.org/2000/svg", role="img", **size, **attributes
    )


def as_xml(root: Element) -> str:
    """A whole SVG file."""
    head = '<?xml version="1.0" encoding="UTF-8"?>\n'
    return head + ET.tostring(root, encoding="unicode") + "\n"


def as_html(root: Element) -> str:
    """A whole HTML file."""
    return "<!DOCTYPE html>\n" + ET.tostring(root, encoding="unicode", method="html") + "\n"
