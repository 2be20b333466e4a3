"""Choosing the customers that a sweep begins with, so that its segments are of about one size."""

import random
from collections.abc import Iterator, Sequence

from dub_source.client import DubClient, SortBy, SortOrder
from dub_source.errors import Unprocessable, UnreadableRow
from dub_source.types import Page

_LAST_PAGE = 1_000
_LARGEST_PAGE = 100
_REACH = _LAST_PAGE * _LARGEST_PAGE
"""Dub's offset pages end here, counted from either end of an order."""
_DIRECTIONS: tuple[SortOrder, ...] = ("asc", "desc")
_BY_AGE: tuple[SortBy, ...] = ("createdAt",)
_ORDERS: tuple[SortBy, ...] = (
    "saleAmount",
    "firstSaleAt",
    "subscriptionCanceledAt",
)


def evenly(ids: Sequence[str], number: int) -> list[str]:
    """So many of the ids, evenly spaced."""
    number = min(number, len(ids))
    return [ids[(2 * position + 1) * len(ids) // (2 * number)] for position in range(number)]


class Sampler:
    """Single customers from all over the workspace, by their position in an order that is not the id's.

    Customers that are evenly spaced by age are about evenly spaced by id as well. Offset pages reach 100,000
    customers from the newest and the oldest; whoever is farther inside is looked for by revenue and dates.
    """

    def __init__(self, client: DubClient, *, include_expanded_fields: bool, random_seed: int = 0) -> None:
        self._client = client
        self._expanded = include_expanded_fields
        self._random = random.Random(random_seed)  # noqa: S311 - spreads requests, protects nothing

    def at(self, share: float, customers: int) -> Page | None:
        """The customer at a share (0 to 1) of the way from the newest to the oldest, as a page of one.

        None if there is none at that position, or if it cannot be read.
        """
        position = min(customers - 1, int(share * customers))
        from_the_end = customers - 1 - position
        if position < _REACH:
            return self._read("createdAt", "desc", position)
        if from_the_end < _REACH:
            return self._read("createdAt", "asc", from_the_end)
        return self.anywhere(customers)

    def anywhere(self, customers: int) -> Page | None:
        """Some customer; None as in :meth:`at`."""
        position = self._random.randrange(min(customers, _REACH))
        order = self._random.choice(_ORDERS if customers > 2 * _REACH else _BY_AGE)
        return self._read(order, self._random.choice(_DIRECTIONS), position)

    def _read(
        self,
        order: SortBy,
        direction: SortOrder,
        position: int,
    ) -> Page | None:
        """One customer; the smallest page that reaches so far is asked for, and its first row taken."""
        size = position // _LAST_PAGE + 1
        try:
            page = self._client.list(
                sort_by=order,
                sort_order=direction,
                page=position // size + 1,
                page_size=size,
                include_expanded_fields=self._expanded,
            )
        except UnreadableRow:
            return None
        return only(page, 0)


def living(client: DubClient, ids: Sequence[str], *, include_expanded_fields: bool) -> Iterator[Page]:
    """Those of the customers that are still there, as pages; none where ``customerIds`` is not answered."""
    for start in range(0, len(ids), _LARGEST_PAGE):
        some = list(ids[start : start + _LARGEST_PAGE])
        try:
            page = client.list(
                customer_ids=some, page_size=_LARGEST_PAGE, include_expanded_fields=include_expanded_fields
            )
        except Unprocessable:  # an unreadable one among them, or no such parameter
            continue
        if all(customer["id"] in some for customer in page.customers):
            yield page


def only(page: Page, position: int) -> Page | None:
    """A page with just this row of it; None where it has not so many."""
    rows = page.customers[position : position + 1]
    return Page(rows, page.requested_at) if rows else None
