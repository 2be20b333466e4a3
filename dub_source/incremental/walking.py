"""Reading on in one direction of the server's order of ids, whatever happens meanwhile."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from enum import Enum

from dub_source.client import DubClient, SortOrder
from dub_source.errors import InvalidCursor, UnreadableRow, WalkIncomplete
from dub_source.ids import follows, is_ulid
from dub_source.types import Page

REMEMBERED = 1_000
"""Customers a walk can fall back to when its last ones are deleted: far more than go between two requests."""


class End(Enum):
    """Why a walk ended."""

    EDGE = "at the end or the start of the table"
    REACHED = "at a customer beyond which it need not read"
    BLOCKED = "at a customer that nobody can read"
    LOST = "all customers that it could read on from are gone"


class Walk:
    """One walk by cursor; iterate it once.

    What it reads is contiguous: all customers between its first and its last one. It hands out those who are
    wanted: others would only be compared, and their doubtful names read again, in each run.

    Attributes:
        end: why it ended; None before.
        dead: starts that were found to be gone.
        lowest, highest: the first and last ULID it read, None without one.
    """

    def __init__(
        self,
        client: DubClient,
        starts: Sequence[str],
        side: SortOrder,
        *,
        until: Callable[[str], bool],
        saw: Callable[[Sequence[str]], None],
        page_size: int,
        include_expanded_fields: bool,
    ) -> None:
        """Prepare.

        Args:
            client: where to read.
            starts: customers to read on from, the best first; it takes the first that exists.
            side: ``asc`` towards the end of the table, ``desc`` towards its start.
            until: whether a customer (by id) is the first of those who are not wanted.
            saw: is told the ids of each page, also of those who are not wanted.
            page_size: customers a request.
            include_expanded_fields: whether link, partner and discount come along.
        """
        self._client = client
        self._starts = deque(starts)
        self._trail: deque[str] = deque(maxlen=REMEMBERED)
        self._side = side
        self._until = until
        self._saw = saw
        self._page_size = page_size
        self._expanded = include_expanded_fields
        self.end: End | None = None
        self.dead: set[str] = set()
        self.lowest: str | None = None
        self.highest: str | None = None

    @property
    def cursor(self) -> str | None:
        """The customer to read on from."""
        if self._trail:
            return self._trail[-1]
        return self._starts[0] if self._starts else None

    @property
    def trail(self) -> Sequence[str]:
        """The last customers it read, in its order."""
        return self._trail

    def __iter__(self) -> Iterator[Page]:
        size = self._page_size
        while self.end is None:
            cursor = self.cursor
            if cursor is None:
                self.end = End.LOST
                return
            try:
                page = self._client.list(
                    starting_after=cursor,
                    sort_order=self._side,
                    page_size=size,
                    include_expanded_fields=self._expanded,
                )
            except InvalidCursor:
                self._step_back()
                continue
            except UnreadableRow as error:
                # The rows before it can be read alone; the next request then stands right at it.
                size = min(size - 1, error.index or 0)
                if size == 0:
                    self.end = End.BLOCKED
                continue
            size = self._page_size
            yield from self._take(page, cursor)

    def _take(self, page: Page, cursor: str) -> Iterator[Page]:
        ids = [customer["id"] for customer in page.customers]
        if not ids:
            self.end = End.EDGE
            return
        if ids[-1] == cursor:
            raise WalkIncomplete(
                "Dub answered a page of customers that ends where it began, so reading on would never end. "
                "Nothing was changed in the destination; if it happens again, please report it."
            )
        self._trail.extend(ids)
        for customer_id in filter(is_ulid, ids):
            if self.lowest is None or follows(self.lowest, customer_id):
                self.lowest = customer_id
            if self.highest is None or follows(customer_id, self.highest):
                self.highest = customer_id
        self._saw(ids)
        wanted = next((position for position, each in enumerate(ids) if self._until(each)), None)
        if wanted is not None:
            self.end = End.REACHED
            page = Page(page.customers[:wanted], page.requested_at)
        if page.customers:
            yield page

    def _step_back(self) -> None:
        """The cursor's customer is gone: nobody who is still there stands between it and the one before."""
        if self._trail:
            self._trail.pop()
        else:
            self.dead.add(self._starts.popleft())
