"""Everything that loads Dub's customers into DuckDB, one after the other, twice, against the truth.

Between the two loads the workspace changes: some customers are renamed, some deleted, some imported with ids
of long ago. After each load the table is compared with the sandbox's own customers, field by field.
"""

import json
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import duckdb

from benchmarks.failure import BenchmarkFailed
from benchmarks.limited import LimitedCase
from benchmarks.load import load
from benchmarks.loaders import DATABASE, LOADERS, NDJSON, TABLE, Loader
from benchmarks.process import Finished, run
from benchmarks.report import Result, Table, note
from benchmarks.server import Options, Server

_OURS, _RAW = "dub-source", "raw"
_CHANGED = 0.01
_TRUTH = "truth.ndjson"
_FIELDS = "email external_id country sales sale_amount".split()


class Case(LimitedCase):
    """Customers of a workspace, read in pages."""

    unit = "customers"
    a_request = 100


@dataclass(frozen=True, slots=True)
class Load:
    """One load by one loader, and what its table then has.

    Attributes:
        rows: customers there are.
        missing: of them, how many the table lacks.
        wrong: how many have another value in a field.
        ghosts: rows of customers who do not exist and are not marked as deleted.
    """

    process: Finished
    requests: int
    refused: int
    error: str | None
    rows: int
    missing: int
    wrong: int
    ghosts: int


def measure(cases: Sequence[Case], *, repeats: int = 1, only: Sequence[str] = ()) -> Result:
    """Load each workspace twice with each loader.

    Args:
        cases: workspaces.
        repeats: how often all of it; medians count.
        only: names of loaders; none means all.

    Raises:
        BenchmarkFailed: if a loader does not run, or this tool's table is not the truth.
    """
    chosen = [loader for loader in LOADERS if not only or loader.name in only]
    rows: list[dict[str, Any]] = []
    tables: list[Table] = []
    for case in cases:
        loads: dict[str, list[tuple[Load, Load]]] = {loader.name: [] for loader in chosen}
        for repeat, loader in product(range(repeats), chosen):
            note(f"side by side: {case}: run {repeat + 1} of {repeats}, {loader.title}")
            loads[loader.name].append(_twice(case, loader))
        found = list(_rows(case, chosen, loads))
        rows += found
        tables += [_table(case, found, number, repeats) for number in (1, 2)]
    return Result(rows, tuple(tables))


def _twice(case: Case, loader: Loader) -> tuple[Load, Load]:
    options = Options(case.number, rate_limit=case.rate_limit, latency_ms=case.latency_ms, log=True)
    with Server(options) as server, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        first = _load(server, loader, folder)
        server.upset(round(case.number * _CHANGED))
        second = _load(server, loader, folder)
    if loader.name == _OURS and any(each.missing or each.wrong or each.ghosts for each in (first, second)):
        raise BenchmarkFailed(f"This tool's table was not what the workspace had: {case}.")
    return first, second


def _load(server: Server, loader: Loader, folder: Path) -> Load:
    truth = folder / _TRUTH
    if loader.name == _RAW:
        server.dump(folder / NDJSON)
    server.forget_requests()
    if loader.name == _OURS:
        process, error = load(server, folder, "--mode", "full").process, None
        database, table = folder / "dub_customers.duckdb", "dub.customers"
    else:
        process, error = _theirs(server, loader, folder)
        database, table = folder / DATABASE, TABLE
    requests = server.requests()
    server.dump(truth)
    return Load(
        process, sum(requests.values()), requests.get(429, 0), error, *_compared(database, table, truth)
    )


def _theirs(server: Server, loader: Loader, folder: Path) -> tuple[Finished, str | None]:
    program = [sys.executable, "-m", "benchmarks.loaders", loader.name, str(folder)]
    process = run(program, folder=folder, settings=server.access)
    if process.status:
        raise BenchmarkFailed(f"{loader.title} did not run: {process.last_words()}")
    return process, json.loads(process.output.splitlines()[-1])["error"]


