"""One sentence and an exit code for destinations and files that cannot be loaded into."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from dub_source.sandbox import Sandbox
from tests.cli.conftest import Run, sentence
from tests.warehouses.duckdb_file import open_elsewhere


@pytest.mark.parametrize(
    "destination, code, words",
    (
        ("nowhere", 6, "no dlt destination called 'nowhere'"),
        ("filesystem", 6, "pip install 'dub-source[lake]'"),
        ("postgres", 2, "password"),
    ),
)
def test_destinations_that_cannot_work(
    run: Run, sandbox: Sandbox, destination: str, code: int, words: str
) -> None:
    result = run("load", "--destination", destination)
    assert result.exit_code == code
    assert words in sentence(result)
    assert sandbox.requests == []


def test_sqlite(run: Run, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    credentials = "DESTINATION__SQLALCHEMY__CREDENTIALS"
    monkeypatch.setenv(f"{credentials}__DRIVERNAME", "sqlite")
    monkeypatch.setenv(f"{credentials}__DATABASE", str(tmp_path / "rows.db"))
    result = run("load", "--destination", "sqlalchemy")
    assert result.exit_code == 6
    assert "SQLite cannot hold" in sentence(result)
    assert sandbox.requests == []
    assert not (tmp_path / "rows.db").exists()


def test_a_destination_that_imports_late(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    monkeypatch.setenv("DESTINATION__SQLALCHEMY__CREDENTIALS", "mysql://somebody:secret@here.example/dub")
    result = run("load", "--destination", "sqlalchemy")
    assert result.exit_code == 6
    assert "pip install 'dlt[sqlalchemy]'" in sentence(result)


def test_a_destination_without_merge(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from dlt.destinations import dremio

    def capabilities(_self: object) -> SimpleNamespace:
        return SimpleNamespace(supported_merge_strategies=["scd2"])

    monkeypatch.setattr(dremio, "capabilities", capabilities)
    result = run("load", "--destination", "dremio")
    assert result.exit_code == 6
    assert "cannot merge" in sentence(result)


def test_database_files_that_cannot_work(run: Run, sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "text.duckdb").write_text("not a database")
    (tmp_path / "rows.csv").write_text("id,name\n1,Ann\n")
    (tmp_path / "folder.duckdb").mkdir()
    (tmp_path / "loop.duckdb").symlink_to("loop.duckdb")
    for name, words in {
        "missing/rows.duckdb": "does not exist",
        "folder.duckdb": "is a folder",
        "text.duckdb": "not a DuckDB database",
        "rows.csv": "not a DuckDB database",  # DuckDB opens it, as a view in memory
        "dub.duckdb": "have one name",
        "Dub.duckdb": "have one name",
        ":memory:": "gone after the load",
        "loop.duckdb": "cannot be",
        "x" * 300: "cannot be used",
        "/proc/rows.duckdb": "cannot be opened",
    }.items():
        result = run("load", "--database", name)
        assert (name, result.exit_code) == (name, 6)
        assert words in sentence(result)
    assert sandbox.requests == []
    assert (tmp_path / "text.duckdb").read_text() == "not a database"
    left = {path.name for path in tmp_path.iterdir()} - {"dlt-data"}
    assert left == {"folder.duckdb", "loop.duckdb", "rows.csv", "text.duckdb"}


@pytest.mark.slow
def test_a_database_that_another_process_has_open(run: Run, sandbox: Sandbox, tmp_path: Path) -> None:
    with open_elsewhere(tmp_path / "rows.duckdb"):
        result = run("load", "--database", "rows.duckdb")
    assert result.exit_code == 6
    assert "in use by another program" in sentence(result)
    assert sandbox.requests == []
