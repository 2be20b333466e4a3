"""Everything that can carry new email addresses into Dub, one after the other, against what Dub then has.

Between the load into the warehouse and the writing, somebody in Dub gives one customer in a hundred another
address: who writes all the same has lost that. Among the answers one is lost after the change was made, and
where there is a rate limit, whoever is too fast is refused for the rest of the minute.
"""

import csv
import json
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import duckdb

from benchmarks.failure import BenchmarkFailed
from benchmarks.limited import LimitedCase
from benchmarks.load import load
from benchmarks.process import Finished, console_script, run
from benchmarks.report import Result, Table, note
from benchmarks.server import Options, Server
from benchmarks.writers import DESIRED, TOLD, WRITERS, Writer

_OURS, _DRT = "dub-source", "drt"
_DRIFTED = 0.01
_DATABASE = "dub_customers.duckdb"
_NOT_ALL_IN_EFFECT = 9
_WRITTEN = ("applied", "already_applied")


class Case(LimitedCase):
    """A list of updates, each of another customer."""

    unit = "updates"
    a_request = 1


CASE = Case(5_000)
LIMITED = Case(700, rate_limit=600)
LARGE = (Case(5_000, rate_limit=3_000), Case(5_000, latency_ms=45, rate_limit=3_000))
"""Take a quarter of an hour."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What came of a list of updates.

    Attributes:
        missing: customers who should have the new address and do not.
        overwritten: customers whom somebody had changed meanwhile, and whose change is lost.
        twice: customers who were written to more than once.
        mistold: customers of whom the writer believes otherwise than it is.
    """

    missing: int
    overwritten: int
    twice: int
    mistold: int


@dataclass(frozen=True, slots=True)
class Written:
    """One run of one writer; the costs are those of all of its processes, the peak that of the largest."""

    seconds: float
    cpu_s: float
    peak_mb: float
    requests: int
    refused: int
    judged: Judged


def measure(
    cases: Sequence[Case] = (CASE,),
    *,
    repeats: int = 1,
    only: Sequence[str] = (),
    drt_python: Path | None = None,
) -> Result:
    """Write each list with each writer.

    Args:
        cases: lists.
        repeats: how often all of it; medians count.
        only: names of writers; none means all.
        drt_python: the interpreter of an environment that has drt-core; without one, it is left out.

    Raises:
        BenchmarkFailed: if a writer does not run, or this tool gets anything wrong.
    """
    chosen = [each for each in WRITERS if not only or each.name in only]
    if drt_python is None:
        chosen = [each for each in chosen if each.name != _DRT]
    rows: list[dict[str, Any]] = []
    tables: list[Table] = []
    for case in cases:
        runs: dict[str, list[Written]] = {writer.name: [] for writer in chosen}
        for repeat, writer in product(range(repeats), chosen):
            note(f"pushes: {case}: run {repeat + 1} of {repeats}, {writer.title}")
            runs[writer.name].append(_write(case, writer, drt_python))
        found = [_row(case, writer, runs) for writer in chosen]
        rows += found
        tables.append(_table(case, found, repeats))
    return Result(rows, tuple(tables))


