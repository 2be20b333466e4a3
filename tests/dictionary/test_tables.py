"""The dictionary says what there is: every table, column and type, and nothing else."""

import json

import pyarrow as pa
import pytest
import sqlglot

from dub_source import analytics, runs
from dub_source.changes import HISTORY_COLUMNS, SYSTEM_COLUMNS
from dub_source.dictionary import TABLES, VIEWS
from dub_source.reverse.erasing import ERASURE_SCHEMA
from dub_source.reverse.model import Op, Result
from dub_source.reverse.push_tables import CHANGE_SCHEMA, LOG_SCHEMA, PLAN_SCHEMA
from dub_source.schema import COLUMNS, EXPANDED_COLUMNS, arrow_schema
from dub_source.sync.report import RUN_SCHEMA
from tests.sync.world import World

TYPES = {
    pa.string(): "text",
    pa.int64(): "bigint",
    pa.float64(): "double",
    pa.bool_(): "boolean",
    pa.timestamp("us", tz="UTC"): "timestamp",
}
_CUSTOMERS = arrow_schema(expanded=True)
for name, kind in SYSTEM_COLUMNS.items():
    _CUSTOMERS = _CUSTOMERS.append(pa.field(name, kind))
_HISTORY = _CUSTOMERS
for name, kind in HISTORY_COLUMNS.items():
    _HISTORY = _HISTORY.append(pa.field(name, kind))
SCHEMAS = {
    "customers": _CUSTOMERS,
    "customers_history": _HISTORY,
    "customers_filtered": _CUSTOMERS,
    "sync_runs": RUN_SCHEMA,
    "push_plans": PLAN_SCHEMA,
    "push_changes": CHANGE_SCHEMA,
    "push_log": LOG_SCHEMA,
    "erasures": ERASURE_SCHEMA,
}


def test_every_table_is_there_with_its_columns_and_types() -> None:
    assert TABLES.keys() == SCHEMAS.keys()
    for table, schema in SCHEMAS.items():
        there = [(field.name, TYPES[field.type]) for field in schema]
        assert [(column.name, column.type) for column in TABLES[table].columns] == there, table


def test_every_field_of_dub_is_named_as_it_stands_on_the_wire() -> None:
    on_the_wire = {name: ".".join(path) for path, (name, _) in (COLUMNS | EXPANDED_COLUMNS).items()}
    expanded = {name for name, _ in EXPANDED_COLUMNS.values()}
    columns = TABLES["customers"].columns
    assert {column.name: column.source for column in columns if column.source} == on_the_wire
    assert {column.name for column in columns if column.expanded} == expanded


def test_values_are_those_of_the_code() -> None:
    assert set(TABLES["push_log"].by_name["result"].values) == {each.value for each in Result}
    assert set(TABLES["push_log"].by_name["op"].values) == {each.value for each in Op}


@pytest.mark.parametrize("name", (*TABLES, *VIEWS))
def test_everything_is_said_in_one_way(name: str) -> None:
    table = (TABLES | VIEWS)[name]
    assert table.name == name
    assert table.meaning.endswith(".")
    assert table.key is None or not table.by_name[table.key].nullable or name.startswith("revenue_by")
    assert len(table.by_name) == len(table.columns), "no column twice"
    for column in table.columns:
        assert column.meaning
        assert not column.meaning.endswith("."), column
        assert (column.type == "timestamp") <= (column.unit == "UTC"), column
        if column.references:
            other, key = column.references
            assert key in TABLES[other].by_name
    if table.of:
        assert table.of in TABLES


def test_every_view_is_there_with_the_columns_that_it_selects() -> None:
    assert VIEWS.keys() == analytics.VIEWS.keys()
    columns = {name: SCHEMAS[name].names for name in ("customers", "customers_history", "sync_runs")}
    for name in VIEWS:
        sql = analytics.query(name, table_of=str, dialect="duckdb", columns=columns)
        parsed: sqlglot.exp.Select = sqlglot.parse_one(sql, dialect="duckdb", into=sqlglot.exp.Select)
        assert parsed.named_selects == [column.name for column in VIEWS[name].columns], name
        assert [VIEWS[name].of] == list(analytics.VIEWS[name].needs)


@pytest.mark.only("duckdb")
def test_types_and_nulls_are_those_of_the_views_in_the_destination(world: World) -> None:
    world.load()
    world.load("incremental")
    runs.create_views(world.warehouse.target, pipelines_dir=world.working)
    types = {
        "VARCHAR": "text",
        "BIGINT": "bigint",
        "INTEGER": "bigint",
        "DOUBLE": "double",
        "BOOLEAN": "boolean",
        "DATE": "date",
        "TIMESTAMP WITH TIME ZONE": "timestamp",
    }
    found = world.query(
        "SELECT table_name, column_name, data_type FROM information_schema.columns "
        "WHERE table_schema = 'dub' ORDER BY table_name, ordinal_position"
    )
    said = {
        (table.name, column.name): column.type
        for table in (TABLES | VIEWS).values()
        for column in table.columns
    }
    ours = {
        (table, column): types[kind]
        for table, column, kind in found
        if not column.startswith("_dlt") and not table.startswith("_dlt")
    }
    assert ours == {key: said[key] for key in ours}
    for name, view in VIEWS.items():
        for row in world.table(name):
            for column in view.columns:
                assert row[column.name] is not None or column.nullable, (name, column.name)
                assert not column.values or row[column.name] in column.values
    assert {table for table, _ in ours} == VIEWS.keys() | {"customers", "customers_history", "sync_runs"}


def test_dlt_has_the_descriptions_and_makes_no_version_of_its_schema_for_them(world: World) -> None:
    world.load(exclude_columns=["email"], include_expanded_fields=False)
    versions = "SELECT count(*) FROM dub._dlt_version"
    before = world.query(versions)
    ((text,),) = world.query("SELECT schema FROM dub._dlt_version ORDER BY version DESC LIMIT 1")
    world.load(exclude_columns=["email"], include_expanded_fields=False)
    world.load("incremental", exclude_columns=["email"], include_expanded_fields=False)
    assert world.query(versions) == before
    tables = json.loads(text)["tables"]
    for name in ("customers", "customers_history", "sync_runs"):
        columns = tables[name]["columns"]
        for column in TABLES[name].columns:
            if column.name == "email" or column.expanded:
                assert column.name not in columns
            else:
                assert columns[column.name]["description"] == column.description
                assert columns[column.name]["data_type"]
