"""``DubClient``: Dub's customers API as methods."""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Literal, Self

from dub_source.client import key, routes, sales
from dub_source.client.caller import Caller, is_json_list, is_page, is_row
from dub_source.client.rate_limit import RateLimiter
from dub_source.client.retry import Operation, RetryPolicy
from dub_source.client.sales import SalesPage
from dub_source.deadline import Deadline
from dub_source.settings import Settings
from dub_source.types import ClientStats, Customer, KeyInfo, Page

__all__ = ["DubClient", "SortBy", "SortOrder"]

SortBy = Literal["createdAt", "saleAmount", "firstSaleAt", "subscriptionCanceledAt"]
SortOrder = Literal["asc", "desc"]


class DubClient:
    """A client of one workspace. Thread-safe; a context manager that closes its connections.

    Every method raises the errors of ``dub_source.errors``. ``retry`` replaces the client's policy for one
    call, ``timeout`` the read timeout (seconds, for each attempt). ``customer_id`` is Dub's id, or
    ``external(...)``.

    ``limiter`` is to be shared by all clients that use the same key in this process; None makes one of its
    own. ``clock`` gives epoch seconds, ``sleep`` takes seconds. After ``deadline`` every call raises
    OutOfTime instead of sending a request or waiting for a place.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        retry: RetryPolicy | None = None,
        limiter: RateLimiter | None = None,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
        deadline: Deadline | None = None,
    ) -> None:
        self._caller = Caller(
            settings,
            retry=retry or RetryPolicy(),
            limiter=limiter,
            clock=clock,
            sleep=sleep,
            deadline=deadline or Deadline(),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections. A call after this opens new ones."""
        self._caller.close()

    @property
    def limiter(self) -> RateLimiter:
        """The rate limiter, to be handed to other clients with the same key."""
        return self._caller.limiter

    @property
    def round_trip_s(self) -> float | None:
        """Seconds of the fastest request so far; None before the first answer."""
        return self._caller.round_trip_s

    @property
    def stats(self) -> ClientStats:
        """The counters of this moment."""
        return self._caller.stats()

    def list(
        self,
        *,
        starting_after: str | None = None,
        ending_before: str | None = None,
        sort_by: SortBy | None = None,
        sort_order: SortOrder | None = None,
        page: int | None = None,
        page_size: int | None = None,
        include_expanded_fields: bool | None = None,
        customer_ids: Sequence[str] | None = None,
        email: str | None = None,
        external_id: str | None = None,
        search: str | None = None,
        country: str | None = None,
        link_id: str | None = None,
        partner_id: str | None = None,
        program_id: str | None = None,
        retry: RetryPolicy | None = None,
        timeout: float | None = None,
    ) -> Page:
        """One page of customers (Dub's default is 100, its maximum too).

        With a cursor (``starting_after``, ``ending_before``: Dub's ids) the order is by id, without one by
        ``sort_by`` (createdAt): a page without a cursor is **not** the first page of a walk by cursor.
        Raises InvalidCursor when the cursor's customer is gone, UnreadableRow when a customer without
        external id spoils the page.
        """
        query = routes.query_string(
            {
                "startingAfter": routes.text("starting_after", starting_after),
                "endingBefore": routes.text("ending_before", ending_before),
                "sortBy": sort_by,
                "sortOrder": sort_order,
                "page": routes.page_number(page),
                "pageSize": routes.page_size(page_size),
                "includeExpandedFields": include_expanded_fields,
                "customerIds": routes.customer_ids(customer_ids),
                "email": routes.text("email", email),
                "externalId": routes.text("external_id", external_id),
                "search": routes.text("search", search),
                "country": routes.text("country", country),
                "linkId": routes.text("link_id", link_id),
                "partnerId": routes.text("partner_id", partner_id),
                "programId": routes.text("program_id", program_id),
            }
        )
        reply = self._caller.call(
            Operation.READ,
            routes.CUSTOMERS,
            routes.CUSTOMERS + query,
            check=is_page,
            retry=retry,
            timeout=timeout,
        )
        return Page(customers=reply.value, requested_at=datetime.fromtimestamp(reply.answer.started_at, UTC))

    def get(
        self,
        customer_id: str,
        *,
        include_expanded_fields: bool | None = None,
        retry: RetryPolicy | None = None,
        timeout: float | None = None,
    ) -> Customer:
        """One customer. Raises CustomerNotFound."""
        target = routes.customer_path(customer_id) + _expanded(include_expanded_fields)
        return self._customer(Operation.READ, routes.CUSTOMER, target, None, retry, timeout)

    def create(
        self, body: Mapping[str, Any], *, retry: RetryPolicy | None = None, timeout: float | None = None
    ) -> Customer:
        """Create a customer (Dub needs ``externalId`` and ``country``); the new customer. Raises Conflict.

        Never repeated once the request may have been sent: an error with ``may_have_committed`` means look,
        then act.
        """
        return self._customer(
            Operation.CREATE, routes.CUSTOMERS, routes.CUSTOMERS, routes.json_body(body), retry, timeout
        )

    def update(
        self,
        customer_id: str,
        body: Mapping[str, Any],
        *,
        include_expanded_fields: bool | None = None,
        retry: RetryPolicy | None = None,
        timeout: float | None = None,
    ) -> Customer:
        """Change a customer; the whole customer as it is afterwards.

        Compare that with what was asked: Dub answers 200 to changes that it ignores (``country``, unknown
        fields). Raises CustomerNotFound, Conflict, Unprocessable; UnreadableRow although the change is in
        effect.
        """
        target = routes.customer_path(customer_id) + _expanded(include_expanded_fields)
        return self._customer(
            Operation.UPDATE, routes.CUSTOMER, target, routes.json_body(body), retry, timeout
        )

    def delete(
        self, customer_id: str, *, retry: RetryPolicy | None = None, timeout: float | None = None
    ) -> str:
        """Delete a customer for good; its id as Dub reports it. Raises CustomerNotFound.

        Delete by id: only that is repeated after a timeout. CustomerNotFound with ``may_have_committed``
        means that an earlier attempt of this very call has probably deleted it.
        """
        path = routes.customer_path(customer_id)
        reply = self._caller.call(
            routes.delete_operation(customer_id),
            routes.CUSTOMER,
            path,
            check=is_row,
            retry=retry,
            timeout=timeout,
        )
        deleted: str = reply.value["id"]
        return deleted

    def count(
        self,
        *,
        email: str | None = None,
        external_id: str | None = None,
        search: str | None = None,
        country: str | None = None,
        link_id: str | None = None,
        partner_id: str | None = None,
        program_id: str | None = None,
        retry: RetryPolicy | None = None,
        timeout: float | None = None,
    ) -> int:
        """The number of customers. Not in Dub's reference: use it when it answers, never depend on it."""
        query = routes.count_query(None, email, external_id, search, country, link_id, partner_id, program_id)
        reply = self._caller.call(
            Operation.READ, routes.COUNT, routes.COUNT + query, check=_is_count, retry=retry, timeout=timeout
        )
        total: int = reply.value
        return total

    def count_by(
        self,
        group_by: str,
        *,
        email: str | None = None,
        external_id: str | None = None,
        search: str | None = None,
        country: str | None = None,
        link_id: str | None = None,
        partner_id: str | None = None,
        program_id: str | None = None,
        retry: RetryPolicy | None = None,
        timeout: float | None = None,
    ) -> Sequence[dict[str, Any]]:
        """Numbers of customers by ``group_by`` (``country``, ...), as Dub words the rows; see ``count``."""
        query = routes.count_query(
            group_by, email, external_id, search, country, link_id, partner_id, program_id
        )
        return self._rows(routes.COUNT, query, retry, timeout)

    def sale_events(
        self,
        *,
        since: datetime | None = None,
        page: int | None = None,
        limit: int | None = None,
        retry: RetryPolicy | None = None,
        timeout: float | None = None,
    ) -> SalesPage:
        """A page of the sales that Dub's analytics know of, newest first: whose they were and when.

        ``since`` needs a time zone; ``limit`` is 1 to 1,000 (Dub's default is 100). Deleted customers are
        among them; sales through a link that is gone are missing, so that a page may be short although
        there are more. Raises PlanTooLow and Forbidden where the key may not read analytics.
        """
        query = sales.events_query(since, page, limit)
        return sales.page_of_events(self._rows(sales.EVENTS, query, retry, timeout))

    def commissions(
        self,
        *,
        since: datetime | None = None,
        page: int | None = None,
        page_size: int | None = None,
        retry: RetryPolicy | None = None,
        timeout: float | None = None,
    ) -> SalesPage:
        """A page of the sales that earned a partner something, newest first: whose they were and when.

        ``since`` needs a time zone. Raises NotFound where the workspace has no partner program.
        """
        query = sales.commissions_query(since, page, page_size)
        return sales.page_of_commissions(self._rows(sales.COMMISSIONS, query, retry, timeout))

    def probe(self, *, retry: RetryPolicy | None = None, timeout: float | None = None) -> KeyInfo:
        """Learn the key's rate limit with one cheap request that fails on purpose.

        Raises the errors about key, plan, role and workspace as every other call does. Often the very first
        request: unless told otherwise it gives up after three attempts, for a wrong address does not get
        better.
        """
        return key.limits(self._caller, retry, timeout)

    def can_write(self, *, retry: RetryPolicy | None = None, timeout: float | None = None) -> bool:
        """Whether the owner of this key may change customers; changes nothing."""
        return key.may_write(self._caller, retry, timeout)

    def _rows(
        self, route: str, query: str, retry: RetryPolicy | None, timeout: float | None
    ) -> Sequence[dict[str, Any]]:
        reply = self._caller.call(
            Operation.READ, route, route + query, check=is_json_list, retry=retry, timeout=timeout
        )
        rows: Sequence[dict[str, Any]] = reply.value
        return rows

    def _customer(
        self,
        operation: Operation,
        route: str,
        target: str,
        body: bytes | None,
        retry: RetryPolicy | None,
        timeout: float | None,
    ) -> Customer:
        reply = self._caller.call(
            operation, route, target, body=body, check=is_row, retry=retry, timeout=timeout
        )
        customer: Customer = reply.value
        return customer


def _expanded(include: bool | None) -> str:
    return routes.query_string({"includeExpandedFields": include})


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
