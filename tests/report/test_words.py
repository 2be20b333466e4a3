"""Numbers, amounts and periods as people read them."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest

from dub_source.report.figures import Day, FirstSales
from dub_source.report.periods import by_period
from dub_source.report.words import brief_dollars, clean, counted, dollars, listed, moment, number, part_of


@pytest.mark.parametrize(
    "cents, brief, full",
    (
        (0, "$0", "$0.00"),
        (5, "$0.05", "$0.05"),
        (9_999, "$99.99", "$99.99"),
        (12_345, "$123", "$123.45"),
        (99_949, "$999", "$999.49"),
        (99_960, "$1k", "$999.60"),
        (100_000, "$1k", "$1,000"),
        (123_456_789, "$1.23M", "$1,234,568"),
        (99_999_999_999, "$1B", "$1,000,000,000"),
        (2**62, "$46,117T", "$46,116,860,184,273,880"),
        (-123_456, "−$1.23k", "−$1,235"),
    ),
)
def test_amounts(cents: int, brief: str, full: str) -> None:
    assert brief_dollars(cents) == brief
    assert dollars(cents) == full


def test_numbers() -> None:
    assert number(1_234_567) == "1,234,567"
    assert counted(1, "customer") == "1 customer"
    assert counted(1_000, "country", "countries") == "1,000 countries"
    assert part_of(1, 8) == "12.5%"
    assert (part_of(0, 8), part_of(8, 8), part_of(1, 0)) == ("0%", "100%", "–")
    assert listed({"created": 1_200, "updated": 0, "deleted": 3}) == "1,200 created, 3 deleted"
    assert moment(datetime(2026, 1, 2, 3, 4, tzinfo=UTC)) == "2 Jan 2026, 03:04 UTC"


@pytest.mark.parametrize("text", ("Zoë", "李雷", "محمد", "👩\u200d💻", "a\tb"))
def test_what_can_be_seen_stays(text: str) -> None:
    assert clean(text).replace("\ufffd", "\t") == text


@pytest.mark.parametrize("text", ("\x00", "\u202e", "\u2066", "\ud800", "\uffff", "\x1b", "\u2028"))
def test_what_cannot_is_shown_as_such(text: str) -> None:
    assert clean(f"a{text}b") == "a\ufffdb"


@pytest.mark.parametrize(
    "days, unit, first, last",
    (
        (1, "day", "1 Jan 2024", "1 Jan 2024"),
        (40, "day", "1 Jan 2024", "9 Feb 2024"),
        (60, "week", "week of 1 Jan 2024", "week of 26 Feb 2024"),
        (800, "month", "Jan 2024", "Mar 2026"),
        (4_000, "year", "2024", "2034"),
    ),
)
def test_periods(days: int, unit: str, first: str, last: str) -> None:
    start = date(2024, 1, 1)
    made = [Day(start + timedelta(days=each), 2, 1, 1, 1, total=each) for each in range(days)]
    periods = by_period(made)
    assert {each.unit for each in periods} == {unit}
    assert (periods[0].name, periods[-1].name) == (first, last)
    assert sum(each.new_customers for each in periods) == 2 * days
    assert sum(each.deleted for each in periods) == days
    assert periods[-1].total == days - 1
    assert all(one.end <= other.start for one, other in pairwise(periods))


def test_median() -> None:
    assert FirstSales({}).median_days() is None
    assert FirstSales({3: 1}).median_days() == 3
    assert FirstSales({-1: 1, 0: 1, 5: 1, 9: 1}).median_days() == 0
    assert FirstSales({0: 1, 5: 100}).median_days() == 5
