"""The anchored walk itself; the package's docstring says why it goes this way."""

from collections.abc import Container, Iterator, Sequence
from contextlib import suppress
from itertools import islice

from dub_source.client import DubClient
from dub_source.errors import ApiError, InvalidResponse, UnreadableRow, WalkIncomplete
from dub_source.types import Page
from dub_source.walk.certificate import Certificate
from dub_source.walk.line import DIRECTIONS, REMEMBERED, Direction, Line, LostPlace
from dub_source.walk.offsets import readable_pages

_ANCHORS_TRIED = 5


class Walk:
    """All customers of a workspace as pages; iterate it once.

    Pages come in no particular order. Customers that exist during the whole walk are read exactly
    once; one that is created or deleted meanwhile may or may not be among them.

    Attributes:
        certificate: the outcome; None until the iteration has ended.

    Raises:
        WalkIncomplete: while iterating, if the walk lost its place and must be started again.
        DubError: while iterating, whatever the client raises.
    """

    def __init__(
        self, client: DubClient, *, page_size: int = 100, include_expanded_fields: bool = True
    ) -> None:
        """Prepare a walk.

        Args:
            client: where to read.
            page_size: customers a request, 1 to 100.
            include_expanded_fields: whether link, partner and discount come along.
        """
        self._client = client
        self._page_size = page_size
        self._expanded = include_expanded_fields
        self._seen: set[str] = set()
        self._blocked: dict[Direction, list[str]] = {"asc": [], "desc": []}
        self.certificate: Certificate | None = None

    def __iter__(self) -> Iterator[Page]:
        yield from self._from_some_anchor()
        counted = self.count()
        if self._unreadable_at_least:
            yield from self._behind_unreadable_rows(counted)
        self.certificate = self._certify(counted)

    def count(self) -> int | None:
        """How many customers the undocumented count endpoint sees; None where it does not answer so."""
        try:
            return self._client.count()
        except (ApiError, InvalidResponse):
            return None

    def _from_some_anchor(self) -> Iterator[Page]:
        """From one anchor, or, should it be deleted before it leads anywhere, from another one."""
        for _ in range(_ANCHORS_TRIED):
            anchor = self._anchor()
            if anchor is None:
                return
            try:
                yield from self._from_anchor(anchor)
            except LostPlace:
                self._blocked = {"asc": [], "desc": []}
                continue
            return
        raise WalkIncomplete(
            "Reading the customers lost its place again and again, because the customers it could go on from "
            "were deleted meanwhile. Nothing was changed in the destination; run it again."
        )

    def _anchor(self) -> Page | None:
        """A page with one customer, whichever the server shows first; None if it shows none."""
        try:
            page = self._client.list(page_size=1, include_expanded_fields=self._expanded)
        except UnreadableRow:
            for page in readable_pages(self._client, include_expanded_fields=self._expanded):
                return _only(page, 0)
            raise WalkIncomplete(
                "None of this workspace's customers can be read: Dub answers 422 for every page, because a "
                "customer on it has no externalId. Set their externalId in Dub, then run it again."
            ) from None
        return page if page.customers else None

    def _from_anchor(self, anchor: Page) -> Iterator[Page]:
        """The anchor, then everything after it, then everything before it."""
        yield from self._claim(anchor)
        near: list[str] = []
        for page in self._line("asc", [anchor.customers[0]["id"]]):
            near.extend(islice((row["id"] for row in page.customers), REMEMBERED - len(near)))
            yield page
        # Should the anchor be deleted now, the way back leads over the rows that were read just after it.
        yield from self._line("desc", [*reversed(near[: REMEMBERED - 1]), anchor.customers[0]["id"]])

    def _behind_unreadable_rows(self, counted: int | None) -> Iterator[Page]:
        """Customers that no cursor reaches from the anchor, because an unreadable one stands between."""
        for page in readable_pages(self._client, include_expanded_fields=self._expanded):
            # Every blocked end stands at another unreadable row. Are no more customers missing than that,
            # then those rows are all that is missing.
            if counted is not None and counted - len(self._seen) <= self._unreadable_at_least:
                return
            for position, customer in enumerate(page.customers):
                if customer["id"] in self._seen:
                    continue
                known = frozenset(self._seen)
                yield from self._claim(_only(page, position))
                for direction in DIRECTIONS:
                    with suppress(LostPlace):  # its neighbours are anchors of their own, later
                        yield from self._line(direction, [customer["id"]], known)

    def _line(
        self, direction: Direction, cursors: Sequence[str], stop_at: Container[str] = frozenset()
    ) -> Iterator[Page]:
        line = Line(
            self._client,
            cursors,
            direction,
            page_size=self._page_size,
            include_expanded_fields=self._expanded,
            seen=self._seen,
            stop_at=stop_at,
        )
        yield from line
        if line.blocked_at is not None:
            self._blocked[direction].append(line.blocked_at)

    def _claim(self, anchor: Page) -> Iterator[Page]:
        customer_id: str = anchor.customers[0]["id"]
        if customer_id not in self._seen:
            self._seen.add(customer_id)
            yield anchor

    @property
    def _unreadable_at_least(self) -> int:
        return max(len(ends) for ends in self._blocked.values())

    def _certify(self, counted: int | None) -> Certificate:
        unread = self._unreadable_at_least
        if unread and counted is not None:
            unread = max(unread, counted - len(self._seen))
        neighbours = dict.fromkeys(self._blocked["asc"] + self._blocked["desc"])
        return Certificate(rows=len(self._seen), counted=counted, unread=unread, neighbours=tuple(neighbours))


def _only(page: Page, position: int) -> Page:
    return Page([page.customers[position]], page.requested_at)
