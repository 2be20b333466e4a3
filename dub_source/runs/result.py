"""What a load did: told meanwhile, and afterwards."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dub_source import telemetry
from dub_source.destinations import Target
from dub_source.failures import ExitCode
from dub_source.sync import Observer, Report


@dataclass(frozen=True, slots=True)
class LoadResult:
    """What a load did.

    Attributes:
        report: what the run found.
        rows: customers in the table afterwards, deleted ones included.
        seconds: duration of the whole load.
        target: where they are.
    """

    report: Report
    rows: int
    seconds: float
    target: Target

    @property
    def exit_code(self) -> ExitCode:
        """What a process ends with."""
        return ExitCode.OK if self.report.complete else ExitCode.INCOMPLETE

    @property
    def query(self) -> str:
        """A first query to try."""
        # Shown to people, never run.
        return (
            "SELECT country, count(*) AS customers, sum(sale_amount) / 100 AS revenue "  # noqa: S608
            f"FROM {self.target.dataset}.{self.report.table} WHERE deleted_at IS NULL "
            "GROUP BY country ORDER BY revenue DESC LIMIT 10"
        )

    def measured(self) -> telemetry.Measured:
        """What spans and counters are told."""
        report = self.report
        return telemetry.Measured(
            {
                "dub_source.mode": report.decision.kind,
                "dub_source.certified": bool(report.certified),
                "dub_source.requests": report.stats.requests,
                "dub_source.throttled_s": report.stats.throttled_s,
            },
            counter="dub_source.customers",
            by="dub_source.change",
            numbers={
                "read": report.read,
                "created": report.created,
                "updated": report.updated,
                "deleted": report.deleted,
                "refreshed": report.refreshed,
            },
        )

    def as_json(self) -> dict[str, Any]:
        """The same as plain values."""
        report = self.report
        certificate = report.certificate
        return {
            "mode": report.decision.kind,
            "reason": report.decision.reason,
            "read": report.read,
            "created": report.created,
            "updated": report.updated,
            "deleted": report.deleted,
            "refreshed": report.refreshed,
            "rows": self.rows,
            "requests": report.stats.requests,
            "seconds": round(self.seconds, 3),
            "throttled_seconds": round(report.stats.throttled_s, 3),
            "complete": report.complete,
            "certified": report.certified,
            "unread": report.left_out,
            "unread_neighbours": [] if certificate is None else list(certificate.neighbours),
            "refused": [{"id": each, "column": column} for each, column in report.refused.items()],
            "resumed": report.resumed,
            "run_id": report.run_id,
            **self.target.as_json(),
            "table": report.table,
            "query": self.query,
        }


class Outcome:
    """An observer that keeps what a run reports, and passes everything on to another one.

    ``report`` is None until a run begins; then ``when_begun`` is called. ``when_read`` is called when all
    have been read, and what the destination lacks is about to be found.
    """

    def __init__(self, inner: Observer | None = None) -> None:
        self._inner = inner
        self.report: Report | None = None
        self.when_begun: Callable[[], object] = lambda: None
        self.when_read: Callable[[], object] = lambda: None

    def begins(self, report: Report) -> None:
        """See :class:`~dub_source.sync.Observer`."""
        self.report = report
        self.when_begun()
        if self._inner:
            self._inner.begins(report)

    def expecting(self, customers: int | None) -> None:
        """See :class:`~dub_source.sync.Observer`."""
        if self._inner:
            self._inner.expecting(customers)

    def read(self, customers: int) -> None:
        """See :class:`~dub_source.sync.Observer`."""
        if self._inner:
            self._inner.read(customers)

    def ended(self) -> None:
        """See :class:`~dub_source.sync.Observer`."""
        if self._inner:
            self._inner.ended()
        self.when_read()
