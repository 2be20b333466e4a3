"""What it costs to plan: desired rows against the mirror of a workspace, reading both included.

The mirror is a table in a DuckDB file, as a load leaves it, the desired state a Parquet file. Planning runs
in a process of its own, from importing the package to the last change in memory; nothing is stored.
"""

import json
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.failure import BenchmarkFailed
from benchmarks.process import Finished, run
from benchmarks.report import Result, Table, note

SECONDS, MEMORY_MB = 20.0, 1_000
"""What a plan of the largest case may take."""
_ROWS = 50_000
_MIRROR = """
    CREATE SCHEMA dub;
    CREATE TABLE dub.customers AS SELECT
        'cus_' || upper(md5(i::VARCHAR))[1:25] AS id,
        'user-' || i AS external_id,
        CASE WHEN i % 3 = 0 THEN 'cus_' || md5('stripe' || i)[1:14] END AS stripe_customer_id,
        'Person ' || i AS name,
        'person.' || i || '@example.com' AS email,
        'https://dubassets.com/customers/' || i || '/avatar_abcdefg' AS avatar,
        'US' AS country,
        false AS name_generated,
        '0123456789abcdef-' || md5('row' || i) AS row_hash,
        TIMESTAMPTZ '2026-01-01' AS observed_at,
        NULL::TIMESTAMPTZ AS deleted_at
    FROM range({customers}) t(i)
"""
# Every seventh and so on: rows of the desired state come from all over the mirror.
_DESIRED = """
    COPY (
        SELECT 'cus_' || upper(md5(i::VARCHAR))[1:25] AS id,
            CASE WHEN n < {changed} THEN 'Renamed ' ELSE 'Person ' END || i AS name,
            CASE WHEN n < {changed} THEN 'new.' ELSE 'person.' END || i || '@example.com' AS email
            {more}
        FROM (SELECT n, n * {customers} // {desired} AS i FROM range({desired}) t(n))
    ) TO '{path}' (FORMAT parquet)
"""
# Each takes the external id of the next: one chain as long as the plan.
_CHAIN = """
    , 'user-' || CASE WHEN n + 1 < {desired} THEN (n + 1) * {customers} // {desired} ELSE -1 END
        AS external_id
"""


@dataclass(frozen=True, slots=True)
class Case:
    """A mirror of ``customers``, and ``desired`` rows, of which ``changed`` differ in name and email.

    ``chain``: they also pass on their external ids, each to the one before.
    """

    customers: int
    desired: int
    changed: int
    chain: bool = False


def cases(*, customers: int, desired: int) -> tuple[Case, ...]:
    """One row in a hundred changes; all of them do; all of them do and pass on their external ids."""
    return (
        Case(customers, desired, desired // 100),
        Case(customers, desired, desired),
        Case(customers, desired, desired, chain=True),
    )


CASES = cases(customers=1_000_000, desired=200_000)


def measure(wanted: Sequence[Case] = CASES, *, repeats: int = 3) -> Result:
    """Plan each case ``repeats`` times.

    Raises:
        BenchmarkFailed: if planning fails, or plans something else than what differs.
    """
    rows = []
    for case in wanted:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            _prepare(case, folder)
            runs = []
            for number in range(repeats):
                note(f"plans: run {number + 1} of {repeats}, {case}")
                runs.append(_run(case, folder))
        rows.append(_row(case, runs))
    return Result(rows, (_table(rows, repeats),))


def _prepare(case: Case, folder: Path) -> None:
    import duckdb

    sizes: dict[str, Any] = {
        "customers": case.customers,
        "desired": case.desired,
        "changed": case.changed,
        "path": folder / "desired.parquet",
    }
    with duckdb.connect(str(folder / "customers.duckdb")) as connection:
        connection.execute(_MIRROR.format(**sizes))
        connection.execute(_DESIRED.format(**sizes, more=_CHAIN.format(**sizes) if case.chain else ""))


def _run(case: Case, folder: Path) -> tuple[Finished, dict[str, Any]]:
    done = run([sys.executable, "-m", "benchmarks.plans", str(folder)], folder=folder)
    if done.status:
        raise BenchmarkFailed(f"Planning ended with exit code {done.status}: {done.last_words()}")
    told: dict[str, Any] = json.loads(done.output)
    expected = case.desired if case.chain else case.changed
    if (told["changes"], told["unchanged"]) != (expected, case.desired - expected):
        raise BenchmarkFailed(f"{told['changes']:,} changes were planned, not {expected:,}.")
    return done, told


def _row(case: Case, runs: Sequence[tuple[Finished, dict[str, Any]]]) -> dict[str, Any]:
    return {
        "customers": case.customers,
        "desired": case.desired,
        "changed": case.changed,
        "chain": case.chain,
        "seconds": round(statistics.median(done.seconds for done, _ in runs), 2),
        "cpu_s": round(statistics.median(done.cpu_s for done, _ in runs), 2),
        "peak_mb": round(max(done.peak_mb for done, _ in runs), 1),
        "planning_s": round(statistics.median(told["seconds"] for _, told in runs), 2),
        "runs": [{"seconds": round(done.seconds, 2), "peak_mb": round(done.peak_mb, 1)} for done, _ in runs],
    }


def _table(rows: Sequence[dict[str, Any]], repeats: int) -> Table:
    return Table(
        "Planning",
        (
            "customers",
            "desired rows",
            "changes",
            "in one chain",
            "s",
            "CPU s",
            "peak MB",
            "s, planning alone",
        ),
        (0, 0, 0, 0, 1, 1, 0, 1),
        [
            (
                row["customers"],
                row["desired"],
                row["desired"] if row["chain"] else row["changed"],
                "yes" if row["chain"] else "no",
                row["seconds"],
                row["cpu_s"],
                row["peak_mb"],
                row["planning_s"],
            )
            for row in rows
        ],
        (f"Medians of {repeats}, whole processes; the largest peak of memory.",),
    )


def _plan(folder: Path) -> dict[str, Any]:
    """What the measured process does."""
    import time

    import duckdb
    import pyarrow as pa

    from dub_source.destinations.duckdb_file import SMALL
    from dub_source.reverse.desired import read_desired
    from dub_source.reverse.planning import plan_changes
    from dub_source.reverse.sync_file import Sync

    began = time.perf_counter()
    sync = Sync(file="desired.parquet")
    with duckdb.connect(str(folder / "customers.duckdb"), read_only=True, config=SMALL) as connection:

        def mirror() -> Iterator[pa.Table]:
            for batch in connection.execute("SELECT * FROM dub.customers").arrow(_ROWS):
                yield pa.Table.from_batches([batch])

        planned = plan_changes(sync, read_desired(sync, folder=folder), mirror(), folder=folder)
    return {
        "seconds": time.perf_counter() - began,
        "changes": len(planned.changes),
        "unchanged": planned.unchanged,
        "plan_id": planned.plan_id,
    }


if __name__ == "__main__":
    print(json.dumps(_plan(Path(sys.argv[1]))))
