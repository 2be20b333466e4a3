"""A run of everything: in parts, which are gone on with where it was stopped."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from benchmarks import __main__ as command
from benchmarks import parts
from benchmarks.failure import BenchmarkFailed
from benchmarks.loaders import LOADERS
from benchmarks.parts import Part
from benchmarks.report import Result, circumstances


def test_the_small_run_takes_a_dozen_minutes() -> None:
    assert sum(part.seconds for part in parts.parts()) <= 14 * 60


def test_the_large_run_has_the_whole_matrix() -> None:
    names = {part.name for part in parts.parts(large=True)}
    assert len(names) == len(parts.parts(large=True))
    for size in (1_000, 20_000, 200_000):
        for latency in (0, 150):
            for limit in ("", "-600rpm"):
                assert f"side-by-side-{size}-{latency}ms{limit}" in names
    assert {"growth-1000000", "floors-200000", "pushes-5000-0ms-3000rpm"} <= names


def test_whoever_is_left_out_is_one_of_the_loaders() -> None:
    names = {loader.name for loader in LOADERS}
    for chosen in (parts._PATIENT, parts._QUICK, parts._NOT_DLT):
        assert set(chosen) < names


class Bench:
    """The command with two parts, of which each notes when it was measured."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder = folder
        self.measured: list[str] = []
        self.broken: set[str] = set()
        self.commit = "abc1234"
        monkeypatch.setattr(parts, "parts", lambda **_: [self._part("one"), self._part("two")])
        monkeypatch.setattr(command, "commit", lambda: self.commit)
        monkeypatch.setattr("benchmarks.report.commit", lambda: self.commit)
        monkeypatch.setattr(command, "_draw", lambda _: None)

    def _part(self, name: str) -> Part:
        def measure() -> Result:
            if name in self.broken:
                raise BenchmarkFailed("Broken.")
            self.measured.append(name)
            return Result([{"name": name}], ())

        return Part(name, measure, 1)

    def run(self, *arguments: str) -> Any:
        self.measured.clear()
        return CliRunner().invoke(command.cli, ["--results", str(self._folder), *arguments])


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(tmp_path, monkeypatch)


def test_what_was_stopped_goes_on(bench: Bench, tmp_path: Path) -> None:
    bench.broken = {"two"}
    stopped = bench.run()
    assert (stopped.exit_code, bench.measured) == (1, ["one"])
    assert "two: Broken." in stopped.output
    bench.broken.clear()
    assert bench.run().exit_code == 0
    assert bench.measured == ["two"]
    assert json.loads((tmp_path / "one.json").read_text(encoding="utf-8"))["run"] == "small"


def test_a_broken_part_keeps_no_other_from_being_measured(bench: Bench) -> None:
    bench.broken = {"one"}
    assert bench.run().exit_code == 1
    assert bench.measured == ["two"]


@pytest.mark.parametrize(
    "before, then, measured",
    (
        ((), ("--again",), ["one", "two"]),
        ((), ("--large",), ["one", "two"]),
        (("--large",), (), []),
        ((), ("--only", "tw", "--again"), ["two"]),
    ),
)
def test_what_is_measured_again(
    bench: Bench, before: tuple[str, ...], then: tuple[str, ...], measured: list[str]
) -> None:
    bench.run(*before)
    bench.run(*then)
    assert bench.measured == measured


@pytest.mark.parametrize("commit", ("def5678", "abc1234-dirty"))
def test_another_state_of_the_code_is_measured_anew(bench: Bench, commit: str) -> None:
    bench.run()
    bench.commit = commit
    bench.run()
    bench.run()
    assert bench.measured == ([] if commit == "def5678" else ["one", "two"])


def test_paths_of_this_machine_are_not_written_down() -> None:
    arguments = "--results /a --large --drt-python=/b --drt-python /c pushes".split()
    assert circumstances(arguments)["command"] == "python -m benchmarks --large pushes"


def test_parts_are_listed_without_being_measured(bench: Bench) -> None:
    listed = bench.run("--list")
    assert bench.measured == []
    assert [line.split()[0] for line in listed.output.splitlines()] == ["one", "two", "all"]
