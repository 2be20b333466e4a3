"""What the destination holds, and what must be true of it by itself."""

import json
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from tests.promises.lives import Row
from tests.warehouses import DATASET, Warehouse

SYSTEM_COLUMNS = ("row_hash", "name_generated", "observed_at", "deleted_at")
_OF_VERSIONS = ("version_key", "change", "changed_fields")


@dataclass(frozen=True)
class Contents:
    """All rows by customer; of histories the oldest version first; and a row for each run."""

    customers: dict[str, Row] = field(default_factory=dict)
    history: dict[str, list[Row]] = field(default_factory=dict)
    runs: list[Row] = field(default_factory=list)

    @property
    def living(self) -> dict[str, Row]:
        return {each: row for each, row in self.customers.items() if row["deleted_at"] is None}


def contents(warehouse: Warehouse) -> Contents:
    """What is in a warehouse that runs load into; nothing if there is nothing yet."""
    if not warehouse.tables():
        return Contents()
    rows, versions, ran = (
        warehouse.rows(f"{DATASET}.{table}") for table in ("customers", "customers_history", "sync_runs")
    )
    assert len({row["id"] for row in rows}) == len(rows), "a customer is there twice"
    history: dict[str, list[Row]] = defaultdict(list)
    for version in sorted(versions, key=lambda each: each["observed_at"]):
        history[version["id"]].append(version)
    return Contents({row["id"]: row for row in rows}, dict(history), ran)


def fields(row: Row) -> Row:
    """What a row says about its customer: without nulls and columns of our own."""
    return {
        name: value
        for name, value in row.items()
        if value is not None
        and name not in SYSTEM_COLUMNS
        and name not in _OF_VERSIONS
        and not name.startswith("_dlt")
    }


def check_history(stored: Contents) -> None:
    """No two equal versions in a row, each says what changed, and the newest one is the customer's row."""
    assert stored.history.keys() == stored.customers.keys()
    for customer_id, versions in stored.history.items():
        moments = [version["observed_at"] for version in versions]
        assert len(set(moments)) == len(moments), f"{customer_id}: two versions of one moment"
        assert versions[0]["change"] == "created"
        for before, after in pairwise(versions):
            _check_step(before, after)
        assert _state(versions[-1]) == _state(stored.customers[customer_id]), (
            f"{customer_id}: not the newest version"
        )


def _check_step(before: Row, after: Row) -> None:
    if after["deleted_at"] is not None:
        assert (after["change"], before["deleted_at"]) == ("deleted", None)
        assert fields(after) == fields(before)
        return
    assert after["change"] == "updated"
    was, now = fields(before), fields(after)
    changed = {name for name in was.keys() | now.keys() if was.get(name) != now.get(name)}
    if before["name_generated"] != after["name_generated"]:
        changed.add("name")
    if before["deleted_at"] is not None:
        changed.add("deleted_at")
    assert changed, f"{after['id']}: two equal versions in a row"
    assert json.loads(after["changed_fields"]) == sorted(changed)


def _state(row: Row) -> tuple[Any, ...]:
    return fields(row), row["row_hash"], row["name_generated"], row["deleted_at"]
