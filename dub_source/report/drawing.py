"""From a chart of Altair to SVG that is part of a page.

vl-convert draws while the page is made, so the page needs no script and asks no network. Colours are CSS
variables of the page, which Vega hands on as they are: one drawing serves light and dark. What Vega says of
each mark becomes the tooltip that browsers show for ``<title>``; for who cannot see it, the whole drawing is
one image with one description, and the page has the same figures as a table.
"""

import re
from collections.abc import Iterator
from xml.etree import ElementTree

import altair as alt
import vl_convert

_SVG = "http://www.w3.org/2000/svg"
_REFERENCE = re.compile(r"url\(#([^)]+)\)")
_LONG = re.compile(r"(\.\d)\d+")
"""Less than a tenth of a pixel is not seen."""
_USUAL = {("opacity", "1"), ("stroke-width", "0"), ("stroke-miterlimit", "10")}
_DROPPED = frozenset({"aria-hidden", "aria-roledescription", "aria-label", "role", "pointer-events", "class"})
"""Attributes that say nothing inside one image; a third of the size."""
_FONT = "Liberation Sans"
"""Which vl-convert has with it, to measure text."""
_BESIDE = 10
"""Pixels to the left, for names that are wider than they were measured."""
SMALL, TEXT = 13.5, 14.5
"""Sizes of text, in pixels, as they are measured: DejaVu Sans, which many a Linux has alone, is wider."""
_SHOWN = {f"{SMALL}px": "11", f"{TEXT}px": "12"}
"""As they are shown."""

_CONFIG = {
    "background": None,
    "padding": 2,
    "font": _FONT,
    "view": {"stroke": None},
    "axis": {
        "domain": False,
        "ticks": False,
        "grid": False,
        "labelColor": "var(--muted)",
        "labelFontSize": TEXT,
        "labelPadding": 6,
        "titleColor": "var(--muted)",
        "titleFontSize": TEXT,
        "titleFontWeight": "normal",
    },
    "axisQuantitative": {"grid": True, "gridColor": "var(--line)", "tickCount": 5},
    "legend": {
        "orient": "top",
        "title": None,
        "labelColor": "var(--ink)",
        "labelFontSize": TEXT,
        "symbolType": "square",
        "symbolStrokeWidth": 0,
        "offset": 8,
        "columnPadding": 20,
    },
    "text": {"color": "var(--ink)", "fontSize": TEXT},
}
"""The look of all charts: few lines, and the colours of the page."""

ElementTree.register_namespace("", _SVG)


def svg(chart: alt.TopLevelMixin, *, name: str, described: str, classes: str) -> str:
    """Draw a chart.

    Args:
        chart: with its data, and without any address.
        name: unlike that of every other drawing of the page; letters, digits and hyphens.
        described: what it shows, in a sentence, for who cannot see it.
        classes: of CSS, for the drawing.

    Returns:
        An ``<svg>`` element that scales with its place, at most to the size it was drawn in.
    """
    drawn = vl_convert.vegalite_to_svg(chart.to_dict(), config=_CONFIG, allowed_base_urls=[])
    # The text is of our own process, and XML without a document type cannot refer to anything.
    root = ElementTree.fromstring(drawn)  # noqa: S314
    for element in list(root.iter()):
        _made_part(element, name)
    width, height = root.get("width", ""), root.get("height", "")
    root.attrib.clear()
    root.attrib |= {
        "viewBox": f"-{_BESIDE} 0 {float(width) + _BESIDE:g} {height}",
        "class": classes,
        "role": "img",
        "aria-label": described,
        "style": f"max-width:{1.3 * float(width):.0f}px",
    }
    _without_nothing(root)
    return ElementTree.tostring(root, encoding="unicode")


def _made_part(element: ElementTree.Element, name: str) -> None:
    """Ids are of the page, and a mark's description is its tooltip."""
    said = element.get("aria-label")
    if said and element.get("role") == "graphics-symbol" and element.get("aria-roledescription") in _MARKS:
        title = ElementTree.Element(f"{{{_SVG}}}title")
        title.text = said
        element.insert(0, title)
    for attribute in _DROPPED.intersection(element.keys()):
        del element.attrib[attribute]
    for attribute, value in list(element.items()):
        if attribute == "id":
            element.set(attribute, f"{name}-{value}")
        elif attribute == "font-family" or (attribute, value) in _USUAL:
            del element.attrib[attribute]
        elif attribute == "font-size":
            element.set(attribute, _SHOWN[value])
        elif "url(#" in value:
            element.set(attribute, _REFERENCE.sub(rf"url(#{name}-\1)", value))
        elif attribute in ("d", "transform"):
            element.set(attribute, _LONG.sub(r"\1", value))


_MARKS = frozenset({"bar", "point", "rect mark", "circle", "square", "area mark", "line mark", "rule mark"})


def _without_nothing(root: ElementTree.Element) -> None:
    """Vega draws backgrounds and groups of nothing."""
    for parent in root.iter():
        for child in list(_nothing(parent)):
            parent.remove(child)


def _nothing(parent: ElementTree.Element) -> Iterator[ElementTree.Element]:
    for child in parent:
        if child.tag == f"{{{_SVG}}}path" and child.get("d") in ("", "M0,0h0v0h0Z"):
            yield child
