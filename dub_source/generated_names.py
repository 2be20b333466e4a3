"""Names that Dub makes up.

For a customer with neither a name nor an email Dub shows a random name, another one on every read.
Stored as it came, it would look like a change in every run. So the names of customers without an email are
read again: a name that changes from read to read is made up, and None is its value.
"""

from collections.abc import Iterator, Sequence

from dub_source.client import DubClient
from dub_source.errors import CustomerNotFound, UnreadableRow
from dub_source.types import Customer

_IDS_PER_REQUEST = 100
_READS = 3
"""Two equal readings in a row settle a name; nobody is renamed twice within a second."""


def without_generated_names(client: DubClient, customers: Sequence[Customer]) -> list[Customer]:
    """The same customers, with name None where Dub made it up.

    Costs one request per 100 customers without an email, and a second one for those whose name changed;
    one for each of the 100 if one of them is unreadable.

    Args:
        client: where to read again.
        customers: plain or expanded, as read; not changed.

    Returns:
        All customers, in the same order.
    """
    doubtful = {each["id"]: each.get("name") for each in customers if not each.get("email")}
    for _ in range(1, _READS):
        again = _names(client, list(doubtful))
        # Whoever is not there any more keeps the name that was read.
        doubtful = {
            each: again[each] for each, name in doubtful.items() if each in again and again[each] != name
        }
    return [each | {"name": None} if each["id"] in doubtful else each for each in customers]


def _names(client: DubClient, ids: Sequence[str]) -> dict[str, str | None]:
    """The names of these customers now, by id; those who are gone are missing."""
    names: dict[str, str | None] = {}
    for start in range(0, len(ids), _IDS_PER_REQUEST):
        for customer in _read_again(client, ids[start : start + _IDS_PER_REQUEST]):
            names[customer["id"]] = customer.get("name")
    return names


def _read_again(client: DubClient, ids: Sequence[str]) -> Iterator[Customer]:
    """One request for all, or, where the undocumented ``customerIds`` does not answer so, one for each."""
    wanted = set(ids)
    try:
        page = client.list(customer_ids=list(ids), page_size=_IDS_PER_REQUEST)
    except UnreadableRow:
        page = None
    if page is not None and all(customer["id"] in wanted for customer in page.customers):
        yield from page.customers
        return
    for customer_id in ids:
        try:
            yield client.get(customer_id)
        except (CustomerNotFound, UnreadableRow):
            continue
