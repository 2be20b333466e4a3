"""Mirrors and desired states made of plain rows, and a model of Dub that changes are applied to."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from dub_source.reverse.fields import PLANNED, WRITABLE, stands
from dub_source.reverse.model import Change, Op

MOMENT = pa.timestamp("us", tz="UTC")
START = datetime(2026, 11, 20, 12, tzinfo=UTC)
UNIQUE = ("external_id", "stripe_customer_id")
Row = dict[str, Any]

_TYPES = dict.fromkeys(("id", *PLANNED, "row_hash"), pa.string()) | {
    "name_generated": pa.bool_(),
    "observed_at": MOMENT,
    "deleted_at": MOMENT,
}


def customer(customer_id: str, **fields: Any) -> Row:
    """A row of the mirror; its name is that of its email if it has none."""
    shown: Row = {"external_id": f"ext-{customer_id}", "observed_at": START, "row_hash": "b-1"} | fields
    shown.setdefault("name", shown.get("email"))
    shown.setdefault("name_generated", shown["name"] is None)
    return {"id": customer_id} | shown


def mirror(*rows: Row) -> list[pa.Table]:
    """The rows as tables of at most two, as a destination would give them."""
    tables = [rows[start : start + 2] for start in range(0, len(rows), 2)] or [()]
    return [
        pa.table(
            {name: pa.array([row.get(name) for row in some], type=kind) for name, kind in _TYPES.items()}
        )
        for some in tables
    ]


def desired(*rows: Row, columns: Sequence[str] | None = None) -> pa.Table:
    """Rows with a key, numbered from 1 unless they say otherwise, with the columns that any of them has."""
    names = columns if columns is not None else [each for each in PLANNED if any(each in row for row in rows)]
    table = {"row": pa.array([row.get("row", place) for place, row in enumerate(rows, 1)], pa.int64())}
    for name in ("key", "op", *names):
        table[name] = pa.array([row.get(name) for row in rows], pa.string())
    return pa.table(table)


class Conflict(Exception):
    """Two customers would have the same value."""


class Model:
    """Customers as Dub keeps and shows them: two values that differ in case alone are one to it."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self.rows = {
            row["id"]: {column: row.get(column) for column in PLANNED}
            for row in rows
            if not row.get("deleted_at")
        }
        for row in self.rows.values():
            if row["name"] == row["email"]:
                row["name"] = None
        self.time = 0

    def shown(self) -> dict[str, Row]:
        """What a load would store, by id."""
        return {
            customer_id: customer(customer_id, **row)
            | {
                "name": row["name"] or row["email"],
                "name_generated": not (row["name"] or row["email"]),
                "observed_at": START + timedelta(seconds=self.time),
            }
            for customer_id, row in self.rows.items()
        }

    def apply(self, changes: Iterable[Change]) -> None:
        """One after the other, as they are numbered."""
        for place, change in enumerate(changes):
            assert change.number == place
            self.time += 1
            if change.op is Op.CREATE:
                assert change.asked["external_id"]
                assert change.asked["country"]
                self._write(f"cus_made_{len(self.rows)}_{self.time}", dict(change.asked))
                continue
            assert change.customer_id is not None
            now = self.shown()[change.customer_id]
            assert is_as_before(change, now)
            if change.op is Op.DELETE:
                del self.rows[change.customer_id]
            else:
                assert set(change.asked) <= set(WRITABLE)
                self._write(change.customer_id, dict(change.asked))

    def _write(self, customer_id: str, asked: Row) -> None:
        for column in UNIQUE:
            for other, row in self.rows.items():
                if other != customer_id and asked.get(column) and same_to_dub(row[column], asked[column]):
                    raise Conflict(column)
        self.rows[customer_id] = dict.fromkeys(PLANNED) | self.rows.get(customer_id, {}) | asked


def is_as_before(change: Change, row: Row) -> bool:
    """Whether nobody has changed the planned fields since the plan."""
    return all(stands(column, value, row[column], row=row) for column, value in change.before.items())


def same_to_dub(one: str | None, other: str | None) -> bool:
    return one is not None and other is not None and one.lower() == other.lower()
