"""The benchmark of the apply at a tiny size: does it measure what it says, and notice what is wrong?"""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks import applies
from benchmarks.__main__ import cli
from benchmarks.applies import Case
from benchmarks.failure import BenchmarkFailed
from benchmarks.server import Options, Server


@pytest.fixture(autouse=True)
def short_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(applies, "_REST_S", 1.0)


@pytest.mark.slow
def test_applies_measures_time_and_requests() -> None:
    result = applies.measure([Case(120, requests_per_s=100, latency_ms=5.0)], repeats=1)
    (row,) = result.rows
    assert (row["updates"], row["limit_alone_s"]) == (120, 1.2)
    assert row["ratio"] == pytest.approx(row["seconds"] / 1.2, rel=0.02)
    # A request for each, one for the limit, two for reading; names are not asked for.
    # Some are refused by the limit, more of them on a busy machine, and sent again.
    (ran,) = row["runs"]
    assert 120 + 3 <= ran["requests"] - ran["refused"] <= 120 + 6
    assert row["refused_share"] < 0.2
    assert str(result.tables[0]).count("\n| ") == 2 + 1


def test_the_limit_alone_is_a_request_for_each_update() -> None:
    assert (applies.CASE.updates, applies.CASE.limit_s) == (5_000, 100.0)


def test_a_change_that_is_not_applied_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(applies, "_REST_S", 0.0)
    with (
        Server(Options(customers=3)) as server,
        pytest.raises(BenchmarkFailed, match="Of 3 changes 0 were applied"),
    ):
        applies.apply(Case(3), server, "no address ", tmp_path)


@pytest.mark.slow
def test_the_command_writes_its_result(tmp_path: Path) -> None:
    arguments = ["--results", str(tmp_path), "applies", "--updates", "60", "--repeats", "1"]
    done = CliRunner().invoke(cli, arguments)
    assert done.exit_code == 0, done.output
    told = json.loads((tmp_path / "applies.json").read_text(encoding="utf-8"))
    assert told["results"][0]["updates"] == 60
    assert "An apply against its rate limit" in done.output
