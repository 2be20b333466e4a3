"""``dub-source load`` as whole processes, from an unthrottled sandbox into a new DuckDB file.

The load of an empty workspace is the yardstick: what Python, dlt and DuckDB cost before the first customer.
"""

import json
import statistics
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from benchmarks.failure import BenchmarkFailed
from benchmarks.process import Finished, console_script, run
from benchmarks.report import Result, Table, note
from benchmarks.server import Options, Server

SIZES = (1_000, 20_000)
LARGE = 200_000


@dataclass(frozen=True, slots=True)
class Loaded:
    """One load: the process, what it said, and the ids that are in the database afterwards."""

    process: Finished
    told: dict[str, Any]
    ids: list[str]

    @property
    def without_start(self) -> float:
        """Seconds of the load itself, as the command reports them: without starting Python and importing."""
        return float(self.told["seconds"])


def load(server: Server) -> Loaded:
    """Run the installed command into a database file that did not exist, and read back the ids.

    Raises:
        BenchmarkFailed: if the command fails.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        database = folder / "dub_customers.duckdb"
        program = [console_script(), "load", "--json", "--database", str(database)]
        program += ["--pipelines-dir", str(folder / "pipelines")]
        settings = {"SOURCES__DUB__API_KEY": server.key, "SOURCES__DUB__BASE_URL": server.url}
        process = run(program, folder=folder, settings=settings)
        if process.status:
            raise BenchmarkFailed(
                f"dub-source load ended with exit code {process.status}: {process.last_words()}"
            )
        return Loaded(process, json.loads(process.output), ids_in(database))


def ids_in(database: Path, table: str = "dub.customers") -> list[str]:
    """The ids in a table of a DuckDB file, repeated ones repeatedly."""
    with duckdb.connect(str(database), read_only=True) as connection:
        return [row[0] for row in connection.execute(f"SELECT id FROM {table}").fetchall()]


def measure(*, sizes: Sequence[int] = SIZES, repeats: int = 3) -> Result:
    """Load workspaces of these sizes and an empty one in turn, ``repeats`` times.

    Raises:
        BenchmarkFailed: if a load fails, loses a customer or stores one twice.
    """
    wanted = (0, *sorted(set(sizes) - {0}))
    runs: dict[int, list[Loaded]] = {size: [] for size in wanted}
    with ExitStack() as stack:
        servers = {size: stack.enter_context(Server(Options(customers=size))) for size in wanted}
        expected = {size: sorted(server.ids()) for size, server in servers.items()}
        for repeat in range(repeats):
            for size, server in servers.items():
                note(f"load: run {repeat + 1} of {repeats}, {size:,} customers")
                loaded = load(server)
                if sorted(loaded.ids) != expected[size]:
                    raise BenchmarkFailed(
                        f"The load of {size:,} customers stored {len(loaded.ids):,}, or others."
                    )
                runs[size].append(loaded)
    rows = [_row(size, loads) for size, loads in runs.items()]
    return Result(rows, (_table(rows, repeats),))


def _row(size: int, loads: Sequence[Loaded]) -> dict[str, Any]:
    return {
        "customers": size,
        "requests": loads[0].told["requests"],
        "seconds": round(statistics.median(each.process.seconds for each in loads), 3),
        "seconds_without_start": round(statistics.median(each.without_start for each in loads), 3),
        "cpu_s": round(statistics.median(each.process.cpu_s for each in loads), 3),
        "peak_mb": round(statistics.median(each.process.peak_mb for each in loads), 1),
        "runs": [
            {
                "seconds": round(each.process.seconds, 3),
                "seconds_without_start": round(each.without_start, 3),
                "cpu_s": round(each.process.cpu_s, 3),
                "peak_mb": round(each.process.peak_mb, 1),
            }
            for each in loads
        ],
    }


def _table(rows: Sequence[dict[str, Any]], repeats: int) -> Table:
    empty = rows[0]
    return Table(
        "`dub-source load` into a new DuckDB file, whole processes",
        (
            "× time of an empty load", "× its memory", "customers", "rows/s", "rows/s without start",
            "s", "s without start", "CPU s", "peak MB", "requests",
        ),
        (2, 2, 0, 0, 0, 2, 2, 2, 0, 0),
        [
            (
                row["seconds"] / empty["seconds"],
                row["peak_mb"] / empty["peak_mb"],
                row["customers"],
                row["customers"] / row["seconds"] if row["customers"] else None,
                row["customers"] / row["seconds_without_start"] if row["customers"] else None,
                row["seconds"],
                row["seconds_without_start"],
                row["cpu_s"],
                row["peak_mb"],
                row["requests"],
            )
            for row in rows
        ],
        (
            f"Medians of {repeats}; expanded, pages of 100, no rate limit, no latency. The stored ids were "
            "compared with the sandbox's. Without start: without starting Python and importing.",
        ),
    )  # fmt: skip
