"""First sales and cancellations: customers by the latest date, down to what was seen before."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import compress
from typing import Literal

from dub_source.client import DubClient
from dub_source.incremental.by_position import NewestFirst
from dub_source.incremental.moments import moment
from dub_source.types import Page


def newer_than(
    client: DubClient,
    field: Literal["firstSaleAt", "subscriptionCanceledAt"],
    since: datetime | None,
    *,
    overlap_s: float,
    include_expanded_fields: bool,
) -> Iterator[Page]:
    """Customers with a date since then, the latest first.

    Pages of equal dates are not stable, and a change between two requests shifts all that follow. The overlap
    of the next run makes up for that as far as it reaches. Dub shows at most 100,000 customers in this order.

    Args:
        client: where to read.
        field: which date.
        since: the latest one that was seen; None for all.
        overlap_s: seconds to look back from there.
        include_expanded_fields: whether link, partner and discount come along.
    """
    oldest = None if since is None else since - timedelta(seconds=overlap_s)
    for page in NewestFirst(client, field, include_expanded_fields=include_expanded_fields):
        dates = [moment(customer.get(field)) for customer in page.customers]
        newer = [date is not None and (oldest is None or date >= oldest) for date in dates]
        wanted = list(compress(page.customers, newer))
        if wanted:
            yield Page(wanted, page.requested_at)
        if not all(newer):
            return
