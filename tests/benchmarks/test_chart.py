"""Pictures and tables of results: what is there is drawn, what was not measured is said."""

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from benchmarks.chart import draw
from benchmarks.failure import BenchmarkFailed
from benchmarks.sweeps import STEPS

AROUND = {
    "date": "2026-11-28T07:00:00Z",
    "command": "python -m benchmarks",
    "commit": "abc1234",
    "machine": {"cores": 2},
    "versions": {"python": "3.11.7", "dub": None},
}


def loaded(loader: str, title: str, ratio: float, **told: Any) -> dict[str, Any]:
    row = {
        "customers": 20_000,
        "latency_ms": 0,
        "rate_limit": 0,
        "load": 1,
        "loader": loader,
        "title": title,
        "of_ours": ratio,
        "missing": 0,
        "wrong": 0,
        "ghosts": 0,
        "error": None,
        "seconds": 2 * ratio,
    }
    return row | told


def write(folder: Path, name: str, rows: list[dict[str, Any]]) -> None:
    (folder / f"{name}.json").write_text(json.dumps(AROUND | {"results": rows}), encoding="utf-8")


def test_loads_are_drawn_and_told(tmp_path: Path) -> None:
    rows = [
        loaded("dub-source", "dub-source load", 1.0),
        loaded("loop", "requests loop by startingAfter", 0.5, missing=2_540),
        loaded(
            "loop", "requests loop by startingAfter", 0.25, load=2, missing=3, wrong=1, ghosts=2, error="E"
        ),
    ]
    write(tmp_path, "side-by-side-20000-0ms", rows)
    assert [path.name for path in draw(tmp_path)] == [
        "side-by-side.svg",
        "side-by-side-dark.svg",
        "README.md",
    ]
    for name, ink in (("side-by-side.svg", "#1f2328"), ("side-by-side-dark.svg", "#f0f6fc")):
        text = (tmp_path / name).read_text(encoding="utf-8")
        ElementTree.fromstring(text)  # noqa: S314 - we have just made it
        assert ink in text
        assert "2,540 missing" in text
        assert "20,000 customers, 0 ms" in text
    page = (tmp_path / "README.md").read_text(encoding="utf-8")
    first, second = (line for line in page.splitlines() if line.startswith("| 20,000, 0 ms"))
    assert "0.50×, 2,540 missing" in first
    assert first.count("not run") == 5
    assert "0.25×, 3 missing, 1 wrong, 2 still there, E" in second
    assert "`python -m benchmarks`" in page
    assert "python 3.11.7" in page
    assert "2026-11-28T07:00:00Z" in page


def test_of_many_workspaces_the_telling_ones_are_drawn(tmp_path: Path) -> None:
    write(tmp_path, "side-by-side-1", [loaded("dub-source", "dub-source load", 1.0, customers=1_000)])
    write(tmp_path, "side-by-side-2", [loaded("dub-source", "dub-source load", 1.0)])
    draw(tmp_path)
    text = (tmp_path / "side-by-side.svg").read_text(encoding="utf-8")
    assert "20,000 customers" in text
    assert "1,000 customers" not in text
    assert "| 1,000, 0 ms" in (tmp_path / "README.md").read_text(encoding="utf-8")


def test_growth_needs_two_sizes(tmp_path: Path) -> None:
    def rows(size: int) -> list[dict[str, Any]]:
        figures = {"requests": 3, "seconds": 1.5, "cpu_s": 1.0, "peak_mb": 200.0, "of_first_load": 1.0}
        return [{"customers": size, "run": step} | figures for step in STEPS]

    write(tmp_path, "growth-1000", rows(1_000))
    assert [path.name for path in draw(tmp_path)] == ["README.md"]
    write(tmp_path, "growth-10000", rows(10_000))
    assert [path.name for path in draw(tmp_path)] == ["growth.svg", "growth-dark.svg", "README.md"]
    assert "10k" in (tmp_path / "growth.svg").read_text(encoding="utf-8")


def test_pushes_and_floors(tmp_path: Path) -> None:
    wrong = {"missing": 0, "overwritten": 0, "twice": 0, "mistold": 0}
    row = {"updates": 500, "latency_ms": 0, "rate_limit": 0, "seconds": 1.0, "cpu_s": 1.0, "requests": 500}
    ours = row | wrong | {"writer": "dub-source", "title": "dub-source plan, then apply", "of_ours": 1.0}
    loop = row | wrong | {"writer": "loop", "title": "requests loop", "of_ours": 0.5, "overwritten": 5}
    write(tmp_path, "pushes-500-0ms", [ours, loop])
    step = {"customers": 300, "of_raw": 1.0, "cpu_of_raw": 1.0, "seconds": 0.3, "cpu_s": 0.3, "peak_mb": 80.0}
    write(tmp_path, "floors-300", [step | {"step": "DuckDB alone"}])
    draw(tmp_path)
    assert "5 overwritten" in (tmp_path / "pushes.svg").read_text(encoding="utf-8")
    assert "1.00×, 0.30 s" in (tmp_path / "floors.svg").read_text(encoding="utf-8")
    page = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert page.count("| not run") == 3, "the other writers"


def test_nothing_to_draw_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text("[]", encoding="utf-8")
    with pytest.raises(BenchmarkFailed, match="no result to draw"):
        draw(tmp_path)