def _write(case: Case, writer: Writer, drt_python: Path | None) -> Written:
    options = Options(case.number, rate_limit=case.rate_limit, latency_ms=case.latency_ms, log=True)
    with Server(options) as server, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ids = server.ids()
        wanted = {each: f"new{number}@example.com" for number, each in enumerate(ids)}
        _write_down(wanted, folder / DESIRED)
        if writer.name == _OURS:
            load(server, folder, "--mode", "full")
        drifted = server.drift(round(case.number * _DRIFTED))
        server.lose_answer(skip=case.number // 4)
        server.forget_requests()
        if writer.name == _OURS:
            processes, told = _ours(server, folder)
        else:
            python = str(drt_python) if writer.name == _DRT else sys.executable
            processes, told = _theirs(server, writer, folder, python)
        requests, writes = server.requests(), server.writes()
        judged = judge(wanted, drifted, _emails(server, folder), told, writes)
    if writer.name == _OURS and any((judged.missing, judged.overwritten, judged.twice, judged.mistold)):
        raise BenchmarkFailed(f"This tool got something wrong with {case}: {judged}.")
    return Written(
        seconds=sum(each.seconds for each in processes),
        cpu_s=sum(each.cpu_s for each in processes),
        peak_mb=max(each.peak_mb for each in processes),
        requests=sum(requests.values()),
        refused=requests.get(429, 0),
        judged=judged,
    )


def judge(
    wanted: Mapping[str, str],
    drifted: Sequence[str],
    emails: Mapping[str, str | None],
    told: Sequence[str],
    writes: Mapping[str, int],
) -> Judged:
    """Count what went wrong.

    Args:
        wanted: by id, the new address.
        drifted: who was changed in Dub meanwhile, and so should be left as they are.
        emails: by id, the address in Dub afterwards.
        told: ids of those who were written, as the writer has it.
        writes: by id, how often Dub took a change.
    """
    left, believed = set(drifted), set(told)
    has = {each for each, email in wanted.items() if emails.get(each) == email}
    return Judged(
        missing=len(wanted.keys() - left - has),
        overwritten=len(left & has),
        twice=sum(number > 1 for number in writes.values()),
        mistold=len(believed ^ has),
    )


def _write_down(wanted: Mapping[str, str], path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("id", "email"))
        writer.writerows(wanted.items())


def _emails(server: Server, folder: Path) -> dict[str, str | None]:
    lines = folder / "truth.ndjson"
    server.dump(lines)
    with lines.open(encoding="utf-8") as file:
        return {customer["id"]: customer["email"] for customer in map(json.loads, file)}


def _ours(server: Server, folder: Path) -> tuple[list[Finished], list[str]]:
    settings = server.access
    where = ["--json", "--database", str(folder / _DATABASE), "--pipelines-dir", str(folder / "pipelines")]
    planned = run([console_script(), "plan", DESIRED, *where], folder=folder, settings=settings)
    if planned.status:
        raise BenchmarkFailed(f"dub-source plan failed: {planned.last_words()}")
    plan_id = json.loads(planned.output)["plan_id"]
    applied = run([console_script(), "apply", plan_id, *where], folder=folder, settings=settings)
    if applied.status != _NOT_ALL_IN_EFFECT:
        raise BenchmarkFailed(
            f"dub-source apply ended with exit code {applied.status} although customers had drifted: "
            f"{applied.last_words()}"
        )
    with duckdb.connect(str(folder / _DATABASE), read_only=True) as connection:
        query = f"SELECT customer_id FROM dub.push_log WHERE result IN {_WRITTEN}"
        told = [customer_id for (customer_id,) in connection.execute(query).fetchall()]
    return [planned, applied], told


def _theirs(server: Server, writer: Writer, folder: Path, python: str) -> tuple[list[Finished], list[str]]:
    program = [python, "-m", "benchmarks.writers", writer.name, str(folder)]
    process = run(program, folder=folder, settings=server.access)
    if process.status:
        raise BenchmarkFailed(f"{writer.title} did not run: {process.last_words()}")
    return [process], json.loads((folder / TOLD).read_text(encoding="utf-8"))


def _row(case: Case, writer: Writer, runs: Mapping[str, Sequence[Written]]) -> dict[str, Any]:
    own = runs[writer.name]
    ratio = None
    with suppress(KeyError):
        pairs = zip(own, runs[_OURS], strict=True)
        ratio = round(statistics.median(one.seconds / ours.seconds for one, ours in pairs), 3)
    return {
        "updates": case.number,
        "latency_ms": case.latency_ms,
        "rate_limit": case.rate_limit,
        "rate_limit_s": case.limit_s,
        "drifted": round(case.number * _DRIFTED),
        "writer": writer.name,
        "title": writer.title,
        "of_ours": ratio,
        **{
            field: round(statistics.median(getattr(each.judged, field) for each in own))
            for field in Judged.__slots__
        },
        "requests": round(statistics.median(each.requests for each in own)),
        "refused": round(statistics.median(each.refused for each in own)),
        "seconds": round(statistics.median(each.seconds for each in own), 3),
        "cpu_s": round(statistics.median(each.cpu_s for each in own), 3),
        "peak_mb": round(max(each.peak_mb for each in own), 1),
        "runs": [round(each.seconds, 3) for each in own],
    }


def _table(case: Case, rows: Sequence[dict[str, Any]], repeats: int) -> Table:
    floor = f" The rate limit alone takes at least {case.limit_s:.0f} s." if case.rate_limit else ""
    return Table(
        f"{case}, of which {rows[0]['drifted']:,} were changed in Dub since the load",
        (
            "× time of dub-source", "writer", "not written", "overwritten", "written twice", "told wrongly",
            "updates/s", "s", "CPU s", "peak MB", "requests", "429",
        ),
        (2, 0, 0, 0, 0, 0, 0, 2, 2, 0, 0, 0),
        [
            (
                row["of_ours"],
                row["title"],
                row["missing"],
                row["overwritten"],
                row["twice"],
                row["mistold"],
                (row["updates"] - row["drifted"] - row["missing"]) / row["seconds"],
                row["seconds"],
                row["cpu_s"],
                row["peak_mb"],
                row["requests"],
                row["refused"],
            )
            for row in rows
        ],
        (
            f"Medians of {repeats}; whole processes, those of plan and apply together; the sandbox on the "
            f"same machine. One answer is lost after the change.{floor} Told wrongly: in Dub, and counted as "
            "failed, or the other way round.",
        ),
    )  # fmt: skip
