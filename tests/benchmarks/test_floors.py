"""A load beside DuckDB alone: every step has everybody, or says so."""

from pathlib import Path

import pytest

from benchmarks import floors
from benchmarks.failure import BenchmarkFailed


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_every_step_is_measured() -> None:
    result = floors.measure((300,), repeats=1)
    assert [row["step"] for row in result.rows] == list(floors.STEPS)
    assert result.rows[0]["of_raw"] == 1
    assert all(row["seconds"] > 0 for row in result.rows)
    assert str(result.tables[0]).count("\n| ") == 2 + len(floors.STEPS)


@pytest.mark.parametrize("ids", (["a"], ["a", "a"], ["a", "b", "c"]))
def test_a_table_that_has_not_everybody_once_is_noticed(ids: list[str], tmp_path: Path) -> None:
    lines = tmp_path / "two"
    lines.write_bytes(b"{}\n{}\n")
    floors._check(["a", "b"], lines)
    with pytest.raises(BenchmarkFailed, match="rows afterwards"):
        floors._check(ids, lines)
