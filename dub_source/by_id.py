"""Reading customers again by their ids, and learning what became of those that do not come."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from dub_source.client import DubClient
from dub_source.errors import ApiError, CustomerNotFound, InvalidResponse, RateLimited, UnreadableRow
from dub_source.types import Page

IDS_PER_REQUEST = 100


@dataclass(frozen=True, slots=True)
class Again:
    """What one request told: customers as they are now, and ids of others.

    ``gone``: Dub says that there is no such customer. ``unreadable``: there is, but Dub cannot show it
    (UnreadableRow).
    """

    page: Page
    gone: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Gone:
    """Ids of customers that do not exist any more, and the start (UTC) of the request that proved it."""

    ids: tuple[str, ...]
    requested_at: datetime


class ById:
    """Reads customers by id, up to 100 a request where Dub answers the undocumented ``customerIds``.

    Where it does not, that is remembered, and every customer costs a request. A customer that spoils the
    answer for others is found by halving. Can be shared by threads.

    Being absent from an answer proves nothing by itself: Dub drops unknown ids without a word, and so would a
    server that has never heard of the parameter. What that means for the three questions that can be asked:

    * :meth:`read`: what became of each? The absent ones are asked for one by one.
    * :meth:`present`: who is there? Nobody is asked for twice where such answers are known to hold.
    * :meth:`gone`: who is surely gone? A living customer is asked for in the same breath and must come.

    ``clock`` gives epoch seconds.
    """

    def __init__(
        self,
        client: DubClient,
        *,
        include_expanded_fields: bool | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._client = client
        self._expanded = include_expanded_fields
        self._clock = clock
        self._together = True
        self._proven = False

    @property
    def together(self) -> bool:
        """Whether several customers are read by one request, as far as is known."""
        return self._together

    def read(self, ids: Sequence[str]) -> Iterator[Again]:
        """Each of the customers once, found, gone or unreadable; in no particular order.

        Args:
            ids: as Dub prints them.

        Raises:
            RequestError: what concerns more than these customers (key, network, rate limit).
        """
        for some in _hundreds(ids):
            yield from self._some(some)

    def present(self, ids: Sequence[str]) -> Iterator[Page]:
        """Those of the customers that exist and can be shown, each once; in no particular order.

        One request per 100 ids where ``customerIds`` is answered, and at most two more in all to find out
        that it is; whoever is absent from such an answer is left out unasked.

        Args:
            ids: as Dub prints them.

        Yields:
            Pages with one customer at least.

        Raises:
            RequestError: what concerns more than these customers (key, network, rate limit).
        """
        for some in _hundreds(ids):
            yield from self._present(some)

    def gone(self, ids: Sequence[str], *, control: str | None) -> Iterator[Gone]:
        """Those of the customers that are proven not to exist any more; in no particular order.

        One request per 100 ids, and ``control`` among them. Only an answer with nobody but ``control`` is a
        proof: it shows that the server looks customers up by their ids, and no limit on the length of an
        answer can have cut off others. Without such an answer each customer is asked for alone, and only
        Dub's own sentence about this customer counts (CustomerNotFound). An unreadable customer is not gone.

        Args:
            ids: as Dub prints them.
            control: a customer known to be alive, which is never reported; if it is lost on the way, another
                one is looked for. None: everybody is asked for alone.

        Raises:
            RequestError: what concerns more than these customers; what was yielded before stays proven.
        """
        waiting = deque(_hundreds([each for each in ids if each != control]))
        while waiting:
            some = waiting.popleft()
            page = self._page([*some, control]) if control is not None and self._together else None
            if isinstance(page, UnreadableRow) and len(some) > 1:
                waiting.extendleft((some[len(some) // 2 :], some[: len(some) // 2]))
                continue
            there = {customer["id"] for customer in page.customers} if isinstance(page, Page) else set()
            if isinstance(page, Page) and there == {control}:
                yield Gone(tuple(some), page.requested_at)
            elif there:
                # Whoever came is alive. It proves nothing about the others: an answer ends after a hundred.
                absent = [each for each in some if each not in there]
                waiting.extendleft([absent] if absent else [])
            else:
                unreadable = False
                for again in map(self._one, some):
                    unreadable = unreadable or bool(again.unreadable)
                    if again.gone:
                        yield Gone(again.gone, again.page.requested_at)
                control = control if unreadable else self._other_control(control)

    def _present(self, ids: list[str]) -> Iterator[Page]:
        page = self._page(ids) if self._together else None
        if isinstance(page, UnreadableRow) and len(ids) > 1:
            yield from self._present(ids[: len(ids) // 2])
            yield from self._present(ids[len(ids) // 2 :])
        elif isinstance(page, Page) and page.customers:
            yield page
        elif not isinstance(page, Page) or not self._knows_ids():
            for customer_id in ids:
                alone = self._one(customer_id).page
                if alone.customers:
                    self._together = False
                    yield alone

    def _knows_ids(self) -> bool:
        """Whether an empty answer to ``customerIds`` can be believed; asks for somebody who is there."""
        if not self._proven:
            newest = self._newest()
            if newest == []:
                return True  # There is nobody at all.
            for customer_id in newest or []:
                self._page([customer_id])
        return self._proven

    def _newest(self) -> list[str] | None:
        """The id of a customer that is there now, none if nobody is, None if Dub cannot show it."""
        try:
            return [customer["id"] for customer in self._client.list(page_size=1).customers]
        except UnreadableRow:
            return None

    def _other_control(self, lost: str | None) -> str | None:
        if lost is None or not self._together:
            return None
        return next((each for each in self._newest() or () if each != lost), None)

    def _some(self, ids: list[str]) -> Iterator[Again]:
        page = self._page(ids) if self._together else None
        if isinstance(page, UnreadableRow) and len(ids) > 1:
            yield from self._some(ids[: len(ids) // 2])
            yield from self._some(ids[len(ids) // 2 :])
            return
        found = set()
        if isinstance(page, Page):
            yield Again(page)
            found = {customer["id"] for customer in page.customers}
        for customer_id in ids:
            if customer_id not in found:
                alone = self._one(customer_id)
                if not found and alone.page.customers:
                    # Nobody came together, and this one did alone.
                    self._together = False
                yield alone

    def _page(self, ids: list[str]) -> Page | UnreadableRow | None:
        """The customers; None, and never asked again, if Dub does not answer such requests."""
        try:
            page = self._client.list(
                customer_ids=ids, page_size=IDS_PER_REQUEST, include_expanded_fields=self._expanded
            )
        except RateLimited:
            raise
        except UnreadableRow as error:
            return error
        except (ApiError, InvalidResponse):
            # Whatever it is: if more is wrong than this parameter, the next request will say so.
            page = None
        wanted = set(ids)
        if page is None or any(customer["id"] not in wanted for customer in page.customers):
            self._together = False
            return None
        self._proven = self._proven or bool(page.customers)
        return page

    def _one(self, customer_id: str) -> Again:
        started = datetime.fromtimestamp(self._clock(), UTC)
        try:
            customer = self._client.get(customer_id, include_expanded_fields=self._expanded)
        except CustomerNotFound:
            return Again(Page([], started), gone=(customer_id,))
        except UnreadableRow:
            return Again(Page([], started), unreadable=(customer_id,))
        return Again(Page([customer], started))


def _hundreds(ids: Sequence[str]) -> list[list[str]]:
    """Each id once, in groups that fit into a request."""
    unique = list(dict.fromkeys(ids))
    return [unique[start : start + IDS_PER_REQUEST] for start in range(0, len(unique), IDS_PER_REQUEST)]
