"""What two of the benchmarks have in common: so much to do, behind a network."""

from dataclasses import dataclass
from typing import ClassVar

_WINDOW_S = 60.0


@dataclass(frozen=True, slots=True)
class LimitedCase:
    """So much to do, behind a network.

    Attributes:
        number: how many of ``unit``, at least 100.
        latency_ms: of every answer.
        rate_limit: requests a minute; 0: no limit.
        unit: what there are so many of, in the plural.
        a_request: how many of them one request is enough for.
    """

    number: int
    latency_ms: int = 0
    rate_limit: int = 0

    unit: ClassVar[str]
    a_request: ClassVar[int]

    @property
    def limit_s(self) -> float:
        """Seconds that the rate limit alone makes of it, at least.

        The first requests, as many as the limit, may be made at once; the window slides from then on.
        """
        requests = -(-self.number // self.a_request)
        return max(0, requests - self.rate_limit) / self.rate_limit * _WINDOW_S if self.rate_limit else 0.0

    @property
    def name(self) -> str:
        """For files."""
        limit = f"-{self.rate_limit}rpm" if self.rate_limit else ""
        return f"{self.number}-{self.latency_ms}ms{limit}"

    def __str__(self) -> str:
        limit = f"{self.rate_limit:,} requests a minute" if self.rate_limit else "no rate limit"
        return f"{self.number:,} {self.unit}, {self.latency_ms} ms, {limit}"