def _compared(database: Path, table: str, truth: Path) -> tuple[int, int, int, int]:
    """Customers there are, and of the table's rows: missing, wrong, ghosts."""
    kinds = {
        "id": "VARCHAR", "name": "VARCHAR", "email": "VARCHAR", "externalId": "VARCHAR", "country": "VARCHAR",
        "sales": "BIGINT", "saleAmount": "BIGINT",
    }  # fmt: skip
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{database}' AS theirs (READ_ONLY)")
        connection.execute(
            "CREATE TABLE truth AS SELECT id, name, email, externalId AS external_id, country, sales, "
            "saleAmount AS sale_amount FROM read_json(?, format = 'newline_delimited', columns = ?)",
            [str(truth), kinds],
        )
        columns = {row[0] for row in connection.execute(f"DESCRIBE theirs.{table}").fetchall()}
        alive = "deleted_at IS NULL" if "deleted_at" in columns else "true"
        # dlt makes no column where no row has a value.
        wanted = [name if name in columns else f"NULL AS {name}" for name in ("name", *_FIELDS)]
        connection.execute(
            f"CREATE VIEW mine AS SELECT id, {', '.join(wanted)} FROM theirs.{table} WHERE {alive}"
        )
        # A name that Dub makes up is another one in each answer, so it is not compared.
        differs = " OR ".join(
            ["(t.name IS NOT NULL AND m.name IS DISTINCT FROM t.name)"]
            + [f"m.{each} IS DISTINCT FROM t.{each}" for each in _FIELDS]
        )
        found = connection.execute(
            "SELECT count(*), count(*) FILTER (m.id IS NULL), "
            f"count(*) FILTER (m.id IS NOT NULL AND ({differs})), "
            "(SELECT count(*) FROM mine ANTI JOIN truth USING (id)) "
            "FROM truth t LEFT JOIN mine m ON m.id = t.id"
        ).fetchone()
    if found is None:
        raise BenchmarkFailed("DuckDB did not count.")
    rows, missing, wrong, ghosts = found
    return rows, missing, wrong, ghosts


def _rows(
    case: Case, chosen: Sequence[Loader], loads: dict[str, list[tuple[Load, Load]]]
) -> Iterator[dict[str, Any]]:
    for loader, number in product(chosen, (1, 2)):
        runs = [both[number - 1] for both in loads[loader.name]]
        ours = [both[number - 1].process.seconds for both in loads.get(_OURS, [])]
        seconds = [each.process.seconds for each in runs]
        yield {
            "customers": case.number,
            "latency_ms": case.latency_ms,
            "rate_limit": case.rate_limit,
            "rate_limit_s": case.limit_s,
            "load": number,
            "loader": loader.name,
            "title": loader.title,
            "rows": runs[0].rows,
            "missing": round(statistics.median(each.missing for each in runs)),
            "wrong": round(statistics.median(each.wrong for each in runs)),
            "ghosts": round(statistics.median(each.ghosts for each in runs)),
            "requests": round(statistics.median(each.requests for each in runs)),
            "refused": round(statistics.median(each.refused for each in runs)),
            "error": runs[0].error,
            "of_ours": round(statistics.median(map(_ratio, seconds, ours)), 3) if ours else None,
            "seconds": round(statistics.median(seconds), 3),
            "cpu_s": round(statistics.median(each.process.cpu_s for each in runs), 3),
            "peak_mb": round(max(each.process.peak_mb for each in runs), 1),
            "runs": [round(each, 3) for each in seconds],
        }


def _ratio(theirs: float, ours: float) -> float:
    return theirs / ours


def _table(case: Case, rows: Sequence[dict[str, Any]], number: int, repeats: int) -> Table:
    what = {1: "first load", 2: "second load, after 1% renamed, 1% deleted, 1% imported with old ids"}
    floor = f" The rate limit alone takes at least {case.limit_s:.0f} s." if case.rate_limit else ""
    return Table(
        f"{case}: {what[number]}",
        (
            "× time of dub-source", "loader", "missing", "wrong", "deleted, still there", "rows/s", "s",
            "CPU s", "peak MB", "requests", "refused", "error",
        ),
        (2, 0, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0),
        [
            (
                row["of_ours"],
                row["title"],
                row["missing"],
                row["wrong"],
                row["ghosts"],
                (row["rows"] - row["missing"]) / row["seconds"],
                row["seconds"],
                row["cpu_s"],
                row["peak_mb"],
                row["requests"],
                row["refused"],
                row["error"] or "",
            )
            for row in rows
            if row["load"] == number
        ],
        (
            f"Medians of {repeats}; whole processes into a DuckDB file, expanded, pages of 100, the sandbox "
            f"on the same machine.{floor} Wrong: another name, email, external id, country, number or amount "
            "of sales than in the workspace.",
        ),
    )  # fmt: skip
