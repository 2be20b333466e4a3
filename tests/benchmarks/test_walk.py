"""The benchmark of the sweep at a tiny size: does it measure what it says, and notice what is wrong?"""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks import walk
from benchmarks.__main__ import cli
from benchmarks.failure import BenchmarkFailed
from benchmarks.server import Options, Server
from benchmarks.walk import Case

TINY = Case(1_500, requests_per_s=100, latency_ms=5.0)


@pytest.fixture(autouse=True)
def short_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walk, "_REST_S", 1.0)


@pytest.mark.slow
def test_walk_measures_time_requests_and_refusals() -> None:
    result = walk.measure([TINY, Case(1_500, "all ids", 100, 5.0)], repeats=1)
    for row, known in zip(result.rows, ("nothing", "all ids"), strict=True):
        assert row["known"] == known
        assert (row["pages"], row["limit_alone_s"]) == (15, 0.15)
        assert row["ratio"] == pytest.approx(row["seconds"] / 0.15, rel=0.02)
        # Fifteen pages, an end that is empty, the count twice, an anchor at least.
        assert 15 + 4 <= row["requests"] <= 15 + 30
        assert row["refused_share"] < 0.2
        assert len(row["runs"]) == 1
    assert str(result.tables[0]).count("\n| ") == 2 + 2


def test_the_limit_alone_is_a_page_for_each_place() -> None:
    assert (walk.LARGE.pages, walk.LARGE.limit_s) == (5_000, 100.0)
    assert Case(101).pages == 2


def test_a_sweep_that_reads_others_is_noticed() -> None:
    with Server(Options(customers=50)) as server, pytest.raises(BenchmarkFailed, match="read 50"):
        walk.sweep(Case(50), server, [*server.ids(), "cus_somebody"])


@pytest.mark.slow
def test_the_command_writes_its_result(tmp_path: Path) -> None:
    arguments = ["--results", str(tmp_path), "walk", "--customers", "300", "--repeats", "1"]
    done = CliRunner().invoke(cli, arguments)
    assert done.exit_code == 0, done.output
    told = json.loads((tmp_path / "walk.json").read_text(encoding="utf-8"))
    assert [row["known"] for row in told["results"]] == list(walk.KNOWN)
    assert "time of the limit alone" in done.output
