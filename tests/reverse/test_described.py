"""The tables of plans have their descriptions in dlt's schema, like the tables of customers."""

import json
from typing import Any

import pytest

from dub_source import runs
from dub_source.dictionary import TABLES
from tests.reverse.conftest import MakePushWorld


@pytest.mark.slow
def test_dlt_has_the_descriptions_and_makes_no_version_of_its_schema_for_them(
    make_push_world: MakePushWorld,
) -> None:
    world = make_push_world(20)
    ids = world.sandbox.ids()

    def schemas() -> list[dict[str, Any]]:
        found = world.query("SELECT version, schema FROM dub._dlt_version WHERE schema_name = 'dub'")
        return [json.loads(text) for _, text in sorted(found)]

    def push(customer_id: str) -> None:
        world.wish({customer_id: {"name": f"Another {customer_id}"}})
        world.apply(world.plan())

    push(ids[3])
    runs.erase(world.target, ids=[ids[5]], apply=True, **world.here)
    before = schemas()
    push(ids[4])
    world.load()
    assert len(schemas()) == len(before)
    for name in ("push_plans", "push_changes", "push_log", "erasures", "customers", "sync_runs"):
        columns = before[-1]["tables"][name]["columns"]
        for column in TABLES[name].columns:
            if name != "customers" or not column.expanded:
                assert columns[column.name]["description"] == column.description
                assert columns[column.name]["data_type"]
