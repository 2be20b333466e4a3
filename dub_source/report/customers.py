"""The sections about customers: growth, where they come from, cohorts, first sales, cancellations."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from dub_source.report import charts
from dub_source.report.figures import Cohort, Day, Figures, FirstSales, Groups, Month
from dub_source.report.panels import Panel, Section, Table, arranged
from dub_source.report.periods import Period, by_period
from dub_source.report.words import (
    brief_dollars,
    clean,
    counted,
    day,
    dollars,
    month,
    number,
    part_of,
    share,
)

_COHORTS, _AGES = 18, {330: 6, 640: 12, 1040: 24}
"""Cohorts, and months of their age by width, that a chart has."""
_POINTS = 130
_BUCKETS = (
    ("before", -(10**9), -1),
    ("same day", 0, 0),
    ("1–7 days", 1, 7),
    ("8–30", 8, 30),
    ("31–90", 31, 90),
    ("91–365", 91, 365),
    ("longer", 366, 10**9),
)


def sections(figures: Figures) -> Iterator[Section]:
    """All of them; one that has nothing to show says why."""
    yield _section(
        figures,
        "growth",
        "Customers over time",
        {"over_time": lambda days: _growth(days, figures.at.date())},
        "By the day they were created in Dub.",
    )
    yield _section(
        figures,
        "sources",
        "Where revenue comes from",
        {
            "countries": lambda found: _groups(found, "country", "Revenue by country"),
            "partners": lambda found: _groups(found, "partner", "Revenue by partner"),
            "links": lambda found: _groups(found, "link", "Revenue by link"),
        },
        "Revenue is all that Dub has recorded for the customers who exist now, in US dollars.",
    )
    yield _section(
        figures,
        "cohorts",
        "Cohorts",
        {"cohorts": _cohorts},
        "Customers who were created in the same month, and what has become of them.",
    )
    yield _section(
        figures,
        "first-sale",
        "Time to first sale",
        {"first_sales": _first_sales},
        "From creation to purchase.",
    )
    yield _section(
        figures,
        "churn",
        "Cancellations",
        {"churn": _churn},
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


def _growth(all_days: Sequence[Day], today: date) -> Iterator[Panel]:
    days = [each for each in all_days if each.day <= today]
    if not days:
        return
    later = " Dates later than today are left out." if len(days) < len(all_days) else ""
    periods = by_period(days)
    header = ("", "new customers", "first purchases", "cancellations", "deleted", "customers at the end")
    table = Table(
        header,
        [
            tuple(
                [each.name]
                + [
                    number(value)
                    for value in (
                        each.new_customers,
                        each.new_buyers,
                        each.cancellations,
                        each.deleted,
                        each.total,
                    )
                ]
            )
            for each in reversed(periods)
        ],
    )
    # From nobody, so that a single day is more than a point, and up to today.
    first = Day(days[0].day - timedelta(days=1))
    last = replace(days[-1], day=today)
    line = [first, *days, *([last] if days[-1].day < today else [])]
    points = [
        {
            "day": each.day.isoformat(),
            "total": each.total,
            "said": f"{day(each.day)}: {counted(each.total, 'customer')}",
        }
        for each in _some(line, _POINTS)
    ]
    yield Panel(
        "growth",
        "Customers",
        f"{counted(last.total, 'customer')}; the first was created on {day(days[0].day)}.{later}",
        lambda width: charts.growth(points, width=width),
        table,
        wide=True,
    )
    yield _new_customers(periods)


def _new_customers(periods: Sequence[Period]) -> Panel:
    series = {"new customers": charts.ACCENT, "first purchases": charts.SECOND}
    rows = [
        row
        for each in periods
        for row in _bars(
            each, {"new customers": each.new_customers, "first purchases": each.new_buyers}, number
        )
    ]
    most = max(periods, key=lambda each: each.new_customers)
    unit = periods[0].unit
    return Panel(
        "new",
        f"New customers and first purchases by {unit}",
        f"Most new customers in one {unit}: {number(most.new_customers)} ({most.name}).",
        lambda width: charts.periods(rows, series, width=width, stacked=False),
        Table(
            ("", "new customers", "first purchases"),
            [(each.name, number(each.new_customers), number(each.new_buyers)) for each in reversed(periods)],
        ),
        wide=True,
    )


def _bars(
    period: Period, values: Mapping[str, float], written: Callable[[float], str]
) -> Iterator[dict[str, Any]]:
    """The rows of a column of :func:`charts.periods`."""
    for place, (series, value) in enumerate(values.items()):
        yield {
            "start": period.start.isoformat(),
            "end": period.end.isoformat(),
            "series": series,
            "place": place,
            "value": value,
            "said": f"{period.name}: {written(value)} {series}",
        }


def _groups(groups: Groups, what: str, title: str) -> Iterator[Panel]:
    named = [each for each in groups.top if each.name is not None]
    nobodys = [each for each in groups.top if each.name is None]
    rest = [] if groups.rest is None else [groups.rest]
    revenue = sum(each.revenue_cents for each in [*named, *rest, *nobodys])
    if not revenue or not (named or what == "country"):
        return
    nothing = f"no {what}"
    called = [
        *((_called(each.name or ""), each) for each in named),
        *((counted(groups.others, "other", "others"), each) for each in rest),
        *((nothing, each) for each in nobodys),
    ]
    # Most customers come without a partner: such a bar would make all others small.
    drawn = called if what == "country" else [each for each in called if each[0] != nothing]
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
                part_of(each.revenue_cents, revenue),
                number(each.customers),
                number(each.buyers),
                dollars(each.revenue_cents / each.customers) if each.customers else "–",
            )
            for name, each in called
        ],
    )
    name, first = called[0]
    said = [f"{name} is first with {dollars(first.revenue_cents)}, {part_of(first.revenue_cents, revenue)}."]
    said += [
        f"{part_of(each.revenue_cents, revenue)} of {dollars(revenue)} came with {nothing}."
        for each in nobodys
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


def _cohorts(cohorts: Sequence[Cohort]) -> Iterator[Panel]:
    if not any(each.revenue_cents for each in cohorts):
        return
    table = Table(
        ("created in", "customers", "bought", "share", "revenue", "per customer", "canceled"),
        [
            (
                month(each.month),
                number(each.customers),
                number(each.buyers),
                part_of(each.buyers, each.customers),
                dollars(each.revenue_cents),
                dollars(each.revenue_per_customer_cents),
                number(each.canceled),
            )
            for each in reversed(cohorts)
        ],
    )
    values = [
        row
        for each in cohorts
        for row in _bars(
            Period.month_of(each.month),
            {"a customer": each.revenue_per_customer_cents / 100},
            lambda value: dollars(value * 100),
        )
    ]
    best = max(cohorts, key=lambda each: each.revenue_per_customer_cents)
    yield Panel(
        "cohort-revenue",
        "Revenue per customer by month of creation",
        f"Most by those of {month(best.month)}: {dollars(best.revenue_per_customer_cents)} a customer. "
        "Younger cohorts have had less time.",
        lambda width: charts.periods(
            values, {"a customer": charts.SECOND}, width=width, labels=charts.DOLLARS
        ),
        table,
        wide=True,
    )
    lately = [each for each in cohorts if each.shares][-_COHORTS:]
    if any(value for each in lately for value in each.shares.values()):
        yield _retention(lately)


def _retention(cohorts: Sequence[Cohort]) -> Panel:
    """Shares that had bought, by age."""
    cells: list[dict[str, Any]] = [
        {
            "cohort": month(each.month),
            "age": age,
            "share": value,
            "text": f"{100 * value:.0f}%",
            "said": f"{month(each.month)}: after {counted(age, 'month')} {share(value)} had bought",
        }
        for each in cohorts
        for age, value in sorted(each.shares.items())
    ]
    ages = sorted({cell["age"] for cell in cells})[: _AGES[1040] + 1]
    months = [month(each.month) for each in reversed(cohorts)]
    return Panel(
        "cohort-activity",
        "Share that had bought, by months since creation",
        f"The last {counted(len(cohorts), 'cohort')}; each row is a month's customers.",
        lambda width: charts.heat(
            [cell for cell in cells if cell["age"] <= _AGES[width]], width=width, months=months
        ),
        Table(
            ("created in", *map(str, ages)),
            [
                (
                    month(each.month),
                    *("" if age not in each.shares else share(each.shares[age]) for age in ages),
                )
                for each in reversed(cohorts)
            ],
        ),
        wide=True,
    )


def _first_sales(found: FirstSales) -> Iterator[Panel]:
    if not found.buyers:
        return
    counts = [
        (name, sum(count for days, count in found.by_days.items() if low <= days <= high))
        for name, low, high in _BUCKETS
    ]
    shown = counts if counts[0][1] else counts[1:]
    median = found.median_days()
    rows = [
        {
            "place": place,
            "name": name,
            "value": count,
            "text": part_of(count, found.buyers),
            "said": f"{name}: {counted(count, 'customer')}",
        }
        for place, (name, count) in enumerate(shown)
    ]
    when = "on the day they were created" if not median else f"within {counted(median, 'day')}"
    before = " Some were imported with a sale older than themselves." if counts[0][1] else ""
    yield Panel(
        "first-sale",
        "Days from creation to first sale",
        f"Half of the {counted(found.buyers, 'buyer')} bought {when}.{before}",
        lambda width: charts.buckets(rows, width=width),
        Table(
            ("days", "customers", "share"),
            [(name, number(count), part_of(count, found.buyers)) for name, count in shown],
        ),
        wide=True,
    )


def _churn(months: Sequence[Month]) -> Iterator[Panel]:
    if not any(each.canceled for each in months):
        return
    table = Table(
        ("month", "buyers at its start", "canceled", "share"),
        [
            (
                month(each.month),
                number(each.buyers_at_start),
                number(each.canceled),
                "–" if each.share is None else share(each.share),
            )
            for each in reversed(months)
        ],
    )
    rows = [
        row
        for each in months
        for row in _bars(Period.month_of(each.month), {"cancellations": each.canceled}, number)
    ]
    total = sum(each.canceled for each in months)
    most = max(months, key=lambda each: each.canceled)
    yield Panel(
        "cancellations",
        "Cancellations by month",
        f"{counted(total, 'cancellation')} of customers who had bought in an earlier month; most in "
        f"{month(most.month)}: {number(most.canceled)}.",
        lambda width: charts.periods(rows, {"cancellations": charts.THIRD}, width=width),
        table,
    )
    shares = [
        {
            "day": each.month.isoformat(),
            "value": each.share,
            "said": f"{month(each.month)}: {share(each.share)} of {counted(each.buyers_at_start, 'buyer')}",
        }
        for each in months
        if each.share is not None
    ]
    if shares:
        last = next(each for each in reversed(months) if each.share is not None)
        yield Panel(
            "churn",
            "Share of the buyers who canceled, by month",
            f"In {month(last.month)}: {share(last.share or 0)}.",
            lambda width: charts.trend(shares, width=width, height=180),
            table,
        )


def _some(days: Sequence[Day], number_of: int) -> list[Day]:
    """So many of them at most, evenly spaced in time, the first and the last among them."""
    step = (days[-1].day - days[0].day).days / number_of
    kept = list(days[:1])
    for each in days[1:]:
        if each is days[-1] or (each.day - kept[-1].day).days >= step:
            kept.append(each)
    return kept
