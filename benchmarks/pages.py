"""How many pages of 100 customers a second one sandbox process answers.

The sandbox must never be the bottleneck of another measurement; its goal is 1,500 pages a second. Every
answer is compared with the page that was expected, so a sandbox that got fast by being wrong fails here.
"""

import statistics
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import orjson

from benchmarks.failure import BenchmarkFailed
from benchmarks.pressure import Ask, fetch, press, request_bytes
from benchmarks.report import Result, Table, note
from benchmarks.server import Options, Server

GOAL = 1_500
_PAGE = 100
_READS_TO_FIND_RANDOM_NAMES = 3


@dataclass(frozen=True, slots=True)
class Setting:
    """One way to run the sandbox, and how many connections to load it with.

    Latency needs many connections: 5 ms each make 200 pages a second of one.
    """

    name: str
    options: Mapping[str, Any]
    connections: int = 4


SETTINGS = (
    Setting("bare", {}),
    Setting("rate limit counts", {"rate_limit": 1_000_000_000}),
    Setting("request log", {"log": True}),
    Setting("5 ms latency", {"latency_ms": 5.0}, connections=64),
    Setting("all three", {"rate_limit": 1_000_000_000, "log": True, "latency_ms": 5.0}, connections=64),
)


@dataclass(frozen=True, slots=True)
class _Series:
    """One line of the table: a setting with plain or expanded pages, and what each run gave."""

    setting: Setting
    expanded: bool
    server: Server
    asks: Sequence[Ask]
    per_second: list[float]
    cpu_ms: list[float]

    def measure(self, seconds: float) -> None:
        before = self.server.cpu_seconds()
        pressure = press(self.server.url, self.asks, connections=self.setting.connections, seconds=seconds)
        after = self.server.cpu_seconds()
        self.per_second.append(pressure.per_second)
        if before is not None and after is not None:
            self.cpu_ms.append((after - before) * 1000 / pressure.answers)

    def as_row(self) -> dict[str, Any]:
        return {
            "setting": self.setting.name,
            "expanded": self.expanded,
            "connections": self.setting.connections,
            "bytes_a_page": round(statistics.mean(len(ask.body or b"") for ask in self.asks)),
            "pages_per_second": round(statistics.median(self.per_second), 1),
            "runs": [round(each, 1) for each in self.per_second],
            "server_cpu_ms_a_page": round(statistics.median(self.cpu_ms), 4) if self.cpu_ms else None,
        }


def measure(*, customers: int = 20_000, seconds: float = 3.0, repeats: int = 3) -> Result:
    """Measure all settings in turn, and that ``repeats`` times, so that a busy moment hits all alike.

    Args:
        customers: size of the workspace, at least 200.
        seconds: duration of each run.
        repeats: runs of each setting; the median counts.

    Raises:
        BenchmarkFailed: if an answer is wrong.
    """
    if customers < 2 * _PAGE:
        raise BenchmarkFailed(f"Pages need a workspace of at least {2 * _PAGE} customers.")
    with ExitStack() as stack:
        series: list[_Series] = []
        for setting in SETTINGS:
            server = stack.enter_context(Server(Options(customers=customers, **setting.options)))
            for expanded in (False, True):
                asks = _asks(server, expanded=expanded)
                series.append(_Series(setting, expanded, server, asks, [], []))
        for repeat in range(repeats):
            note(f"pages: run {repeat + 1} of {repeats}, {len(series) * seconds:.0f} s")
            for each in series:
                each.measure(seconds)
    rows = [{"customers": customers, **each.as_row()} for each in series]
    return Result(rows, (_table(rows, customers, repeats),))


def _asks(server: Server, *, expanded: bool) -> list[Ask]:
    """A request for each full page in id order, with its answer, checked against the server's ids."""
    ids = server.ids()
    asks = []
    for start in range(0, len(ids) - _PAGE, _PAGE):
        target = f"/customers?startingAfter={ids[start]}&sortOrder=asc&pageSize={_PAGE}"
        target += "&includeExpandedFields=true" if expanded else ""
        asks.append(Ask(request_bytes(server.url, server.key, target)))
    readings = [fetch(server.url, asks) for _ in range(_READS_TO_FIND_RANDOM_NAMES)]
    expected = []
    for number, (ask, *bodies) in enumerate(zip(asks, *readings, strict=True)):
        found = [row["id"] for row in orjson.loads(bodies[0])]
        start = number * _PAGE + 1
        if found != ids[start : start + _PAGE]:
            raise BenchmarkFailed(f"Page {number + 1} does not have the customers that it should have.")
        # Customers without name and email have another name on every read.
        expected.append(Ask(ask.request, bodies[0], fixed=len(set(bodies)) == 1, rows=_PAGE))
    return expected


def _table(rows: Sequence[dict[str, Any]], customers: int, repeats: int) -> Table:
    bare = {row["expanded"]: row["pages_per_second"] for row in rows if row["setting"] == "bare"}
    return Table(
        f"Pages of {_PAGE} a second from one sandbox process of {customers:,} customers",
        (
            f"× the goal of {GOAL:,}/s", "× bare", "pages", "setting", "pages/s", "server busy %",
            "server CPU ms/page", "KB/page", "connections",
        ),
        (2, 2, 0, 0, 0, 0, 3, 1, 0),
        [
            (
                row["pages_per_second"] / GOAL,
                row["pages_per_second"] / bare[row["expanded"]],
                "expanded" if row["expanded"] else "plain",
                row["setting"],
                row["pages_per_second"],
                _busy(row),
                row["server_cpu_ms_a_page"],
                row["bytes_a_page"] / 1000,
                row["connections"],
            )
            for row in rows
        ],
        (f"Medians of {repeats}. Every answer was compared with the page expected.",),
    )  # fmt: skip


def _busy(row: dict[str, Any]) -> float | None:
    """How much of the time, in per cent, the server used a core: below 100 the client was the slower one."""
    cpu_ms: float | None = row["server_cpu_ms_a_page"]
    return None if cpu_ms is None else cpu_ms * float(row["pages_per_second"]) / 10
