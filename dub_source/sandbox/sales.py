"""GET /events and GET /commissions: the sales that :meth:`Sandbox.record_sale` records, as Dub tells of them.

There are no recordings of these two routes. This follows Dub's OpenAPI document and its open-source server:

- the shape of sales and commissions, their order (newest first), pages and window of time; who may read them;
- a customer in an event is shown with few of its fields, a deleted one by a stand-in, and as null in a
  commission; an event whose link is gone is left out of its page;
- a commission is a sale of a customer with a partner; a customer without externalId spoils its whole page;
- leads are the customers that have a link, at the time of their creation.

Not imitated: clicks (there are none), filters other than ``customerId``, dates in words, time zones,
metadata, statuses other than pending, quotas and scopes of keys. Where the sandbox has no data (devices,
places, most of a link), an event holds a fixed value or nothing.
"""

import random
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from dub_source.sandbox import ids
from dub_source.sandbox.model import Customer, iso, json_number
from dub_source.sandbox.names import random_name
from dub_source.sandbox.operations import Answer, Call
from dub_source.sandbox.problems import Problem, invalid
from dub_source.sandbox.sales_queries import CommissionsQuery, EventsQuery, commissions_query, events_query
from dub_source.sandbox.store import Store

_AVATAR = "https://api.dub.co/og/avatar/"
_NO_LINK = {"id": "link_sandbox", "domain": "sandbox.test", "key": "", "url": "https://sandbox.test/"}
_CLICK: dict[str, Any] = {
    "url": "https://sandbox.test/",
    "continent": "EU",
    "country": "DE",
    "city": "Berlin",
    "region": "DE-BE",
    "device": "Desktop",
    "browser": "Chrome",
    "os": "Linux",
    "trigger": "link",
    "referer": "(direct)",
    "refererUrl": "(direct)",
    "ip": "192.0.2.1",
}


@dataclass(frozen=True, slots=True)
class Sale:
    """One sale; ``commission_id`` is set if the customer had a partner then. Cents, and ms since 1970."""

    at_ms: int
    amount: int
    customer_id: str
    link_id: str | None
    program_id: str | None
    partner_id: str | None
    event_id: str
    commission_id: str | None


@dataclass(frozen=True, slots=True)
class _Event:
    at_ms: int
    event_id: str
    customer_id: str
    link_id: str | None
    sale: Sale | None


class SalesBook:
    """The recorded sales of all workspaces, oldest first. Not thread-safe, as the store."""

    def __init__(self) -> None:
        self._sales: dict[str, list[Sale]] = {}

    def add(self, row: Customer, amount: int, at_ms: int, source: random.Random) -> None:
        """Write down a sale; the customer's own row is not changed."""
        has_partner = row.partner_id is not None and row.program_id is not None
        sale = Sale(
            at_ms=at_ms,
            amount=amount,
            customer_id=row.id,
            link_id=row.link_id,
            program_id=row.program_id,
            partner_id=row.partner_id,
            event_id=ids.token(source, 16),
            commission_id=ids.ulid(at_ms, source).replace("cus_", "cm_") if has_partner else None,
        )
        insort(self._sales.setdefault(row.workspace_id, []), sale, key=lambda each: each.at_ms)

    def between(self, workspace_id: str, start_ms: int, end_ms: int) -> list[Sale]:
        """The sales from one moment to another, both included, oldest first."""
        sales = self._sales.get(workspace_id, [])
        first = bisect_left(sales, start_ms, key=lambda each: each.at_ms)
        return sales[first : bisect_right(sales, end_ms, key=lambda each: each.at_ms)]


