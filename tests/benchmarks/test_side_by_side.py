"""Two loads by everything that can do it: what is missing, wrong or still there is counted, not believed."""

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest

from benchmarks import side_by_side
from benchmarks.loaders import LOADERS, TABLE
from benchmarks.side_by_side import Case

ROW = {
    "name": "Ada",
    "email": "a@example.test",
    "externalId": "u",
    "country": "DE",
    "sales": 1,
    "saleAmount": 5,
}


def compared(folder: Path, truth: list[dict[str, Any]], table: str) -> tuple[int, ...]:
    lines = folder / "truth.ndjson"
    lines.write_text("".join(json.dumps(each) + "\n" for each in truth), encoding="utf-8")
    database = folder / "their.duckdb"
    with duckdb.connect(str(database)) as connection:
        connection.execute("CREATE SCHEMA crm")
        connection.execute(f"CREATE TABLE {TABLE} AS {table}")
    return side_by_side._compared(database, TABLE, lines)


def test_each_fault_of_a_table_is_counted(tmp_path: Path) -> None:
    truth = [ROW | {"id": each} for each in ("same", "renamed", "richer", "missing")]
    truth += [ROW | {"id": "made up", "name": None}]
    table = """
        SELECT * FROM (VALUES
            ('same', 'Ada', 'a@example.test', 'u', 'DE', 1, 5, NULL),
            ('renamed', 'Adele', 'a@example.test', 'u', 'DE', 1, 5, NULL),
            ('richer', 'Ada', 'a@example.test', 'u', 'DE', 1, NULL, NULL),
            ('made up', 'Shy Owl', 'a@example.test', 'u', 'DE', 1, 5, NULL),
            ('gone', 'Ada', NULL, 'u', 'DE', 1, 5, NULL),
            ('gone and marked', 'Ada', NULL, 'u', 'DE', 1, 5, 'yesterday')
        ) AS rows(id, name, email, external_id, country, sales, sale_amount, deleted_at)
    """
    assert compared(tmp_path, truth, table) == (5, 1, 2, 1)


def test_a_column_that_nobody_made_is_null(tmp_path: Path) -> None:
    truth = [ROW | {"id": "a", "email": None}, ROW | {"id": "b"}]
    table = """
        SELECT * FROM (VALUES ('a', 'Ada', 'u', 'DE', 1, 5), ('b', 'Ada', 'u', 'DE', 1, 5))
        AS rows(id, name, external_id, country, sales, sale_amount)
    """
    assert compared(tmp_path, truth, table) == (2, 0, 1, 0)


@pytest.mark.parametrize(
    "case, seconds",
    (
        (Case(1_000), 0),
        (Case(1_000, rate_limit=10), 0),
        (Case(1_001, rate_limit=10), 6),
        (Case(20_000, 0, 60), 140),
    ),
)
def test_the_time_that_the_rate_limit_alone_takes(case: Case, seconds: float) -> None:
    """As many requests as the limit are free."""
    assert case.limit_s == seconds


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_everybody_loads_twice_and_only_one_has_all() -> None:
    result = side_by_side.measure((Case(400),), repeats=1)
    rows = {(row["loader"], row["load"]): row for row in result.rows}
    assert list(rows) == [(loader.name, number) for loader in LOADERS for number in (1, 2)]
    assert {row["error"] for row in result.rows} == {None}
    for number in (1, 2):
        ours = rows["dub-source", number]
        assert (ours["rows"], ours["missing"], ours["wrong"], ours["ghosts"], ours["of_ours"]) == (
            400,
            0,
            0,
            0,
            1,
        )
        assert rows["sdk", number]["missing"] >= 300
        walks = [rows[name, number] for name in ("rest-api", "rest-api-parquet", "loop", "sdk-repaired")]
        assert len({each["missing"] for each in walks}) == 1, "one scheme, one loss"
        assert walks[0]["missing"] > 0
    raw = rows["raw", 2]
    assert (raw["missing"], raw["wrong"], raw["ghosts"], raw["requests"]) == (0, 0, 4, 0)
    assert len(result.tables) == 2
