"""The views as Python computes them from what the workspace holds."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime
from typing import Any

from tests.sync.world import expected_rows
from tests.warehouses import Row


class Expected:
    """What the views must say of customers, all of whom exist, observed last in the month of ``today``."""

    def __init__(self, snapshot: Mapping[str, Mapping[str, Any]], today: datetime) -> None:
        self.rows = list(expected_rows(snapshot).values())
        self.today = today

    def over_time(self) -> list[Row]:
        created, bought, canceled = (
            Counter(day(row[name]) for row in self.rows if row[name])
            for name in ("created_at", "first_sale_at", "subscription_canceled_at")
        )
        days, total = [], 0
        for each in sorted(created | bought | canceled):
            total += created[each]
            days.append(
                {
                    "day": each,
                    "new_customers": created[each],
                    "new_buyers": bought[each],
                    "cancellations": canceled[each],
                    "deleted": 0,
                    "customers_total": total,
                }
            )
        return days

    def money_by(self, key: Callable[[Row], Any]) -> dict[Any, Row]:
        groups: dict[Any, list[Row]] = {}
        for row in self.rows:
            groups.setdefault(key(row), []).append(row)
        return {value: money(group) for value, group in groups.items()}

    def cohort_activity(self) -> list[Row]:
        found = []
        for start in sorted({month(row["created_at"]) for row in self.rows}):
            cohort = [row for row in self.rows if month(row["created_at"]) == start]
            for since in range(months_between(start, month(self.today)) + 1):
                buyers = sum(
                    months_between(start, month(row["first_sale_at"])) <= since
                    for row in cohort
                    if row["first_sale_at"]
                )
                found.append(
                    {
                        "cohort_month": start,
                        "months_since": since,
                        "buyers_so_far": buyers,
                        "share_bought": buyers / len(cohort),
                        "customers": len(cohort),
                    }
                )
        return found

    def times_to_first_sale(self) -> dict[str, tuple[int | None, bool]]:
        found: dict[str, tuple[int | None, bool]] = {}
        for row in self.rows:
            if row["first_sale_at"]:
                first, created = whole(row["first_sale_at"]), whole(row["created_at"])
                early = row["first_sale_at"] < row["created_at"]
                found[row["id"]] = (None if early else int((first - created).total_seconds()), early)
        return found

    def churn(self) -> list[tuple[date, int, int, float | None]]:
        buyers = [row for row in self.rows if row["first_sale_at"]]
        first, last = min(month(row["first_sale_at"]) for row in buyers), month(self.today)
        found: list[tuple[date, int, int, float | None]] = []
        for number in range(months_between(first, last) + 1):
            this = date(first.year + (first.month - 1 + number) // 12, (first.month - 1 + number) % 12 + 1, 1)
            ends = [
                end and month(end)
                for end in (
                    row["subscription_canceled_at"] for row in buyers if month(row["first_sale_at"]) < this
                )
            ]
            at_start = [end for end in ends if end is None or end >= this]
            canceled = at_start.count(this)
            found.append((this, len(at_start), canceled, canceled / len(at_start) if at_start else None))
        return found


def money(rows: Iterable[Row]) -> Row:
    group = list(rows)
    return {
        "customers": len(group),
        "buyers": sum(row["first_sale_at"] is not None for row in group),
        "sales": sum(row["sales"] for row in group),
        "revenue_cents": sum(row["sale_amount"] for row in group),
        "canceled": sum(row["subscription_canceled_at"] is not None for row in group),
    }


def day(moment: datetime) -> date:
    return moment.astimezone(UTC).date()


def month(moment: datetime) -> date:
    return day(moment).replace(day=1)


def months_between(start: date, end: date) -> int:
    return (end.year - start.year) * 12 + end.month - start.month


def whole(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)
