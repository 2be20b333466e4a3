"""New customers: everybody whose id was made after the frontier, less an overlap.

New ids are ULIDs and lie behind all older ULIDs, with ids of other kinds before, between and behind them. So
the walk begins at a customer from before the frontier and reads on until the end of the table, or until a
customer who surely lies behind all that can have been made by now. An id about which nothing can be said
neither ends the walk nor moves the frontier.

Where nobody from before the frontier is left, it comes from the other side, or begins in the middle and
reads both ways. Where a customer that cannot be read stands in the way, others behind it are looked for by
their time of creation, and read around, until the stretches touch: see :mod:`.stretches`.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from typing import TypeAlias

from dub_source.client import DubClient, SortOrder
from dub_source.errors import AnchorsLost
from dub_source.ids import is_ulid, surely_after, surely_before, ulid_ms
from dub_source.incremental.by_position import NewestFirst
from dub_source.incremental.frontier import Frontier, FrontierBuilder
from dub_source.incremental.moments import DAY_MS, moment, to_ms
from dub_source.incremental.stretches import Stretch, gaps_between
from dub_source.incremental.walking import End, Walk
from dub_source.types import Customer, Page

_Reading: TypeAlias = Generator[Page, None, Stretch | None]

_LOST = (
    "None of the customers from which an incremental run would read on exists any more, so new ones cannot "
    "be told from others. Nothing was changed in the destination; run it with mode auto or full."
)


class NewCustomers:
    """New customers as pages, with some others; iterate it once.

    Attributes:
        unreadable: customers that nobody can read, at least.
        complete: whether everybody else was read, as far as can be told; False before the end.
        dead: customers of the frontier that were found to be gone.

    Raises:
        AnchorsLost: while iterating, if no customer of the frontier exists.
        DubError: while iterating, whatever the client raises.
    """

    def __init__(
        self,
        client: DubClient,
        frontier: Frontier,
        builder: FrontierBuilder,
        *,
        overlap_s: float,
        page_size: int,
        include_expanded_fields: bool,
        server_now_ms: Callable[[], int | None],
    ) -> None:
        """Prepare.

        Args:
            client: where to read.
            frontier: what the last run has left.
            builder: is shown what the walks read.
            overlap_s: seconds to look back.
            page_size: customers a request.
            include_expanded_fields: whether link, partner and discount come along.
            server_now_ms: Dub's clock, as far as it is known yet. Without it no walk ends early.
        """
        self._client = client
        self._frontier = frontier
        self._builder = builder
        self._floor = frontier.floor_ms(overlap_s)
        self._page_size = page_size
        self._expanded = include_expanded_fields
        self._server_now_ms = server_now_ms
        self._stretches: list[Stretch] = []
        self._saw_an_import = False
        self._looked_everywhere = False
        self.unreadable = 0
        self.complete = False
        self.dead: set[str] = set()

    def __iter__(self) -> Iterator[Page]:
        first = yield from self._first()
        if first is not None:
            self._stretches.append(first)
            if first.is_blocked():
                yield from self._behind_unreadable_ones()
        # An import makes ids of today for customers of long ago, whom nobody finds by their time of creation.
        suspicious = self._saw_an_import or not self._looked_everywhere
        gaps = gaps_between(self._client, self._stretches, suspicious=suspicious)
        self.complete = gaps.narrow and not self.unreadable
        self.unreadable += gaps.unreadable

    # Where to begin

    def _first(self) -> _Reading:
        """A stretch from where it is best to begin; None if there is nobody at all."""
        known = (*self._frontier.anchors, *self._frontier.above)
        before = [each for each in known if surely_before(each, self._floor)]
        others = [each for each in known if each not in before]
        if before:
            stretch = yield from self._upwards(before)
            if stretch is not None:
                return stretch
        for start in sorted(others, key=lambda each: not self._is_beyond(each)):
            stretch = yield from self._around(start)
            if stretch is not None:
                return stretch
        if known:
            raise AnchorsLost(_LOST)
        return (yield from self._from_nowhere())

    def _from_nowhere(self) -> _Reading:
        """There was nobody, so everybody is new."""
        pages = self._by_creation()
        for page in pages:
            for customer in page.customers:
                yield Page([customer], page.requested_at)
                stretch = yield from self._around(customer["id"])
                if stretch is not None:
                    return stretch
        self.unreadable = pages.passed
        return None

    def _upwards(self, before: Sequence[str]) -> _Reading:
        """From the first of these that exists."""
        up = self._walk(before, "asc", self._is_beyond)
        yield from self._followed(up)
        return None if up.end is End.LOST else Stretch(before[0], down=None, up=up)

    def _around(self, start: str) -> _Reading:
        """From one customer in those directions in which somebody new may be; None if it is gone."""
        up = down = None
        if not self._is_beyond(start):
            up = self._walk([start], "asc", self._ends_above)
            yield from self._followed(up)
            if up.end is End.LOST:
                return None
        # Should the start be gone by now, the walk downwards begins at what came after it.
        down = self._walk([start, *(up.trail if up else ())], "desc", self._ends_below)
        yield from self._followed(down)
        if down.end is End.LOST:
            return None
        self._builder.add_ids([start])
        return Stretch(start, down=down, up=up)

    # Behind customers that cannot be read

    def _behind_unreadable_ones(self) -> Iterator[Page]:
        """Begin again behind them: from above, and from the newest by creation that are not read yet."""
        for start in self._frontier.above:
            if not self._is_covered_above():
                yield from self._another(start)
        pages = self._by_creation()
        for page in pages:
            for customer in page.customers:
                if self._is_wanted(customer["id"]):
                    yield Page([customer], page.requested_at)
                    yield from self._another(customer["id"])
            created = [moment(customer.get("createdAt")) for customer in page.customers]
            if any(each is not None and to_ms(each) < self._floor for each in created):
                self._looked_everywhere = True
                return
        self._looked_everywhere = pages.ended

    def _another(self, start: str) -> Iterator[Page]:
        stretch = yield from self._around(start)
        if stretch is not None:
            self._stretches.append(stretch)

    def _is_covered_above(self) -> bool:
        return any(each.up is None or each.up.end is not End.BLOCKED for each in self._stretches)

    def _is_wanted(self, customer_id: str) -> bool:
        return (
            is_ulid(customer_id)
            and not surely_before(customer_id, self._floor)
            and not self._is_read(customer_id)
        )

    def _is_imported(self, customer: Customer) -> bool:
        made, created = ulid_ms(customer["id"]), moment(customer.get("createdAt"))
        return (
            made is not None
            and made >= self._floor
            and created is not None
            and to_ms(created) < made - DAY_MS
        )

    def _is_read(self, customer_id: str) -> bool:
        return is_ulid(customer_id) and any(each.covers(customer_id) for each in self._stretches)

    # Requests

    def _by_creation(self) -> NewestFirst:
        return NewestFirst(self._client, "createdAt", include_expanded_fields=self._expanded)

    def _walk(self, starts: Sequence[str], side: SortOrder, until: Callable[[str], bool]) -> Walk:
        return Walk(
            self._client,
            starts,
            side,
            until=until,
            saw=self._builder.add_ids,
            page_size=self._page_size,
            include_expanded_fields=self._expanded,
        )

    def _followed(self, walk: Walk) -> Iterator[Page]:
        for page in walk:
            self._saw_an_import = self._saw_an_import or any(map(self._is_imported, page.customers))
            yield page
        self.dead |= walk.dead

    # Where to end

    def _is_beyond(self, customer_id: str) -> bool:
        """Whether it comes after everybody whose id was made by now, by a clock less than a day wrong."""
        now = self._server_now_ms()
        return now is not None and surely_after(customer_id, now + DAY_MS)

    def _ends_above(self, customer_id: str) -> bool:
        return self._is_beyond(customer_id) or self._is_read(customer_id)

    def _ends_below(self, customer_id: str) -> bool:
        return surely_before(customer_id, self._floor) or self._is_read(customer_id)
