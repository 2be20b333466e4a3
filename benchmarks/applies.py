"""An apply against the rate limit: how close it comes to the time that the limit alone takes.

The sandbox answers after 45 ms and lets 50 requests a second pass, in windows of a second: the rate of Dub's
largest plans. The limit's own time is one request for each change. Everything else is what an apply adds:
reading the customers before they are written to, looking names up, waiting, saving.
"""

import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.failure import BenchmarkFailed
from benchmarks.report import Result, Table, note
from benchmarks.server import Options, Server
from dub_source.by_id import ById
from dub_source.client import DubClient
from dub_source.reverse.apply import apply_plan
from dub_source.reverse.fields import from_wire
from dub_source.reverse.journal import Journal
from dub_source.reverse.model import Change, Op, Outcome
from dub_source.reverse.model import Result as Became
from dub_source.settings import Settings
from dub_source.types import Page

_WINDOW_S = 1.0
_REST_S = 3.0
"""Between two runs: until the requests of the first have left the window."""


@dataclass(frozen=True, slots=True)
class Case:
    """One plan of updates, each of another customer."""

    updates: int
    requests_per_s: int = 50
    latency_ms: float = 45.0

    @property
    def limit_s(self) -> float:
        """Seconds that the rate limit alone makes of them."""
        return self.updates / self.requests_per_s


CASE = Case(5_000)
SMALL = Case(500)


@dataclass(frozen=True, slots=True)
class Applied:
    """One run."""

    seconds: float
    cpu_s: float
    requests: int
    refused: int
    saves: int


def updates(client: DubClient, ids: Sequence[str], mark: str) -> list[Change]:
    """A change of the email of each customer, planned on what the workspace has now."""
    rows = {
        customer["id"]: from_wire(customer)
        for page in ById(client).present(ids)
        for customer in page.customers
    }
    return [
        Change(
            number=number,
            op=Op.UPDATE,
            customer_id=each,
            external_id=rows[each]["external_id"],
            asked={"email": f"{mark}{number}@example.com"},
            before={"email": rows[each]["email"]},
        )
        for number, each in enumerate(ids)
    ]


def apply(case: Case, server: Server, mark: str, folder: Path) -> Applied:
    """Apply a plan, as fast as the key allows; outcomes are kept in memory.

    Raises:
        BenchmarkFailed: if not every change was applied.
    """
    settings = Settings(api_key=server.key, base_url=server.url, rate_window_s=_WINDOW_S, max_rate_share=1.0)
    became: Counter[Became] = Counter()
    saves = 0

    def save(outcomes: list[Outcome], _pages: list[Page]) -> None:
        nonlocal saves
        saves += 1
        became.update(each.result for each in outcomes)

    with DubClient(settings) as client:
        changes = updates(client, server.ids()[: case.updates], mark)
        time.sleep(_REST_S)
    with DubClient(settings) as client, Journal(folder, f"plan_{mark}") as journal:
        began, cpu = time.perf_counter(), time.process_time()
        look = ById(client, include_expanded_fields=True)
        report = apply_plan(client, settings, changes, done={}, journal=journal, look=look, save=save)
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
        refused = client.stats.statuses.get(429, 0)
    if became != {Became.APPLIED: case.updates}:
        raise BenchmarkFailed(f"Of {case.updates:,} changes {became[Became.APPLIED]:,} were applied.")
    return Applied(seconds, cpu, report.requests, refused, saves)


def measure(wanted: Sequence[Case] = (CASE,), *, repeats: int = 3) -> Result:
    """Apply each plan ``repeats`` times, each time with other values.

    Raises:
        BenchmarkFailed: if a change is not applied.
    """
    rows = []
    for case in wanted:
        options = Options(
            customers=case.updates,
            rate_limit=round(case.requests_per_s * _WINDOW_S),
            rate_window_s=_WINDOW_S,
            latency_ms=case.latency_ms,
        )
        with Server(options) as server, tempfile.TemporaryDirectory() as folder:
            runs = []
            for repeat in range(repeats):
                note(f"applies: run {repeat + 1} of {repeats}, {case.updates:,} updates")
                runs.append(apply(case, server, f"run{repeat}x", Path(folder)))
        rows.append(_row(case, runs))
    return Result(rows, (_table(rows, repeats),))


def _row(case: Case, runs: Sequence[Applied]) -> dict[str, Any]:
    seconds = statistics.median(run.seconds for run in runs)
    return {
        "updates": case.updates,
        "requests_per_s": case.requests_per_s,
        "latency_ms": case.latency_ms,
        "limit_alone_s": case.limit_s,
        "seconds": round(seconds, 3),
        "ratio": round(seconds / case.limit_s, 3),
        "cpu_s": round(statistics.median(run.cpu_s for run in runs), 3),
        "requests": round(statistics.median(run.requests for run in runs)),
        "refused_share": round(sum(run.refused for run in runs) / sum(run.requests for run in runs), 5),
        "runs": [
            {
                "seconds": round(run.seconds, 3),
                "cpu_s": round(run.cpu_s, 3),
                "requests": run.requests,
                "refused": run.refused,
                "saves": run.saves,
            }
            for run in runs
        ],
    }


def _table(rows: Sequence[dict[str, Any]], repeats: int) -> Table:
    return Table(
        "An apply against its rate limit",
        (
            "× time of the limit alone", "updates", "requests for an update", "429, %", "CPU s",
            "s", "s, limit alone",
        ),
        (3, 0, 3, 2, 2, 2, 2),
        [
            (
                row["ratio"],
                row["updates"],
                row["requests"] / row["updates"],
                100 * row["refused_share"],
                row["cpu_s"],
                row["seconds"],
                row["limit_alone_s"],
            )
            for row in rows
        ],
        (
            f"Medians of {repeats}, one sandbox process, {rows[0]['requests_per_s']} requests a second in "
            f"windows of one second, {rows[0]['latency_ms']:.0f} ms latency, the whole share of the limit. "
            "Every customer was read before it was written to, and every change was applied.",
        ),
    )  # fmt: skip
