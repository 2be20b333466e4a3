"""The sweep: fronts grown in parallel, a request at a time each, until the territory is covered."""

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import UTC, datetime
from functools import cached_property, partial

from dub_source.client import NO_RETRY, DubClient
from dub_source.errors import InvalidCursor, Kind, RequestError, UnreadableRow, WalkIncomplete
from dub_source.types import Page
from dub_source.walk.anchors import Sampler, evenly, living, only
from dub_source.walk.certificate import Certificate
from dub_source.walk.offsets import readable_pages
from dub_source.walk.territory import SIDES, Front, Territory

_ROWS_PER_ANCHOR = 2_000
"""A new anchor costs a request, its segment at least twenty; more of them would cost more than they save."""
_ANCHORS_PER_WORKER = 2
"""More segments than workers, so that none is left with a long one at the end."""
_MOST_ANCHORS = 64
_FRESH_STARTS = 5
"""How often a sweep begins again from new anchors after all its segments were lost to deletes."""
_FASTEST = 1_500.0
"""Requests a second that one process can make sense of; beyond it more workers only wait for each other."""
_COUNT_TIMEOUT_S = 10.0
_LOST = (
    "Reading the customers lost its place again and again, because those it could go on from were deleted "
    "meanwhile. Nothing was changed in the destination; run it again."
)
_CONTRADICTION = (
    "Dub counts customers in this workspace, but lists none. Nothing was changed in the destination; run it "
    "again."
)
_NOBODY = Page([], datetime.fromtimestamp(0, UTC))


