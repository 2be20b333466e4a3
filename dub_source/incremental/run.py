"""What an incremental run reads, from the first request to the next frontier."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from dub_source.client import DubClient
from dub_source.incremental.by_date import newer_than
from dub_source.incremental.frontier import DEFAULT_OVERLAP_S, Frontier, FrontierBuilder
from dub_source.incremental.hints import Hints
from dub_source.incremental.moments import from_s
from dub_source.incremental.newcomers import NewCustomers
from dub_source.incremental.refresh import Refresh
from dub_source.types import Page

DEFAULT_REFRESH_REQUESTS = 10


class Incremental:
    """New customers, first sales, cancellations, and some of the known customers again; iterate it once.

    A customer may come several times; each page says when it was read. With nothing new it costs at most four
    requests and one per 100 customers inside the overlap, and what ``refresh_requests`` allows.

    Attributes:
        frontier: what the next run begins with. As it was until everything was read.
        new_customers_complete: whether all new customers that can be read were, as far as can be told;
            if not, a sweep may find more.
        unreadable: customers among the new ones that cannot be read, at least.
        refreshed: known customers that were read again because of the budget.
        refreshed_until: the last one of those whose turn it was that was asked for; those that
            ``next_to_refresh`` gave behind it still have their turn to come. None if nobody was asked for.
        hints: what was found out about whom to read again first; None if that was not asked.

    Raises:
        AnchorsLost: while iterating, if no customer of the frontier exists any more.
        WalkIncomplete: while iterating, if Dub repeats its answers.
        DubError: while iterating, whatever the client raises.
    """

    def __init__(
        self,
        client: DubClient,
        frontier: Frontier,
        *,
        page_size: int = 100,
        include_expanded_fields: bool = True,
        overlap_s: float = DEFAULT_OVERLAP_S,
        refresh_requests: int = DEFAULT_REFRESH_REQUESTS,
        next_to_refresh: Callable[[int], Sequence[str]] = lambda _number: (),
        hinted_since: datetime | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Prepare a run.

        Args:
            client: where to read.
            frontier: what the last completed walk has left.
            page_size: customers a request of the walk, 1 to 100.
            include_expanded_fields: whether link, partner and discount come along.
            overlap_s: seconds to look back behind what was seen, for customers that were stored late.
            refresh_requests: requests for reading known customers again; 0 for none.
            next_to_refresh: the next so many known customers, those observed longest ago first. It is asked
                several times in a run, and goes on where it stopped; nobody, or nobody new, ends it.
            hinted_since: read those first whom Dub's events and commissions name since then; None: do not.
            clock: epoch seconds, the client's.
        """
        self._client = client
        self._page_size = page_size
        self._expanded = include_expanded_fields
        self._overlap_s = overlap_s
        self._clock = clock
        self._refresh = Refresh(
            client,
            requests=refresh_requests,
            next_to_refresh=next_to_refresh,
            hinted_since=hinted_since,
            include_expanded_fields=include_expanded_fields,
            clock=clock,
        )
        self.frontier = frontier
        self.new_customers_complete = False
        self.unreadable = 0

    @property
    def refreshed(self) -> int:
        """See the class."""
        return self._refresh.refreshed

    @property
    def refreshed_until(self) -> str | None:
        """See the class."""
        return self._refresh.asked_until

    @property
    def hints(self) -> Hints | None:
        """See the class."""
        return self._refresh.hints

    def __iter__(self) -> Iterator[Page]:
        began = self._clock()
        before = self.frontier
        builder = FrontierBuilder(
            replace(before, anchors=(), above=()), overlap_s=self._overlap_s, clock=self._clock
        )
        new = NewCustomers(
            self._client,
            before,
            builder,
            overlap_s=self._overlap_s,
            page_size=self._page_size,
            include_expanded_fields=self._expanded,
            server_now_ms=self._server_now_ms,
        )
        yield from new
        self.unreadable, self.new_customers_complete = new.unreadable, new.complete
        for page in self._by_date(before):
            builder.add_dates(page.customers)
            yield page
        yield from self._refresh
        builder.add_ids(each for each in (*before.anchors, *before.above) if each not in new.dead)
        self.frontier = self._advanced(builder, began)

    def _by_date(self, before: Frontier) -> Iterator[Page]:
        newer = partial(
            newer_than, self._client, overlap_s=self._overlap_s, include_expanded_fields=self._expanded
        )
        yield from newer("firstSaleAt", before.first_sale_at)
        yield from newer("subscriptionCanceledAt", before.canceled_at)

    def _advanced(self, builder: FrontierBuilder, began: float) -> Frontier:
        offset = self._client.limiter.server_offset_s
        now = from_s(began) + timedelta(seconds=offset or 0.0)
        frontier = builder.frontier(now=now)
        # Without Dub's clock the begin of this walk proves nothing: what was read does.
        return frontier if offset is not None else replace(frontier, read_at=self.frontier.read_at)

    def _server_now_ms(self) -> int | None:
        offset = self._client.limiter.server_offset_s
        return None if offset is None else round((self._clock() + offset) * 1000)
