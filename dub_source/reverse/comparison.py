"""Desired state and mirror side by side, in an embedded DuckDB: sets of rows, not row by row.

Texts are compared byte by byte, as Python does. Memory is bounded; what does not fit waits in files of a
private folder, which is removed in the end.
"""

# ruff: noqa: S608 - the names in the SQL are this package's own; what people give is data

from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa

from dub_source.changes.columns import MOMENT, plain
from dub_source.changes.scratch import ScratchDatabase
from dub_source.reverse.fields import PLANNED
from dub_source.reverse.push_tables import SETTLED

_MEMORY = "192MB"
_BATCH = 10_000

_MIRROR: dict[str, pa.DataType] = {
    "id": pa.string(),
    **dict.fromkeys(PLANNED, pa.string()),
    "name_generated": pa.bool_(),
    "row_hash": pa.string(),
    "observed_at": MOMENT,
    "deleted_at": MOMENT,
}
"""Columns of the mirror that matter here, and their types."""
EITHER = "update or create"
"""What is done with rows that create customers who are not there."""


class Comparison:
    """The rows of a plan to be. A context manager.

    Args:
        folder: made if it is missing; what an earlier one left in it is removed.
        key: the column by which desired rows name customers.
    """

    def __init__(self, folder: Path, *, key: str) -> None:
        self._key = key
        self._database = ScratchDatabase(folder / "plan", memory=_MEMORY)
        self.columns: tuple[str, ...] = ()
        self.mirrored: tuple[str, ...] = tuple(_MIRROR)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._database.close()

    # What there is

    def desire(self, desired: pa.Table, *, default: str) -> None:
        """Take in the desired state.

        Args:
            desired: ``row``, ``key``, perhaps ``op``, and columns to be written.
            default: what is done with a row that has no op: update, create, delete or EITHER.
        """
        self.columns = tuple(each for each in PLANNED if each in desired.column_names)
        op = "lower(trim(op))" if "op" in desired.column_names else "NULL"
        values = "".join(f", {each}::VARCHAR AS {each}" for each in self.columns)
        self._database.take(
            f"CREATE TABLE desired AS SELECT row::BIGINT AS row, key::VARCHAR AS key, "
            f"coalesce(nullif({op}, ''), '{default}') AS op{values} FROM arriving",
            desired,
        )

    def mirror(self, tables: Iterable[pa.Table]) -> None:
        """Take in the mirror: tables with the columns ``id``, and what else there is of those that matter."""
        columns = ", ".join(
            f"NULL::{'BOOLEAN' if kind == pa.bool_() else 'VARCHAR'} AS {name}"
            for name, kind in _MIRROR.items()
            if kind != MOMENT
        )
        self._database.execute(
            f"CREATE TABLE customers AS SELECT {columns}, 0::BIGINT AS observed, 0::BIGINT AS gone LIMIT 0"
        )
        for table in tables:
            self.mirrored = tuple(each for each in _MIRROR if each in table.column_names)
            self._database.take("INSERT INTO customers BY NAME SELECT * FROM arriving", _as_mirror(table))
        self._database.execute("CREATE VIEW living AS SELECT * FROM customers WHERE gone IS NULL")

    def settle(self, settled: pa.Table) -> None:
        """Take in what was asked and answered before: ``customer_id, field, asked, answered``."""
        self._database.take(
            f"CREATE TABLE settled AS SELECT {', '.join(SETTLED.names)} FROM arriving",
            settled.select(SETTLED.names),
        )

    def own(self, owned: pa.Array) -> None:
        """Take in the ids of those whom a mirror may delete."""
        self._database.take(
            "CREATE TABLE owned AS SELECT DISTINCT id FROM arriving",
            pa.table({"id": owned.cast(pa.string())}),
        )

    @property
    def living(self) -> int:
        """How many customers of the mirror are not deleted."""
        return self._count("SELECT count(*) FROM living")

    # What is wrong with it

    def without_key(self) -> list[int]:
        """Rows whose key is null or empty."""
        return self._rows("SELECT row FROM desired WHERE key IS NULL OR key = ''")

    def repeated(self) -> list[int]:
        """Rows that share their key with others."""
        return self._rows(
            "SELECT row FROM desired SEMI JOIN "
            "(SELECT key FROM desired WHERE key IS NOT NULL GROUP BY 1 HAVING count(*) > 1) USING (key)"
        )

    def with_other_op(self, *ops: str) -> list[int]:
        """Rows whose op is none of these."""
        return self._rows("SELECT row FROM desired WHERE NOT list_contains($ops, op)", {"ops": list(ops)})

    def other_than_key(self, column: str) -> list[int]:
        """Rows whose value of a column is there and not their key."""
        return self._rows(f"SELECT row FROM desired WHERE {column} <> key")

    def several(self) -> list[int]:
        """Rows whose key more than one customer has."""
        return self._rows(
            f"SELECT row FROM desired d JOIN living m ON d.key = m.{self._key} GROUP BY 1 HAVING count(*) > 1"
        )

    # What follows from it

    @property
    def updates(self) -> bool:
        """Whether any row may update a customer."""
        return self._count(f"SELECT count(*) FROM desired WHERE op IN ('update', '{EITHER}')") > 0

    @property
    def unmatched(self) -> int:
        """How many rows name nobody."""
        return self._count(f"SELECT count(*) FROM desired d ANTI JOIN living m ON d.key = m.{self._key}")

    def nobodies(self) -> Iterator[dict[str, Any]]:
        """Rows that name nobody and do not ask for a delete: ``row`` and ``key``."""
        yield from self._read(
            f"SELECT d.row, d.key FROM desired d ANTI JOIN living m ON d.key = m.{self._key} "
            "WHERE d.op <> 'delete'"
        )

    def differing(self, columns: Sequence[str], clear: Sequence[str]) -> Iterator[dict[str, Any]]:
        """Customers to update, of whom a column at least differs from what is desired.

        Args:
            columns: those to compare.
            clear: those of them in which null is a value.

        Yields:
            ``row``, the mirror's columns, and ``new_<column>`` for each of the columns.
        """
        if not columns:
            return
        differs = " OR ".join(
            f"d.{each} IS DISTINCT FROM m.{each}" + ("" if each in clear else f" AND d.{each} IS NOT NULL")
            for each in columns
        )
        new = ", ".join(f"d.{each} AS new_{each}" for each in columns)
        yield from self._read(
            f"SELECT d.row, {new}, m.* FROM desired d JOIN living m ON d.key = m.{self._key} "
            f"WHERE d.op IN ('update', '{EITHER}') AND ({differs})"
        )

    def missing(self) -> Iterator[dict[str, Any]]:
        """Rows that name nobody and ask for a new customer: their columns, and ``last`` (microseconds).

        That is when somebody else with this key was deleted.
        """
        yield from self._read(
            "SELECT d.*, g.last FROM desired d LEFT JOIN "
            f"(SELECT {self._key} AS key, max(gone) AS last FROM customers GROUP BY 1) g USING (key) "
            f"WHERE d.op IN ('create', '{EITHER}') AND NOT EXISTS "
            f"(SELECT 1 FROM living m WHERE m.{self._key} = d.key)"
        )

    def named_to_delete(self) -> Iterator[dict[str, Any]]:
        """Customers whose row asks to delete them: ``row`` and the mirror's columns."""
        yield from self._read(
            f"SELECT d.row, m.* FROM desired d JOIN living m ON d.key = m.{self._key} WHERE d.op = 'delete'"
        )

    def owned_and_absent(self) -> Iterator[dict[str, Any]]:
        """Customers of whom :meth:`own` told and whom no row names: the mirror's columns, ``row`` null."""
        yield from self._read(
            "SELECT NULL AS row, m.* FROM living m SEMI JOIN owned USING (id) "
            f"ANTI JOIN desired d ON d.key = m.{self._key}"
        )

    def settled(self) -> set[tuple[str, str, str | None, str | None]]:
        """What was settled about customers whom rows name."""
        found = self._read(
            f"SELECT s.* FROM settled s JOIN living m ON s.customer_id = m.id "
            f"JOIN desired d ON d.key = m.{self._key}"
        )
        return {(each["customer_id"], each["field"], each["asked"], each["answered"]) for each in found}

    def holders(self, column: str, values: Collection[str]) -> dict[str, list[str]]:
        """Which living customers have these values.

        Args:
            column: ``external_id`` or ``stripe_customer_id``.
            values: each once.

        Returns:
            The customers' ids by value, in order; without the values that nobody has.
        """
        self._database.take(
            "CREATE OR REPLACE TABLE wanted AS SELECT * FROM arriving",
            pa.table({"value": pa.array(values, pa.string())}),
        )
        found: dict[str, list[str]] = {}
        query = f"SELECT id, value FROM living m JOIN wanted w ON w.value = m.{column} ORDER BY id"
        for each in self._read(query):
            found.setdefault(each["value"], []).append(each["id"])
        return found

    # DuckDB

    def _read(self, query: str) -> Iterator[dict[str, Any]]:
        with self._database.cursor() as cursor:
            for batch in cursor.execute(query).arrow(_BATCH):
                names = batch.schema.names
                for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                    yield dict(zip(names, row, strict=True))

    def _rows(self, query: str, parameters: object = None) -> list[int]:
        return sorted(row for (row,) in self._database.execute(query, parameters).fetchall())

    def _count(self, query: str) -> int:
        [(count,)] = self._database.execute(query).fetchall()
        return int(count)


def _as_mirror(table: pa.Table) -> pa.Table:
    """The columns that matter in their own types; nulls for those that are not there."""
    columns = {
        name: plain(table[name]).cast(kind) if name in table.column_names else pa.nulls(table.num_rows, kind)
        for name, kind in _MIRROR.items()
    }
    observed, gone = columns.pop("observed_at"), columns.pop("deleted_at")
    return pa.table({**columns, "observed": observed.cast(pa.int64()), "gone": gone.cast(pa.int64())})
