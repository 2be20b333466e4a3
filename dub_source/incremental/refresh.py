"""Reading known customers again, for so many requests and not one more.

Most changes of a customer leave no trace in any order that Dub lists customers in. So each run reads some
again: first those of whom Dub's events and commissions tell, then those whose turn it is.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from dub_source.by_id import IDS_PER_REQUEST, ById
from dub_source.client import DubClient
from dub_source.incremental.hints import Hints, hinted_ids
from dub_source.types import Customer, Page


def refresh_bound(known: int, refresh_requests: int, *, ids_per_request: int = IDS_PER_REQUEST) -> int | None:
    """After how many runs every known customer was read again, whatever hints there are.

    A customer that cannot be read costs some requests more, for those that are asked for along with it.

    Args:
        known: customers in the destination.
        refresh_requests: what a run may spend.
        ids_per_request: 1 where Dub does not answer requests for several ids.

    Returns:
        The number of runs; None for never.
    """
    own = refresh_requests - _for_hints(refresh_requests)
    if ids_per_request == 1:
        own -= 1  # each run tries it with several ids first
    return math.ceil(known / (own * ids_per_request)) if own > 0 else None


def _for_hints(requests: int) -> int:
    """What hints, and reading those they name, may take: never all, so that everybody's turn comes."""
    return max(requests, 0) // 2


class Refresh:
    """Customers again, as pages; iterate it once.

    Attributes:
        refreshed: customers that were read again.
        asked_until: the last one of those whose turn it was that was asked for; None if nobody was.
        hints: what was found out about whom to read first; None if that was not asked.
    """

    def __init__(
        self,
        client: DubClient,
        *,
        requests: int,
        next_to_refresh: Callable[[int], Sequence[str]],
        hinted_since: datetime | None,
        include_expanded_fields: bool,
        clock: Callable[[], float],
    ) -> None:
        """Prepare; the arguments are those of :class:`dub_source.incremental.Incremental`."""
        self._client = client
        self._next = next_to_refresh
        self._hinted_since = hinted_since
        self._requests = max(requests, 0)
        self._share = _for_hints(requests)
        self._budget = _Budget(client)
        self._by_id = ById(
            cast(DubClient, self._budget), include_expanded_fields=include_expanded_fields, clock=clock
        )
        self._hinted: set[str] = set()
        self.refreshed = 0
        self.asked_until: str | None = None
        self.hints: Hints | None = None

    def __iter__(self) -> Iterator[Page]:
        spent = 0
        if self._hinted_since is not None and self._share >= 2:
            self.hints = hinted_ids(self._client, since=self._hinted_since, most_requests=self._share // 2)
            self._budget.left = self._share - self.hints.requests
            for page in self._read(self.hints.ids):
                self._hinted.update(customer["id"] for customer in page.customers)
                yield page
            spent = self._share - self._budget.left
            self._budget.asked = self._budget.refused = None
        self._budget.left = self._requests - spent
        yield from self._in_turn()

    def _in_turn(self) -> Iterator[Page]:
        had_their_turn: set[str] = set()
        while self._budget.left > 0:
            some = self._next(IDS_PER_REQUEST if self._by_id.together else 1)
            if had_their_turn.issuperset(some):
                return
            again = had_their_turn | self._hinted
            had_their_turn.update(some)
            yield from self._read([each for each in some if each not in again])
            self.asked_until = self._budget.asked
        # Nobody at all was reached because of one that cannot be read: leave its nearest neighbours out, or
        # the next run would get no farther.
        self.asked_until = self.asked_until or self._budget.refused

    def _read(self, ids: Sequence[str]) -> Iterator[Page]:
        try:
            for page in self._by_id.present(ids):
                self.refreshed += len(page.customers)
                yield page
        except _Spent:
            return


class _Spent(Exception):
    """No request is left."""


@dataclass(slots=True)
class _Budget:
    """The part of a client that reads by id, for so many calls.

    They are asked for in their order: ``asked`` is the last one that Dub answered for, ``refused`` the last
    one of those for whom it did not.
    """

    client: DubClient
    left: int = 0
    asked: str | None = None
    refused: str | None = None

    def list(self, *, customer_ids: Sequence[str] | None = None, **query: Any) -> Page:
        self._spend()
        if customer_ids:
            self.refused = customer_ids[-1]
        page = self.client.list(customer_ids=customer_ids, **query)
        self.asked = customer_ids[-1] if customer_ids else self.asked
        return page

    def get(self, customer_id: str, **query: Any) -> Customer:
        self._spend()
        self.asked = customer_id
        return self.client.get(customer_id, **query)

    def _spend(self) -> None:
        if self.left <= 0:
            raise _Spent
        self.left -= 1
