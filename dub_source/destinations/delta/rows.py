"""Rows of Delta tables, deleted and changed by key."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from dub_source.destinations.delta.commits import alone, until_alone
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
            self._commit(place, partial(_update, values=values, where=_among(column, some) + rest))

    def _commit(self, place: Place, change: Callable[["DeltaTable"], None]) -> None:
        with in_a_sentence(), self._pipeline.destination_client() as client:
            delta: Any = client
            until_alone(lambda: change(delta.delta_table(place.table)))


def _delete(table: "DeltaTable", *, where: str) -> None:
    table.delete(where, commit_properties=alone(table))


def _update(table: "DeltaTable", *, values: Mapping[str, Any], where: str) -> None:
    updates = {_quoted(name): _literal(value) for name, value in values.items()}
    table.update(updates=updates, predicate=where, commit_properties=alone(table))


def _among(column: str, values: Sequence[str]) -> str:
    return f"{_quoted(column)} IN ({', '.join(map(_literal, values))})"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, datetime):
        return f"arrow_cast('{value.isoformat()}', 'Timestamp(Microsecond, Some(\"UTC\"))')"
    return "'" + str(value).replace("'", "''") + "'"
