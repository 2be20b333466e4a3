"""A database file is written anew with all that it holds, and without the bytes of what was deleted."""

from pathlib import Path

import duckdb
import pytest

from dub_source.destinations.duckdb_file import DuckDBFile
from dub_source.destinations.duckdb_rewrite import check_copyable, rewrite
from dub_source.errors import DestinationError

SECRET = "quintessa.zyxwvut@mailhost.example"


def file_at(path: Path) -> DuckDBFile:
    """A file with a table from which a row was deleted."""
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE people (id INTEGER, email VARCHAR)")
        connection.execute("INSERT INTO people VALUES (1, ?), (2, 'kept')", [SECRET])
        connection.execute("CHECKPOINT")
        connection.execute("DELETE FROM people WHERE id = 1")
    assert SECRET.encode() in path.read_bytes()
    return DuckDBFile.of(path, "dub")


@pytest.mark.parametrize(
    "name",
    ("customers.duckdb", "crm.prod.duckdb", "temp.duckdb", "main.db", ".hidden", "what?.db", "a'b\".db"),
)
def test_whatever_the_file_is_called(name: str, tmp_path: Path) -> None:
    file = file_at(tmp_path / name)
    rewrite(file)
    assert SECRET.encode() not in file.path.read_bytes()
    with duckdb.connect(str(file.path)) as connection:
        assert connection.execute("FROM people").fetchall() == [(2, "kept")]
    assert [each.name for each in tmp_path.iterdir()] == [name]


def test_what_a_killed_query_has_put_beside_it_goes_too(tmp_path: Path) -> None:
    """DuckDB leaves such files forever: its next start looks at them no more."""
    file = file_at(tmp_path / "customers.duckdb")
    beside = tmp_path / "customers.duckdb.tmp"
    beside.mkdir()
    (beside / "duckdb_temp_storage_DEFAULT-0.tmp").write_text(SECRET, encoding="utf-8")
    (beside / "theirs.txt").write_text("kept", encoding="utf-8")
    rewrite(file)
    assert [each.name for each in beside.iterdir()] == ["theirs.txt"]


@pytest.mark.parametrize(
    "child, parent, copied",
    (("orders", "people", False), ("tree", "tree", False), ("visits", "people", True)),
)
def test_foreign_keys_that_cannot_be_copied_are_told_before(
    child: str, parent: str, copied: bool, tmp_path: Path
) -> None:
    """DuckDB copies tables by their names, and rows of a table in no order that its own keys would need."""
    path = tmp_path / "customers.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            f"CREATE TABLE {parent} (id INTEGER PRIMARY KEY, of INTEGER REFERENCES {parent} (id))"
            if child == parent
            else f"CREATE TABLE {parent} (id INTEGER PRIMARY KEY)"
        )
        if child != parent:
            connection.execute(f"CREATE TABLE {child} (of INTEGER REFERENCES {parent} (id))")
            connection.execute(f"INSERT INTO {parent} VALUES (1)")
            connection.execute(f"INSERT INTO {child} VALUES (1)")
        else:
            connection.execute(f"INSERT INTO {parent} VALUES (1, NULL)")
            connection.execute(f"INSERT INTO {parent} VALUES (2, 1)")
    file = DuckDBFile.of(path, "dub")
    if copied:
        check_copyable(file)
        rewrite(file)
        return
    with pytest.raises(DestinationError, match=f"foreign keys .*main.{child}.*nobody"):
        check_copyable(file)
    with pytest.raises(DestinationError):
        rewrite(file)
