"""dlt's DuckDB, which waits a moment for a file that somebody else has open."""

from typing import Any

from dlt.common.configuration import configspec
from dlt.destinations import duckdb
from dlt.destinations.impl.duckdb.configuration import (
    DuckDbClientConfiguration,
    DuckDbConnectionPool,
    DuckDbCredentials,
)

from dub_source.destinations.duckdb_waiting import patiently


class _PatientPool(DuckDbConnectionPool):
    def borrow_conn(self, *args: Any, **kwargs: Any) -> Any:
        """See dlt's; the lock of the pool is not held while it waits."""
        return patiently(lambda: super(_PatientPool, self).borrow_conn(*args, **kwargs))


@configspec(init=False)
class PatientCredentials(DuckDbCredentials):
    """Where the file is, and how it is opened."""

    def on_resolved(self) -> None:
        """Called by dlt when all settings are known."""
        super().on_resolved()
        self.conn_pool = _PatientPool(self)


@configspec(init=False)
class PatientConfiguration(DuckDbClientConfiguration):
    """dlt's, with these credentials."""

    credentials: PatientCredentials = None  # type: ignore[assignment]  # as dlt has it


class DuckDB(duckdb):
    """dlt's, whose name it keeps in configuration and state."""

    spec = PatientConfiguration

    @property
    def destination_type(self) -> str:
        """That of dlt's."""
        return "dlt.destinations.duckdb"
