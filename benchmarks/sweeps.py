"""What each kind of run costs: a first load, sweeps when nothing or little has changed, incremental runs.

All of them are whole processes, one after the other into one DuckDB file with the history of its customers,
from an unthrottled sandbox. A dlt pipeline that loads nothing is the yardstick of the smallest ones.
"""

import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.failure import BenchmarkFailed
from benchmarks.load import load
from benchmarks.process import Finished, run
from benchmarks.report import Result, Table, note
from benchmarks.server import Options, Server

SIZES = (20_000, 200_000)
LARGE = 1_000_000
"""Measured once only: it takes some minutes."""
MEMORY_MB = 600
"""What a sweep of a million customers may take."""
_FIRST, _UNCHANGED, _CHANGED = "first load", "unchanged sweep", "sweep after 1% changed"
_NOTHING = "incremental, nothing new"
_NOTHING_REFRESHED = "incremental, nothing new, 10 requests of refresh"
_BARE = "a dlt pipeline that loads nothing"
STEPS = (_FIRST, _UNCHANGED, _CHANGED, _NOTHING, _NOTHING_REFRESHED, _BARE)


@dataclass(frozen=True, slots=True)
class Step:
    """One process: what it cost and what it did."""

    name: str
    process: Finished
    read: int = 0
    created: int = 0
    updated: int = 0
    requests: int = 0


def measure(*, sizes: Sequence[int] = SIZES, repeats: int = 3) -> Result:
    """Go through all kinds of runs with workspaces of these sizes.

    Args:
        sizes: customers, at least 100 of them.
        repeats: how often; each time into a new database. Ratios are made within one time; medians count.

    Raises:
        BenchmarkFailed: if a run fails, loses a customer, stores one twice, or writes what has not changed.
    """
    rows: list[dict[str, Any]] = []
    for size in sorted(set(sizes)):
        times = 1 if size >= LARGE else repeats
        with Server(Options(customers=size)) as server:
            runs = [_run(server, size, f"run {number + 1} of {times}") for number in range(times)]
        rows += [_row(size, [steps[place] for steps in runs], runs) for place in range(len(STEPS))]
    return Result(rows, (_table(rows, repeats),))


def _run(server: Server, size: int, which: str) -> list[Step]:
    """Every kind of run once."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        expected = sorted(server.ids())

        def step(title: str, arguments: Sequence[str], *, created: int = 0, updated: int = 0) -> Step:
            note(f"sweeps: {size:,} customers, {which}: {title}")
            loaded = load(server, folder, *arguments)
            if sorted(loaded.ids) != expected:
                raise BenchmarkFailed(
                    f"After the {title} there were {len(loaded.ids):,} customers, or others."
                )
            told = {key: int(loaded.told[key]) for key in ("read", "created", "updated", "requests")}
            if (told["created"], told["updated"]) != (created, updated):
                raise BenchmarkFailed(
                    f"The {title} wrote {told['created']:,} new and {told['updated']:,} changed customers, "
                    f"not {created:,} and {updated:,}."
                )
            return Step(title, loaded.process, **told)

        full = ("--mode", "full")
        none = ("--mode", "auto", "--refresh-requests", "0")
        return [
            step(_FIRST, full, created=size),
            step(_UNCHANGED, full),
            step(_CHANGED, full, updated=server.change(size // 100)),
            step(_NOTHING, none),
            step(_NOTHING_REFRESHED, ("--mode", "auto", "--refresh-requests", "10")),
            _bare(folder),
        ]


def _bare(folder: Path) -> Step:
    """dlt alone, the second time into its database: what is to be made has been made."""

    def again() -> Finished:
        process = run([sys.executable, "-m", "benchmarks.readers", "nothing", str(folder)], folder=folder)
        if process.status:
            raise BenchmarkFailed(f"The run of {_BARE} failed: {process.last_words()}")
        return process

    again()
    return Step(_BARE, again())


def _row(size: int, steps: Sequence[Step], runs: Sequence[Sequence[Step]]) -> dict[str, Any]:
    first, bare = STEPS.index(_FIRST), STEPS.index(_BARE)
    return {
        "customers": size,
        "run": steps[0].name,
        "read": steps[0].read,
        "created": steps[0].created,
        "updated": steps[0].updated,
        "requests": round(statistics.median(each.requests for each in steps)),
        "of_first_load": _ratio(steps, [run[first] for run in runs]),
        "of_bare_dlt": _ratio(steps, [run[bare] for run in runs]),
        "seconds": round(statistics.median(each.process.seconds for each in steps), 3),
        "cpu_s": round(statistics.median(each.process.cpu_s for each in steps), 3),
        "peak_mb": round(max(each.process.peak_mb for each in steps), 1),
        "runs": [
            {
                "seconds": round(each.process.seconds, 3),
                "cpu_s": round(each.process.cpu_s, 3),
                "peak_mb": round(each.process.peak_mb, 1),
            }
            for each in steps
        ],
    }


def _ratio(steps: Sequence[Step], others: Sequence[Step]) -> float:
    pairs = zip(steps, others, strict=True)
    return round(statistics.median(one.process.seconds / other.process.seconds for one, other in pairs), 3)


def _table(rows: Sequence[dict[str, Any]], repeats: int) -> Table:
    return Table(
        "What each kind of run costs, whole processes, into DuckDB",
        (
            "× time of the first load", "× time of bare dlt", "customers", "run", "customers/s", "s", "CPU s",
            "peak MB", "requests", "read", "created", "updated",
        ),
        (2, 2, 0, 0, 0, 2, 2, 0, 0, 0, 0, 0),
        [
            (
                row["of_first_load"],
                row["of_bare_dlt"],
                row["customers"],
                row["run"],
                row["customers"] / row["seconds"] if row["read"] >= row["customers"] else None,
                row["seconds"],
                row["cpu_s"],
                row["peak_mb"],
                row["requests"],
                row["read"],
                row["created"],
                row["updated"],
            )
            for row in rows
        ],
        (
            f"Medians of {repeats} (of {LARGE:,} customers one run), ratios within a run, the highest peak; "
            "expanded, pages of 100, no rate limit, no latency, the sandbox on the same machine. The stored "
            "ids and the numbers of written rows were compared with the sandbox's.",
        ),
    )  # fmt: skip
