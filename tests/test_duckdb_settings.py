"""DuckDB's settings during a load: small by default, and whatever dlt's configuration says."""

from pathlib import Path
from typing import Any

import dlt
import duckdb
import pytest

from dub_source.destinations import Target, open_destination
from dub_source.destinations.duckdb_file import SMALL


def settings_in_use(folder: Path, *, exists: bool = True) -> dict[str, Any]:
    database = folder / "customers.duckdb"
    if exists:
        duckdb.connect(database).close()
    opened = open_destination(Target(database=database))
    pipeline = dlt.pipeline(
        "settings", destination=opened.destination, dataset_name="dub", pipelines_dir=str(folder)
    )
    try:
        with pipeline.sql_client() as client:
            rows = client.execute_sql("SELECT name, value FROM duckdb_settings()")
    finally:
        pipeline.deactivate()
    return {str(name): value for name, value in rows or ()}


def in_mib(text: str) -> float:
    number, unit = text.split()
    return float(number) * {"MiB": 1, "GiB": 1024}[unit]


def test_a_load_keeps_duckdb_small(tmp_path: Path) -> None:
    found = settings_in_use(tmp_path)
    assert in_mib(found["memory_limit"]) == pytest.approx(256e6 / 2**20, abs=0.1)
    assert (found["threads"], found["preserve_insertion_order"]) == ("1", "false")


def test_a_first_load_needs_half_of_it(tmp_path: Path) -> None:
    found = settings_in_use(tmp_path, exists=False)
    assert in_mib(found["memory_limit"]) == pytest.approx(128e6 / 2**20, abs=0.1)
    assert (found["threads"], found["preserve_insertion_order"]) == ("1", "false")


def test_settings_of_ones_own_win(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = '{"memory_limit": "1GiB", "threads": 3}'
    monkeypatch.setenv("DESTINATION__DUCKDB__CREDENTIALS__GLOBAL_CONFIG", given)
    found = settings_in_use(tmp_path)
    assert (in_mib(found["memory_limit"]), found["threads"]) == (1024, "3")
    assert found["preserve_insertion_order"] == "false"
    assert SMALL["threads"] == 1
