"""Revenue by what customers have in common: country, partner, link."""

import re
from collections.abc import Iterator

from dub_source.report import charts
from dub_source.report.figures import Groups
from dub_source.report.panels import Panel, Table
from dub_source.report.words import brief_dollars, clean, counted, dollars, number, part_of


def revenue(groups: Groups, what: str, title: str) -> Iterator[Panel]:
    """A panel of groups by ``what`` (country, partner, link); none without revenue by it."""
    named = [each for each in groups.top if each.name is not None]
    nobodys = [each for each in groups.top if each.name is None]
    rest = [] if groups.rest is None else [groups.rest]
    total = sum(each.revenue_cents for each in [*named, *rest, *nobodys])
    if not total or not (named or what == "country"):
        return
    nothing = f"no {what}"
    called = [
        *((_called(each.name or ""), each) for each in named),
        *((counted(groups.others, "other", "others"), each) for each in rest),
        *((nothing, each) for each in nobodys),
    ]
    # Most customers come without a partner: such a bar would make all others small.
    drawn = called if what == "country" else called[: len(named) + len(rest)]
    rows = [
        {
            "place": place,
            "name": name,
            "value": each.revenue_cents / 100,
            "text": brief_dollars(each.revenue_cents),
            "rest": place >= len(named),
            "said": f"{name}: {dollars(each.revenue_cents)} from {counted(each.customers, 'customer')}",
        }
        for place, (name, each) in enumerate(drawn)
    ]
    table = Table(
        (what, "revenue", "share", "customers", "buyers", "per customer"),
        [
            (
                name,
                dollars(each.revenue_cents),
                part_of(each.revenue_cents, total),
                number(each.customers),
                number(each.buyers),
                dollars(each.revenue_cents / each.customers) if each.customers else "–",
            )
            for name, each in called
        ],
    )
    name, first = called[0]
    said = [f"{name} is first with {dollars(first.revenue_cents)}, {part_of(first.revenue_cents, total)}."]
    said += [
        f"{part_of(each.revenue_cents, total)} of {dollars(total)} came with {nothing}." for each in nobodys
    ]
    yield Panel(
        what,
        title,
        " ".join(said if named else said[1:]),
        lambda width: charts.ranking(rows, width=width),
        table,
    )


def _called(name: str) -> str:
    """A name as it is shown: links without what they all begin with, hashes in short."""
    if re.fullmatch("[0-9a-f]{64}", name):
        return f"{name[:8]}… (hashed)"
    return clean(re.sub("^https?://", "", name)) or "(empty)"
