"""How many customers there are, by the day they were created."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta

from dub_source.report import charts
from dub_source.report.figures import Day
from dub_source.report.panels import Panel, Table
from dub_source.report.periods import Period, bars, by_period
from dub_source.report.words import counted, day, number

_POINTS = 130
"""Of the line, at most."""


def growth(all_days: Sequence[Day], today: date) -> Iterator[Panel]:
    """Panels about days, in their order, up to today (UTC); none without customers."""
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
    first = Day(days[0].day - min(timedelta(days=1), days[0].day - date.min))
    last = replace(days[-1], day=today)
    # Imports have sales that are older than their customers.
    created = next((each.day for each in days if each.new_customers), days[0].day)
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
        f"{counted(last.total, 'customer')}; the first was created on {day(created)}.{later}",
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
        for row in bars(
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


def _some(days: Sequence[Day], number_of: int) -> list[Day]:
    """So many of them at most, evenly spaced in time, the first and the last among them."""
    step = (days[-1].day - days[0].day).days / number_of
    kept = list(days[:1])
    for each in days[1:]:
        if each is days[-1] or (each.day - kept[-1].day).days >= step:
            kept.append(each)
    return kept
