"""Sales, from Dub's analytics and its partner program: whose they were and when, and nothing else.

The answers are full of people (names, addresses, places, IP addresses). What is read here keeps Dub's id of
the customer and a time, and drops the rest at once, so that nothing else can get anywhere.

``end`` is never sent: Dub takes it for the end of its day [its source], so it bounds nothing exactly.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from dub_source.client import routes
from dub_source.errors import InvalidArgument

EVENTS = "/events"
COMMISSIONS = "/commissions"
MOST_EVENTS = 1000
"""The largest ``limit`` of the events, says Dub's OpenAPI document."""

_CUSTOMER_ID = re.compile(r"[0-9A-Za-z_-]{1,100}")
"""What Dub's ids look like. Others (a comma would split one into two) must not travel on as ids."""


@dataclass(frozen=True, slots=True)
class Sale:
    """A sale to a customer of Dub: ``customer_id`` is Dub's, ``at`` has the zone UTC."""

    customer_id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class SalesPage:
    """One answer, in its order. ``rows`` counts also those that name no customer or no time."""

    sales: tuple[Sale, ...] = field(repr=False)
    rows: int


def events_query(since: datetime | None, page: int | None, limit: int | None) -> str:
    """The query of the events."""
    if limit is not None and not 1 <= limit <= MOST_EVENTS:
        raise InvalidArgument(
            f"limit must be a whole number from 1 to {MOST_EVENTS}, which is what Dub allows: correct it."
        )
    return routes.query_string(
        {
            "event": "sales",
            "start": _moment(since),
            "interval": "all" if since is None else None,
            "sortOrder": "desc",
            "page": routes.page_number(page),
            "limit": limit,
        }
    )


def commissions_query(since: datetime | None, page: int | None, page_size: int | None) -> str:
    """The query of the commissions."""
    return routes.query_string(
        {
            # Without a type Dub leaves out duplicates and frauds, behind which there is a sale as well [its
            # source].
            "type": "sale",
            "start": _moment(since),
            # By page, not by cursor: with a cursor the order is by id, as with customers.
            "sortBy": "createdAt",
            "sortOrder": "desc",
            "page": routes.page_number(page),
            "pageSize": routes.page_size(page_size),
        }
    )


def page_of_events(rows: Sequence[dict[str, Any]]) -> SalesPage:
    """What an answer of the events tells."""
    return _page(rows, "timestamp")


def page_of_commissions(rows: Sequence[dict[str, Any]]) -> SalesPage:
    """What an answer of the commissions tells; the customer of some is null: deleted, or none ever."""
    return _page(rows, "createdAt")


def _page(rows: Sequence[dict[str, Any]], time_field: str) -> SalesPage:
    sales = (_sale(row.get("customer"), row.get(time_field)) for row in rows)
    return SalesPage(tuple(sale for sale in sales if sale is not None), len(rows))


def _sale(customer: Any, time: Any) -> Sale | None:
    customer_id = customer.get("id") if isinstance(customer, dict) else None
    if not isinstance(customer_id, str) or not _CUSTOMER_ID.fullmatch(customer_id):
        return None
    at = _time(time)
    return None if at is None else Sale(customer_id, at)


def _time(text: Any) -> datetime | None:
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _moment(since: datetime | None) -> str | None:
    if since is None:
        return None
    if since.tzinfo is None:
        raise InvalidArgument("since must be a time with a time zone: add one.")
    return since.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
