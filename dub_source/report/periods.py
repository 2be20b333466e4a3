"""Days put together to weeks, months or years, so that a chart has as many columns as can be told apart."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import groupby
from typing import Any, Self

from dub_source.report.figures import Day
from dub_source.report.words import day, month

_DAYS, _WEEKS, _MONTHS = 45, 400, 3_000
"""Spans in days up to which columns are days, weeks, months; beyond they are years."""


@dataclass(frozen=True, slots=True)
class Period:
    """A stretch of time, from ``start`` up to ``end`` without it, with the sums of its days."""

    unit: str
    name: str
    start: date
    end: date
    new_customers: int = 0
    new_buyers: int = 0
    cancellations: int = 0
    deleted: int = 0
    total: int = 0

    @classmethod
    def month_of(cls, at: date) -> Self:
        """The month of a day."""
        start = at.replace(day=1)
        return cls("month", month(start), start, _after(start, 31).replace(day=1))

    @classmethod
    def day_of(cls, at: date) -> Self:
        """A day."""
        return cls("day", day(at), at, _after(at, 1))

    @classmethod
    def week_of(cls, at: date) -> Self:
        """The week of a day, from Monday."""
        start = at - timedelta(days=at.weekday())
        return cls("week", f"week of {day(start)}", start, _after(start, 7))

    @classmethod
    def year_of(cls, at: date) -> Self:
        """The year of a day."""
        return cls("year", str(at.year), date(at.year, 1, 1), _after(date(at.year, 12, 31), 1))


def _after(at: date, days: int) -> date:
    """So many days later, or the last day that there is: imports have dates such as 9999-12-31."""
    return at + min(timedelta(days=days), date.max - at)


def kind_of(days: Iterable[date]) -> Callable[[date], Period]:
    """Which periods fit the days."""
    there = list(days)
    span = (max(there) - min(there)).days
    for most, kind in ((_DAYS, Period.day_of), (_WEEKS, Period.week_of), (_MONTHS, Period.month_of)):
        if span <= most:
            return kind
    return Period.year_of


def by_period(days: Sequence[Day]) -> list[Period]:
    """The sums of days, which are in their order and at least one; a period without any is not there."""
    kind = kind_of(each.day for each in days)
    periods = []
    for period, grouped in groupby(days, key=lambda each: kind(each.day)):
        these = list(grouped)
        periods.append(
            replace(
                period,
                new_customers=sum(each.new_customers for each in these),
                new_buyers=sum(each.new_buyers for each in these),
                cancellations=sum(each.cancellations for each in these),
                deleted=sum(each.deleted for each in these),
                total=these[-1].total,
            )
        )
    return periods


def bars(
    period: Period, values: Mapping[str, float], written: Callable[[float], str]
) -> Iterator[dict[str, Any]]:
    """The rows of a column of :func:`dub_source.report.charts.periods`; ``written`` is how a value reads."""
    for place, (series, value) in enumerate(values.items()):
        yield bar(period, place, series, value, written(value))


def bar(period: Period, place: int, series: str, value: float, written: str) -> dict[str, Any]:
    """One of them; ``place`` is that of the series among all."""
    return {
        "start": period.start.isoformat(),
        "end": period.end.isoformat(),
        "series": series,
        "place": place,
        "value": value,
        "said": f"{period.name}: {written} {series}",
    }
