"""The views for analysts, as SELECTs in DuckDB's dialect over the tables ``customers`` and the like.

None of them reads another view, so each can be run, made and dropped by itself. All count customers who exist
in Dub; only those that say so count deleted ones. Moments are UTC, days and months are those of UTC, amounts
are whole cents. What is not portable between dialects is left out on purpose: series of dates, intervals,
dates made of numbers.
"""

from collections.abc import Mapping

from dub_source.analytics.expressions import (
    NUMBERS,
    day,
    month,
    month_number,
    month_of_number,
    seconds,
    share,
)
from dub_source.analytics.view import ALL_COLUMNS, View
from dub_source.table_names import CUSTOMERS, HISTORY, SYNC_RUNS, VALIDITY

_MONEY = """
    COUNT(*) AS customers,
    COUNT(first_sale_at) AS buyers,
    CAST(COALESCE(SUM(sales), 0) AS BIGINT) AS sales,
    CAST(COALESCE(SUM(sale_amount), 0) AS BIGINT) AS revenue_cents,
    COUNT(subscription_canceled_at) AS canceled
"""
_MONEY_NEEDS = ("first_sale_at", "sales", "sale_amount", "subscription_canceled_at", "deleted_at")


def _events(name: str, moment: str) -> str:
    kinds = ("new_customers", "new_buyers", "cancellations", "deleted")
    ones = ", ".join(f"{int(kind == name)} AS {kind}" for kind in kinds)
    return f"SELECT {day(moment)} AS day, {ones} FROM customers WHERE {moment} IS NOT NULL"


_EVENTS = " UNION ALL ".join(
    _events(name, moment)
    for name, moment in (
        ("new_customers", "created_at"),
        ("new_buyers", "first_sale_at"),
        ("cancellations", "subscription_canceled_at"),
        ("deleted", "deleted_at"),
    )
)

