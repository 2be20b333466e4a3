"""What the tables of customers, of their history and of the runs say, in numbers."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

import dlt
import pyarrow as pa

from dub_source.destinations.sql_tables import SqlTables
from dub_source.table_names import SYNC_RUNS, history_of

_NUMBER, _TEXT, _MOMENT = pa.int64(), pa.string(), pa.timestamp("us", tz="UTC")
_CUSTOMERS = pa.schema([("rows", _NUMBER), ("ids", _NUMBER), ("living", _NUMBER)])
_VERSIONS = pa.schema([("versions", _NUMBER)])
_GOOD = pa.schema([("mode", _TEXT), ("started_at", _MOMENT)])
_SWEEP = pa.schema([("swept_at", _MOMENT), ("certified", pa.bool_()), ("unread", _NUMBER)])
_RUN = pa.schema(
    [("mode", _TEXT), ("status", _TEXT), ("error", _TEXT), ("started_at", _MOMENT), ("ended_at", _MOMENT)]
)
_LATELY = pa.schema(
    [("runs", _NUMBER), ("failed", _NUMBER), ("requests", _NUMBER), ("throttled_s", pa.float64())]
)
_CHANGES = pa.schema([("change", _TEXT), ("changed_fields", _TEXT), ("count", _NUMBER)])


@dataclass(frozen=True, slots=True)
class PastRun:
    """A run: ``mode`` (incremental, full), ``status`` (ok, failed), the kind of ``error``, when (UTC)."""

    mode: str
    status: str
    error: str | None
    started_at: datetime
    ended_at: datetime | None

    def as_json(self) -> dict[str, Any]:
        """The same as plain values."""
        return {
            "mode": self.mode,
            "status": self.status,
            "error": self.error,
            "started_at": self.started_at.isoformat(),
            "ended_at": None if self.ended_at is None else self.ended_at.isoformat(),
        }


@dataclass(frozen=True, slots=True)
class Lately:
    """What has happened in the last hours.

    Attributes:
        hours: how many.
        runs: loads that began then, failed ones included.
        failed: those that failed.
        requests: that they sent.
        throttled_s: seconds that they waited for the key's rate limit.
        changes: versions of customers that were seen then, by kind (created, updated, deleted); what plans
            have changed is among them.
        fields: of the updated ones, by the column that was another.
    """

    hours: float
    runs: int = 0
    failed: int = 0
    requests: int = 0
    throttled_s: float = 0.0
    changes: Mapping[str, int] = field(default_factory=dict)
    fields: Mapping[str, int] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The same as plain values."""
        return asdict(self)


NOTHING = Lately(hours=0.0)


class PastRuns:
    """Reads these tables; where one does not exist, it has no rows."""

    def __init__(self, pipeline: dlt.Pipeline, table: str) -> None:
        """Look which there are; raises what :class:`SqlTables` does.

        Args:
            pipeline: that of the loads, synchronised with the destination.
            table: the table of customers.
        """
        names = {"customers": table, "history": history_of(table), "runs": SYNC_RUNS}
        self._tables = SqlTables(pipeline, names, called="What is stored of customers and runs")
        self._table = table

    def customers(self) -> dict[str, Any]:
        """``rows``, ``ids`` and ``living`` of the customers, and ``versions`` of the history."""
        found = self._first(
            "customers",
            _CUSTOMERS,
            # Postgres gives columns without names of their own one name, and dlt keeps one of them.
            "SELECT count(*) AS n, count(DISTINCT {id}) AS ids, "
            "sum(CASE WHEN {deleted_at} IS NULL THEN 1 ELSE 0 END) AS living FROM {CUSTOMERS}",
        )
        versions = self._first("history", _VERSIONS, "SELECT count(*) FROM {HISTORY}")
        numbers = {**found, **versions}
        return {name: numbers.get(name) or 0 for name in _CUSTOMERS.names + _VERSIONS.names}

    def good(self) -> dict[str, datetime]:
        """When the last load of each mode (incremental, full) began that went well."""
        rows = self._all(
            "runs",
            _GOOD,
            "SELECT {mode}, max({started_at}) FROM {RUNS} WHERE {status} = 'ok' AND {table_name} = %s "
            "GROUP BY {mode}",
            self._table,
        )
        return {row["mode"]: row["started_at"] for row in rows}

    def last_sweep(self) -> dict[str, Any]:
        """``swept_at``, ``certified`` and ``unread`` of the last load that read everybody."""
        row = self._first(
            "runs",
            _SWEEP,
            "SELECT {started_at}, {certified}, {unread} FROM {RUNS} WHERE {status} = 'ok' "
            "AND {mode} = 'full' AND {table_name} = %s ORDER BY {started_at} DESC LIMIT 1",
            self._table,
        )
        return {
            "swept_at": row.get("swept_at"),
            "certified": row.get("certified"),
            "unread": row.get("unread") or 0,
        }

    def last(self) -> PastRun | None:
        """The last run, however it ended."""
        row = self._first(
            "runs",
            _RUN,
            "SELECT {mode}, {status}, {error}, {started_at}, {ended_at} FROM {RUNS} "
            "WHERE {table_name} = %s ORDER BY {started_at} DESC LIMIT 1",
            self._table,
        )
        return PastRun(**row) if row else None

    def since(self, moment: datetime, hours: float) -> Lately:
        """What has happened since a moment, ``hours`` ago."""
        runs = self._first(
            "runs",
            _LATELY,
            "SELECT count(*) AS n, sum(CASE WHEN {status} = 'ok' THEN 0 ELSE 1 END) AS failed, "
            # Postgres makes a sum of 64-bit integers a decimal.
            "CAST(sum({requests}) AS BIGINT) AS asked, sum({throttled_seconds}) AS waited FROM {RUNS} "
            "WHERE {table_name} = %s AND {started_at} >= %s",
            self._table,
            moment,
        )
        numbers = {name: runs.get(name) or 0 for name in _LATELY.names}
        changes, fields = self._changes(moment)
        return Lately(hours=hours, **numbers, changes=changes, fields=fields)

    def _changes(self, moment: datetime) -> tuple[dict[str, int], dict[str, int]]:
        """Versions by kind, and the updated ones by column."""
        changes: Counter[str] = Counter(dict.fromkeys(("created", "updated", "deleted"), 0))
        fields: Counter[str] = Counter()
        for row in self._all(
            "history",
            _CHANGES,
            "SELECT {change}, {changed_fields}, count(*) FROM {HISTORY} WHERE {observed_at} >= %s "
            "GROUP BY {change}, {changed_fields}",
            moment,
        ):
            changes[row["change"]] += row["count"]
            for name in json.loads(row["changed_fields"] or "[]"):
                fields[name] += row["count"]
        return dict(changes), dict(fields.most_common())

    def _first(self, part: str, schema: pa.Schema, query: str, *parameters: Any) -> dict[str, Any]:
        return next(iter(self._all(part, schema, query, *parameters)), {})

    def _all(self, part: str, schema: pa.Schema, query: str, *parameters: Any) -> list[dict[str, Any]]:
        if not self._tables.columns[part]:
            return []
        found = self._tables.read(schema, query, *parameters)
        return [row for rows in found for row in rows.to_pylist()]
