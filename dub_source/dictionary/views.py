"""The views for analysts (see :mod:`dub_source.analytics`)."""

from dataclasses import replace

from dub_source.dictionary.customers import CUSTOMERS, HISTORY
from dub_source.dictionary.model import (
    BIGINT,
    BOOLEAN,
    CENTS,
    DATE,
    DOUBLE,
    MOMENT,
    SECONDS,
    UTC,
    Column,
    Table,
)
from dub_source.dictionary.runs import SYNC_RUNS

_OF = CUSTOMERS.by_name
_RUN = SYNC_RUNS.by_name


def _count(name: str, meaning: str) -> Column:
    return Column(name, meaning, BIGINT, nullable=False)


_CUSTOMERS = _count("customers", "Customers who exist")
_BUYERS = _count("buyers", "Of these, those who have bought")
_SALES = _count("sales", "Their sales so far")
_REVENUE = Column("revenue_cents", "Their revenue so far", BIGINT, unit=CENTS, nullable=False)
_CANCELED = _count("canceled", "Of these, those whose subscription was canceled")
_COHORT = Column(
    "cohort_month", "Month in which the customers were created, its first day", DATE, unit=UTC, nullable=False
)
_DAY = Column("day", "Day", DATE, unit=UTC, nullable=False)
_MONEY = (_CUSTOMERS, _BUYERS, _SALES, _REVENUE, _CANCELED)

ANALYSES = (
    Table(
        "customers_current",
        "Customers who exist in Dub, one row each, with all columns of customers.",
        CUSTOMERS.columns,
        key="id",
        of=CUSTOMERS.name,
    ),
    Table(
        "customers_over_time",
        "What happened on a day, deleted customers included; days without anything have no row.",
        (
            _DAY,
            _count("new_customers", "Customers created that day"),
            _count("new_buyers", "Customers whose first sale was that day"),
            _count("cancellations", "Customers whose subscription was canceled that day"),
            _count("deleted", "Customers who were found to be gone that day"),
            _count("customers_total", "Customers who existed at its end"),
        ),
        key="day",
        of=CUSTOMERS.name,
    ),
    Table(
        "cohorts",
        "Customers by the month in which they were created, and what they have brought since.",
        (
            _COHORT,
            _CUSTOMERS,
            _BUYERS,
            _REVENUE,
            Column("revenue_per_customer_cents", "Revenue by customer", DOUBLE, unit=CENTS, nullable=False),
            _CANCELED,
            _SALES,
        ),
        key="cohort_month",
        of=CUSTOMERS.name,
    ),
    Table(
        "cohort_activity",
        "How many of a month's customers had bought by the end of each month since, up to the month of the "
        "newest observation. A first sale before the creation, which imports can have, counts in month 0.",
        (
            _COHORT,
            Column("months_since", "Months since then", BIGINT, unit="months", nullable=False),
            _count("buyers_so_far", "Customers whose first sale was by then"),
            Column("share_bought", "Their share of the cohort", DOUBLE, unit="0 to 1", nullable=False),
            _CUSTOMERS,
        ),
        of=CUSTOMERS.name,
    ),
    Table(
        "revenue_by_country",
        "Customers and revenue by country.",
        (_OF["country"], *_MONEY),
        of=CUSTOMERS.name,
    ),
    Table(
        "revenue_by_partner",
        "Customers and revenue by the partner who referred them; null for those without one.",
        (
            replace(_OF["partner__id"], name="partner_id"),
            replace(_OF["partner__name"], name="partner_name"),
            *_MONEY,
        ),
        of=CUSTOMERS.name,
    ),
    Table(
        "revenue_by_link",
        "Customers and revenue by the link that brought them; null for those without one.",
        (
            replace(_OF["link__id"], name="link_id"),
            replace(_OF["link__short_link"], name="short_link"),
            *_MONEY,
        ),
        of=CUSTOMERS.name,
    ),
    Table(
        "time_to_first_sale",
        "Customers who have bought, and how long it took them.",
        (
            replace(_OF["id"], references=(CUSTOMERS.name, "id")),
            replace(_OF["created_at"], nullable=False),
            replace(_OF["first_sale_at"], meaning="When the first sale was", nullable=False),
            Column(
                "seconds_to_first_sale",
                "From the creation to the first sale; null if that was before the creation",
                BIGINT,
                unit=SECONDS,
            ),
            Column("days_to_first_sale", "The same", DOUBLE, unit="days of 86,400 s"),
            Column(
                "is_backdated",
                "Whether the first sale was before the creation, as imports can have it",
                BOOLEAN,
                nullable=False,
            ),
        ),
        key="id",
        of=CUSTOMERS.name,
    ),
    Table(
        "churn",
        "Buyers whose subscription was canceled in a month. The month of the newest observation is not over. "
        "Who buys and cancels in one month was no buyer at its start.",
        (
            Column("month", "Month, its first day", DATE, unit=UTC, nullable=False),
            _count("buyers_at_start", "Customers who had bought before it and had not canceled"),
            _count("canceled", "Of these, those who canceled in it"),
            Column("churn_share", "Their share; null if there were no buyers", DOUBLE, unit="0 to 1"),
        ),
        key="month",
        of=CUSTOMERS.name,
    ),
    Table(
        "changes_daily",
        "Versions that were seen on a day, by what had happened. The first load creates everybody.",
        (
            _DAY,
            _count("created", "Customers seen for the first time, or again"),
            _count("updated", "Changes of customers"),
            _count("deleted", "Customers found to be gone"),
        ),
        key="day",
        of=HISTORY.name,
    ),
    Table(
        "sync_health",
        "One row for each load into any table of the dataset, with how long it took and what went before.",
        (
            *(
                _RUN[name]
                for name in "run_id table_name started_at ended_at status error mode reason".split()
            ),
            Column("seconds", "From its start until everything was read", BIGINT, unit=SECONDS),
            *(_RUN[name] for name in "requests retries throttled_seconds".split()),
            *(_RUN[name] for name in "read created updated deleted refreshed".split()),
            Column("changes", "Customers created, updated and deleted", BIGINT),
            *(_RUN[name] for name in "certified unread resumed".split()),
            Column(
                "previous_ok_at", "Start of the run before that went well, for that table", MOMENT, unit=UTC
            ),
            Column("seconds_since_previous_ok", "From then to the start", BIGINT, unit=SECONDS),
            Column(
                "previous_certified_at",
                "Start of the run before that proved that everybody was read",
                MOMENT,
                unit=UTC,
            ),
            Column("seconds_since_previous_certified", "From then to the start", BIGINT, unit=SECONDS),
            _RUN["version"],
        ),
        key="run_id",
        of=SYNC_RUNS.name,
    ),
)
