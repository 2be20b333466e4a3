"""Tables of a pipeline's dataset, read by SQL in the types that this package has for them."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeGuard

import pyarrow as pa
from dlt.destinations.job_client_impl import SqlJobClientBase
from dlt.destinations.sql_client import SqlClientBase

from dub_source.destinations.merging import MergesNewest
from dub_source.errors import DestinationError

if TYPE_CHECKING:
    import dlt

_ROWS = 50_000
"""Rows that are fetched at once."""
_IDS = 5_000
"""Ids in one query: databases limit the parameters of a statement, some of them to 10,000."""


def has_tables(client: Any) -> TypeGuard[SqlJobClientBase]:
    """Whether a client of dlt knows which tables there are, and answers SQL over them: databases, lakes."""
    return isinstance(client, SqlJobClientBase | MergesNewest)


class SqlTables:
    """Some tables of a dataset. One that is not there has no columns.

    Attributes:
        columns: by part, the columns of each table, without dlt's own, in lower case.
    """

    def __init__(self, pipeline: "dlt.Pipeline", names: Mapping[str, str], *, called: str) -> None:
        """Look which of the tables exist.

        Args:
            pipeline: its destination and dataset; need not be running.
            names: by part (``customers``), the table of that part.
            called: what errors call them: "The table customers or its history".

        Raises:
            DestinationError: if the destination is no database.
        """
        self._pipeline = pipeline
        self._names = dict(names)
        self._called = called
        self._clients: list[SqlClientBase[Any]] = []
        with pipeline.destination_client() as client:
            if not has_tables(client):
                # Plain files: dlt appends to them where it is told to merge, and says nothing.
                raise DestinationError(
                    "The destination is no database, and a load must see what is there already: choose one "
                    "such as duckdb or postgres, or dub_source.delta_lake for Delta tables in files."
                )
            if client.is_storage_initialized():
                stored = dict(client.get_storage_tables(list(self._names.values())))
            else:
                stored = {}
        self.columns = {
            part: [
                column.lower() for column in stored.get(name, ()) if not column.lower().startswith("_dlt_")
            ]
            for part, name in self._names.items()
        }

    def read(
        self, schema: pa.Schema, query: str, *parameters: Any, others: Sequence[str] = ()
    ) -> Iterator[pa.Table]:
        """What a query selects, in the types of the schema, some ten thousand rows at a time.

        Args:
            schema: a field for each selected column, by position.
            query: SQL with ``{PART}`` for tables, ``{column}`` for columns, and ``%s`` for parameters. Names
                of columns are lower-case, so that none is taken for a table.
            others: columns in the query that no table has.

        Raises:
            DestinationError: whatever goes wrong: rows that cannot be read must not be taken for rows that do
                not exist.
        """
        with self._in_a_sentence(), self._client() as client:
            names = {
                part.upper(): client.make_qualified_table_name(name) for part, name in self._names.items()
            }
            columns = {name for part in self.columns.values() for name in part} | set(others)
            names |= {name: client.escape_column_name(name) for name in columns}
            with client.execute_query(query.format(**names), *parameters) as cursor:
                for table in cursor.iter_arrow(_ROWS):
                    yield _in_types(table, schema)

    @contextmanager
    def _client(self) -> Iterator[SqlClientBase[Any]]:
        """A client with a connection of its own; one query may begin while another one's rows are fetched.

        It is opened again for the next query, because dlt resolves and validates much to make one.
        """
        try:
            client = self._clients.pop()
        except IndexError:
            client = self._pipeline.sql_client()
        with client:
            yield client
        self._clients.append(client)

    @contextmanager
    def _in_a_sentence(self) -> Iterator[None]:
        """What a database says about rows may quote them, so its words stay here."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - each database has errors of its own
            raise DestinationError(
                f"{self._called} cannot be read ({type(error).__name__}), so nothing was "
                "changed: check that it is as this tool has made it, or load into another dataset."
            ) from None


def chunks(ids: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """So many that a query can have them as parameters."""
    return (ids[start : start + _IDS] for start in range(0, len(ids), _IDS))


def placeholders(values: Sequence[Any]) -> str:
    """``%s, %s, ...`` for so many parameters."""
    return ", ".join(["%s"] * len(values))


def _in_types(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """By position, because some destinations answer with other letters in the names of columns."""
    columns = [
        # A NULL that was selected as such has whichever type the database likes.
        column.cast(field.type) if column.null_count < len(column) else pa.nulls(len(column), field.type)
        for column, field in zip(table.columns, schema, strict=True)
    ]
    return pa.Table.from_arrays(columns, schema=pa.schema([field.with_nullable(True) for field in schema]))
