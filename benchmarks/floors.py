"""How far a load is from what DuckDB alone takes for the same rows, and what the network makes of that.

DuckDB reads the rows from a file and merges them by key into one table. A load fetches them, proves that they
are all, compares them with what is known, and stores them twice: as they are, and as the first version of
their history.
"""

import json
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.failure import BenchmarkFailed
from benchmarks.load import ids_in
from benchmarks.loaders import DATABASE, NDJSON, TABLE
from benchmarks.process import Finished, console_script, run
from benchmarks.report import Result, Table, note
from benchmarks.server import Options, Server

SIZES = (20_000, 200_000)
_RAW = "DuckDB alone, from a file of JSON lines"
_FETCH = "fetching alone: every page, proven to be all"
_WIRELESS = "dub-source load, answered without a network"
_LOAD = "dub-source load"
STEPS = (_RAW, _FETCH, _WIRELESS, _LOAD)
# No such key exists; nobody asks for it where there is no network.
_NOWHERE = {"SOURCES__DUB__API_KEY": "dub_none", "SOURCES__DUB__BASE_URL": "http://127.0.0.1:9"}


def measure(sizes: Sequence[int] = SIZES, *, repeats: int = 3) -> Result:
    """Every step for workspaces of these sizes.

    Raises:
        BenchmarkFailed: if a step fails or does not have everybody.
    """
    rows: list[dict[str, Any]] = []
    for size in sizes:
        runs: dict[str, list[Finished]] = {step: [] for step in STEPS}
        with Server(Options(customers=size)) as server, tempfile.TemporaryDirectory() as name:
            lines = Path(name) / NDJSON
            server.dump(lines)
            # The first reading of all makes the sandbox keep its answers.
            _fetch(server, lines)
            for repeat in range(repeats):
                for step in STEPS:
                    note(f"floors: {size:,} customers, run {repeat + 1} of {repeats}: {step}")
                    runs[step].append(_STEPS[step](server, lines))
        rows += [_row(size, step, runs) for step in STEPS]
    return Result(rows, (_table(rows, repeats),))


def _raw(_: Server, lines: Path) -> Finished:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / NDJSON).symlink_to(lines)
        process = _succeeded(_module("benchmarks.loaders", "raw", str(folder)), folder, {})
        _check(ids_in(folder / DATABASE, TABLE), lines)
    return process


def _fetch(server: Server, lines: Path) -> Finished:
    process = _succeeded(_module("benchmarks.fetching"), lines.parent, server.access)
    if int(process.output) != _number(lines):
        raise BenchmarkFailed(f"Fetching alone found {process.output.strip()} customers.")
    return process


def _wireless(_: Server, lines: Path) -> Finished:
    return _loaded(_module("benchmarks.wireless", str(lines.parent)), _NOWHERE, lines)


def _load(server: Server, lines: Path) -> Finished:
    return _loaded([console_script(), "load"], server.access, lines)


def _loaded(program: Sequence[str], settings: dict[str, str], lines: Path) -> Finished:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        database = folder / "dub_customers.duckdb"
        arguments = ["--json", "--mode", "full", "--database", str(database)]
        arguments += ["--pipelines-dir", str(folder / "pipelines")]
        process = _succeeded([*program, *arguments], folder, settings)
        if not json.loads(process.output)["certified"]:
            raise BenchmarkFailed("A load was not certified.")
        _check(ids_in(database), lines)
    return process


_STEPS: dict[str, Callable[[Server, Path], Finished]] = {
    _RAW: _raw,
    _FETCH: _fetch,
    _WIRELESS: _wireless,
    _LOAD: _load,
}


def _module(name: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", name, *arguments]


def _succeeded(program: Sequence[str], folder: Path, settings: dict[str, str]) -> Finished:
    process = run(program, folder=folder, settings=settings)
    if process.status:
        raise BenchmarkFailed(f"{' '.join(program[1:3])} failed: {process.last_words()}")
    return process


def _number(lines: Path) -> int:
    with lines.open("rb") as file:
        return sum(1 for _ in file)


def _check(ids: Sequence[str], lines: Path) -> None:
    if len(set(ids)) != len(ids) or len(ids) != _number(lines):
        raise BenchmarkFailed(f"There were {len(ids):,} rows afterwards, {len(set(ids)):,} of them distinct.")


def _row(size: int, step: str, runs: dict[str, list[Finished]]) -> dict[str, Any]:
    pairs = list(zip(runs[step], runs[_RAW], strict=True))
    return {
        "customers": size,
        "step": step,
        "of_raw": round(statistics.median(one.seconds / raw.seconds for one, raw in pairs), 3),
        "cpu_of_raw": round(statistics.median(one.cpu_s / raw.cpu_s for one, raw in pairs), 3),
        "seconds": round(statistics.median(each.seconds for each in runs[step]), 3),
        "cpu_s": round(statistics.median(each.cpu_s for each in runs[step]), 3),
        "peak_mb": round(max(each.peak_mb for each in runs[step]), 1),
        "runs": [round(each.seconds, 3) for each in runs[step]],
    }


def _table(rows: Sequence[dict[str, Any]], repeats: int) -> Table:
    return Table(
        "A load, and what DuckDB alone takes for the same rows",
        ("× time of DuckDB", "× its CPU", "customers", "what", "rows/s", "s", "CPU s", "peak MB"),
        (2, 2, 0, 0, 0, 2, 2, 0),
        [
            (
                row["of_raw"],
                row["cpu_of_raw"],
                row["customers"],
                row["step"],
                row["customers"] / row["seconds"],
                row["seconds"],
                row["cpu_s"],
                row["peak_mb"],
            )
            for row in rows
        ],
        (
            f"Medians of {repeats}, ratios within a run; whole processes, start and imports included; "
            "no latency, no rate limit, the sandbox on the same machine.",
        ),
    )
