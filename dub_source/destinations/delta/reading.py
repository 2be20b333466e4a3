"""Delta tables as views of an embedded DuckDB."""

from collections.abc import Sequence
from glob import escape
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pyarrow as pa

if TYPE_CHECKING:
    import duckdb
    from deltalake import DeltaTable


def show(connection: "duckdb.DuckDBPyConnection", view: str, table: "DeltaTable", *, files: Any) -> None:
    """Make a view of a table as it is now, or a copy where it has partitions or newer features of Delta.

    DuckDB reads the Parquet files itself. pyarrow would too, but takes five times as long for it, and cannot
    filter what deltalake writes when it deletes or updates (pyarrow 26 has no comparison for string_view).

    Args:
        connection: of DuckDB.
        view: its quoted name.
        table: the table.
        files: the fsspec filesystem that the table is in; None for this machine's disks.

    Raises:
        deltalake's DeltaProtocolError: if the table has features that neither of them can read.
    """
    if table.metadata().partition_columns or table.protocol().min_reader_version > 1:
        _copy(connection, view, table.to_pyarrow_dataset())
        return
    empty = schema_of(table).empty_table()
    listed = paths(table)
    if not listed:
        _copy(connection, view, empty)
        return
    if files is not None and not connection.filesystem_is_registered(_protocol(files)):
        connection.register_filesystem(files)
    # The empty table has the columns that are in no file yet.
    columns = f"columns_{len(connection.execute('FROM duckdb_tables()').fetchall())}"
    _copy(connection, columns, empty)
    connection.execute(
        f"CREATE VIEW {view} AS SELECT * FROM {columns} UNION ALL BY NAME SELECT * FROM {read(listed)}"
    )


def read(patterns: Sequence[str]) -> str:
    """Parquet files as a table of SQL."""
    listed = ", ".join("'" + each.replace("'", "''") + "'" for each in patterns)
    return f"read_parquet([{listed}], union_by_name = true)"


def paths(table: "DeltaTable") -> list[str]:
    """The files of a table, as patterns that match nothing else."""
    folder = unquote(table.table_uri).rstrip("/").removeprefix("file://")
    return [escape(f"{folder}/{each.rsplit('/', 1)[-1]}") for each in table.file_uris()]


def schema_of(table: "DeltaTable") -> pa.Schema:
    """The columns of a table, in the types that are loaded."""
    given = pa.schema(table.schema().to_arrow())
    return pa.schema([pa.field(field.name, _type(field.type)) for field in given])


def _type(given: pa.DataType) -> pa.DataType:
    return pa.string() if given in (pa.string_view(), pa.large_string()) else given


def _copy(connection: "duckdb.DuckDBPyConnection", name: str, rows: Any) -> None:
    """Into a table of DuckDB, whose joins fail over Arrow (1.5.6: BLOOM_FILTER is not supported)."""
    connection.register("arrow", rows)
    connection.execute(f"CREATE TABLE {name} AS SELECT * FROM arrow")
    connection.unregister("arrow")


def _protocol(files: Any) -> str:
    return files.protocol if isinstance(files.protocol, str) else files.protocol[0]
