"""The sweep against the rate limit: how close it comes to the time that the limit alone takes.

The sandbox answers after 150 ms and lets 50 requests a second pass, in windows of a second. That is the rate
of Dub's largest plans, and every run goes through many windows. The limit's own time is a page of 100 for
each place, from the first to the last customer; everything else is what the sweep adds: looking for anchors,
pages that two segments have both read, waiting.
"""

import random
import statistics
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from benchmarks.failure import BenchmarkFailed
from benchmarks.report import Result, Table, note
from benchmarks.server import Options, Server
from dub_source.client import DubClient
from dub_source.settings import Settings
from dub_source.walk import Sweep, workers_for

_PAGE = 100
_WINDOW_S = 1.0
_REST_S = 3.0
"""Between two runs: until the requests of the first have left the window."""


def _nobody(ids: Sequence[str]) -> Sequence[str]:
    return ids[:0]


def _everybody(ids: Sequence[str]) -> Sequence[str]:
    return ids


def _shuffled(ids: Sequence[str]) -> Sequence[str]:
    return random.Random(1).sample(ids, len(ids))


KNOWN: Mapping[str, Callable[[Sequence[str]], Sequence[str]]] = {
    "nothing": _nobody,
    "all ids": _everybody,
    "all ids, shuffled": _shuffled,
}
"""What the sweep knows before it begins, made from the ids in the server's order."""


@dataclass(frozen=True, slots=True)
class Case:
    """One workspace, and what the sweep knows of it: a key of ``KNOWN``."""

    customers: int
    known: str = "nothing"
    requests_per_s: int = 50
    latency_ms: float = 150.0

    @property
    def pages(self) -> int:
        """Pages that a walk needs at least."""
        return -(-self.customers // _PAGE)

    @property
    def limit_s(self) -> float:
        """Seconds that the rate limit alone makes of them."""
        return self.pages / self.requests_per_s


def cases(*, customers: int) -> tuple[Case, ...]:
    """Every kind of knowledge, on one workspace."""
    return tuple(Case(customers, known) for known in KNOWN)


CASES = cases(customers=50_000)
LARGE = Case(500_000)


@dataclass(frozen=True, slots=True)
class Swept:
    """One run."""

    seconds: float
    requests: int
    refused: int
    workers: int
    segments: int


def sweep(case: Case, server: Server, ids: Sequence[str]) -> Swept:
    """Read a workspace once, as fast as its key allows; one request beforehand learns the limit.

    Raises:
        BenchmarkFailed: if not everybody was read once, or that is not proven.
    """
    settings = Settings(api_key=server.key, base_url=server.url, rate_window_s=_WINDOW_S, max_rate_share=1.0)
    with DubClient(settings) as client:
        key = client.probe()
        before = client.stats
        limit = key.limit and key.limit / _WINDOW_S
        workers = workers_for(key.latency_s, limit, most=settings.max_connections)
        known = KNOWN[case.known](ids)
        began = time.perf_counter()
        walk = Sweep(client, known_ids=known, workers=workers)
        read = Counter(customer["id"] for page in walk for customer in page.customers)
        seconds = time.perf_counter() - began
        after = client.stats
    if read != Counter(ids) or walk.certificate is None or not walk.certificate.complete:
        raise BenchmarkFailed(f"The sweep of {case.customers:,} customers read {len(read):,}, or some twice.")
    return Swept(
        seconds=seconds,
        requests=after.requests - before.requests,
        refused=after.statuses.get(429, 0) - before.statuses.get(429, 0),
        workers=workers,
        segments=len(walk.certificate.segments),
    )


def measure(wanted: Sequence[Case] = CASES, *, repeats: int = 3) -> Result:
    """Sweep each workspace ``repeats`` times, the cases in turn.

    Raises:
        BenchmarkFailed: if a sweep does not read everybody once, with a proof.
    """
    runs: dict[Case, list[Swept]] = {case: [] for case in wanted}
    with ExitStack() as stack:
        servers: dict[Options, Server] = {}
        for case in wanted:
            options = _options(case)
            if options not in servers:
                servers[options] = stack.enter_context(Server(options))
        ids = {options: server.ids() for options, server in servers.items()}
        for repeat in range(repeats):
            for case in wanted:
                note(f"walk: run {repeat + 1} of {repeats}, {case.customers:,} customers, knows {case.known}")
                time.sleep(_REST_S)
                options = _options(case)
                runs[case].append(sweep(case, servers[options], ids[options]))
    rows = [_row(case, swept) for case, swept in runs.items()]
    return Result(rows, (_table(rows, repeats),))


def _options(case: Case) -> Options:
    return Options(
        customers=case.customers,
        rate_limit=round(case.requests_per_s * _WINDOW_S),
        rate_window_s=_WINDOW_S,
        latency_ms=case.latency_ms,
    )


def _row(case: Case, runs: Sequence[Swept]) -> dict[str, Any]:
    return {
        "customers": case.customers,
        "known": case.known,
        "requests_per_s": case.requests_per_s,
        "latency_ms": case.latency_ms,
        "pages": case.pages,
        "limit_alone_s": case.limit_s,
        "seconds": round(statistics.median(run.seconds for run in runs), 3),
        "ratio": round(statistics.median(run.seconds for run in runs) / case.limit_s, 3),
        "requests": round(statistics.median(run.requests for run in runs)),
        "refused_share": round(sum(run.refused for run in runs) / sum(run.requests for run in runs), 5),
        "runs": [
            {
                "seconds": round(run.seconds, 3),
                "requests": run.requests,
                "refused": run.refused,
                "workers": run.workers,
                "segments": run.segments,
            }
            for run in runs
        ],
    }


def _table(rows: Sequence[dict[str, Any]], repeats: int) -> Table:
    return Table(
        "A sweep against its rate limit",
        (
            "× time of the limit alone", "customers", "knows before", "requests for a page", "429, %",
            "rows/s", "s", "s, limit alone",
        ),
        (3, 0, 0, 3, 2, 0, 2, 2),
        [
            (
                row["ratio"],
                row["customers"],
                row["known"],
                row["requests"] / row["pages"],
                100 * row["refused_share"],
                row["customers"] / row["seconds"],
                row["seconds"],
                row["limit_alone_s"],
            )
            for row in rows
        ],
        (
            f"Medians of {repeats}, one sandbox process, {rows[0]['requests_per_s']} requests a second in "
            f"windows of one second, {rows[0]['latency_ms']:.0f} ms latency, the whole share of the limit. "
            "Everybody was read once, and proven.",
        ),
    )  # fmt: skip
