"""The sections about customers: growth, where they come from, cohorts, first sales, cancellations."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from dub_source.report.buying import churn, first_sales
from dub_source.report.cohorts import cohort_panels
from dub_source.report.figures import Figures
from dub_source.report.growth import growth
from dub_source.report.panels import Panel, Section, arranged
from dub_source.report.revenue import revenue

_NAMES = {
    "over_time": "The growth",
    "countries": "Revenue by country",
    "partners": "Revenue by partner",
    "links": "Revenue by link",
    "cohorts": "This",
    "first_sales": "This",
    "churn": "This",
}
_NOTHING = {
    "over_time": "There are no customers yet.",
    "countries": "There is no revenue yet.",
    "partners": "There is no revenue by partners yet.",
    "links": "There is no revenue by links yet.",
    "cohorts": "There is no revenue yet.",
    "first_sales": "Nobody has bought yet.",
    "churn": "Nobody has canceled a subscription yet.",
}


def sections(figures: Figures) -> Iterator[Section]:
    """All of them; one that has nothing to show says why."""
    yield _section(
        figures,
        "growth",
        "Customers over time",
        {"over_time": lambda days: growth(days, figures.at.date())},
        "By the day they were created in Dub.",
    )
    yield _section(
        figures,
        "sources",
        "Where revenue comes from",
        {
            "countries": lambda found: revenue(found, "country", "Revenue by country"),
            "partners": lambda found: revenue(found, "partner", "Revenue by partner"),
            "links": lambda found: revenue(found, "link", "Revenue by link"),
        },
        "Revenue is all that Dub has recorded for the customers who exist now, in US dollars.",
    )
    yield _section(
        figures,
        "cohorts",
        "Cohorts",
        {"cohorts": cohort_panels},
        "Customers who were created in the same month, and what has become of them.",
    )
    yield _section(
        figures,
        "first-sale",
        "Time to first sale",
        {"first_sales": first_sales},
        "From creation to purchase.",
    )
    yield _section(
        figures,
        "churn",
        "Cancellations",
        {"churn": churn},
        "Subscriptions that ended, as Dub shows them now.",
    )


def _section(
    figures: Figures,
    name: str,
    title: str,
    parts: Mapping[str, Callable[[Any], Iterator[Panel]]],
    lead: str,
) -> Section:
    panels: list[Panel] = []
    absent = []
    for part, make in parts.items():
        found = getattr(figures, part)
        made = [] if found is None else list(make(found))
        panels += made
        if not made:
            absent.append(figures.why_not(part, _NAMES[part], _NOTHING[part]))
    return Section(name, title, lead if panels else "", arranged(panels), tuple(dict.fromkeys(absent)))
