"""The SQL of the views: what it answers, in every dialect, and when there is no view."""

from datetime import date, datetime, timedelta
from operator import methodcaller
from typing import Any

import duckdb
import pytest
import sqlglot

from dub_source import runs
from dub_source.analytics import VIEWS, left_out, query, view_name
from dub_source.changes import HISTORY_COLUMNS, SYSTEM_COLUMNS
from dub_source.errors import SettingsError
from dub_source.schema import arrow_schema
from dub_source.sync.report import RUN_SCHEMA
from tests.analytics.expected import Expected, month
from tests.sync.conftest import MakeWorld
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
    "sync_runs": RUN_SCHEMA.names,
}


def run(world: World, view: str, *order: str) -> list[Row]:
    """The rows of a view, from its SELECT alone."""
    columns = {name: list(world.warehouse.rows(f"dub.{name}")[0]) for name in COLUMNS}
    dialect = "postgres" if world.warehouse.target.destination == "postgres" else "duckdb"
    sql = query(view, table_of=lambda name: f'"dub"."{name}"', dialect=dialect, columns=columns)
    parsed: Any = sqlglot.parse_one(sql, dialect=dialect)
    names = parsed.named_selects
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
        money = expected.money_by(methodcaller("get", key))
        assert {row[name]: row | money[row[name]] for row in found} == {row[name]: row for row in found}
        assert {row[name] for row in found} == money.keys()
    times = run(world, "time_to_first_sale")
    assert {
        row["id"]: (row["seconds_to_first_sale"], row["is_backdated"]) for row in times
    } == expected.times_to_first_sale()
    assert next(row for row in times if row["id"] == early)["days_to_first_sale"] is None
    assert [tuple(row.values()) for row in run(world, "churn", "month")] == expected.churn()


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect_can_read_what_is_written_for_it(view: str, dialect: str) -> None:
    quote = DIALECTS[dialect]
    sql = query(
        view,
        table_of=lambda name: f"{quote}my-project{quote}.{quote}dub{quote}.{quote}{name}{quote}",
        dialect=dialect,
        columns=COLUMNS,
    )
    parsed: Any = sqlglot.parse_one(sql, dialect=dialect)
    written: Any = sqlglot.parse_one(VIEWS[view].sql, dialect="duckdb")
    tables = {
        (table.catalog, table.db, table.name) for table in parsed.find_all(sqlglot.exp.Table) if table.db
    }
    assert tables == {("my-project", "dub", name) for name in VIEWS[view].needs}
    names = [name.lower() for name in parsed.named_selects]
    assert [name for name in written.named_selects if name != "every_column"] == names[
        : len(written.named_selects) - ("every_column" in written.named_selects)
    ]
    assert not parsed.find(sqlglot.exp.Anonymous), "a function that the dialect may not have"


def test_bigquery_gets_differences_of_moments_and_snowflake_large_names() -> None:
    def of(dialect: str) -> str:
        return query("time_to_first_sale", table_of=str, dialect=dialect, columns=COLUMNS)

    assert "TIMESTAMP_DIFF(" in of("bigquery")
    assert " DATE_DIFF(" not in of("bigquery")
    assert '"FIRST_SALE_AT"' in of("snowflake")
    assert '"first_sale_at"' in of("postgres")


def test_a_view_whose_columns_are_missing_is_left_out_with_a_reason() -> None:
    plain = {"customers": [name for name in ROWS if "__" not in name]}
    assert left_out("revenue_by_country", plain) is None
    why = left_out("revenue_by_partner", plain)
    assert why == "it needs partner__id, which the table of customers does not have: not loaded, or excluded."
    assert left_out("changes_daily", plain) == "it needs the table of their history, which is not there."
    with pytest.raises(SettingsError, match="revenue_by_partner is left out: it needs partner__id"):
        query("revenue_by_partner", table_of=str, dialect="duckdb", columns=plain)
    with pytest.raises(SettingsError, match="There is no view 'sales'"):
        query("sales", table_of=str, dialect="duckdb", columns=plain)


def test_a_name_that_is_excluded_is_null_and_the_view_stays() -> None:
    columns = {"customers": [name for name in ROWS if name != "partner__name"]}
    sql = query("revenue_by_partner", table_of=str, dialect="duckdb", columns=columns)
    assert "partner__name" not in sql
    assert 'AS "partner_name"' in sql


def test_views_are_called_after_the_table_and_never_longer_than_postgres_keeps() -> None:
    assert view_name("cohorts", "customers") == "cohorts"
    assert view_name("cohorts", "people") == "people_cohorts"
    assert view_name("customers_current", "people") == "people_current"
    assert view_name("sync_health", "people") == "sync_health"
    why = left_out("revenue_by_country", COLUMNS, table="p" * 54)
    assert why is not None
    assert "longer than 63 characters" in why


@pytest.mark.only("duckdb", "postgres")
def test_an_empty_workspace_has_empty_views(make_world: MakeWorld) -> None:
    world = make_world(0)
    world.load()
    runs.create_views(world.warehouse.target, pipelines_dir=world.working)
    counted = {name: world.query(f"SELECT count(*) FROM dub.{name}")[0][0] for name in VIEWS}
    assert counted == dict.fromkeys(VIEWS, 0) | {"sync_health": 1}


@pytest.mark.only("duckdb")
def test_days_are_those_of_utc_whatever_the_time_zone_of_the_session(world: World) -> None:
    world.load()
    runs.create_views(world.warehouse.target, pipelines_dir=world.working)
    found = {}
    with duckdb.connect(str(world.warehouse.target.database)) as connection:
        for zone in ("UTC", "Pacific/Kiritimati", "America/New_York"):
            connection.execute(f"SET TimeZone = '{zone}'")
            found[zone] = {
                name: sorted(map(repr, connection.execute(_without_moments(connection, name)).fetchall()))
                for name in VIEWS
            }
    assert found["UTC"] == found["Pacific/Kiritimati"] == found["America/New_York"]


def test_a_sale_of_1900_hides_no_month_of_today() -> None:
    moments = ("first_sale_at", "subscription_canceled_at", "observed_at", "deleted_at")
    sql = query("churn", table_of=lambda name: name, dialect="duckdb", columns={"customers": moments})
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE customers ({', '.join(f'{each} TIMESTAMPTZ' for each in moments)})")
        for row in (("2026-01-05", "2026-03-01"), ("1900-01-05", None)):
            moments_of_row = [each and f"{each} 12:00:00+00" for each in (*row, "2026-11-01", None)]
            connection.execute("INSERT INTO customers VALUES (?, ?, ?, ?)", moments_of_row)
        rows = connection.execute(f"SELECT * FROM ({sql}) WHERE canceled > 0").fetchall()
    assert rows == [(date(2026, 3, 1), 2, 1, 0.5)]


def _without_moments(connection: duckdb.DuckDBPyConnection, view: str) -> str:
    """All columns of a view; moments as numbers, because they are shown in the time zone of the session."""
    columns = connection.execute(f"DESCRIBE dub.{view}").fetchall()
    shown = [f"epoch_us({each[0]})" if "TIME ZONE" in each[1] else each[0] for each in columns]
    return f"SELECT {', '.join(shown)} FROM dub.{view}"
