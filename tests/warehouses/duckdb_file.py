"""A database file of DuckDB."""

import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import duckdb

from dub_source.destinations import Target
from tests.warehouses import DATASET, Row

_HOLD = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
_TABLES = "SELECT schema_name || '.' || table_name FROM duckdb_tables() ORDER BY 1"


@cache
def _engine() -> duckdb.DuckDBPyConnection:
    """One for all files: to make one takes 10 ms, to open a file in it 2."""
    return duckdb.connect()


@contextmanager
def _looking_into(file: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    _engine().execute(f"ATTACH '{file}' AS looked_into (READ_ONLY)")
    try:
        with _engine().cursor() as connection:
            connection.execute("USE looked_into")
            yield connection
    finally:
        _engine().execute("DETACH looked_into")


@contextmanager
def open_elsewhere(file: Path) -> Iterator[None]:
    """Another process has the file open, and could open it."""
    with subprocess.Popen(
        [sys.executable, "-c", _HOLD, file], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"open\n"
        try:
            yield
        finally:
            holder.communicate(b"")


class DuckDBWarehouse:
    """A file, which need not be there yet."""

    in_files: ClassVar[bool] = True

    def __init__(self, file: Path) -> None:
        self.file = file

    @property
    def target(self) -> Target:
        return Target(database=self.file)

    @property
    def arguments(self) -> list[str]:
        return ["--database", str(self.file)]

    def query(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with _looking_into(self.file) as connection:
            return connection.execute(sql, parameters or None).fetchall()

    def tables(self) -> list[str]:
        return [name for (name,) in self.query(_TABLES)] if self.file.exists() else []

    def rows(self, table: str) -> list[Row]:
        with _looking_into(self.file) as connection:
            cursor = connection.execute(f"SELECT * FROM {table}")
            names = [column[0] for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def put(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[str | None]]) -> None:
        with duckdb.connect(str(self.file)) as connection:
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {table.partition('.')[0]}")
            connection.execute(
                f"CREATE OR REPLACE TABLE {table} ({', '.join(f'{each} VARCHAR' for each in columns)})"
            )
            for row in rows:
                connection.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(columns))})", row)

    def update(self, table: str, values: Mapping[str, str], where: str) -> None:
        changes = ", ".join(f"{name} = {value}" for name, value in values.items())
        self.execute(f"UPDATE {table} SET {changes} WHERE {where}")

    def delete(self, table: str, where: str = "true") -> None:
        self.execute(f"DELETE FROM {table} WHERE {where}")

    def execute(self, *statements: str) -> None:
        with duckdb.connect(str(self.file)) as connection:
            for statement in statements:
                connection.execute(statement)

    def keep(self) -> Path:
        copies = len(list(self.file.parent.glob(f"{self.file.name}.kept-*")))
        return Path(shutil.copy(self.file, self.file.with_name(f"{self.file.name}.kept-{copies}")))

    def put_back(self, kept: Path, *, but: Sequence[str] = ()) -> None:
        newer = self.file.rename(self.file.with_suffix(".newer"))
        shutil.copy(kept, self.file)
        if but:
            self.execute(f"ATTACH '{newer}' AS newer (READ_ONLY)", *_copying(but))
        newer.unlink()

    def save(self, folder: Path) -> None:
        folder.mkdir()
        shutil.copy(self.file, folder / "saved.duckdb")

    def begin_with(self, folder: Path) -> None:
        shutil.copy(folder / "saved.duckdb", self.file)


def _copying(tables: Sequence[str]) -> list[str]:
    return [
        statement
        for table in tables
        for statement in (
            f"CREATE TABLE IF NOT EXISTS {DATASET}.{table} AS FROM newer.{DATASET}.{table} LIMIT 0",
            f"DELETE FROM {DATASET}.{table}",
            f"INSERT INTO {DATASET}.{table} BY NAME SELECT * FROM newer.{DATASET}.{table}",
        )
    ]
