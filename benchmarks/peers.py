"""Who finds all customers, and what it costs: this tool, Dub's SDK, dlt's rest_api, loops written by hand.

Each reader is a process of its own; its requests are counted by the sandbox, its rows are compared with the
sandbox's ids. A reader that keeps its rows in memory is spared the work of loading them.
"""

import json
import os
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.failure import BenchmarkFailed
from benchmarks.load import ids_in, load
from benchmarks.process import ROOT, Finished, run
from benchmarks.readers import READERS, Delivered, Reader
from benchmarks.report import Result, Table, note
from benchmarks.server import Options, Server


@dataclass(frozen=True, slots=True)
class Workspace:
    """A workspace to read. One that changes is started anew for each reader, so that it changes alike."""

    name: str
    options: Options

    @property
    def changes(self) -> bool:
        """Whether it is another one after it was read."""
        return self.options.deletes


@dataclass(frozen=True, slots=True)
class Reading:
    """One reader's run over one workspace.

    Attributes:
        expected: customers that were there during the whole reading.
        found: how many of those it has.
        repeated: rows it was given more than once.
        requests: as the sandbox counted them.
        error: the error it ended with, if it did.
    """

    expected: int
    found: int
    repeated: int
    requests: int
    process: Finished
    error: str | None

    @property
    def missing(self) -> int:
        """How many of the expected customers it does not have."""
        return self.expected - self.found


def recordings() -> Path:
    """The folder of the recordings.

    Raises:
        BenchmarkFailed: if it is absent.
    """
    named = os.environ.get("DUB_SOURCE_RECORDINGS")
    folder = Path(named) if named else ROOT.parent / "shared" / "dub-api"
    if not (folder / "seed.json").is_file():
        raise BenchmarkFailed(
            "The recorded workspace is absent: set DUB_SOURCE_RECORDINGS to the folder of seed.json, "
            "or leave it out with --without-recordings."
        )
    return folder.resolve()


def workspaces(*, customers: int = 20_000, recorded: bool = True, deletes: bool = True) -> list[Workspace]:
    """The recorded workspace, a made-up one, and the made-up one losing a customer before each request.

    Raises:
        BenchmarkFailed: if the recordings are wanted and absent.
    """
    quiet, busy = Options(customers=customers, log=True), Options(customers=customers, log=True, deletes=True)
    made_up = [
        Workspace(f"{customers:,} made-up customers", quiet),
        Workspace(f"{customers:,} made-up customers, one deleted before each request", busy),
    ]
    if not deletes:
        made_up.pop()
    if not recorded:
        return made_up
    seed = recordings() / "seed.json"
    return [Workspace("the recorded workspace", Options(seed=str(seed), log=True)), *made_up]


def measure(spaces: Sequence[Workspace], *, repeats: int = 3, only: Sequence[str] = ()) -> Result:
    """Read each workspace with each reader in turn, ``repeats`` times.

    Args:
        spaces: such as :func:`workspaces` makes.
        repeats: runs of each reader; the medians of time and memory count.
        only: names of readers; none means all.

    Raises:
        BenchmarkFailed: if a reader does not run, or finds another number of rows in another run.
    """
    chosen = [reader for reader in READERS if not only or reader.name in only]
    rows: list[dict[str, Any]] = []
    tables: list[Table] = []
    for workspace in spaces:
        readings: dict[str, list[Reading]] = {reader.name: [] for reader in chosen}
        with _shared(workspace) as shared:
            for repeat in range(repeats):
                for reader in chosen:
                    note(f"peers: {workspace.name}: run {repeat + 1} of {repeats}, {reader.title}")
                    readings[reader.name].append(_read(reader, workspace, shared))
        found = [_row(workspace, reader, readings[reader.name]) for reader in chosen]
        rows += found
        tables.append(_table(workspace, found, repeats))
    return Result(rows, tuple(tables))


@contextmanager
def _shared(workspace: Workspace) -> Iterator[Server | None]:
    if workspace.changes:
        yield None
    else:
        with Server(workspace.options) as server:
            yield server


def _read(reader: Reader, workspace: Workspace, shared: Server | None) -> Reading:
    if shared is None:
        with Server(workspace.options) as server:
            return _read_from(server, reader)
    return _read_from(shared, reader)