class SalesOperations:
    """What the two routes do. ``clock`` gives seconds since 1970; ``source`` decides random names."""

    def __init__(
        self, store: Store, book: SalesBook, source: random.Random, clock: Callable[[], float]
    ) -> None:
        self._store = store
        self._book = book
        self._random = source
        self._clock = clock

    def events(self, call: Call) -> Answer:
        """GET /events."""
        query = events_query(call.parameters, int(self._clock() * 1000))
        events = self._events(call.workspace.id, query)
        if query.customer_id is not None:
            events = [event for event in events if event.customer_id == query.customer_id]
        if query.descending:
            events.reverse()
        page = events[(query.page - 1) * query.limit : query.page * query.limit]
        shown = (self._event(call.workspace.id, event) for event in page)
        return Answer(200, orjson.dumps([event for event in shown if event is not None]))

    def commissions(self, call: Call) -> Answer:
        """GET /commissions."""
        program_id = call.workspace.default_program_id
        if program_id is None:
            raise Problem("not_found", "Program not found")
        query = commissions_query(call.parameters, int(self._clock() * 1000))
        sales = [
            sale
            for sale in self._book.between(call.workspace.id, query.start_ms, query.end_ms)
            if sale.commission_id is not None
            and sale.program_id == program_id
            and query.sales_wanted
            and query.status in (None, "pending")
            and query.customer_id in (None, sale.customer_id)
        ]
        page = _page(sales, query)
        return Answer(
            200,
            orjson.dumps(
                [self._commission(call.workspace.id, number, sale) for number, sale in enumerate(page)]
            ),
        )

    def _events(self, workspace_id: str, query: EventsQuery) -> list[_Event]:
        """Those in the window, oldest first."""
        if query.event == "sales":
            sales = self._book.between(workspace_id, query.start_ms, query.end_ms)
            return [_Event(sale.at_ms, sale.event_id, sale.customer_id, sale.link_id, sale) for sale in sales]
        if query.event == "clicks":
            return []
        rows = self._store.tables[workspace_id].ordered("createdAt")
        first = bisect_left(rows, query.start_ms, key=lambda row: row.created_ms)
        last = bisect_right(rows, query.end_ms, key=lambda row: row.created_ms)
        return [
            _Event(row.created_ms, f"lead{row.id[-12:]}", row.id, row.link_id, None)
            for row in rows[first:last]
            if row.link_id is not None
        ]

    def _event(self, workspace_id: str, event: _Event) -> dict[str, Any] | None:
        link = _NO_LINK if event.link_id is None else self._store.dataset.links.get(event.link_id)
        if link is None:
            return None
        click = {"id": f"click{event.event_id}", "timestamp": iso(event.at_ms), "qr": False, **_CLICK}
        shown = {
            "event": "lead" if event.sale is None else "sale",
            "timestamp": iso(event.at_ms),
            "eventId": event.event_id,
            "eventName": "Sign up" if event.sale is None else "Purchase",
            "link": link,
            "click": click,
            "customer": self._customer_of_event(workspace_id, event.customer_id),
        }
        if event.sale is not None:
            shown |= _sale_fields(event.sale)
        # What Dub calls deprecated: the click and the link once more, flat.
        flat = {
            name: _CLICK[name] for name in ("continent", "country", "city", "device", "browser", "os", "ip")
        }
        names = ("domain", "key", "url")
        flat |= {"click_id": click["id"], "link_id": link["id"], "qr": 0} | {
            name: link[name] for name in names
        }
        return shown | flat

    def _customer_of_event(self, workspace_id: str, customer_id: str) -> dict[str, Any]:
        row = self._store.find(workspace_id, customer_id)
        if row is None:
            return {
                "id": customer_id,
                "name": "Deleted Customer",
                "email": "deleted@customer.com",
                "avatar": _AVATAR + customer_id,
                "externalId": customer_id,
                "createdAt": iso(0),
            }
        return {
            "id": row.id,
            "name": row.name or row.email or random_name(self._random),
            "email": row.email or "",
            "avatar": row.avatar or _AVATAR + row.id,
            "externalId": row.external_id or "",
            "country": row.country or "",
            "createdAt": iso(row.created_ms),
        }

    def _commission(self, workspace_id: str, position: int, sale: Sale) -> dict[str, Any]:
        row = self._store.find(workspace_id, sale.customer_id)
        if row is not None and row.external_id is None:
            raise invalid(
                f"invalid_type: [{position}].customer.externalId: "
                "Invalid input: expected string, received null"
            )
        partner = {"payoutsEnabledAt": None, "country": None, "groupId": None}
        return {
            "id": sale.commission_id,
            "type": "sale",
            "amount": json_number(sale.amount),
            "earnings": json_number(max(1, sale.amount // 5)),
            "currency": "usd",
            "status": "pending",
            "invoiceId": None,
            "description": None,
            "quantity": 1,
            "userId": None,
            "createdAt": iso(sale.at_ms),
            "updatedAt": iso(sale.at_ms),
            "paidAt": None,
            "partner": self._store.dataset.partners.get(sale.partner_id or "", {}) | partner,
            "customer": None if row is None else row.as_json(self._random),
        }


def _page(sales: Sequence[Sale], query: CommissionsQuery) -> Sequence[Sale]:
    """One page. As with customers, the order is by id as soon as there is a cursor."""
    cursor = query.starting_after or query.ending_before
    if cursor is None:
        keys: dict[str, Callable[[Sale], int]] = {
            "createdAt": lambda sale: sale.at_ms,
            "amount": lambda sale: sale.amount,
        }
        ordered = sorted(sales, key=keys[query.sort_by], reverse=query.descending)
        start = (query.page - 1) * query.page_size
        return ordered[start : start + query.page_size]
    ordered = sorted(sales, key=lambda sale: sale.commission_id or "", reverse=query.descending)
    position = next((n for n, sale in enumerate(ordered) if sale.commission_id == cursor), None)
    if position is None:
        raise invalid("Invalid cursor: the provided ID does not exist.")
    if query.starting_after:
        return ordered[position + 1 : position + 1 + query.page_size]
    return ordered[max(0, position - query.page_size) : position]


def _sale_fields(sale: Sale) -> dict[str, Any]:
    amount = json_number(sale.amount)
    return {
        "sale": {"amount": amount, "invoiceId": None, "paymentProcessor": "custom", "currency": "usd"},
        "saleAmount": amount,
        "invoice_id": "",
        "payment_processor": "custom",
    }
