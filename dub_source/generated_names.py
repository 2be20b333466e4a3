"""Names that Dub makes up.

For a customer with neither a name nor an email Dub shows a random name, another one on every read.
Stored as it came, it would look like a change in every run. So the names of customers without an email are
read again: a name that changes from read to read is made up, and None is its value.
"""

import logging
from collections.abc import Mapping, Sequence

from dub_source.by_id import IDS_PER_REQUEST, ById
from dub_source.client import DubClient

MOST_ALONE = 1_000
"""Customers whose names are read again one by one in a run: two minutes at a Business plan's rate limit."""

_READINGS_AGAIN = 2
"""Two equal readings in a row settle a name; nobody is renamed twice within a second."""

_logger = logging.getLogger("dub_source")


class GeneratedNames:
    """Tells the names that Dub makes up, for the length of one run.

    Costs one request per 100 customers without an email, and a second one for those whose name changed. Where
    Dub does not answer requests for several ids, it is one or two requests for each such customer; so this
    is done for the first ``most_alone`` of a run only. The others keep the name that was read, and a warning
    is logged.
    """

    def __init__(self, client: DubClient, *, most_alone: int = MOST_ALONE) -> None:
        self._by_id = ById(client)
        self._left = [most_alone] * _READINGS_AGAIN
        self._warned = False

    def made_up(self, customers_without_email: Mapping[str, str | None]) -> set[str]:
        """The customers whose names Dub makes up.

        Args:
            customers_without_email: id -> the name that was read. (Whoever has an email has it for a name.)

        Returns:
            Ids of those whose name was another one in every reading. Not of those who could not be read
            again: who is gone or unreadable meanwhile keeps the name that was read.
        """
        doubtful = dict(customers_without_email)
        for reading in range(_READINGS_AGAIN):
            now = self._names(list(doubtful), reading)
            doubtful = {
                each: now[each] for each, name in doubtful.items() if each in now and now[each] != name
            }
        return set(doubtful)

    def _names(self, ids: Sequence[str], reading: int) -> dict[str, str | None]:
        """The names now, by id, of those who can be read and, where it is one by one, may be."""
        names: dict[str, str | None] = {}
        for start in range(0, len(ids), IDS_PER_REQUEST):
            some = ids[start : start + IDS_PER_REQUEST]
            if not self._by_id.together:
                if len(some) > self._left[reading]:
                    self._warn()
                some = some[: self._left[reading]]
            for page in self._by_id.present(some):
                names |= {customer["id"]: customer.get("name") for customer in page.customers}
            if not self._by_id.together:
                self._left[reading] = max(0, self._left[reading] - len(some))
        return names

    def _warn(self) -> None:
        if not self._warned:
            _logger.warning(
                "Dub does not show several customers by their ids at once, so not all names of customers "
                "without an email were read twice: some may be names that Dub makes up anew for every load."
            )
        self._warned = True
