"""The query strings of GET /events and GET /commissions, as far as ``sales`` imitates them.

Of these two routes there are no recordings. What is refused follows the parameters in Dub's OpenAPI document;
the sentences are those that the customers' routes were recorded with.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from dub_source.sandbox.model import milliseconds
from dub_source.sandbox.problems import invalid
from dub_source.sandbox.validation import check_paging, integer, option

_EVENTS = ("clicks", "leads", "sales")
_EVENT_ORDERS = ("timestamp",)
_COMMISSION_ORDERS = ("createdAt", "amount")
_SORT_ORDERS = ("asc", "desc")
_STATUSES = ("pending", "processed", "paid", "refunded", "duplicate", "fraud", "canceled", "hold")
_INTERVALS = ("24h", "7d", "30d", "90d", "1y", "mtd", "qtd", "ytd", "all")
_DAYS = {"24h": 1, "7d": 7, "30d": 30, "90d": 90, "1y": 365}
_MOST_EVENTS = 1000
_MOST_COMMISSIONS = 100
_FEW = 100


@dataclass(frozen=True, slots=True)
class EventsQuery:
    """A checked query of GET /events; the times are milliseconds since 1970, both included."""

    event: str
    start_ms: int
    end_ms: int
    descending: bool
    page: int
    limit: int
    customer_id: str | None


@dataclass(frozen=True, slots=True)
class CommissionsQuery:
    """A checked query of GET /commissions; the times are milliseconds since 1970, both included."""

    sales_wanted: bool
    status: str | None
    start_ms: int
    end_ms: int
    sort_by: str
    descending: bool
    page: int
    page_size: int
    starting_after: str | None
    ending_before: str | None
    customer_id: str | None


def events_query(parameters: dict[str, str], now_ms: int) -> EventsQuery:
    """Check the parameters of GET /events.

    Raises:
        Problem: 422 with the first error.
    """
    event = option(parameters, "event", _EVENTS) or "clicks"
    start_ms, end_ms = _window(parameters, "24h", now_ms)
    page = integer(parameters, "page", "Page", None) or 1
    limit = integer(parameters, "limit", "Page size", _MOST_EVENTS) or _FEW
    sort_order = option(parameters, "sortOrder", _SORT_ORDERS) or "desc"
    option(parameters, "sortBy", _EVENT_ORDERS)
    old_order = option(parameters, "order", _SORT_ORDERS) or "desc"
    return EventsQuery(
        event=event,
        start_ms=start_ms,
        end_ms=end_ms,
        descending="asc" not in (sort_order, old_order),
        page=page,
        limit=limit,
        customer_id=parameters.get("customerId") or None,
    )


def commissions_query(parameters: dict[str, str], now_ms: int) -> CommissionsQuery:
    """Check the parameters of GET /commissions.

    Raises:
        Problem: 422 with the first error.
    """
    status = option(parameters, "status", _STATUSES)
    sort_by = option(parameters, "sortBy", _COMMISSION_ORDERS) or "createdAt"
    sort_order = option(parameters, "sortOrder", _SORT_ORDERS) or "desc"
    start_ms, end_ms = _window(parameters, "all", now_ms)
    page = integer(parameters, "page", "Page", None) or 0
    page_size = integer(parameters, "pageSize", "Page size", _MOST_COMMISSIONS) or _MOST_COMMISSIONS
    starting_after = parameters.get("startingAfter") or None
    ending_before = parameters.get("endingBefore") or None
    check_paging(sort_by=sort_by, starting_after=starting_after, ending_before=ending_before, page=page)
    return CommissionsQuery(
        sales_wanted=_wants_sales(parameters.get("type") or ""),
        status=status,
        start_ms=start_ms,
        end_ms=end_ms,
        sort_by=sort_by,
        descending=sort_order == "desc",
        page=page or 1,
        page_size=page_size,
        starting_after=starting_after,
        ending_before=ending_before,
        customer_id=parameters.get("customerId") or None,
    )


def _wants_sales(types: str) -> bool:
    """``sale``, ``lead,sale`` and ``-lead`` do; a type that Dub does not know matches nothing."""
    if not types:
        return True
    named = "sale" in types.removeprefix("-").split(",")
    return named != types.startswith("-")


def _window(parameters: dict[str, str], default: str, now_ms: int) -> tuple[int, int]:
    """From when to when. Without ``start``, ``end`` does not count; with it, it means the end of its day."""
    interval = option(parameters, "interval", _INTERVALS) or default
    start, end = _moment(parameters, "start"), _moment(parameters, "end")
    if start is None:
        return _start_of(interval, now_ms), now_ms
    day = datetime.fromtimestamp((now_ms if end is None else end) / 1000, UTC).date()
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
    last = round(midnight.timestamp() * 1000) - 1
    return min(start, last), max(start, last)


def _start_of(interval: str, now_ms: int) -> int:
    now = datetime.fromtimestamp(now_ms / 1000, UTC)
    if interval == "all":
        return 0
    if interval in _DAYS:
        start = now - timedelta(days=_DAYS[interval])
    else:
        first_month = {"mtd": now.month, "qtd": now.month - (now.month - 1) % 3, "ytd": 1}[interval]
        start = datetime(now.year, first_month, 1, tzinfo=UTC)
    return round(start.timestamp() * 1000)


def _moment(parameters: dict[str, str], name: str) -> int | None:
    try:
        return milliseconds(parameters.get(name))
    except (ValueError, OverflowError):
        raise invalid(f"custom: {name}: Invalid date") from None
