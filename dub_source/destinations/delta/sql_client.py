"""SQL over Delta tables: an embedded DuckDB that reads their files.

DuckDB's own extension for Delta would have to be downloaded from its makers at run time, and dlt's client
counts on it.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
from dlt.common.destination.dataset import DBApiCursor
from dlt.destinations.impl.duckdb.configuration import DuckDbClientConfiguration, DuckDbCredentials
from dlt.destinations.impl.duckdb.factory import duckdb as duckdb_destination
from dlt.destinations.impl.duckdb.sql_client import DuckDbSqlClient
from sqlglot import exp, parse_one

from dub_source.destinations.delta.reading import show
from dub_source.destinations.duckdb_file import SMALL

if TYPE_CHECKING:
    from dub_source.destinations.delta.client import DeltaClient


class DeltaSqlClient(DuckDbSqlClient):
    """A connection sees the tables as they are when they are first named in it. It changes none of them."""

    keeps_views = False
    """What is created here is gone with the connection."""

    def __init__(self, client: "DeltaClient") -> None:
        """Over the tables of this client's dataset, and of others beside it."""
        credentials = DuckDbCredentials(":memory:")
        super().__init__(
            dataset_name=client.dataset_name,
            staging_dataset_name=f"{client.dataset_name}_staging",
            credentials=credentials,
            capabilities=duckdb_destination().capabilities(
                DuckDbClientConfiguration(credentials=credentials), naming=client.schema.naming
            ),
        )
        self._client = client
        self._seen: set[tuple[str, str]] = set()
        self._overflow: tempfile.TemporaryDirectory[str] | None = None

    def open_connection(self) -> duckdb.DuckDBPyConnection:
        """A connection of its own; what does not fit into memory goes into a private folder."""
        # Beside dlt's other working files: those are removed even after a kill.
        folder = self._client.config.pipeline_working_dir
        beside = folder if folder and Path(folder).is_dir() else None
        self._overflow = tempfile.TemporaryDirectory(prefix="duckdb_", dir=beside)
        config = SMALL | {"temp_directory": self._overflow.name}
        self._conn = duckdb.connect(":memory:", config=config)
        self._seen = set()
        self._conn.execute(f"CREATE SCHEMA IF NOT EXISTS {self.fully_qualified_dataset_name()}")
        self._conn.execute(f"SET search_path = '{self.fully_qualified_dataset_name()}'")
        return self._conn

    def close_connection(self) -> None:
        """Close it, and remove what it has put aside."""
        if self._conn is not None:
            self._conn.close()
            self._conn = None  # type: ignore[assignment]
        if self._overflow is not None:
            self._overflow.cleanup()
            self._overflow = None

    @contextmanager
    def execute_query(self, query: Any, *args: Any, **kwargs: Any) -> Iterator[DBApiCursor]:
        """The rows of a query."""
        self._show_tables(query)
        with super().execute_query(query, *args, **kwargs) as cursor:
            yield cursor

    def _show_tables(self, query: str) -> None:
        """Make views of the tables that a query names, unless they are there already."""
        try:
            named = self._conn.get_table_names(query.replace("%s", "NULL"), qualified=True)
        except duckdb.Error:
            return  # DuckDB will say it better when it runs the query.
        for each in named:
            # dub."people" AS p
            table = parse_one(f"SELECT 1 FROM {each}", dialect="duckdb").find(exp.Table)
            if table is not None and not table.catalog:
                self._show(table.db or self.dataset_name, table.name)

    def _show(self, dataset: str, name: str) -> None:
        if (dataset, name) in self._seen:
            return
        other = None if dataset == self.dataset_name else dataset
        table = self._client.delta_table(name, dataset=other)
        if table is None:
            return
        schema, view = self.escape_column_name(dataset), self.escape_column_name(name)
        self._conn.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        show(self._conn, f"{schema}.{view}", table, files=self._client.remote_files)
        self._seen.add((dataset, name))
