"""Tables to compare, made of plain rows."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

MOMENT = pa.timestamp("us", tz="UTC")
START = datetime(2026, 11, 20, 12, tzinfo=UTC)

TYPES: dict[str, pa.DataType] = {
    "id": pa.string(),
    "name": pa.string(),
    "email": pa.string(),
    "sales": pa.int64(),
    "amount": pa.float64(),
    "created_at": MOMENT,
    "tier": pa.string(),
    "name_generated": pa.bool_(),
    "observed_at": MOMENT,
    "row_hash": pa.string(),
    "deleted_at": MOMENT,
}


def at(seconds: float) -> datetime:
    """A moment so many seconds after :data:`START`."""
    return START + timedelta(seconds=seconds)


def table(rows: list[dict[str, Any]], *names: str) -> pa.Table:
    """A table of these columns (all that a row has, without names), nulls where a row has nothing."""
    names = names or tuple(name for name in TYPES if any(name in row for row in rows))
    return pa.table({name: pa.array([row.get(name) for row in rows], type=TYPES[name]) for name in names})


def customer(customer_id: str, seconds: float = 0, **fields: Any) -> dict[str, Any]:
    """A row as it is read so many seconds after the start."""
    return {"id": customer_id, "name_generated": False, "observed_at": at(seconds), **fields}


def known(*rows: dict[str, Any]) -> pa.Table:
    """What the destination tells about its rows."""
    return table(list(rows), "id", "row_hash", "observed_at", "deleted_at")
