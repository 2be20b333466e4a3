"""The benchmark of runs at a tiny size, and the bound on memory at a size that takes a minute or two."""

from pathlib import Path
from typing import Any

import pytest

from benchmarks import sweeps
from benchmarks.failure import BenchmarkFailed
from benchmarks.load import Loaded
from benchmarks.server import Options, Server


@pytest.mark.slow
def test_sweeps_measures_every_kind_of_run() -> None:
    result = sweeps.measure(sizes=(300,), repeats=1)
    rows: dict[str, dict[str, Any]] = {row["run"]: row for row in result.rows}
    assert tuple(rows) == sweeps.STEPS
    first, unchanged, changed, nothing, refreshed, bare = rows.values()
    assert [row["created"] for row in result.rows] == [300, 0, 0, 0, 0, 0]
    assert [row["updated"] for row in result.rows] == [0, 0, 3, 0, 0, 0]
    assert [row["read"] for row in (first, unchanged, changed)] == [300, 300, 300]
    assert nothing["requests"] < refreshed["requests"] < 20
    assert (bare["requests"], bare["read"]) == (0, 0)
    assert first["of_first_load"] == bare["of_bare_dlt"] == 1
    for row in result.rows:
        assert 0 < row["seconds"] < 60
        assert 0 < row["cpu_s"] < 60
        assert 20 < row["peak_mb"] < 2_000
    assert all(title in str(result.tables[0]) for title in sweeps.STEPS)


@pytest.mark.parametrize(
    "ids, created, sentence",
    (
        (["cus_other"], 100, "there were 1 customers, or others"),
        (None, 99, "wrote 99 new and 0 changed customers, not 100 and 0"),
    ),
)
def test_sweeps_notices_what_is_wrong(
    ids: list[str] | None, created: int, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(server: Server, _folder: Path, *_: str) -> Loaded:
        told = {"read": 100, "created": created, "updated": 0, "requests": 1}
        return Loaded(process=None, told=told, ids=ids or server.ids())  # type: ignore[arg-type]

    monkeypatch.setattr(sweeps, "load", wrong)
    with pytest.raises(BenchmarkFailed, match=sentence):
        sweeps.measure(sizes=(100,), repeats=1)


def test_the_server_changes_as_many_as_it_is_told() -> None:
    with Server(Options(customers=150)) as server:
        assert [server.change(number) for number in (0, 1, 10, 150)] == [0, 1, 10, 150]


@pytest.mark.slow
def test_memory_is_bounded() -> None:
    """What is bounded is full by then: the comparison's 128 MB and DuckDB's own; ids alone go on growing."""
    for row in sweeps.measure(sizes=(250_000,), repeats=1).rows:
        assert row["peak_mb"] < sweeps.MEMORY_MB