def _read_from(server: Server, reader: Reader) -> Reading:
    server.forget_requests()
    process, delivered, ids = _ours(server) if reader.name == "dub-source" else _theirs(server, reader)
    requests = sum(server.requests().values())
    expected = set(server.ids())
    if reader.loads and len(ids) != len(set(ids)):
        raise BenchmarkFailed(f"{reader.title} stored a customer twice although it merges on id.")
    return Reading(
        expected=len(expected),
        found=len(expected & set(ids)),
        repeated=delivered.rows - len(set(ids)),
        requests=requests,
        process=process,
        error=delivered.error,
    )


def _ours(server: Server) -> tuple[Finished, Delivered, list[str]]:
    with tempfile.TemporaryDirectory() as name:
        loaded = load(server, Path(name))
    return loaded.process, Delivered(rows=int(loaded.told["read"])), loaded.ids


def _theirs(server: Server, reader: Reader) -> tuple[Finished, Delivered, list[str]]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        program = [sys.executable, "-m", "benchmarks.readers", reader.name, str(folder)]
        process = run(program, folder=folder, settings=server.access)
        if process.status:
            raise BenchmarkFailed(f"{reader.title} did not run: {process.last_words()}")
        delivered = Delivered(**json.loads(process.output.splitlines()[-1]))
        if delivered.database is None:
            return process, delivered, list(delivered.ids)
        if delivered.error and not delivered.rows:
            return process, delivered, []  # It came to its end before there was a table.
        return process, delivered, ids_in(Path(delivered.database), delivered.table)


def _row(workspace: Workspace, reader: Reader, readings: Sequence[Reading]) -> dict[str, Any]:
    # Requests under way at once end in another order each time, so their number differs by a few.
    outcomes = {(each.missing, each.repeated, each.error) for each in readings}
    if len(outcomes) > 1:
        raise BenchmarkFailed(f"{reader.title} did not read the same in each run of {workspace.name}.")
    first = readings[0]
    return {
        "workspace": workspace.name,
        "reader": reader.name,
        "title": reader.title,
        "loads": reader.loads,
        "expected": first.expected,
        "found": first.found,
        "missing": first.missing,
        "repeated": first.repeated,
        "requests": round(statistics.median(each.requests for each in readings)),
        "error": first.error,
        "seconds": round(statistics.median(each.process.seconds for each in readings), 3),
        "cpu_s": round(statistics.median(each.process.cpu_s for each in readings), 3),
        "peak_mb": round(statistics.median(each.process.peak_mb for each in readings), 1),
        "runs": [
            {
                "seconds": round(each.process.seconds, 3),
                "cpu_s": round(each.process.cpu_s, 3),
                "peak_mb": round(each.process.peak_mb, 1),
            }
            for each in readings
        ],
    }


def _table(workspace: Workspace, rows: Sequence[dict[str, Any]], repeats: int) -> Table:
    ours = next((row["seconds"] for row in rows if row["reader"] == "dub-source"), None)
    return Table(
        f"Who finds every customer: {workspace.name}",
        (
            "found %", "× time of dub-source", "reader", "missing", "of", "twice", "requests", "s", "CPU s",
            "peak MB", "rows end up in", "error",
        ),
        (1, 2, 0, 0, 0, 0, 0, 2, 2, 0, 0, 0),
        [
            (
                _per_cent(row["found"], row["expected"]),
                row["seconds"] / ours if ours else None,
                row["title"],
                row["missing"],
                row["expected"],
                row["repeated"],
                row["requests"],
                row["seconds"],
                row["cpu_s"],
                row["peak_mb"],
                "DuckDB" if row["loads"] else "memory",
                row["error"] or "",
            )
            for row in rows
        ],
        (
            f"Medians of {repeats}; whole processes; expanded, pages of 100, no rate limit, no latency. "
            "Of: customers that were there during the whole reading.",
        ),
    )  # fmt: skip


def _per_cent(found: int, expected: int) -> float:
    """Cut instead of rounded: 100.0 means all."""
    return found * 1000 // expected / 10 if expected else 100.0