class Sweep:
    """All customers of a workspace as pages; iterate it once.

    Pages come in no particular order. Customers that exist during the whole sweep are read exactly once;
    one that is created or deleted meanwhile may or may not be among them.

    Attributes:
        certificate: the outcome; None until the iteration has ended.

    Raises:
        WalkIncomplete: while iterating, if it lost its place and must be started again.
        DubError: while iterating, whatever the client raises.
    """

    def __init__(
        self,
        client: DubClient,
        *,
        page_size: int = 100,
        include_expanded_fields: bool = True,
        known_ids: Sequence[str] = (),
        workers: int = 2,
    ) -> None:
        """Prepare a sweep.

        Args:
            client: where to read; its rate limiter is shared by all workers.
            page_size: customers a request, 1 to 100.
            include_expanded_fields: whether link, partner and discount come along.
            known_ids: customers that probably exist, in any order that says something about their age: the
                sweep begins with some of them instead of looking for anchors.
            workers: requests under way at once.
        """
        self._client = client
        self._page_size = page_size
        self._expanded = include_expanded_fields
        self._known_ids = known_ids
        self._workers = workers
        self._territory = Territory()
        self._nobody_left = False
        self._sampler = Sampler(client, include_expanded_fields=include_expanded_fields)
        self.certificate: Certificate | None = None

    @cached_property
    def expected(self) -> int | None:
        """How many customers there were at the first look, as far as the count endpoint can tell."""
        return self._count()

    def __iter__(self) -> Iterator[Page]:
        yield from self._cover()
        counted = None if self.expected is None else self._count()
        if counted is not None and self._territory.rows < min(self.expected or 0, counted):
            # Deletes and new customers can explain that; so can a page that was empty by mistake.
            self._territory.doubt("ended")
            yield from self._cover()
        if self._unreadable_at_least:
            yield from self._behind_unreadable_rows(counted)
        self.certificate = self._certify(counted)
        if not self.certificate.complete and not self.certificate.unread:
            raise WalkIncomplete(_LOST)
        if counted and not self._territory.rows:
            raise WalkIncomplete(_CONTRADICTION)

    def _cover(self) -> Iterator[Page]:
        """From anchors, or, should deletes leave no front to go on from, from other ones."""
        self._nobody_left = False
        for _ in range(_FRESH_STARTS):
            yield from self._settle(self._anchors())
            yield from self._grow()
            if self._nobody_left or self._territory.proof() is not None or self._territory.fronts("blocked"):
                return
            self._territory.doubt("met")

    def _count(self) -> int | None:
        """What the undocumented count endpoint says; None where it does not answer with a number at once."""
        try:
            return self._client.count(retry=NO_RETRY, timeout=_COUNT_TIMEOUT_S)
        except RequestError as error:
            if error.kind is Kind.FATAL:
                raise
            return None

    # Anchors

    def _anchors(self) -> Iterator[Page]:
        """Pages of customers to begin with."""
        wanted = self._wanted_anchors()
        if self._known_ids:
            ids = evenly(self._known_ids, max(wanted, 1))
            yield from living(self._client, ids, include_expanded_fields=self._expanded)
            self._known_ids = ()
        if wanted > 1 and self.expected is not None and not self._territory.segments:
            sample = partial(self._sampler.at, customers=self.expected)
            shares = [(2 * position + 1) / (2 * wanted) for position in range(wanted)]
            with ThreadPoolExecutor(self._workers) as pool:
                yield from (page for page in pool.map(sample, shares) if page is not None)
        if not self._territory.fronts("open"):
            yield from self._any_anchor()

    def _wanted_anchors(self) -> int:
        by_size = len(self._known_ids) if self.expected is None else self.expected
        most = min(_MOST_ANCHORS, self._workers * _ANCHORS_PER_WORKER) if self._workers > len(SIDES) else 1
        return max(1, min(most, by_size // _ROWS_PER_ANCHOR))

    def _any_anchor(self) -> Iterator[Page]:
        """The customer that the server shows first, or any readable one; nothing if there is nobody."""
        try:
            page = self._client.list(page_size=1, include_expanded_fields=self._expanded)
        except UnreadableRow:
            for page in readable_pages(self._client, include_expanded_fields=self._expanded):
                yield Page(page.customers[:1], page.requested_at)
                return
            raise WalkIncomplete(
                "None of this workspace's customers can be read: Dub answers 422 for every page, because a "
                "customer on it has no externalId. Set their externalId in Dub, then run it again."
            ) from None
        if page.customers:
            yield page
        else:
            self._nobody_left = True

    def _settle(self, anchors: Iterator[Page]) -> Iterator[Page]:
        """Begin a segment around each of these customers that is new."""
        for page in anchors:
            new = [row for row in page.customers if self._territory.settle(row["id"]) is not None]
            if new:
                yield Page(new, page.requested_at)

    # Growing

    def _grow(self) -> Iterator[Page]:
        """Advance open fronts, as many at once as there are workers, until nothing is left to do.

        Workers only make requests. What comes back is understood in the consumer's thread, so that the
        territory needs no lock; twice as many requests as workers are handed out, so that none is idle.
        """
        pool = ThreadPoolExecutor(self._workers, thread_name_prefix="dub-sweep")
        under_way: dict[Future[Page], Front] = {}
        try:
            while True:
                for front in self._next_fronts(2 * self._workers - len(under_way)):
                    front.busy = True
                    under_way[pool.submit(self._request, front, front.cursor)] = front
                if not under_way:
                    return
                for future in wait(under_way, return_when=FIRST_COMPLETED).done:
                    front = under_way.pop(future)
                    front.busy = False
                    page = self._understand(front, future)
                    if page.customers:
                        yield page
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _next_fronts(self, number: int) -> list[Front]:
        """Fronts to advance: those upwards first, because both fronts of one gap read its last page twice."""
        if self._territory.proof() is not None:
            return []
        return [front for front in self._territory.fronts("open") if not front.busy][:number]

    def _request(self, front: Front, cursor: str) -> Page:
        return self._client.list(
            starting_after=cursor,
            sort_order=front.side,
            page_size=front.size or self._page_size,
            include_expanded_fields=self._expanded,
        )

    def _understand(self, front: Front, answer: "Future[Page]") -> Page:
        """Let an answer change the territory.

        Returns:
            The customers that are new.
        """
        try:
            page = answer.result()
        except InvalidCursor:
            if front.is_open():
                self._territory.drop_cursor(front)
            return _NOBODY
        except UnreadableRow as error:
            # The rows before the unreadable one can be read alone; the next request stands right at it.
            front.size = error.index
            if not error.index and front.is_open():
                self._territory.block(front)
            return _NOBODY
        if not front.is_open():  # another front has closed the gap while this request was under way
            return _NOBODY
        front.size = None
        if not page.customers:
            self._territory.end(front)
            return _NOBODY
        cursor = front.cursor
        fresh = self._territory.take(front, [row["id"] for row in page.customers])
        if front.is_open() and front.cursor == cursor:
            raise WalkIncomplete(
                "Dub answered a page of customers that ends where it began, so reading on would never end. "
                "Nothing was changed in the destination; if it happens again, please report it."
            )
        return Page([page.customers[position] for position in fresh], page.requested_at)

    # Customers that no request can read

    def _behind_unreadable_rows(self, counted: int | None) -> Iterator[Page]:
        """Customers that no cursor reaches from the anchors, because unreadable ones stand between."""
        quiet = counted is not None and counted == self.expected
        for page in readable_pages(self._client, include_expanded_fields=self._expanded):
            for position in range(len(page.customers)):
                # Every blocked front stands at another unreadable row. Are no more customers missing than
                # that, then those rows are all that is missing; unless others came and went meanwhile.
                if quiet and (counted or 0) - self._territory.rows <= self._unreadable_at_least:
                    return
                one = only(page, position)
                if one is not None:
                    yield from self._settle(iter([one]))
                    yield from self._grow()

    @property
    def _unreadable_at_least(self) -> int:
        blocked = [front.side for front in self._territory.fronts("blocked")]
        return max(blocked.count(side) for side in SIDES)

    def _certify(self, counted: int | None) -> Certificate:
        rows = self._territory.rows
        chain = self._territory.proof() or ()
        unread = 0 if chain else self._unreadable_at_least
        if unread and counted is not None and counted == self.expected:
            unread = max(unread, counted - rows)
        blocked = dict.fromkeys(front.cursor for front in self._territory.fronts("blocked"))
        return Certificate(
            rows=rows,
            segments=chain,
            aside=rows - sum(segment.rows for segment in chain) if chain or self._nobody_left else 0,
            counted=counted,
            unread=unread,
            neighbours=tuple(blocked) if unread else (),
        )


def workers_for(latency_s: float, requests_per_s: float | None, *, most: int) -> int:
    """How many requests must be under way at once to use a rate in spite of a latency.

    Args:
        latency_s: round trip of one request in seconds.
        requests_per_s: what the key's limit allows; None if nobody knows.
        most: never more than this.
    """
    rate = min(requests_per_s or _FASTEST, _FASTEST)
    return max(len(SIDES), min(most, math.ceil(1.5 * latency_s * rate) + 1))