_VIEWS = (
    View(
        "customers_current",
        f"SELECT {ALL_COLUMNS} FROM customers WHERE deleted_at IS NULL",
        {CUSTOMERS: ("id", "deleted_at")},
    ),
    View(
        VALIDITY,
        # The computed columns come first, so that columns that Dub adds can come last: Postgres replaces a
        # view only if what it had before stays where it was.
        f"""
        SELECT
            observed_at AS valid_from,
            LEAD(observed_at) OVER (PARTITION BY id ORDER BY observed_at) AS valid_to,
            LEAD(observed_at) OVER (PARTITION BY id ORDER BY observed_at) IS NULL AS is_current,
            {ALL_COLUMNS}
        FROM customers_history
        """,
        {HISTORY: ("id", "observed_at")},
    ),
    View(
        "customers_over_time",
        f"""
        WITH events AS ({_EVENTS}), days AS (
            SELECT
                day,
                CAST(SUM(new_customers) AS BIGINT) AS new_customers,
                CAST(SUM(new_buyers) AS BIGINT) AS new_buyers,
                CAST(SUM(cancellations) AS BIGINT) AS cancellations,
                CAST(SUM(deleted) AS BIGINT) AS deleted
            FROM events GROUP BY day
        )
        SELECT
            day, new_customers, new_buyers, cancellations, deleted,
            CAST(SUM(new_customers - deleted) OVER (
                ORDER BY day ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
            ) AS BIGINT) AS customers_total
        FROM days
        """,
        {CUSTOMERS: ("created_at", "first_sale_at", "subscription_canceled_at", "deleted_at")},
    ),
    View(
        "cohorts",
        f"""
        WITH of_cohorts AS (
            SELECT {month("created_at")} AS cohort_month, {_MONEY}
            FROM customers WHERE deleted_at IS NULL AND created_at IS NOT NULL
            GROUP BY {month("created_at")}
        )
        SELECT
            cohort_month, customers, buyers, revenue_cents,
            CAST(revenue_cents AS DOUBLE) / customers AS revenue_per_customer_cents,
            canceled, sales
        FROM of_cohorts
        """,
        {CUSTOMERS: ("created_at", *_MONEY_NEEDS)},
    ),
    View(
        "cohort_activity",
        f"""
        WITH {NUMBERS}, living AS (
            SELECT
                {month("created_at")} AS cohort_month,
                {month_number("created_at")} AS created_number,
                {month_number("first_sale_at")} AS bought_number,
                {month_number("observed_at")} AS observed_number
            FROM customers WHERE deleted_at IS NULL AND created_at IS NOT NULL
        ), of_cohorts AS (
            SELECT cohort_month, created_number, COUNT(*) AS customers FROM living
            GROUP BY cohort_month, created_number
        ), newest AS (
            SELECT MAX(observed_number) AS observed_number FROM living
        ), bought AS (
            SELECT
                cohort_month,
                CASE WHEN bought_number > created_number THEN bought_number - created_number ELSE 0 END
                    AS months_since,
                COUNT(*) AS buyers
            FROM living WHERE bought_number IS NOT NULL
            GROUP BY
                cohort_month,
                CASE WHEN bought_number > created_number THEN bought_number - created_number ELSE 0 END
        ), so_far AS (
            SELECT
                of_cohorts.cohort_month, numbers.number, of_cohorts.customers,
                SUM(COALESCE(bought.buyers, 0)) OVER (
                    PARTITION BY of_cohorts.cohort_month ORDER BY numbers.number
                    ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
                ) AS buyers
            FROM of_cohorts
            CROSS JOIN newest
            JOIN numbers ON numbers.number <= newest.observed_number - of_cohorts.created_number
            LEFT JOIN bought
                ON bought.cohort_month = of_cohorts.cohort_month AND bought.months_since = numbers.number
        )
        SELECT
            cohort_month,
            CAST(number AS INT) AS months_since,
            CAST(buyers AS BIGINT) AS buyers_so_far,
            CAST(buyers AS DOUBLE) / customers AS share_bought,
            customers
        FROM so_far
        """,
        {CUSTOMERS: ("created_at", "first_sale_at", "observed_at", "deleted_at")},
    ),
    View(
        "revenue_by_country",
        f"SELECT country, {_MONEY} FROM customers WHERE deleted_at IS NULL GROUP BY country",
        {CUSTOMERS: ("country", *_MONEY_NEEDS)},
    ),
    View(
        "revenue_by_partner",
        # Rows that were read at different times may have different names of one partner.
        f"""
        SELECT partner__id AS partner_id, MAX(partner__name) AS partner_name, {_MONEY}
        FROM customers WHERE deleted_at IS NULL GROUP BY partner__id
        """,
        {CUSTOMERS: ("partner__id", *_MONEY_NEEDS)},
        optional=("partner__name",),
    ),
    View(
        "revenue_by_link",
        f"""
        SELECT link__id AS link_id, MAX(link__short_link) AS short_link, {_MONEY}
        FROM customers WHERE deleted_at IS NULL GROUP BY link__id
        """,
        {CUSTOMERS: ("link__id", *_MONEY_NEEDS)},
        optional=("link__short_link",),
    ),
    View(
        "time_to_first_sale",
        f"""
        WITH buyers AS (
            SELECT
                id, created_at, first_sale_at,
                CASE WHEN first_sale_at >= created_at
                    THEN {seconds("created_at", "first_sale_at")} END AS seconds,
                first_sale_at < created_at AS is_backdated
            FROM customers
            WHERE deleted_at IS NULL AND created_at IS NOT NULL AND first_sale_at IS NOT NULL
        )
        SELECT
            id, created_at, first_sale_at,
            CAST(seconds AS BIGINT) AS seconds_to_first_sale,
            CAST(seconds AS DOUBLE) / 86400 AS days_to_first_sale,
            is_backdated
        FROM buyers
        """,
        {CUSTOMERS: ("id", "created_at", "first_sale_at", "deleted_at")},
    ),
    View(
        "churn",
        # Months are counted backwards: a sale that an import dates to 1900 must not use them all up.
        f"""
        WITH {NUMBERS}, living AS (
            SELECT
                {month_number("first_sale_at")} AS bought_number,
                {month_number("subscription_canceled_at")} AS canceled_number,
                {month_number("observed_at")} AS observed_number
            FROM customers WHERE deleted_at IS NULL
        ), span AS (
            SELECT MIN(bought_number) AS first_number, MAX(observed_number) AS last_number FROM living
        ), months AS (
            SELECT span.last_number - numbers.number AS month_number
            FROM span JOIN numbers ON span.last_number - numbers.number >= span.first_number
        ), counted AS (
            SELECT
                months.month_number,
                COUNT(living.bought_number) AS buyers_at_start,
                CAST(SUM(CASE WHEN living.canceled_number = months.month_number THEN 1 ELSE 0 END) AS BIGINT)
                    AS canceled
            FROM months LEFT JOIN living
                ON living.bought_number < months.month_number
                AND (living.canceled_number IS NULL OR living.canceled_number >= months.month_number)
            GROUP BY months.month_number
        )
        SELECT
            {month_of_number("month_number")} AS month,
            buyers_at_start, canceled,
            {share("canceled", "buyers_at_start")} AS churn_share
        FROM counted
        """,
        {CUSTOMERS: ("first_sale_at", "subscription_canceled_at", "observed_at", "deleted_at")},
    ),
    View(
        "changes_daily",
        f"""
        SELECT
            {day("observed_at")} AS day,
            CAST(SUM(CASE WHEN change = 'created' THEN 1 ELSE 0 END) AS BIGINT) AS created,
            CAST(SUM(CASE WHEN change = 'updated' THEN 1 ELSE 0 END) AS BIGINT) AS updated,
            CAST(SUM(CASE WHEN change = 'deleted' THEN 1 ELSE 0 END) AS BIGINT) AS deleted
        FROM customers_history GROUP BY {day("observed_at")}
        """,
        {HISTORY: ("observed_at", "change")},
    ),
    View(
        "sync_health",
        f"""
        WITH runs AS (
            SELECT
                *,
                MAX(CASE WHEN status = 'ok' THEN started_at END) OVER (
                    PARTITION BY table_name ORDER BY started_at, run_id
                    ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
                ) AS previous_ok_at,
                MAX(CASE WHEN certified THEN started_at END) OVER (
                    PARTITION BY table_name ORDER BY started_at, run_id
                    ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
                ) AS previous_certified_at
            FROM sync_runs
        )
        SELECT
            run_id, table_name, started_at, ended_at, status, error, mode, reason,
            CAST({seconds("started_at", "ended_at")} AS BIGINT) AS seconds,
            requests, retries, throttled_seconds,
            read, created, updated, deleted, refreshed, created + updated + deleted AS changes,
            certified, unread, resumed,
            previous_ok_at,
            CAST({seconds("previous_ok_at", "started_at")} AS BIGINT) AS seconds_since_previous_ok,
            previous_certified_at,
            CAST({seconds("previous_certified_at", "started_at")} AS BIGINT)
                AS seconds_since_previous_certified,
            version
        FROM runs
        """,
        {
            SYNC_RUNS: (
                *("run_id", "table_name", "started_at", "ended_at", "status", "error", "mode", "reason"),
                *("requests", "retries", "throttled_seconds", "read", "created", "updated", "deleted"),
                *("refreshed", "certified", "unread", "resumed", "version"),
            )
        },
    ),
)

VIEWS: Mapping[str, View] = {view.name: view for view in _VIEWS}
"""All views, by the name that they have for the table ``customers``."""
