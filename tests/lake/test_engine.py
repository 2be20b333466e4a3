"""A distributed engine that others have made reads what this tool has written."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from tests.lake.engine import QUERY
from tests.reverse.conftest import MakePushWorld
from tests.warehouses.delta import DeltaWarehouse

pytestmark = [pytest.mark.only("delta"), pytest.mark.slow, pytest.mark.timeout(900)]

CUSTOMERS = int(os.environ.get("DUB_SOURCE_LAKE_CUSTOMERS", "1000000"))


def test_sail_computes_the_revenue_by_country(
    make_push_world: MakePushWorld, record_property: Callable[[str, object], None]
) -> None:
    world = make_push_world(CUSTOMERS, form=None)
    began = time.monotonic()
    result = world.load()
    loaded = time.monotonic()
    assert (result.rows, result.report.complete) == (CUSTOMERS, True)
    # Another version, so that there are files that do not count any more.
    for customer_id in world.sandbox.ids()[:50]:
        world.sandbox.change(customer_id, country="ZZ")
    world.load("incremental", refresh_requests=100)
    lake = world.warehouse
    assert isinstance(lake, DeltaWarehouse)
    table = lake.folder / "dub" / "customers"
    asked = time.monotonic()
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name("engine.py"), table],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    answered = time.monotonic()
    assert done.returncode == 0, done.stderr[-2000:]
    theirs = {tuple(row) for row in json.loads(done.stdout)}
    customers = lake.open("dub.customers").to_pyarrow_table(columns=["country", "sale_amount", "deleted_at"])
    with duckdb.connect() as connection:
        connection.register("customers", customers)
        ours = set(connection.execute(QUERY).fetchall())
    assert theirs == ours
    assert sum(row[1] for row in theirs) == CUSTOMERS
    record_property("seconds", f"loaded in {loaded - began:.1f}, asked in {answered - asked:.1f}")
