"""Parts of the page: what is shown, in a sentence, as a chart in several sizes, and as a table."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

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
        name: unlike that of every other one.
        title: what it shows.
        said: the same figures in a sentence or two.
        draw: makes the chart.
        table: the figures.
        wide: whether it takes the whole width.
    """

    name: str
    title: str
    said: str
    draw: Draw
    table: Table
    wide: bool = False

    def drawings(self) -> list[Markup]:
        """The chart in all sizes, as SVG; which one is seen is decided by the width of the page."""
        sizes = {"s": PHONE, "m": MIDDLE, "l": WIDE} if self.wide else {"s": PHONE, "ml": HALF}
        return [
            # Made by drawing.svg, which writes XML: every text in it is escaped.
            Markup(  # noqa: S704
                svg(
                    self.draw(width),
                    name=f"{self.name}-{size}",
                    described=f"{self.title}. {self.said}",
                    classes=f"chart {size}",
                )
            )
            for size, width in sizes.items()
        ]


@dataclass(frozen=True, slots=True)
class Section:
    """Panels about one thing, and why there are not more of them."""

    name: str
    title: str
    lead: str = ""
    panels: Sequence[Panel] = ()
    absent: Sequence[str] = ()


def arranged(panels: Sequence[Panel]) -> list[Panel]:
    """Two in a row, or one that is wide: a panel that would have nobody beside it becomes wide."""
    done: list[Panel] = []
    alone = False
    for each in panels:
        if each.wide and alone:
            done[-1] = replace(done[-1], wide=True)
        alone = not (each.wide or alone)
        done.append(each)
    if alone:
        done[-1] = replace(done[-1], wide=True)
    return done
