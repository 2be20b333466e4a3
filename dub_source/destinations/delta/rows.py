"""Rows of Delta tables, deleted and changed by key."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from dub_source.destinations.delta.commits import alone, until_alone
from dub_source.destinations.delta.reading import schema_of, show
from dub_source.destinations.duckdb_file import SMALL
from dub_source.destinations.sql_rows import Place, SqlRows, in_a_sentence
from dub_source.destinations.sql_tables import chunks

if TYPE_CHECKING:
    from deltalake import DeltaTable


class DeltaRows(SqlRows):
    """Counts by SQL, and changes by commits. Raises DestinationError, which quotes no row."""

    def delete(self, place: Place, column: str, values: Sequence[str]) -> None:
        """Delete the rows that have one of the values."""
        for some in chunks(values):
            self._commit(place, partial(_delete, where=_among(column, some)))

    def update(
        self,
        place: Place,
        values: Mapping[str, Any],
        column: str,
        keys: Sequence[str],
        *,
        where_null: str | None = None,
    ) -> None:
        """Give the rows with one of the keys other values; with ``where_null``, only where that is null."""
        rest = "" if where_null is None else f" AND {_quoted(where_null)} IS NULL"
        for some in chunks(keys):
            self._commit(
                place, partial(_update, values=values, column=column, where=_among(column, some) + rest)
            )

    def _commit(self, place: Place, change: Callable[..., None]) -> None:
        with in_a_sentence(), self._pipeline.destination_client() as client:
            delta: Any = client
            until_alone(lambda: change(delta.delta_table(place.table), files=delta.remote_files))


def _delete(table: "DeltaTable", *, where: str, files: Any) -> None:  # noqa: ARG001 - called like _update
    _overwrite(table, schema_of(table).empty_table(), where)


def _update(table: "DeltaTable", *, values: Mapping[str, Any], column: str, where: str, files: Any) -> None:
    import duckdb

    schema = schema_of(table)
    with duckdb.connect(":memory:", config=SMALL) as connection:
        show(connection, "stored", table, files=files)
        rows = connection.execute(f"SELECT * FROM stored WHERE {where}").to_arrow_table()
    for name, value in values.items():
        place = schema.get_field_index(name)
        changed = pa.array([value] * len(rows), schema.field(place).type)
        rows = rows.set_column(place, schema.field(place), changed)
    if len(rows):
        # By their keys: what replaces rows must be what is replaced, and they are not null any more.
        _overwrite(table, rows.cast(schema), _among(column, rows[column].to_pylist()))


def _overwrite(table: "DeltaTable", rows: pa.Table, where: str) -> None:
    """Put rows in the place of those for which a condition holds.

    Not by deltalake's delete and update, which write texts as string_view: Daft cannot read that, and pyarrow
    26 cannot filter it.
    """
    from deltalake import write_deltalake

    write_deltalake(table, rows, mode="overwrite", predicate=where, commit_properties=alone(table))


def _among(column: str, values: Sequence[str]) -> str:
    return f"{_quoted(column)} IN ({', '.join(map(_literal, values))})"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
