"""dlt's client of a folder of files, for Delta tables."""

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from dlt.common.destination.typing import PreparedTableSchema
from dlt.common.schema.typing import TTableSchemaColumns
from dlt.common.storages.load_package import ParsedLoadJobFileName
from dlt.destinations.impl.filesystem.filesystem import FilesystemClient, ReferenceFollowupJob
from dlt.destinations.sql_client import SqlClientBase

from dub_source.destinations.delta.merge_job import NEWEST_WINS, DeltaMergeJob
from dub_source.destinations.delta.sql_client import DeltaSqlClient
from dub_source.errors import DestinationError

if TYPE_CHECKING:
    from deltalake import DeltaTable

_FORMAT = "delta"


class DeltaClient(FilesystemClient):
    """Adds what dlt's SQL clients can: which tables there are, SQL over them, a merge with a condition."""

    @property
    def sql_client_class(self) -> type[SqlClientBase[Any]]:
        """The class of :attr:`sql_client`."""
        return DeltaSqlClient

    @property
    def sql_client(self) -> SqlClientBase[Any]:
        """An embedded DuckDB that sees the tables; one for each use."""
        return DeltaSqlClient(self)

    @sql_client.setter
    def sql_client(self, client: Any) -> None:
        raise AttributeError("each use gets its own")

    def get_storage_tables(self, table_names: Iterable[str]) -> Iterator[tuple[str, TTableSchemaColumns]]:
        """The tables with the columns that they really have; none for a table that does not exist."""
        for name in table_names:
            table = self.delta_table(name)
            fields = [] if table is None else table.schema().fields
            yield name, {field.name: {"name": field.name} for field in fields}

    def delta_table(self, name: str, *, dataset: str | None = None) -> "DeltaTable | None":
        """A table as it is now; None if there is none.

        Args:
            name: of the table.
            dataset: a dataset beside this one; None is this one.
        """
        from deltalake import DeltaTable
        from dlt.common.libs.deltalake import deltalake_storage_options

        folder = self.get_table_dir(name)
        if dataset is not None:
            folder = self.pathlib.join(self.bucket_path, dataset, name)
        location = self.make_remote_url(folder).rstrip("/")
        options = deltalake_storage_options(self.config.credentials, self.config.deltalake_storage_options)
        if not DeltaTable.is_deltatable(location, options):
            return None
        return DeltaTable(location, storage_options=options)

    @property
    def remote_files(self) -> Any:
        """The filesystem of the tables; None for this machine's disks."""
        return None if self.is_local_filesystem else self.fs_client

    def table_names(self) -> list[str]:
        """All tables of the dataset, also those that no schema knows."""
        if not self.fs_client.isdir(self.dataset_path):
            return []
        entries = self.fs_client.ls(self.dataset_path, detail=True)
        names = {Path(each["name"]).name for each in entries if each["type"] == "directory"}
        return sorted(name for name in names if self.delta_table(name) is not None)

    def newest_wins(self, column: str) -> Mapping[str, Any]:
        """The hint for tables whose rows are replaced only by rows with a later moment in that column."""
        return {NEWEST_WINS: column}

    @staticmethod
    def get_reference_followup_job_class(table: PreparedTableSchema) -> type[ReferenceFollowupJob] | None:
        """The job that writes what was prepared for a table."""
        return DeltaMergeJob if table.get("table_format") == _FORMAT else None

    def verify_schema(
        self,
        only_tables: Iterable[str] | None = None,
        new_jobs: Iterable[ParsedLoadJobFileName] | None = None,
    ) -> list[PreparedTableSchema]:
        """Refuse tables of other formats, before anything is written."""
        for name in only_tables or self.schema.data_table_names():
            chosen = self.schema.tables[name].get("table_format") if name in self.schema.tables else None
            if chosen not in (None, _FORMAT):
                raise DestinationError(
                    f"The table {name} is to be one of the format {chosen}, which cannot keep what this tool "
                    "promises: leave table_format out, and it becomes a Delta table."
                )
        return super().verify_schema(only_tables, new_jobs)  # type: ignore[arg-type]

    def _write_to_json_file(self, filepath: str, data: Any) -> None:
        """As a whole or not at all: a state that a kill has cut off would stop every run after it."""
        if not self.is_local_filesystem:  # An object appears at once, or never.
            super()._write_to_json_file(filepath, data)
            return
        # dlt takes only files with two double underscores in their name for its own.
        unfinished = str(Path(filepath).with_name(f".{uuid4().hex}"))
        super()._write_to_json_file(unfinished, data)
        os.replace(unfinished, filepath)  # noqa: PTH105 - both are texts of dlt
