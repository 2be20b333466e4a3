"""The SQL of the views: what it answers, in every dialect, and when there is no view."""

from datetime import datetime, timedelta

import pytest
import sqlglot

from dub_source.analytics import query
from dub_source.changes import HISTORY_COLUMNS, SYSTEM_COLUMNS
from dub_source.schema import arrow_schema
from dub_source.sync.report import SYNC_RUNS
from tests.analytics.expected import Expected, month
from tests.sync.world import World
from tests.warehouses import Row

DIALECTS = {
    "duckdb": '"',
    "postgres": '"',
    "snowflake": '"',
    "redshift": '"',
    "bigquery": "`",
    "databricks": "`",
}
ROWS = [*arrow_schema(expanded=True).names, *SYSTEM_COLUMNS]
COLUMNS = {
    "customers": ROWS,
    "customers_history": [*ROWS, *HISTORY_COLUMNS],
    "sync_runs": SYNC_RUNS.names,
}


def run(world: World, view: str, *order: str) -> list[Row]:
    """The rows of a view, from its SELECT alone."""
    columns = {name: list(world.warehouse.rows(f"dub.{name}")[0]) for name in COLUMNS}
    dialect = "postgres" if world.warehouse.target.destination == "postgres" else "duckdb"
    sql = query(view, table_of=lambda name: f'"dub"."{name}"', dialect=dialect, columns=columns)
    names = sqlglot.parse_one(sql, dialect=dialect).named_selects
    rows = [dict(zip(names, row, strict=True)) for row in world.query(sql)]
    return sorted(rows, key=lambda row: [row[name] for name in order])


@pytest.mark.only("duckdb", "postgres")
def test_the_views_say_what_python_computes_from_the_workspace(world: World) -> None:
    created = world.sandbox.snapshot()
    early, *_ = (key for key, each in created.items() if each["firstSaleAt"])
    before = datetime.fromisoformat(created[early]["createdAt"]) - timedelta(days=90)
    world.sandbox.change(early, first_sale_ms=int(before.timestamp() * 1000))
    world.load()
    (newest,) = world.query("SELECT max(observed_at) FROM dub.customers")
    expected = Expected(world.sandbox.snapshot(), newest[0])

    assert {row["id"] for row in run(world, "customers_current")} == set(world.sandbox.ids())
    assert run(world, "customers_over_time", "day") == expected.over_time()
    cohorts = {row["cohort_month"]: row for row in run(world, "cohorts")}
    assert {
        key: cohorts[key] | value
        for key, value in expected.money_by(lambda row: month(row["created_at"])).items()
    } == cohorts
    for row in cohorts.values():
        assert row["revenue_per_customer_cents"] == pytest.approx(row["revenue_cents"] / row["customers"])
    assert run(world, "cohort_activity", "cohort_month", "months_since") == expected.cohort_activity()
    for view, key in (
        ("country", "country"),
        ("partner", "partner__id"),
        ("link", "link__id"),
    ):
        found = run(world, f"revenue_by_{view}")
        name = "country" if view == "country" else f"{view}_id"
        money = expected.money_by(lambda row, key=key: row.get(key))
        assert {row[name]: row | money[row[name]] for row in found} == {row[name]: row for row in found}
        assert {row[name] for row in found} == money.keys()
    times = run(world, "time_to_first_sale")
    assert {
        row["id"]: (row["seconds_to_first_sale"], row["is_backdated"]) for row in times
    } == expected.times_to_first_sale()
    assert next(row for row in times if row["id"] == early)["days_to_first_sale"] is None
    assert [tuple(row.values()) for row in run(world, "churn", "month")] == expected.churn()
