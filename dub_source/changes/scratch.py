"""A DuckDB database for the time of one comparison."""

import shutil
from pathlib import Path

import duckdb
import pyarrow as pa


class ScratchDatabase:
    """Files in a private folder, bounded memory; not for several threads at once.

    Args:
        folder: its own; what an earlier one left there is removed. Its parent is made if it is missing.
        memory: how much DuckDB may take before it goes on with the disk, such as ``128MB``.
    """

    def __init__(self, folder: Path, *, memory: str) -> None:
        self._folder = folder
        self._remove()
        # A folder of its own: DuckDB makes its files, of which there are several, readable for everybody.
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700)
        self._connection = duckdb.connect(
            folder / "rows.duckdb",
            config={
                "memory_limit": memory,
                "threads": 2,
                "temp_directory": str(folder / "spill"),
                "preserve_insertion_order": False,
                "autoinstall_known_extensions": False,
            },
        )

    def execute(self, query: str, parameters: object = None) -> duckdb.DuckDBPyConnection:
        """Run a statement; its rows are to be fetched before the next one."""
        return self._connection.execute(query, parameters)

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """For rows that are fetched while other statements run; to be closed."""
        return self._connection.cursor()

    def take(self, statement: str, arriving: pa.Table) -> None:
        """Run a statement in which ``arriving`` is that table."""
        self._connection.register("arriving", arriving)
        try:
            self._connection.execute(statement)
        finally:
            self._connection.unregister("arriving")

    def close(self) -> None:
        """Remove everything."""
        self._connection.close()
        self._remove()

    def _remove(self) -> None:
        if self._folder.exists():
            shutil.rmtree(self._folder)
