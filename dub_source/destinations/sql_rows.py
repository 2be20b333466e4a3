"""Rows of a pipeline's tables, counted, cleared and deleted by key: in SQL that every database knows."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dlt.destinations.job_client_impl import SqlJobClientBase

from dub_source.destinations.sql_tables import chunks, has_tables, placeholders
from dub_source.errors import DestinationError

if TYPE_CHECKING:
    import dlt


@dataclass(frozen=True, slots=True)
class Place:
    """A table that exists.

    Attributes:
        table: its name.
        columns: of it, in lower case.
        staging: whether it is the one of the staging dataset, where rows wait to be merged.
    """

    table: str
    columns: frozenset[str]
    staging: bool = False


class SqlRows:
    """Changes rows, each statement for itself. Raises DestinationError, which quotes no row."""

    def __init__(self, pipeline: "dlt.Pipeline") -> None:
        """Of this pipeline's dataset; need not be running."""
        self._pipeline = pipeline

    def places(self, tables: Sequence[str]) -> list[Place]:
        """Which of the tables exist, in the dataset and where their rows wait."""
        found: list[Place] = []
        with in_a_sentence(), self._pipeline.destination_client() as client:
            if not has_tables(client):
                return []
            found += _existing(client, tables, staging=False)
            if hasattr(client, "with_staging_dataset"):
                with client.with_staging_dataset():
                    found += _existing(client, tables, staging=True)
        return found

    def count(self, place: Place, column: str, values: Sequence[str]) -> Counter[str]:
        """How many rows have each of the values."""
        counted: Counter[str] = Counter()
        for some in chunks(values):
            query = (
                "SELECT {column}, count(*) FROM {table} "
                f"WHERE {{column}} IN ({placeholders(some)}) GROUP BY {{column}}"
            )
            with self._statement(place, query, column=column) as (client, statement):
                counted.update(dict(client.execute_sql(statement, *some) or ()))
        return counted

    def delete(self, place: Place, column: str, values: Sequence[str]) -> None:
        """Delete the rows that have one of the values."""
        for some in chunks(values):
            query = f"DELETE FROM {{table}} WHERE {{column}} IN ({placeholders(some)})"
            with self._statement(place, query, column=column) as (client, statement):
                client.execute_sql(statement, *some)

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
        names = {f"set_{number}": name for number, name in enumerate(values)}
        changes = ", ".join(
            f"{{{each}}} = " + ("NULL" if values[name] is None else "%s") for each, name in names.items()
        )
        given = [value for value in values.values() if value is not None]
        if where_null is not None:
            names["empty"] = where_null
        rest = "" if where_null is None else " AND {empty} IS NULL"
        for some in chunks(keys):
            query = f"UPDATE {{table}} SET {changes} WHERE {{column}} IN ({placeholders(some)}){rest}"
            with self._statement(place, query, column=column, **names) as (client, statement):
                client.execute_sql(statement, *given, *some)

    @contextmanager
    def _statement(self, place: Place, query: str, **columns: str) -> Iterator[tuple[Any, str]]:
        with in_a_sentence(), self._pipeline.sql_client() as client:
            with client.with_staging_dataset() if place.staging else nullcontext():
                table = client.make_qualified_table_name(place.table)
            names = {each: client.escape_column_name(name) for each, name in columns.items()}
            yield client, query.format(table=table, **names)


def _existing(client: SqlJobClientBase, tables: Sequence[str], *, staging: bool) -> list[Place]:
    if not client.is_storage_initialized():
        return []
    return [
        Place(table, frozenset(column.lower() for column in columns), staging)
        for table, columns in client.get_storage_tables(list(tables))
        if columns
    ]


@contextmanager
def in_a_sentence() -> Iterator[None]:
    """What a database says about rows may quote them."""
    try:
        yield
    except DestinationError:
        raise
    except Exception as error:  # noqa: BLE001 - each database has errors of its own
        raise DestinationError(
            f"The destination did not let rows be removed ({type(error).__name__}): check that its user may "
            "delete and update, then run the same again."
        ) from None
