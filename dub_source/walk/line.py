"""Reading all customers on one side of a known one, in the order of their ids."""

from collections import deque
from collections.abc import Container, Iterator, Sequence
from typing import Literal

from dub_source.client import DubClient
from dub_source.errors import InvalidCursor, UnreadableRow, WalkIncomplete
from dub_source.types import Customer, Page

Direction = Literal["asc", "desc"]
DIRECTIONS: tuple[Direction, ...] = ("asc", "desc")

REMEMBERED = 1_000
"""Ids to fall back to when the cursor's customer is deleted: far more than go between two requests."""


class LostPlace(Exception):
    """Every customer that the line could go on from was deleted meanwhile."""


class Line:
    """Pages from a known customer to one end of the table; iterate it once.

    Ordering by id is left to the server: with legacy ids and a collation nobody knows, the order
    cannot be told from here. The end is an empty page, never a short one.

    Attributes:
        blocked_at: after the iteration, the id of the last customer before an unreadable one; None
            if the line ended at the end of the table or at a customer in ``stop_at``.
    """

    def __init__(
        self,
        client: DubClient,
        cursors: Sequence[str],
        direction: Direction,
        *,
        page_size: int,
        include_expanded_fields: bool,
        seen: set[str],
        stop_at: Container[str] = frozenset(),
    ) -> None:
        """Prepare a line.

        Args:
            client: where to read.
            cursors: ids to start after, the last one first; earlier ones serve when it is deleted.
            direction: ``asc`` or ``desc``, in the server's order of ids.
            page_size: customers a request, 1 to 100.
            include_expanded_fields: whether link, partner and discount come along.
            seen: ids read by any line of this walk; known ones are left out, new ones are added.
            stop_at: ids that end the line, because another line has read on from there.
        """
        self._client = client
        self._direction: Direction = direction
        self._page_size = page_size
        self._expanded = include_expanded_fields
        self._trail: deque[str] = deque(cursors, maxlen=REMEMBERED)
        self._seen = seen
        self._stop_at = stop_at
        self.blocked_at: str | None = None

    def __iter__(self) -> Iterator[Page]:
        size = self._page_size
        while True:
            try:
                page = self._request(size)
            except InvalidCursor:
                self._step_back()
                continue
            except UnreadableRow as error:
                if not error.index:
                    self.blocked_at = self._trail[-1]
                    return
                # The rows before the unreadable one can be read alone; the next request stands right at it.
                size = error.index
                continue
            size = self._page_size
            fresh, ended = self._take(page)
            if fresh.customers:
                yield fresh
            if ended:
                return

    def _request(self, size: int) -> Page:
        return self._client.list(
            starting_after=self._trail[-1],
            sort_order=self._direction,
            page_size=size,
            include_expanded_fields=self._expanded,
        )

    def _step_back(self) -> None:
        """The cursor's customer is gone: go on from the one before it. Nothing between the two is alive."""
        self._trail.pop()
        if not self._trail:
            raise LostPlace

    def _take(self, page: Page) -> tuple[Page, bool]:
        """The new rows of a page, and whether the line ends with them."""
        if not page.customers:
            return page, True
        cursor = self._trail[-1]
        fresh: list[Customer] = []
        for customer in page.customers:
            customer_id: str = customer["id"]
            if customer_id in self._stop_at:
                return Page(fresh, page.requested_at), True
            self._trail.append(customer_id)
            if customer_id not in self._seen:
                self._seen.add(customer_id)
                fresh.append(customer)
        if self._trail[-1] == cursor:
            raise WalkIncomplete(
                "Dub answered a page of customers that ends where it began, so reading on would never end. "
                "Nothing was changed in the destination; if it happens again, please report it."
            )
        return Page(fresh, page.requested_at), False
