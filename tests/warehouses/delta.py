"""A folder of Delta tables."""

import json
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import duckdb
import pyarrow as pa

from dub_source.destinations import Target
from tests.warehouses import DATASET, Row


class DeltaWarehouse:
    """A lake, which need not be there yet. What is read here is read by deltalake and DuckDB alone.

    Args:
        folder: of the lake.
        destination: what dlt's configuration calls it.
    """

    in_files: ClassVar[bool] = True

    def __init__(self, folder: Path, destination: str) -> None:
        self.folder = folder
        self._destination = destination

    @property
    def environment(self) -> dict[str, str]:
        """What dlt has to be told, here and in other processes."""
        section = f"DESTINATION__{self._destination.upper()}"
        return {
            f"{section}__DESTINATION_TYPE": "filesystem",
            f"{section}__BUCKET_URL": self.folder.as_uri(),
        }

    @property
    def target(self) -> Target:
        return Target(self._destination)

    @property
    def arguments(self) -> list[str]:
        return ["--destination", self._destination]

    def query(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with self._connection() as connection:
            return connection.execute(sql, parameters or None).fetchall()

    @contextmanager
    def _connection(self) -> Iterator[duckdb.DuckDBPyConnection]:
        with duckdb.connect() as connection:
            for number, name in enumerate(self.tables()):
                schema, _, table = name.partition(".")
                connection.register(f"arrow_{number}", self.open(name).to_pyarrow_table())
                connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
                connection.execute(f"CREATE TABLE {schema}.{table} AS SELECT * FROM arrow_{number}")
            for folder in self.folder.glob(f"{DATASET}/_dlt_*"):  # dlt keeps its own tables as JSON lines
                connection.execute(
                    f"CREATE VIEW {DATASET}.{folder.name} AS FROM read_json('{folder}/*.jsonl')"
                )
            yield connection

    def _change(self, table: str, statement: str) -> None:
        """By a statement of DuckDB: deltalake's own know no subqueries."""
        from deltalake import write_deltalake

        before = self.open(table)
        schema = before.to_pyarrow_table().schema
        with self._connection() as connection:
            connection.execute(statement)
            rows = connection.execute(f"SELECT * FROM {table}").to_arrow_table().cast(schema)
        write_deltalake(before, rows, mode="overwrite")

    def tables(self) -> list[str]:
        return sorted(
            ".".join(log.parent.relative_to(self.folder).parts) for log in self.folder.glob("*/*/_delta_log")
        )

    def rows(self, table: str) -> list[Row]:
        if "._dlt_" in table:  # JSON lines, a file for each row
            return [json.loads(file.read_text()) for file in sorted(self._path(table).glob("*.jsonl"))]
        found: list[Row] = self.open(table).to_pyarrow_table().to_pylist()
        return found

    def put(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[str | None]]) -> None:
        from deltalake import write_deltalake

        listed = [dict(zip(columns, row, strict=True)) for row in rows]
        schema = pa.schema([(name, pa.string()) for name in columns])
        shutil.rmtree(self._path(table), ignore_errors=True)
        write_deltalake(self._path(table), pa.Table.from_pylist(listed, schema=schema))

    def update(self, table: str, values: Mapping[str, str], where: str) -> None:
        changes = ", ".join(f"{name} = {value}" for name, value in values.items())
        self._change(table, f"UPDATE {table} SET {changes} WHERE {where}")

    def delete(self, table: str, where: str = "true") -> None:
        if "._dlt_" in table:  # JSON lines, a file for each row
            assert where == "true"
            for file in self._path(table).glob("*.jsonl"):
                file.unlink()
        else:
            self._change(table, f"DELETE FROM {table} WHERE {where}")

    def execute(self, *statements: str) -> None:
        if statements != ("CHECKPOINT",):  # Everything is in its place at once.
            raise NotImplementedError("A lake has no statements.")

    def keep(self) -> Path:
        copies = len(list(self.folder.parent.glob(f"{self.folder.name}.kept-*")))
        copy = self.folder.with_name(f"{self.folder.name}.kept-{copies}")
        return Path(shutil.copytree(self.folder / DATASET, copy))

    def put_back(self, kept: Path, *, but: Sequence[str] = ()) -> None:
        newer = (self.folder / DATASET).rename(self.folder.with_name(f"{self.folder.name}.newer"))
        shutil.copytree(kept, self.folder / DATASET)
        for table in but:
            shutil.rmtree(self.folder / DATASET / table, ignore_errors=True)
            shutil.copytree(newer / table, self.folder / DATASET / table)
        shutil.rmtree(newer)

    def save(self, folder: Path) -> None:
        shutil.copytree(self.folder, folder)

    def begin_with(self, folder: Path) -> None:
        shutil.copytree(folder, self.folder)

    def open(self, table: str) -> Any:
        """A table of deltalake."""
        from deltalake import DeltaTable

        return DeltaTable(self._path(table))

    def _path(self, table: str) -> Path:
        return self.folder.joinpath(*table.split("."))
