"""What a load did: told meanwhile, and afterwards."""

from dataclasses import dataclass
from typing import Any

from dub_source.destinations import Target
from dub_source.observer import Observer
from dub_source.source import CUSTOMERS
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


class Outcome:
    """An observer that keeps the end of the walk, and passes everything on to another one.

    ``certificate`` is None until everything was read.
    """

    def __init__(self, inner: Observer | None = None) -> None:
        self._inner = inner
        self.certificate: Certificate | None = None
        self.stats = ClientStats()

    def expecting(self, customers: int | None) -> None:
        """See :class:`~dub_source.observer.Observer`."""
        if self._inner:
            self._inner.expecting(customers)

    def read(self, customers: int) -> None:
        """See :class:`~dub_source.observer.Observer`."""
        if self._inner:
            self._inner.read(customers)

    def ended(self, certificate: Certificate, stats: ClientStats) -> None:
        """See :class:`~dub_source.observer.Observer`."""
        self.certificate, self.stats = certificate, stats
        if self._inner:
            self._inner.ended(certificate, stats)
