"""The benchmark of planning at a tiny size, and the bounds that are promised, at their own size."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks import plans
from benchmarks.__main__ import cli
from benchmarks.failure import BenchmarkFailed
from benchmarks.plans import Case


@pytest.mark.slow
def test_plans_measures_every_case() -> None:
    result = plans.measure(plans.cases(customers=1_000, desired=200), repeats=1)
    assert [(row["desired"], row["changed"], row["chain"]) for row in result.rows] == [
        (200, 2, False),
        (200, 200, False),
        (200, 200, True),
    ]
    for row in result.rows:
        assert 0 < row["planning_s"] < row["seconds"] < 60
        assert 20 < row["peak_mb"] < plans.MEMORY_MB
    assert str(result.tables[0]).count("\n| ") == 2 + 3


def test_a_plan_of_something_else_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        plans, "_DESIRED", plans._DESIRED.replace("'new.'", "'person.'").replace("Renamed", "Person")
    )
    with pytest.raises(BenchmarkFailed, match="0 changes were planned, not 10"):
        plans.measure([Case(100, 10, 10)], repeats=1)


@pytest.mark.slow
def test_the_command_writes_its_result(tmp_path: Path) -> None:
    arguments = [
        "--results",
        str(tmp_path),
        "plans",
        "--customers",
        "100",
        "--desired",
        "10",
        "--repeats",
        "1",
    ]
    done = CliRunner().invoke(cli, arguments)
    assert done.exit_code == 0, done.output
    told = json.loads((tmp_path / "plans.json").read_text(encoding="utf-8"))
    assert [row["chain"] for row in told["results"]] == [False, False, True]
    assert "planning alone" in done.output


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_large_plan_is_made_in_the_time_and_memory_that_are_promised() -> None:
    """In CPU time, because other tests run beside it; the benchmark measures it on the clock."""
    for row in plans.measure(plans.CASES, repeats=1).rows:
        assert row["cpu_s"] < plans.SECONDS
        assert row["peak_mb"] < plans.MEMORY_MB
