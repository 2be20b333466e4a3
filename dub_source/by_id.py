"""Reading customers again by their ids, and learning what became of those that do not come."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from dub_source.client import DubClient
from dub_source.errors import ApiError, CustomerNotFound, InvalidResponse, RateLimited, UnreadableRow
from dub_source.types import Page

IDS_PER_REQUEST = 100


@dataclass(frozen=True, slots=True)
class Again:
    """What one request told: customers as they are now, and ids of others.

    ``gone``: Dub says that there is no such customer. ``unreadable``: there is, but Dub cannot show it
    (UnreadableRow).
    """

    page: Page
    gone: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()


class ById:
    """Reads customers by id, up to 100 a request where Dub answers the undocumented ``customerIds``.

    Where it does not, that is remembered, and every customer costs a request. Being absent from an answer
    proves nothing: the absent ones are asked for one by one. A customer that spoils the answer for others is
    found by halving. Can be shared by threads.

    ``clock`` gives epoch seconds.
    """

    def __init__(
        self,
        client: DubClient,
        *,
        include_expanded_fields: bool | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._client = client
        self._expanded = include_expanded_fields
        self._clock = clock
        self._together = True

    @property
    def together(self) -> bool:
        """Whether several customers are read by one request, as far as is known."""
        return self._together

    def read(self, ids: Sequence[str]) -> Iterator[Again]:
        """Each of the customers once, found, gone or unreadable; in no particular order.

        Args:
            ids: as Dub prints them.

        Raises:
            RequestError: what concerns more than these customers (key, network, rate limit).
        """
        unique = list(dict.fromkeys(ids))
        for start in range(0, len(unique), IDS_PER_REQUEST):
            yield from self._some(unique[start : start + IDS_PER_REQUEST])

    def _some(self, ids: list[str]) -> Iterator[Again]:
        page = self._page(ids) if self._together else None
        if isinstance(page, UnreadableRow) and len(ids) > 1:
            yield from self._some(ids[: len(ids) // 2])
            yield from self._some(ids[len(ids) // 2 :])
            return
        found = set()
        if isinstance(page, Page):
            yield Again(page)
            found = {customer["id"] for customer in page.customers}
        for customer_id in ids:
            if customer_id not in found:
                alone = self._one(customer_id)
                if not found and alone.page.customers:
                    # Nobody came together, and this one did alone.
                    self._together = False
                yield alone

    def _page(self, ids: list[str]) -> Page | UnreadableRow | None:
        """The customers; None, and never asked again, if Dub does not answer such requests."""
        try:
            page = self._client.list(
                customer_ids=ids, page_size=IDS_PER_REQUEST, include_expanded_fields=self._expanded
            )
        except RateLimited:
            raise
        except UnreadableRow as error:
            return error
        except (ApiError, InvalidResponse):
            # Whatever it is: if more is wrong than this parameter, the next request will say so.
            page = None
        wanted = set(ids)
        if page is None or any(customer["id"] not in wanted for customer in page.customers):
            self._together = False
            return None
        return page

    def _one(self, customer_id: str) -> Again:
        started = datetime.fromtimestamp(self._clock(), UTC)
        try:
            customer = self._client.get(customer_id, include_expanded_fields=self._expanded)
        except CustomerNotFound:
            return Again(Page([], started), gone=(customer_id,))
        except UnreadableRow:
            return Again(Page([], started), unreadable=(customer_id,))
        return Again(Page([customer], started))
