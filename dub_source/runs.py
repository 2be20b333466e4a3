"""What the command line does, as plain functions: load and check."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dlt
from dlt.common.configuration.exceptions import ConfigurationException
from dlt.common.pipeline import get_dlt_pipelines_dir

from dub_source.client import DubClient
from dub_source.destinations import Target, open_destination
from dub_source.errors import (
    DubError,
    PlanTooLow,
    RateLimited,
    RoleTooLow,
    SettingsError,
    Unauthorized,
    WorkspaceNotFound,
)
from dub_source.failures import explain
from dub_source.observer import Observer
from dub_source.source import CUSTOMERS, configured_settings, dub
from dub_source.types import ClientStats
from dub_source.walk import Certificate


@dataclass(frozen=True, slots=True)
class LoadResult:
    """What a load did.

    Attributes:
        read: customers read from Dub.
        rows: rows in the table afterwards.
        requests: requests sent, retries included.
        seconds: duration of the whole load.
        throttled_s: seconds spent waiting for the key's rate limit.
        certificate: whether that was everybody.
    """

    read: int
    rows: int
    requests: int
    seconds: float
    throttled_s: float
    certificate: Certificate
    target: Target
    table: str = CUSTOMERS

    @property
    def query(self) -> str:
        """A first query to try."""
        # Shown to people, never run.
        return (
            "SELECT country, count(*) AS customers, sum(sale_amount) / 100 AS revenue "  # noqa: S608
            f"FROM {self.target.dataset}.{self.table} "
            "GROUP BY country ORDER BY revenue DESC LIMIT 10"
        )

    def as_json(self) -> dict[str, Any]:
        """The same as plain values."""
        return {
            "read": self.read,
            "rows": self.rows,
            "requests": self.requests,
            "seconds": round(self.seconds, 3),
            "throttled_seconds": round(self.throttled_s, 3),
            "complete": self.certificate.complete,
            "unread": self.certificate.unread,
            "unread_neighbours": list(self.certificate.neighbours),
            "destination": self.target.destination,
            "location": self.target.location,
            "dataset": self.target.dataset,
            "table": self.table,
            "query": self.query,
        }


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of a check: ``ok`` is None where a fact is neither good nor bad, False with an ``error``."""

    topic: str
    ok: bool | None
    text: str
    error: Exception | None = None


class _Outcome:
    """An observer that keeps the end of the walk and passes everything on."""

    def __init__(self, inner: Observer | None) -> None:
        self._inner = inner
        self.certificate: Certificate | None = None
        self.stats = ClientStats()

    def expecting(self, customers: int | None) -> None:
        if self._inner:
            self._inner.expecting(customers)

    def read(self, customers: int) -> None:
        if self._inner:
            self._inner.read(customers)

    def ended(self, certificate: Certificate, stats: ClientStats) -> None:
        self.certificate, self.stats = certificate, stats
        if self._inner:
            self._inner.ended(certificate, stats)


def load(
    target: Target, *, pipelines_dir: Path | None = None, observer: Observer | None = None, **options: Any
) -> LoadResult:
    """Read every customer and merge them into the destination.

    Args:
        target: where to.
        pipelines_dir: the folder of dlt's working files; None takes dlt's default.
        observer: is told how it gets on.
        options: arguments of :func:`~dub_source.source.dub`; others come from dlt's configuration.

    Raises:
        DubError: for everything that a person can do something about.
    """
    began = time.monotonic()
    outcome = _Outcome(observer)
    destination, strategy = open_destination(target)
    given = {name: value for name, value in options.items() if value is not None}
    source = dub(observer=outcome, merge_strategy=strategy, **given)
    pipeline = dlt.pipeline(
        pipeline_name=f"dub_source_{target.destination}_{target.dataset}",
        destination=destination,
        dataset_name=target.dataset,
        pipelines_dir=str(pipelines_dir) if pipelines_dir else get_dlt_pipelines_dir(),
    )
    # The working folder holds rows about people while they are on their way.
    Path(pipeline.working_dir).chmod(0o700)
    dlt.config["load.delete_completed_jobs"] = True
    # Without this the staging dataset keeps a second copy of all rows after the merge.
    dlt.config["load.truncate_staging_dataset"] = True
    # dlt would load a package that an interrupted run left behind, instead of this one.
    pipeline.abort_packages()
    pipeline.run(source)
    if outcome.certificate is None:
        raise DubError("The load ended without having read the customers; please report it.")
    table = source.resources[CUSTOMERS].table_name
    return LoadResult(
        read=outcome.certificate.rows,
        rows=_count_rows(pipeline, str(table)),
        requests=outcome.stats.requests,
        seconds=time.monotonic() - began,
        throttled_s=outcome.stats.throttled_s,
        certificate=outcome.certificate,
        target=target,
        table=str(table),
    )


def check(*, base_url: str | None = None) -> Iterator[Finding]:
    """Look at key, reachability, plan, role and limit, one finding after the other; changes nothing.

    Ends with the first finding that is bad, because the rest cannot be looked at then.
    """
    try:
        yield from _findings(base_url)
    except ConfigurationException as error:
        yield Finding("settings", False, explain(error).sentence, error)
    except DubError as error:
        yield Finding(_TOPICS.get(type(error), "reachability"), False, str(error), error)


_TOPICS: dict[type[DubError], str] = {
    SettingsError: "settings",
    Unauthorized: "key",
    WorkspaceNotFound: "key",
    PlanTooLow: "plan",
    RoleTooLow: "role",
    RateLimited: "limit",
}


def _findings(base_url: str | None) -> Iterator[Finding]:
    settings = configured_settings() if base_url is None else configured_settings(base_url=base_url)
    with DubClient(settings) as client:
        info = client.probe()
        yield Finding("reachability", True, f"{settings.base_url} answers in {info.latency_s * 1000:.0f} ms")
        yield Finding("key", True, "Dub knows it")
        yield Finding("plan", True, "includes the customers API")
        if client.can_write():
            yield Finding("role", True, "may read and write")
        else:
            yield Finding("role", None, "may read, but not write: enough for loads, not for changes in Dub")
        if info.limit is None:
            yield Finding("limit", None, "Dub does not say how many requests the key may send")
        else:
            yield Finding("limit", True, f"{info.limit:,} requests a minute, {info.remaining or 0:,} left")


def _count_rows(pipeline: Any, table: str) -> int:
    with pipeline.sql_client() as client:
        name = client.make_qualified_table_name(table)
        rows = client.execute_sql(f"SELECT count(*) FROM {name}")  # noqa: S608 - the name is quoted by dlt
        return int(rows[0][0])
