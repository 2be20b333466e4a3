"""What the report shows, as values: sums and shares, nobody's name, address or id.

A part that cannot be known is None, and ``absent`` says why: a column is left out or hashed, a table is not
there yet.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Totals:
    """All customers who exist; amounts in cents."""

    customers: int = 0
    buyers: int = 0
    revenue_cents: int = 0
    canceled: int = 0


@dataclass(frozen=True, slots=True)
class Day:
    """A day, UTC, on which something happened; ``total`` customers exist at its end."""

    day: date
    new_customers: int = 0
    new_buyers: int = 0
    cancellations: int = 0
    deleted: int = 0
    total: int = 0


@dataclass(frozen=True, slots=True)
class Group:
    """Customers who have a country, partner or link in common; ``name`` is None for those who have none."""

    name: str | None
    customers: int
    buyers: int
    revenue_cents: int


@dataclass(frozen=True, slots=True)
class Groups:
    """The groups with the most revenue, and all others together.

    Attributes:
        top: the greatest first; those who have none of it last, however much that is.
        others: how many groups are not among them.
        rest: the sum of those; None if there are none.
    """

    top: tuple[Group, ...] = ()
    others: int = 0
    rest: Group | None = None


@dataclass(frozen=True, slots=True)
class Cohort:
    """Customers by the month of their creation; ``shares`` of them that had bought, by months since then."""

    month: date
    customers: int
    buyers: int
    revenue_cents: int
    revenue_per_customer_cents: float
    canceled: int
    shares: Mapping[int, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FirstSales:
    """How many customers bought for the first time how many whole days after they were created."""

    by_days: Mapping[int, int]

    @property
    def buyers(self) -> int:
        """All of them."""
        return sum(self.by_days.values())

    def median_days(self) -> int | None:
        """Half of them had bought by the end of that day."""
        passed = 0
        for days in sorted(self.by_days):
            passed += self.by_days[days]
            if 2 * passed >= self.buyers:
                return days
        return None


@dataclass(frozen=True, slots=True)
class Month:
    """Buyers at the start of a month, and those of them who canceled in it; ``share`` None without buyers."""

    month: date
    buyers_at_start: int
    canceled: int
    share: float | None


@dataclass(frozen=True, slots=True)
class Changed:
    """Versions of customers that were seen on a day."""

    day: date
    created: int
    updated: int
    deleted: int


@dataclass(frozen=True, slots=True)
class Run:
    """A load; ``error`` is the kind of error that it failed with."""

    started_at: datetime
    mode: str
    ok: bool
    error: str | None
    certified: bool | None
    requests: int
    created: int
    updated: int
    deleted: int
    seconds: float | None


@dataclass(frozen=True, slots=True)
class SyncPlan:
    """A plan that does something, and what has become of it; ``results`` by their names."""

    plan_id: str
    sync: str
    created_at: datetime
    state: str
    changes: int
    results: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Figures:
    """All that the report shows.

    Attributes:
        at: when it was made, UTC.
        workspace: its name in the settings; None if it has none.
        location: where the customers are, without folders.
        dataset: of the customers.
        well: whether nobody needs to look.
        verdict: what ``status`` says, in one line.
        deleted: customers who are marked as deleted.
        versions: rows of the history.
        loaded_at: when the last load that went well began, UTC.
        swept_at: the same of the last one that read everybody.
        certified: whether that one proved that it did.
        absent: by part, why it is not there.
    """

    at: datetime
    workspace: str | None
    location: str
    dataset: str
    well: bool
    verdict: str
    deleted: int = 0
    versions: int = 0
    loaded_at: datetime | None = None
    swept_at: datetime | None = None
    certified: bool | None = None
    totals: Totals | None = None
    over_time: tuple[Day, ...] | None = None
    countries: Groups | None = None
    partners: Groups | None = None
    links: Groups | None = None
    cohorts: tuple[Cohort, ...] | None = None
    first_sales: FirstSales | None = None
    churn: tuple[Month, ...] | None = None
    changes: tuple[Changed, ...] | None = None
    runs: tuple[Run, ...] | None = None
    plans: tuple[SyncPlan, ...] = ()
    absent: Mapping[str, str] = field(default_factory=dict)

    def why_not(self, part: str, called: str, nothing: str) -> str:
        """Why a part is not shown, in a sentence: it cannot be known, or there is ``nothing``."""
        why = self.absent.get(part)
        return nothing if why is None else f"{called} is not shown: {why}"

    def as_json(self) -> dict[str, Any]:
        """The same as plain values: days and moments in ISO 8601, amounts in cents."""
        values: dict[str, Any] = _plain(asdict(self))
        return values


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value.isoformat() if isinstance(value, date) else value
