"""Customers by their position in orders that are not the id's, a request each."""

import random
from dataclasses import dataclass

from dub_source.client import NO_RETRY, DubClient, SortBy, SortOrder
from dub_source.errors import Kind, RequestError, UnreadableRow
from dub_source.types import Page

_LAST_PAGE = 1_000
_LARGEST_PAGE = 100
_REACH = _LAST_PAGE * _LARGEST_PAGE
"""Dub's offset pages end here, counted from either end of an order."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a look has found: customers, and whether they are where it looked."""

    pages: list[Page]
    in_place: bool = True


class Sampler:
    """Customers by their position in the order of creation, counted from the oldest.

    Offset pages reach 100,000 customers from either end of an order. Farther inside it is the order within
    one country, if Dub counts by country: whoever is half-way through the customers of a country is about
    half-way through all. Else it is somebody by revenue or dates, wherever that may be.
    """

    def __init__(self, client: DubClient, customers: int, *, include_expanded_fields: bool) -> None:
        self._client = client
        self._customers = customers
        self._expanded = include_expanded_fields
        self._random = random.Random(0)  # noqa: S311 - spreads requests, protects nothing
        self._country = self._largest_country() if customers > 2 * _REACH else None

    def around(self, position: int, *, rows: int) -> Found:
        """About so many customers around a position; nobody if that page cannot be read."""
        if _reaches(position, self._customers):
            return self._read(position, self._customers, rows)
        if self._country is not None:
            name, customers = self._country
            return self._read(position * customers // self._customers, customers, rows, country=name)
        return self.anywhere(self._random.randrange(_LAST_PAGE) + 1)

    def edges(self) -> tuple[int, ...]:
        """Positions between which nobody can be looked for by age, and some outside of them; mostly none."""
        if self._country is not None or self._customers <= 2 * _REACH:
            return ()
        near_the_start = (_REACH // 2, _REACH - 1)
        return (*near_the_start, *(self._customers - 1 - each for each in reversed(near_the_start)))

    def anywhere(self, page: int = 1) -> Found:
        """A hundred customers of all ages, by one request: a page in the order of revenue, the largest first.

        Nobody if their revenues are all the same: then nothing is known of their order.
        """
        found = self._list(sort_by="saleAmount", sort_order="desc", page=page, page_size=_LARGEST_PAGE)
        rows = [row for each in found for row in each.customers]
        spread = len({row.get("saleAmount") for row in rows}) > 1
        return Found(found if spread else [], in_place=False)

    def _read(
        self,
        position: int,
        customers: int,
        rows: int,
        *,
        country: str | None = None,
    ) -> Found:
        direction: SortOrder = "asc" if 2 * position < customers else "desc"
        offset = position if direction == "asc" else customers - 1 - position
        size = max(rows, offset // _LAST_PAGE + 1)
        page = offset // size + 1
        pages = self._list(sort_order=direction, page=page, page_size=size, country=country)
        return Found(pages)

    def _list(
        self,
        *,
        sort_order: SortOrder,
        page: int,
        page_size: int,
        country: str | None = None,
        sort_by: SortBy = "createdAt",
    ) -> list[Page]:
        try:
            found = self._client.list(
                sort_by=sort_by,
                sort_order=sort_order,
                page=page,
                page_size=page_size,
                country=country,
                include_expanded_fields=self._expanded,
            )
        except UnreadableRow:
            return []
        return [found] if found.customers else []

    def _largest_country(self) -> tuple[str, int] | None:
        """One whose customers can all be reached, and how many they are."""
        try:
            table = self._client.count_by("country", retry=NO_RETRY)
        except RequestError as error:
            if error.kind is Kind.FATAL:
                raise
            return None
        sizes = [
            (row["_count"], row["country"])
            for row in table
            if isinstance(row.get("country"), str) and isinstance(row.get("_count"), int)
        ]
        largest = max((each for each in sizes if 0 < each[0] <= 2 * _REACH), default=None)
        return None if largest is None else (largest[1], largest[0])


def _reaches(position: int, customers: int) -> bool:
    return min(position, customers - 1 - position) < _REACH
