"""A workspace and a warehouse: what tests of whole runs do to the one and read from the other."""

import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from dub_source import runs
from dub_source.sandbox import Sandbox
from dub_source.sync import Report
from tests.warehouses import DATASET, Row, Warehouse

MOMENTS = ("created_at", "first_sale_at", "subscription_canceled_at")


class AtTheEnd:
    """An observer that does something when all have been read, before they are loaded."""

    def __init__(self, act: Callable[[], object]) -> None:
        self._act = act

    def begins(self, report: Report) -> None: ...

    def expecting(self, customers: int | None) -> None: ...

    def read(self, customers: int) -> None: ...

    def ended(self) -> None:
        self._act()


class World:
    """A sandbox, a warehouse, and a folder for working files."""

    def __init__(self, sandbox: Sandbox, folder: Path, warehouse: Warehouse) -> None:
        self.sandbox = sandbox
        self.folder = folder
        self.warehouse = warehouse
        self.working = folder / "working"

    def load(
        self, mode: str = "full", *, act: Callable[[], object] | None = None, **options: Any
    ) -> runs.LoadResult:
        """A run; ``options`` are those of ``dub()`` and ``pipelines_dir``."""
        given: dict[str, Any] = {
            "pipelines_dir": self.working,
            "api_key": self.sandbox.key(),
            "base_url": self.sandbox.url,
            "mode": mode,
        }
        observer = AtTheEnd(act) if act else None
        return runs.load(self.warehouse.target, observer=observer, **given | options)

    # The warehouse

    def query(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        return self.warehouse.query(sql, *parameters)

    def table(self, name: str, *order: str) -> list[Row]:
        """A table of the dataset without dlt's columns, in the order of some columns, or in some order."""
        rows = [
            {key: value for key, value in row.items() if not key.startswith("_dlt")}
            for row in self.warehouse.rows(f"{DATASET}.{name}")
        ]
        return sorted(rows, key=lambda row: [row[each] for each in order] or repr(row))

    def customers(self) -> dict[str, Row]:
        return {row["id"]: row for row in self.table("customers")}

    def history(self, customer_id: str | None = None) -> list[Row]:
        """Versions, each customer's in their order."""
        found = self.table("customers_history", "id", "observed_at")
        return [row for row in found if customer_id in (None, row["id"])]

    def changes(self, customer_id: str) -> list[tuple[str, str | None]]:
        return [(row["change"], row["changed_fields"]) for row in self.history(customer_id)]

    def sync_runs(self) -> list[Row]:
        return self.table("sync_runs", "started_at", "ended_at")

    def sizes(self) -> tuple[int, int]:
        """How many rows ``customers`` and ``customers_history`` have."""
        sql = "SELECT (SELECT count(*) FROM dub.customers), (SELECT count(*) FROM dub.customers_history)"
        ((customers, history),) = self.query(sql)
        return customers, history

    def dump(self) -> dict[str, list[str]]:
        """Everything in the warehouse that is not about runs and loads, as texts that can be compared."""
        return {
            name: sorted(map(repr, self.warehouse.rows(name)))
            for name in self.warehouse.tables()
            if name != f"{DATASET}.sync_runs" and "._dlt_" not in name
        }

    # What must hold after every certified sweep

    def assert_as_in_dub(self, *, gone: int = 0) -> None:
        """The living are those of the workspace, with their values; the history ends with the rows."""
        rows = self.customers()
        assert self.sizes()[0] == len(rows), "nobody is there twice"
        living = {customer_id: row for customer_id, row in rows.items() if row["deleted_at"] is None}
        assert len(rows) - len(living) == gone
        expected = expected_rows(self.sandbox.snapshot())
        assert living.keys() == expected.keys()
        different = {
            customer_id: {name: (living[customer_id].get(name), value) for name, value in row.items()}
            for customer_id, row in expected.items()
            if any(living[customer_id].get(name) != value for name, value in row.items())
        }
        assert different == {}
        self.assert_history_agrees()

    def assert_history_agrees(self) -> None:
        """Each customer's last version is its row, the first one a creation, and none is there twice."""
        rows, history = self.customers(), self.history()
        chains: dict[str, list[Row]] = {}
        for version in history:
            chains.setdefault(version["id"], []).append(version)
        assert chains.keys() == rows.keys()
        for customer_id, chain in chains.items():
            assert_agree(chain[-1], rows[customer_id])
            assert (chain[-1]["deleted_at"] is None) == (rows[customer_id]["deleted_at"] is None)
            assert [version["change"] == "created" for version in chain] == [True] + [False] * (
                len(chain) - 1
            ), "one beginning"
            for one, other in pairwise(chain):
                assert one["observed_at"] < other["observed_at"]
                assert [one["row_hash"], one["deleted_at"] is None] != [
                    other["row_hash"],
                    other["deleted_at"] is None,
                ], "no version twice"
                if is_of_one_form(one, other):
                    assert_changed_fields(one, other)
        assert len({version["version_key"] for version in history}) == len(history)


def is_of_one_form(one: Row, other: Row) -> bool:
    """Whether two rows have the same columns in the same form, as their hashes begin to say."""
    return str(one["row_hash"])[:8] == str(other["row_hash"])[:8]


def assert_agree(version: Row, row: Row) -> None:
    """The newest version is the row; in another form, as far as both have values."""
    assert version["deleted_at"] == row["deleted_at"]
    if is_of_one_form(version, row):
        assert fields(version) == fields(row)
        assert version["row_hash"] == row["row_hash"]
    common = fields(version).keys() & fields(row).keys()
    assert {name: version[name] for name in common} == {name: row[name] for name in common}


def assert_changed_fields(one: Row, other: Row) -> None:
    """A version names exactly the columns in which it differs from the one before it."""
    if other["change"] == "deleted":
        assert fields(one) == fields(other)
        return
    names = {name for name in one if fields(one).get(name) != fields(other).get(name)}
    # Whether a name is made up is a part of the name.
    names = {"name" if name == "name_generated" else name for name in names}
    names |= {"deleted_at"} if one["deleted_at"] is not None else set()
    assert other["changed_fields"] == json.dumps(sorted(names))


def fields(row: Row) -> Row:
    """What Dub says of a customer; columns without a value do not matter."""
    own = ("version_key", "change", "changed_fields", "row_hash", "observed_at", "deleted_at")
    return {name: value for name, value in row.items() if name not in own and value is not None}


def expected_rows(snapshot: Mapping[str, Mapping[str, Any]]) -> dict[str, Row]:
    """A snapshot of the sandbox as rows, without the package's own code."""
    return {customer_id: _row(customer) for customer_id, customer in snapshot.items()}


def _row(customer: Mapping[str, Any]) -> Row:
    row: Row = {}
    for name, value in customer.items():
        if isinstance(value, dict):
            row |= {f"{_snake(name)}__{_snake(inner)}": each for inner, each in value.items()}
        else:
            row[_snake(name)] = value
    for name in MOMENTS:
        row[name] = row[name] and datetime.fromisoformat(row[name])
    row["name_generated"] = row["name"] is None
    return row


def _snake(name: str) -> str:
    return re.sub(r"[A-Z]", lambda found: f"_{found.group().lower()}", name)


def counts(result: runs.LoadResult) -> tuple[int, int, int]:
    """Created, updated, deleted."""
    return result.report.created, result.report.updated, result.report.deleted
