"""Rows into a Delta table: the newer one wins, none is there twice, whatever else writes at that moment."""

import multiprocessing
import tempfile
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest

from dub_source.destinations.delta import merge_job
from dub_source.destinations.delta.merge_job import Lake, Merge, merge_into

pytestmark = pytest.mark.only("delta")

NEWER = Merge("id", newest="observed_at", replaces=True)
ADDED = Merge("id", newest=None, replaces=False)
NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
SCHEMA = pa.schema(
    [("id", pa.string()), ("name", pa.string()), ("observed_at", pa.timestamp("us", tz="UTC"))]
)

Row = tuple[str, str | None, int]


def rows(*given: Row) -> pa.Table:
    """Rows of id, name, and minutes after noon."""
    listed = [(key, name, NOON + timedelta(minutes=minute)) for key, name, minute in given]
    columns = [list(column) for column in zip(*listed, strict=True)] or [[], [], []]
    return pa.table(columns, schema=SCHEMA)


def content(table: Path) -> list[Row]:
    from deltalake import DeltaTable

    found = DeltaTable(table).to_pyarrow_table().select(SCHEMA.names).to_pylist()
    return sorted(
        (row["id"], row["name"], round((row["observed_at"] - NOON).total_seconds() / 60)) for row in found
    )


def version(table: Path) -> int:
    from deltalake import DeltaTable

    number: int = DeltaTable(table).version()
    return number


def merge(table: Path, how: Merge, *given: Row) -> None:
    merge_rows(table, how, rows(*given))


def merge_rows(table: Path, how: Merge, given: pa.Table) -> None:
    with tempfile.TemporaryDirectory(prefix="rows [of] people's") as folder:
        file = f"{folder}/rows.parquet"
        pyarrow.parquet.write_table(given, file)
        merge_into(str(table), [file], how, Lake())


@pytest.fixture(params=["keys are named", "all is written anew"])
def _both_ways(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "all is written anew":
        monkeypatch.setattr(merge_job, "_FEW", 0)


@pytest.mark.usefixtures("_both_ways")
def test_newer_rows_replace_older_ones_and_new_ones_are_added(tmp_path: Path) -> None:
    merge(tmp_path / "t", NEWER, ("a", "Ada", 0), ("b", "Bo", 0), ("c", None, 5))
    merge(tmp_path / "t", NEWER, ("a", "Ada L.", 1), ("c", "old", 4), ("d", "O'Neil", 2))
    assert content(tmp_path / "t") == [("a", "Ada L.", 1), ("b", "Bo", 0), ("c", None, 5), ("d", "O'Neil", 2)]


@pytest.mark.usefixtures("_both_ways")
def test_a_row_of_the_same_moment_is_replaced_and_the_same_again_changes_nothing(tmp_path: Path) -> None:
    merge(tmp_path / "t", NEWER, ("a'\"\\", "Ada", 0), ("b", "Bo", 0))
    for _ in range(2):
        merge(tmp_path / "t", NEWER, ("a'\"\\", "Eve", 0))
        assert content(tmp_path / "t") == [("a'\"\\", "Eve", 0), ("b", "Bo", 0)]


def test_rows_that_never_change_are_added_once(tmp_path: Path) -> None:
    merge(tmp_path / "t", ADDED, ("a", "Ada", 0), ("b", "Bo", 0))
    merge(tmp_path / "t", ADDED, ("a", "other", 9), ("c", "Cy", 0))
    assert content(tmp_path / "t") == [("a", "Ada", 0), ("b", "Bo", 0), ("c", "Cy", 0)]


def test_what_is_older_or_there_makes_no_version(tmp_path: Path) -> None:
    merge(tmp_path / "t", NEWER, ("a", "Ada", 1))
    before = version(tmp_path / "t")
    merge(tmp_path / "t", NEWER, ("a", "old", 0))
    merge(tmp_path / "t", ADDED, ("a", "Ada", 1))
    merge(tmp_path / "t", NEWER)
    assert version(tmp_path / "t") == before
    assert content(tmp_path / "t") == [("a", "Ada", 1)]


def test_a_table_without_rows_has_its_columns(tmp_path: Path) -> None:
    merge(tmp_path / "t", NEWER)
    assert content(tmp_path / "t") == []


@pytest.mark.usefixtures("_both_ways")
def test_new_columns_are_added_and_columns_left_out_are_null(tmp_path: Path) -> None:
    from deltalake import DeltaTable

    merge(tmp_path / "t", NEWER, ("a", "Ada", 0), ("b", "Bo", 0))
    wider = pa.table({"id": ["b", "c"], "observed_at": [NOON, NOON], "tier": ["gold", None]})
    merge_rows(tmp_path / "t", NEWER, wider)
    found = DeltaTable(tmp_path / "t").to_pyarrow_table().sort_by("id").select(["id", "name", "tier"])
    assert found.to_pylist() == [
        {"id": "a", "name": "Ada", "tier": None},
        {"id": "b", "name": None, "tier": "gold"},
        {"id": "c", "name": None, "tier": None},
    ]


@pytest.mark.parametrize("how", (NEWER, ADDED), ids=["replaced", "added"])
def test_another_run_that_writes_between_the_comparison_and_the_commit_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: Merge
) -> None:
    """Row by row the same would be right after either order: the newer one, once."""
    merge(tmp_path / "t", how, ("z", "Zoe", 0))
    write, others = merge_job._write, [("new", "newer", 9), ("z", "newer", 9)]

    def interrupted(*arguments: Any, **options: Any) -> None:
        if others:
            theirs = [others.pop(), others.pop()]
            merge(tmp_path / "t", how, *theirs)
        write(*arguments, **options)

    monkeypatch.setattr(merge_job, "_write", interrupted)
    merge(tmp_path / "t", how, ("new", "older", 1), ("z", "older", 1), ("mine", "Mia", 1))
    expected = [("mine", "Mia", 1), ("new", "newer", 9)]
    assert content(tmp_path / "t") == [*expected, ("z", "newer", 9) if how.replaces else ("z", "Zoe", 0)]


