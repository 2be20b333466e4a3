"""Where the dictionary is shown: the page of the docs, and sources for dbt."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from dub_source import runs
from dub_source.dictionary import TABLES, VIEWS
from dub_source.dictionary.markdown import as_markdown
from dub_source.errors import InvalidArgument
from dub_source.runs.dbt import sources
from tests.sync.world import World

PAGE = Path(__file__).parents[2] / "docs" / "data-dictionary.md"


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == as_markdown(), (
        "run: python -m dub_source.dictionary > docs/data-dictionary.md"
    )


def test_the_page_has_every_table_and_column_and_a_diagram_of_what_there_is() -> None:
    page = as_markdown()
    assert re.findall(r"^### (\w+)$", page, re.MULTILINE) == [*TABLES, *VIEWS]
    for table in (TABLES | VIEWS).values():
        section = page.split(f"### {table.name}\n")[1].split("\n### ")[0]
        rows = [line for line in section.splitlines() if line.startswith("| `")]
        assert [row.split("`")[1] for row in rows] == [column.name for column in table.columns]
        assert {row.replace("\\|", "").count("|") for row in rows} == {6}
    diagram = page.split("```mermaid\n")[1].split("```")[0]
    entities = re.findall(r"^    (\w+) \{$", diagram, re.MULTILINE)
    assert set(entities) == TABLES.keys() - {"customers_filtered"}
    for one, other in re.findall(r"^    (\w+) [|}o]{2}--[|{o]{2} (\w+) : ", diagram, re.MULTILINE):
        assert {one, other} <= set(entities)


@pytest.mark.only("duckdb", "postgres")
def test_sources_for_dbt_have_what_is_there_and_nothing_else(world: World) -> None:
    world.load(exclude_columns=["email"])
    target = world.warehouse.target
    runs.create_views(target, pipelines_dir=world.working)
    read: dict[str, Any] = yaml.safe_load(sources([(target, "customers")]))
    assert read["version"] == 2
    (source,) = read["sources"]
    assert (source["name"], source["schema"]) == ("dub", "dub")
    found = {
        table["name"]: {column["name"]: column for column in table["columns"]} for table in source["tables"]
    }
    there = world.query(
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'dub'"
    )
    ours = {pair for pair in there if not pair[0].startswith("_dlt") and not pair[1].startswith("_dlt")}
    assert {(table, column) for table, columns in found.items() for column in columns} == ours
    assert "email" not in found["customers"]
    assert found["customers"]["id"]["data_tests"] == ["unique", "not_null"]
    assert found["sync_runs"]["status"]["data_tests"] == [
        "not_null",
        {"accepted_values": {"arguments": {"values": ["ok", "failed"]}}},
    ]
    fresh = {table["name"] for table in source["tables"] if "config" in table}
    assert fresh == {"customers", "customers_history", "sync_runs"}
    query = next(table for table in source["tables"] if table["name"] == "customers")["config"]
    ((loaded,),) = world.query(query["loaded_at_query"])
    assert loaded == world.sync_runs()[0]["ended_at"]


@pytest.mark.only("duckdb", "postgres")
def test_what_dbt_would_test_holds(world: World) -> None:
    """The same tests as dbt's, in SQL: those of a source that nobody can meet would fail every build."""
    world.load()
    world.sandbox.delete(world.sandbox.ids()[3])
    world.load()
    target = world.warehouse.target
    runs.create_views(target, pipelines_dir=world.working)
    (source,) = yaml.safe_load(sources([(target, "customers")]))["sources"]
    tested = 0
    for table in source["tables"]:
        rows = world.table(table["name"])
        for column in table["columns"]:
            values = [row[column["name"]] for row in rows]
            for test in column.get("data_tests", ()):
                tested += 1
                if test == "unique":
                    assert len(values) == len(set(values)), column
                elif test == "not_null":
                    assert None not in values, column
                else:
                    assert set(values) <= {None, *test["accepted_values"]["arguments"]["values"]}
    assert tested > 50


def test_there_are_no_sources_where_nothing_was_loaded(world: World) -> None:
    with pytest.raises(InvalidArgument, match="There is no table customers in"):
        sources([(world.warehouse.target, "customers")])


@pytest.mark.only("duckdb")
def test_the_queries_of_the_page_about_views_run(world: World) -> None:
    page = (PAGE.parent / "views.md").read_text(encoding="utf-8")
    world.load()
    runs.create_views(world.warehouse.target, pipelines_dir=world.working)
    queries = re.findall(r"```sql\n(.+?)```", page, re.DOTALL)
    assert len(queries) == 4
    assert all(world.query(query) for query in queries if "2026-01-01" not in query)
    assert [world.query(query) for query in queries if "2026-01-01" in query] == [[]], "loaded after that"
    for name in VIEWS:
        assert f"`{name}`" in page
