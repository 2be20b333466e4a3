"""Values that travel between modules. No behaviour, no imports from the package."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

Customer: TypeAlias = dict[str, Any]
"""One customer as it stands on the wire (camelCase keys, unknown keys kept): ``id, name, email, avatar,
externalId, stripeCustomerId, country, sales, saleAmount (cents), createdAt, firstSaleAt,
subscriptionCanceledAt`` and, when expanded, ``link, programId, partner, discount``."""


@dataclass(frozen=True, slots=True)
class Page:
    """One answer of the list endpoint.

    ``requested_at`` is the start (UTC) of the request that was answered, not of the first attempt and
    not the time of the answer: whatever changed after it may be missing from ``customers``.
    """

    # Rows hold names and addresses: a page that is printed by accident shows none of them.
    customers: list[Customer] = field(repr=False)
    requested_at: datetime


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """What one cheap request tells about a key.

    ``limit`` and ``remaining`` are requests per window (None when the server sent no such header),
    ``latency_s`` is the round trip in seconds, ``server_offset_s`` is server clock minus ours in seconds
    (None when the server sent no date; known to about a second after a single request).
    """

    limit: int | None
    remaining: int | None
    latency_s: float
    server_offset_s: float | None


@dataclass(frozen=True, slots=True)
class ClientStats:
    """Counters of one client at one moment.

    ``requests`` counts everything sent, retries included; ``retries`` the sends after the first of a call;
    ``throttled_s`` the seconds that all threads together waited for the rate limiter;
    ``statuses`` the answers by HTTP status (an attempt without an answer counts under 0).
    """

    requests: int = 0
    retries: int = 0
    throttled_s: float = 0.0
    statuses: dict[int, int] = field(default_factory=dict)
