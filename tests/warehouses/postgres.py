"""A database of a Postgres server."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from dub_source.destinations import Target
from tests.warehouses import DATASET, Row
from tests.warehouses.postgres_server import PostgresServer

_KEPT = "kept_"
_TABLES = (
    "SELECT schemaname || '.' || tablename FROM pg_tables WHERE schemaname NOT IN "
    f"('pg_catalog', 'information_schema') AND NOT starts_with(schemaname, '{_KEPT}') ORDER BY 1"
)


class PostgresWarehouse:
    """A database of its own, empty at first.

    Args:
        server: where.
        destination: what dlt's configuration calls it.
    """

    in_files: ClassVar[bool] = False

    def __init__(self, server: PostgresServer, destination: str) -> None:
        self._server = server
        self.database = server.new_database()
        self._destination = destination
        self._copies = 0

    @property
    def environment(self) -> dict[str, str]:
        """What dlt has to be told, here and in other processes."""
        section = f"DESTINATION__{self._destination.upper()}"
        return {
            f"{section}__DESTINATION_TYPE": "postgres",
            f"{section}__CREDENTIALS": self._server.url(self.database),
        }

    def remove(self) -> None:
        self._server.drop(self.database)

    @property
    def target(self) -> Target:
        return Target(self._destination)

    @property
    def arguments(self) -> list[str]:
        return ["--destination", self._destination]

    def query(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with self._cursor() as cursor:
            cursor.execute(sql.replace("%", "%%").replace("?", "%s"), parameters)
            return list(cursor.fetchall())

    def tables(self) -> list[str]:
        return [name for (name,) in self.query(_TABLES)]

    def rows(self, table: str) -> list[Row]:
        with self._cursor() as cursor:
            cursor.execute(f"SELECT * FROM {table}")
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def put(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[str | None]]) -> None:
        with self._cursor() as cursor:
            cursor.execute(f"CREATE SCHEMA IF NOT EXISTS {table.partition('.')[0]}")
            cursor.execute(f"DROP TABLE IF EXISTS {table}")
            cursor.execute(f"CREATE TABLE {table} ({', '.join(f'{each} VARCHAR' for each in columns)})")
            for row in rows:
                cursor.execute(f"INSERT INTO {table} VALUES ({', '.join(['%s'] * len(columns))})", row)

    def update(self, table: str, values: Mapping[str, str], where: str) -> None:
        changes = ", ".join(f"{name} = {value}" for name, value in values.items())
        self.execute(f"UPDATE {table} SET {changes} WHERE {where}")

    def delete(self, table: str, where: str = "true") -> None:
        self.execute(f"DELETE FROM {table} WHERE {where}")

    def execute(self, *statements: str) -> None:
        with self._cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def keep(self) -> str:
        self._copies += 1
        copy = f"{_KEPT}{self._copies}"
        self.execute(f"CREATE SCHEMA {copy}")
        for table in self._tables_of(DATASET):
            self.execute(f"CREATE TABLE {copy}.{table} AS TABLE {DATASET}.{table}")
        return copy

    def put_back(self, kept: str, *, but: Sequence[str] = ()) -> None:
        then = self._tables_of(kept)
        for table in self._tables_of(DATASET):
            if table in but:
                continue
            if table not in then:
                self.execute(f"DROP TABLE {DATASET}.{table} CASCADE")
                continue
            columns = ", ".join(f'"{name}"' for name in self._columns_of(kept, table))
            self.execute(
                f"TRUNCATE {DATASET}.{table}",
                f"INSERT INTO {DATASET}.{table} ({columns}) SELECT {columns} FROM {kept}.{table}",
            )

    def save(self, folder: Path) -> None:
        folder.mkdir()
        (folder / "database").write_text(self._server.new_database(like=self.database))

    def begin_with(self, folder: Path) -> None:
        self._server.drop(self.database)
        self._server.new_database(self.database, like=(folder / "database").read_text())

    def _tables_of(self, schema: str) -> list[str]:
        sql = "SELECT tablename FROM pg_tables WHERE schemaname = ? ORDER BY 1"
        return [name for (name,) in self.query(sql, schema)]

    def _columns_of(self, schema: str, table: str) -> list[str]:
        sql = (
            "SELECT column_name FROM information_schema.columns WHERE table_schema = ? AND table_name = ? "
            "ORDER BY ordinal_position"
        )
        return [name for (name,) in self.query(sql, schema, table)]

    @contextmanager
    def _cursor(self) -> Iterator[Any]:
        connection = self._server.connect(self.database)
        try:
            with connection.cursor() as cursor:
                yield cursor
        finally:
            connection.close()
