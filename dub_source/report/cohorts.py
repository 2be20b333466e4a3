"""Cohorts: customers who were created in the same month."""

from collections.abc import Iterator, Sequence
from typing import Any

from dub_source.report import charts
from dub_source.report.figures import Cohort
from dub_source.report.panels import MIDDLE, PHONE, WIDE, Panel, Table
from dub_source.report.periods import Period, bars
from dub_source.report.words import counted, dollars, month, number, part_of, share

_COHORTS, _AGES = 18, {PHONE: 6, MIDDLE: 12, WIDE: 24}
"""Cohorts, and months of their age by width, that a chart has."""


def cohort_panels(cohorts: Sequence[Cohort]) -> Iterator[Panel]:
    """Panels about cohorts, in their order; none without revenue."""
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
        for row in bars(
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
    ages = sorted({cell["age"] for cell in cells})[: _AGES[WIDE] + 1]
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