def test_no_value_of_a_person_is_in_the_log_of_a_table(tmp_path: Path) -> None:
    merge(tmp_path / "t", NEWER, ("a", "Ada Lovelace", 0), ("b", "Bo", 0))
    merge(tmp_path / "t", NEWER, ("a", "Ada King", 1))
    logs = [each.read_text() for each in (tmp_path / "t" / "_delta_log").glob("*.json")]
    assert logs
    assert not [log for log in logs if "Ada" in log]


def test_small_files_are_put_together_now_and_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from deltalake import DeltaTable

    monkeypatch.setattr(merge_job, "_TIDY_EVERY", 7)
    for number in range(8):
        merge(tmp_path / "t", ADDED, (f"{number}", "x", number))
    assert len(content(tmp_path / "t")) == 8
    assert len(DeltaTable(tmp_path / "t").file_uris()) < 4


def _race(table: Path, numbers: Iterable[int]) -> None:
    for number in numbers:
        merge(table, NEWER, *((f"{key}", f"{number}", number) for key in range(20)))
        merge(table.with_name("added"), ADDED, *((f"{key}", "x", 0) for key in range(number, number + 5)))


def test_two_processes_that_write_all_the_time(tmp_path: Path) -> None:
    """No lock, one table that neither has made: what an object store is."""
    context = multiprocessing.get_context("spawn")
    turns = [range(0, 20, 2), range(19, 0, -2)]
    processes = [context.Process(target=_race, args=(tmp_path / "t", turn)) for turn in turns]
    for process in processes:
        process.start()
    for process in processes:
        process.join(100)
    assert [process.exitcode for process in processes] == [0, 0]
    assert content(tmp_path / "t") == sorted((f"{key}", "19", 19) for key in range(20))
    assert content(tmp_path / "added") == sorted((f"{key}", "x", 0) for key in range(24))
