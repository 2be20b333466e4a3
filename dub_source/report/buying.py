"""When customers buy for the first time, and when they cancel."""

from collections.abc import Iterator, Sequence

from dub_source.report import charts
from dub_source.report.figures import FirstSales, Month
from dub_source.report.panels import Panel, Table
from dub_source.report.periods import Period, bars
from dub_source.report.words import counted, month, number, part_of, share

_BUCKETS = (
    ("before", -(10**9), -1),
    ("same day", 0, 0),
    ("1–7 days", 1, 7),
    ("8–30", 8, 30),
    ("31–90", 31, 90),
    ("91–365", 91, 365),
    ("longer", 366, 10**9),
)
"""Names, first and last days of what is counted together."""


def first_sales(found: FirstSales) -> Iterator[Panel]:
    """Panels about the time to the first sale; none if nobody has bought."""
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


def churn(months: Sequence[Month]) -> Iterator[Panel]:
    """Panels about cancellations by month, in their order; none if there are none."""
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
        for row in bars(Period.month_of(each.month), {"cancellations": each.canceled}, number)
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
