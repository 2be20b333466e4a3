"""A part of the page: a title, what it shows in a sentence, the chart in several sizes, the figures as a table."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import altair as alt
from markupsafe import Markup

from dub_source.report.drawing import svg

Draw = Callable[[int], alt.TopLevelMixin]
"""A chart of so many pixels' width."""

PHONE, HALF, MIDDLE, WIDE = 330, 500, 640, 1040
"""Widths that charts are drawn in. A drawing that is only made smaller cannot be read on a phone."""


@dataclass(frozen=True, slots=True)
class Table:
    """Figures as texts; the first column tells what the row is about, all others are to the right."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Panel:
    """A chart and what belongs to it.

    Attributes:
        title: what it shows.
        said: the same figures in a sentence or two.
        drawings: elements of SVG; which of them is seen is decided by the width of the page.
        table: the figures.
        wide: whether it takes the whole width.
        open: whether the table is seen at once.
    """

    title: str
    said: str
    drawings: Sequence[Markup]
    table: Table
    wide: bool = False
    open: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """Panels about one thing, or why there are none of them."""

    name: str
    title: str
    lead: str = ""
    panels: Sequence[Panel] = ()
    absent: Sequence[str] = ()


def panel(
    name: str, title: str, said: str, draw: Draw, table: Table, *, wide: bool = False, opened: bool = False
) -> Panel:
    """Draw a panel.

    Args:
        name: unlike that of every other one.
        title: what it shows.
        said: for who cannot see it, and below the title.
        draw: makes the chart.
        table: the same figures.
        wide: whether it takes the whole width.
        opened: whether the table is seen at once.
    """
    sizes = {"s": PHONE, "m": MIDDLE, "l": WIDE} if wide else {"s": PHONE, "ml": HALF}
    drawings = [
        # Made by drawing.svg, which writes XML: every text in it is escaped.
        Markup(  # noqa: S704
            svg(draw(width), name=f"{name}-{size}", described=f"{title}. {said}", classes=f"chart {size}")
        )
        for size, width in sizes.items()
    ]
    return Panel(title, said, drawings, table, wide, opened)
