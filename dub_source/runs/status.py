"""``status``: what the warehouse itself says of its customers, of the runs and of the plans."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import dlt
import pyarrow as pa

from dub_source.destinations import Target
from dub_source.destinations.sql_tables import SqlTables
from dub_source.reverse.model import Plan, Result
from dub_source.reverse.stored import Stored
from dub_source.runs.warehouse import warehouse
from dub_source.source import CUSTOMERS, SYNC_RUNS

_CUSTOMERS = pa.schema([("rows", pa.int64()), ("ids", pa.int64()), ("living", pa.int64())])
_VERSIONS = pa.schema([("versions", pa.int64())])
_SWEEP = pa.schema(
    [("started_at", pa.timestamp("us", tz="UTC")), ("certified", pa.bool_()), ("unread", pa.int64())]
)


@dataclass(frozen=True, slots=True)
class Status:
    """What there is.

    Attributes:
        rows: in the table of customers, those of deleted ones included.
        ids: different ids among them; fewer than rows if a row is there twice.
        living: rows of customers who exist.
        versions: rows in the table of their history.
        loaded_at: when the last load that went well began, UTC; None if there was none.
        swept_at: the same of the last one that read everybody.
        certified: whether that one proved that it met everybody; None if there was none.
        unread: how many customers it could not read.
        rejected: changes that Dub rejected, in the newest plan of each sync.
    """

    rows: int
    ids: int
    living: int
    versions: int
    loaded_at: datetime | None
    swept_at: datetime | None
    certified: bool | None
    unread: int
    rejected: int


def status(target: Target, *, pipelines_dir: Path | None = None, table: str = CUSTOMERS) -> Status:
    """Look at a place that customers are loaded into. Dub is not asked, and nothing is changed.

    Args:
        target: where they are.
        pipelines_dir: the folder of dlt's working files; None takes dlt's default.
        table: the table of customers.

    Raises:
        AlreadyRunning: if a run works with this place.
        DubError: for everything else that a person can do something about.
    """
    with warehouse(target, pipelines_dir) as (pipeline, _):
        stored = Stored(pipeline, table)
        customers, versions, sweep = _read(pipeline, table)
        return Status(
            **customers,
            versions=versions,
            loaded_at=stored.last_load(),
            swept_at=sweep.get("started_at"),
            certified=sweep.get("certified"),
            unread=sweep.get("unread") or 0,
            rejected=_rejected(stored),
        )


def _read(pipeline: dlt.Pipeline, table: str) -> tuple[dict[str, int], int, dict[str, Any]]:
    """The numbers of customers, of versions, and the last sweep."""
    names = {"customers": table, "history": f"{table}_history", "runs": SYNC_RUNS}
    tables = SqlTables(pipeline, names, called="What is stored of customers and runs")

    def first(part: str, schema: pa.Schema, query: str, *parameters: Any) -> dict[str, Any]:
        found = tables.read(schema, query, *parameters) if tables.columns[part] else ()
        return next((row for rows in found for row in rows.to_pylist()), {})

    living = "sum(CASE WHEN {deleted_at} IS NULL THEN 1 ELSE 0 END)"
    customers = first(
        "customers", _CUSTOMERS, f"SELECT count(*), count(DISTINCT {{id}}), {living} FROM {{CUSTOMERS}}"
    )
    versions = first("history", _VERSIONS, "SELECT count(*) FROM {HISTORY}")
    sweep = first(
        "runs",
        _SWEEP,
        "SELECT {started_at}, {certified}, {unread} FROM {RUNS} WHERE {status} = 'ok' AND {mode} = 'full' "
        "AND {table_name} = %s ORDER BY {started_at} DESC LIMIT 1",
        table,
    )
    return {name: customers.get(name) or 0 for name in _CUSTOMERS.names}, versions.get("versions", 0), sweep


def _rejected(stored: Stored) -> int:
    """In the newest plan of each sync."""
    newest: dict[str, Plan] = {}
    for plan in stored.plans():
        newest.setdefault(plan.sync, plan)
    return sum(stored.progress(plan).results.get(Result.REJECTED, 0) for plan in newest.values())
