"""The page: all sections, in one file that needs nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from dub_source.report import customers, health
from dub_source.report.figures import Figures
from dub_source.report.file import MARK
from dub_source.report.words import (
    brief_dollars,
    clean,
    counted,
    dollars,
    moment,
    number,
    part_of,
)


@dataclass(frozen=True, slots=True)
class Tile:
    """One key figure: what it is, the figure, more about it."""

    name: str
    value: str
    more: str


def as_html(figures: Figures) -> str:
    """The report as HTML.

    Every text is escaped by the template. The page has no script, and its policy forbids every request.
    """
    environment = Environment(
        loader=PackageLoader("dub_source.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    title = clean(figures.workspace or figures.dataset)
    return environment.get_template("page.html").render(
        mark=Markup(MARK),  # noqa: S704 - our own
        title=title,
        figures=figures,
        facts=_facts(figures),
        tiles=_tiles(figures),
        sections=[*customers.sections(figures), health.section(figures)],
    )


def _facts(figures: Figures) -> list[tuple[str, str]]:
    facts = [
        ("dataset", f"{clean(figures.dataset)} in {clean(figures.location)}"),
        ("made", moment(figures.at)),
    ]
    if figures.loaded_at is not None:
        facts.append(("last load", moment(figures.loaded_at)))
    if figures.swept_at is not None:
        proven = "" if figures.certified else ", not proven complete"
        facts.append(("last sweep", f"{moment(figures.swept_at)}{proven}"))
    return facts


def _tiles(figures: Figures) -> Sequence[Tile]:
    totals = figures.totals
    if totals is None:
        return ()
    median = None if figures.first_sales is None else figures.first_sales.median_days()
    tiles = [
        Tile("Customers", number(totals.customers), f"{number(figures.deleted)} deleted since"),
        Tile("Revenue", brief_dollars(totals.revenue_cents), dollars(totals.revenue_cents)),
        Tile("Buyers", number(totals.buyers), f"{part_of(totals.buyers, totals.customers)} of all customers"),
        Tile(
            "Per customer",
            dollars(totals.revenue_cents / totals.customers) if totals.customers else "–",
            f"revenue; {dollars(totals.revenue_cents / totals.buyers)} per buyer"
            if totals.buyers
            else "nobody has bought yet",
        ),
    ]
    if figures.first_sales is not None:
        value = "–" if median is None else "same day" if median <= 0 else counted(median, "day")
        tiles.append(Tile("Time to first sale", value, "median of all buyers"))
    tiles.append(Tile("Canceled", number(totals.canceled), "subscriptions, as Dub shows them now"))
    return tiles
