"""A lake has no views: that is said, and their SQL is printed for the engine that reads the lake."""

import pytest
import sqlglot
import yaml

from dub_source import runs
from dub_source.analytics import VIEWS
from dub_source.errors import DestinationError
from dub_source.runs.dbt import sources
from tests.reverse.world import PushWorld

pytestmark = pytest.mark.only("delta")


def test_views_are_refused_and_printed(world: PushWorld) -> None:
    world.load()
    target = world.warehouse.target
    for act in (runs.create_views, runs.drop_views):
        with pytest.raises(DestinationError, match="no views: dub-source views --print-sql prints them"):
            act(target, pipelines_dir=world.working)
    selects = runs.view_selects(target, dialect="databricks")
    assert set(selects.sql) == set(VIEWS)
    for statement in selects.statements():
        parsed = sqlglot.parse_one(statement, dialect="databricks")
        assert {table.db for table in parsed.find_all(sqlglot.exp.Table) if table.db} == {target.dataset}
    assert runs.view_selects(target).sql["cohorts"].startswith("WITH ")
    (source,) = yaml.safe_load(sources([(target, "customers")]))["sources"]
    assert "customers_history" in {table["name"] for table in source["tables"]}
