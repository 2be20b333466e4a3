"""What a SQL destination knows about the customers."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from dub_source.changes import HISTORY_COLUMNS, SYSTEM_COLUMNS
from dub_source.destinations.restoring import loaded_columns
from dub_source.destinations.sql_tables import SqlTables, chunks, placeholders
from dub_source.schema import arrow_schema
from dub_source.sync import BASELINE_LENGTH, KNOWN
from dub_source.table_names import history_of

if TYPE_CHECKING:
    import dlt

_NEWEST = (
    "SELECT DISTINCT h.{id}, h.{row_hash}, h.{deleted_at}, h.{observed_at} FROM {HISTORY} h "
    "JOIN (SELECT {id}, max({observed_at}) AS newest FROM {HISTORY} GROUP BY {id}) m "
    "ON m.{id} = h.{id} AND m.newest = h.{observed_at}"
)
"""The newest version of every customer."""


class SqlMirror:
    """The tables of a pipeline's dataset, read by SQL.

    A table that is not there is empty. Whatever else goes wrong is a DestinationError: rows that cannot be
    read must not be taken for rows that do not exist.
    """

    def __init__(self, pipeline: "dlt.Pipeline", table: str) -> None:
        """Look which of the tables exist.

        Args:
            pipeline: its destination and dataset; need not be running.
            table: the table of customers; that of their history is ``<table>_history``.
        """
        names = {"customers": table, "history": history_of(table)}
        self._tables = SqlTables(pipeline, names, called=f"The table {table} or its history")
        self._columns = self._tables.columns
        self._loaded = {
            part: loaded_columns(list(pipeline.schemas.values()), name) for part, name in names.items()
        }

    @property
    def exists(self) -> bool:
        """Whether there is a table of customers."""
        return bool(self._columns["customers"])

    def known(self) -> Iterator[pa.Table]:
        """All customers; see :class:`~dub_source.sync.Mirror`."""
        if self.exists:
            yield from self._read(KNOWN, f"SELECT {self._known('customers')} FROM {{CUSTOMERS}}")
            ids = pa.array(self._orphans(), pa.string())
            nulls = [pa.nulls(len(ids), field.type) for field in list(KNOWN)[1:]]
            yield pa.Table.from_arrays([ids, *nulls], schema=KNOWN)

    def known_of(self, ids: Sequence[str]) -> pa.Table:
        """Some customers."""
        return self._by_id("customers", KNOWN, ids)

    def rows(self, ids: Sequence[str]) -> pa.Table:
        """Some customers with all columns that are loaded, in the types in which they are loaded."""
        return self._by_id("customers", self._full_schema("customers"), ids)

    def columns(self, names: Sequence[str]) -> Iterator[pa.Table]:
        """All customers with those of the columns that the table has, in no particular order."""
        full = self._full_schema("customers")
        schema = pa.schema([full.field(name) for name in names if name in full.names])
        if self.exists:
            selected = ", ".join(f"{{{name}}}" for name in schema.names)
            yield from self._read(schema, f"SELECT {selected} FROM {{CUSTOMERS}}")

    @property
    def has_history(self) -> bool:
        """Whether there is a table of their history."""
        return bool(self._columns["history"])

    def living(self, number: int, *, after: str | None = None) -> list[str]:
        """The next customers that are not deleted; see :class:`~dub_source.sync.Mirror`."""
        behind = "" if after is None else "AND {id} > %s"
        order = f"ORDER BY {{id}} LIMIT {number:d}"
        query = f"SELECT {{id}} FROM {{CUSTOMERS}} WHERE {self._alive} {behind} {order}"
        return self._ids(query, *(() if after is None else (after,)))

    def spread(self, number: int) -> list[str]:
        """Some customers from all over the table, by the end of their id, which is random."""
        query = (
            f"SELECT {{id}} FROM {{CUSTOMERS}} WHERE {self._alive} "
            f"ORDER BY substring({{id}}, 20), {{id}} LIMIT {number:d}"
        )
        return self._ids(query)

    def latest_versions(self, ids: Sequence[str]) -> pa.Table:
        """The newest versions; see :class:`~dub_source.sync.Mirror`."""
        if not self._columns["history"]:
            return KNOWN.empty_table()
        newer = "SELECT 1 FROM {HISTORY} n WHERE n.{id} = t.{id} AND n.{observed_at} > t.{observed_at}"
        return self._by_id("history", self._full_schema("history"), ids, f"AND NOT EXISTS ({newer})")

    def astray(self) -> list[str]:
        """Rows and histories that do not agree; see :class:`~dub_source.sync.Mirror`."""
        if "row_hash" not in self._columns["customers"]:
            return []
        if not self._columns["history"]:
            return self._ids("SELECT {id} FROM {CUSTOMERS} WHERE {row_hash} IS NOT NULL")
        form = f"substring({{each}}.{{{{row_hash}}}}, 1, {BASELINE_LENGTH})"
        ours, theirs = form.format(each="c"), form.format(each="v")
        # A new form of rows (another baseline) rewrites all of them and makes no versions.
        return self._ids(
            f"SELECT c.{{id}} FROM {{CUSTOMERS}} c LEFT JOIN ({_NEWEST}) v ON v.{{id}} = c.{{id}} "
            "WHERE c.{row_hash} IS NOT NULL AND (v.{id} IS NULL "
            f"OR ({theirs} = {ours} AND (v.{{row_hash}} <> c.{{row_hash}} OR {_gone('v')} <> {_gone('c')})) "
            f"OR ({theirs} <> {ours} AND v.{{observed_at}} > c.{{observed_at}}))"
        )

    # Queries

    def _orphans(self) -> list[str]:
        """Customers who live according to the history and have no row.

        A run that was killed between the two tables leaves such ones; should they be gone before the next
        sweep, nothing else would tell that they ever were there.
        """
        if not self._columns["history"]:
            return []
        return self._ids(
            f"SELECT v.{{id}} FROM ({_NEWEST}) v LEFT JOIN {{CUSTOMERS}} c ON c.{{id}} = v.{{id}} "
            "WHERE v.{deleted_at} IS NULL AND c.{id} IS NULL"
        )

    @property
    def _alive(self) -> str:
        return "{deleted_at} IS NULL" if "deleted_at" in self._columns["customers"] else "1 = 1"

    def _known(self, part: str) -> str:
        """What to select for KNOWN; rows of a version that had no such column yet have null there.

        So have rows that lack values since somebody has dropped a column: they differ from what is read.
        """
        columns = set(self._columns[part])
        if self._loaded[part] - columns:
            columns.discard("row_hash")
        return ", ".join(
            # With a name: Postgres would call all of them ?column?, and dlt would see one of them.
            f"{{{name}}}" if name in columns else f"NULL AS {{{name}}}"
            for name in KNOWN.names
        )

    def _full_schema(self, part: str) -> pa.Schema:
        types = {field.name: field.type for field in arrow_schema(expanded=True)}
        types |= SYSTEM_COLUMNS | HISTORY_COLUMNS
        loaded = self._loaded[part] or self._columns[part]
        # Written back, a column of others would become one that dlt loads, and nulls with every update.
        names = [name for name in self._columns[part] if name in loaded]
        return pa.schema([(name, types.get(name, pa.string())) for name in names])

    def _by_id(self, part: str, schema: pa.Schema, ids: Sequence[str], condition: str = "") -> pa.Table:
        if not self._columns[part]:
            return schema.empty_table()
        selected = self._known(part) if schema is KNOWN else ", ".join(f"{{{name}}}" for name in schema.names)
        tables = [
            table
            for some in chunks(list(dict.fromkeys(ids)))
            for table in self._read(
                schema,
                f"SELECT {selected} FROM {{{part.upper()}}} t "
                f"WHERE {{id}} IN ({placeholders(some)}) {condition}",
                *some,
            )
        ]
        return pa.concat_tables(tables) if tables else schema.empty_table()

    def _ids(self, query: str, *parameters: Any) -> list[str]:
        if not self.exists:
            return []
        only_id = pa.schema([("id", pa.string())])
        return [each for table in self._read(only_id, query, *parameters) for each in table["id"].to_pylist()]

    def _read(self, schema: pa.Schema, query: str, *parameters: Any) -> Iterator[pa.Table]:
        return self._tables.read(schema, query, *parameters, others=KNOWN.names)


def _gone(table: str) -> str:
    """0 or 1; not every database compares conditions."""
    return f"CASE WHEN {table}.{{deleted_at}} IS NULL THEN 0 ELSE 1 END"
