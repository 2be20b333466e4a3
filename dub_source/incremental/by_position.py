"""Reading customers by their position in an order that is not the one of ids, newest first."""

from collections.abc import Iterator

from dub_source.client import DubClient, SortBy
from dub_source.errors import UnreadableRow
from dub_source.types import Page

_LARGEST = 100
_LAST_PAGE = 1_000
"""Dub refuses pages beyond this one."""


class NewestFirst:
    """Pages in descending order without the rows that cannot be read; iterate it once.

    Such a row spoils every page that it is on. So the rows before it are read by a smaller page, then it is
    passed. Each request gets on, by a row at least, or makes the next page smaller: it always ends. Customers
    that come or go between two requests shift all others, so some may come twice or not at all.

    Attributes:
        passed: rows that cannot be read, so far.
        ended: whether the last row was reached, and none was left out that can be read.
    """

    def __init__(
        self,
        client: DubClient,
        sort_by: SortBy,
        *,
        include_expanded_fields: bool,
        most: int = _LAST_PAGE * _LARGEST,
    ) -> None:
        """Prepare.

        Args:
            client: where to read.
            sort_by: a date or an amount; customers without one come last.
            include_expanded_fields: whether link, partner and discount come along.
            most: how many positions to look at.
        """
        self._client = client
        self._sort_by = sort_by
        self._expanded = include_expanded_fields
        self._most = min(most, _LAST_PAGE * _LARGEST)
        self.passed = 0
        self.ended = False

    def __iter__(self) -> Iterator[Page]:
        position, largest, whole = 0, _LARGEST, True
        while position < self._most:
            size = _page_size(position, largest)
            if position // size >= _LAST_PAGE:
                # Only small pages begin here, and so far inside they are refused: leave out up to a page.
                position, largest, whole = _next_whole_page(position), _LARGEST, False
                continue
            try:
                page = self._read(position // size + 1, size)
            except UnreadableRow as error:
                largest = min(size - 1, error.index or 0)
                if largest == 0:
                    position, largest = position + 1, _LARGEST
                    self.passed += 1
                continue
            if page.customers:
                yield page
            if len(page.customers) < size:
                self.ended = whole
                return
            position, largest = position + size, _LARGEST

    def _read(self, number: int, size: int) -> Page:
        return self._client.list(
            sort_by=self._sort_by,
            sort_order="desc",
            page=number,
            page_size=size,
            include_expanded_fields=self._expanded,
        )


def _page_size(position: int, largest: int) -> int:
    """The largest page that begins right at this position."""
    return next(size for size in range(min(largest, position or largest), 0, -1) if position % size == 0)


def _next_whole_page(position: int) -> int:
    return (position // _LARGEST + 1) * _LARGEST
