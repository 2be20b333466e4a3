"""dlt's Postgres: files of its kind are chosen, those without rows let through, and moments are of UTC."""

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from dlt.destinations import postgres
from dlt.destinations.job_impl import FinalizedLoadJobWithFollowupJobs

_IN_UTC = "-ctimezone=UTC"
"""For a connection: a server in the east shows the last moment of 9999 as one of a year that Python lacks."""


def with_formats(known: postgres) -> postgres:
    """The same destination, into which rows go in Arrow's columns by ADBC, without it as INSERT statements.

    dlt prefers CSV for Arrow tables. That takes three times as long as ADBC, and makes NULL of an empty text.
    """
    has_adbc = all(map(find_spec, ("adbc_driver_manager", "adbc_driver_postgresql")))
    formats = ["parquet", "insert_values"] if has_adbc else ["insert_values"]
    return Postgres(
        destination_name=known.destination_name,
        preferred_loader_file_format=formats[0],
        supported_loader_file_formats=formats,
    )


class Postgres(postgres):
    """dlt's, whose name it keeps in configuration and state."""

    @property
    def destination_type(self) -> str:
        """That of dlt's."""
        return "dlt.destinations.postgres"

    @property
    def client_class(self) -> Any:
        """A client that takes files without rows, and whose connections show moments in UTC."""
        return _client_class()


@cache
def _client_class() -> Any:
    # dlt's needs psycopg2 when it is imported.
    from dlt.destinations.impl.postgres.postgres import PostgresClient

    class Client(PostgresClient):
        def __init__(self, schema: Any, config: Any, capabilities: Any) -> None:
            given = dict(config.credentials.query or {})
            if _IN_UTC not in given.get("options", ""):
                config.credentials.query = given | {
                    "options": f"{given.get('options', '')} {_IN_UTC}".strip()
                }
            super().__init__(schema, config, capabilities)

        def create_load_job(self, table: Any, file_path: str, load_id: str, restore: bool = False) -> Any:
            # A table without rows is a file all the same, so that it is made; ADBC fails at one.
            if Path(file_path).suffix == ".parquet" and not pq.read_metadata(file_path).num_rows:
                return FinalizedLoadJobWithFollowupJobs(file_path)
            return super().create_load_job(table, file_path, load_id, restore)

    return Client
