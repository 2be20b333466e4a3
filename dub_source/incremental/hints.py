"""Whom to read again first: customers with a sale since a moment, as Dub's events and commissions tell.

A hint saves time and proves nothing. Many changes have no sale behind them, a sale through a deleted link is
not told, and not every key may ask. So whoever uses hints must reach all other customers in another way, and
nothing may be concluded from there being none.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from dub_source.client import NO_RETRY, DubClient
from dub_source.client.sales import COMMISSIONS, EVENTS, MOST_EVENTS, Sale, SalesPage
from dub_source.errors import (
    InviteExpired,
    InvitePending,
    Kind,
    RateLimited,
    RequestError,
    Unauthorized,
    WorkspaceNotFound,
)

__all__ = ["OVERLAP", "Hints", "hinted_ids"]

OVERLAP = timedelta(minutes=15)
"""How much earlier than asked for: Dub writes the event of a sale before it writes the customer's new sums
[its source], events are told a little after they happened, and clocks differ."""

TIMEOUT_S = 10.0
"""Seconds to wait for an answer. A hint that is late is no hint."""

_MOST_COMMISSIONS = 100
_LAST_PAGE = 1000
_ABOUT_THE_KEY = (Unauthorized, WorkspaceNotFound, InvitePending, InviteExpired)


@dataclass(frozen=True, slots=True)
class Hints:
    """Whom to read again first, and what it took to find out.

    ``ids`` are Dub's, each once, the latest sale first; they may be of customers that are new or gone.
    ``requests`` is the number of requests sent. ``refused`` are the routes that this key may not read or that
    do not know the question; ``failed`` those that did not answer this time. After a failure the next call
    should ask from the same moment again.
    """

    ids: tuple[str, ...] = field(default=(), repr=False)
    requests: int = 0
    refused: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()


@dataclass(slots=True)
class _Source:
    """A route that tells of sales, newest first, so many ``rows`` a page."""

    route: str
    rows: int
    read: Callable[..., SalesPage]
    page: int = 1


def hinted_ids(
    client: DubClient, *, since: datetime, most_requests: int, timeout_s: float = TIMEOUT_S
) -> Hints:
    """The customers with a sale since a moment (with a time zone), in at most so many requests.

    The sources take turns. None is asked again after it has refused or failed: nothing is retried, and no
    error of a source is raised. When the rate limit is used up, no source is asked any more, because what is
    left belongs to the reading that has to be done.

    Raises Unauthorized, WorkspaceNotFound, InvitePending and InviteExpired: with such a key nothing works.
    Raises InvalidArgument when ``since`` has no time zone.
    """
    asked_from = since - OVERLAP
    waiting = deque(_sources(client, asked_from, timeout_s))
    sales: list[Sale] = []
    refused: list[str] = []
    failed: list[str] = []
    requests = 0
    while waiting and requests < most_requests:
        source = waiting.popleft()
        requests += 1
        try:
            answer = source.read(page=source.page)
        except _ABOUT_THE_KEY:
            raise
        except RateLimited:
            failed += [source.route, *(other.route for other in waiting)]
            break
        except RequestError as error:
            (failed if error.kind is Kind.RETRYABLE else refused).append(source.route)
            continue
        wanted = [sale for sale in answer.sales if sale.at >= asked_from]
        sales += wanted
        # A page that reaches back further than asked is the last one, also where `start` is ignored. Events
        # can fall out of a full page; those on the pages after it are then left to the other ways.
        is_full = answer.rows == source.rows and len(wanted) == len(answer.sales)
        if is_full and source.page < _LAST_PAGE:
            source.page += 1
            waiting.append(source)
    sales.sort(key=lambda sale: sale.at, reverse=True)
    ids = dict.fromkeys(sale.customer_id for sale in sales)
    return Hints(tuple(ids), requests, tuple(refused), tuple(failed))


def _sources(client: DubClient, asked_from: datetime, timeout_s: float) -> tuple[_Source, ...]:
    def once(read: Callable[..., SalesPage], **rows: int) -> Callable[..., SalesPage]:
        return partial(read, since=asked_from, retry=NO_RETRY, timeout=timeout_s, **rows)

    return (
        _Source(EVENTS, MOST_EVENTS, once(client.sale_events, limit=MOST_EVENTS)),
        _Source(COMMISSIONS, _MOST_COMMISSIONS, once(client.commissions, page_size=_MOST_COMMISSIONS)),
    )
