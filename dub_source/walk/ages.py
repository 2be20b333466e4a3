"""Where in the order of creation customers are still unread. Knows nothing of requests.

A sweep reads in the order of ids, and looks for new anchors by position in the order of creation, which is
another one. The two are connected by counting: how many customers were created between two known positions
is the difference of the positions; how many of those were read already, a sample of what was read tells.
That holds however the two orders are mixed, so that it leads to what is left of an import, too.

All this is a guess that costs a request where it is wrong. Nothing is proven by it.
"""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise

from dub_source.types import Customer
from dub_source.walk.journal import Event, Journal

SAMPLED = 25
"""One in so many customers is remembered: 40,000 of a million."""
_BEFORE_ALL, _AFTER_ALL = "", "~"


class Ages:
    """Marks (a position from the oldest, and the moment of creation there), and a sample of who was read.

    Moments are texts as Dub writes them, which sort as they follow each other.
    """

    def __init__(self, customers: int, journal: Journal | None = None) -> None:
        self.customers = customers
        self._journal = journal or Journal()
        self._marks = [(0, _BEFORE_ALL), (customers, _AFTER_ALL)]
        self._read: list[str] = []
        self._skip = 0
        self._asked: set[int] = set()
        """Positions that were asked for, until they are marks; for good if they cannot be."""

    @property
    def started(self) -> bool:
        """Whether anybody was read."""
        return bool(self._read)

    def read(self, customers: Sequence[Customer]) -> None:
        """These were read."""
        sample = [created(customer) for customer in customers[self._skip :: SAMPLED]]
        self._skip = (self._skip - len(customers)) % SAMPLED
        if sample:
            self._journal.add("read", sample)
            self._read += sample

    def targets(self, wanted: int, *, least: int) -> list[int]:
        """Up to so many positions to look at next: spread over the stretches with most unread customers.

        Stretches where less than ``least`` customers are unread, or where somebody looks just now, are left
        alone.
        """
        self._read.sort()
        pieces = []
        for (low, since), (high, until) in pairwise(self._marks):
            read = bisect_left(self._read, until) - bisect_left(self._read, since)
            unread = high - low - SAMPLED * read
            if unread >= least and not any(low <= each < high for each in self._asked):
                pieces.append((low, high, unread))
        numbers = shared_out([unread for *_, unread in pieces], wanted, least=least)
        found = [
            low + max(int(share * (high - low)), 1)
            for (low, high, _), number in zip(pieces, numbers, strict=True)
            for share in spaced(number, from_the_start=low == 0)
        ]
        self._asked.update(found)
        return found

    def found(self, position: int, customer: Customer | None) -> None:
        """Who is at a position that was asked for; None if that cannot be told."""
        moment = None if customer is None else created(customer)
        self._journal.add("mark", position, moment)
        self._mark(position, moment)

    def replay(self, event: Event) -> bool:
        """Take over what another one noted as ``event``; returns whether it is an event of this kind."""
        match event:
            case ["read", moments]:
                self._read += moments
            case ["mark", position, moment]:
                self._mark(position, moment)
            case _:
                return False
        return True

    def _mark(self, position: int, moment: str | None) -> None:
        self._asked.add(position)
        index = bisect_left(self._marks, (position, _BEFORE_ALL))
        # Positions are estimates sometimes: marks that contradict each other would make nonsense of counting.
        if (
            moment
            and 0 < index < len(self._marks)
            and self._marks[index - 1][1] < moment < self._marks[index][1]
            and self._marks[index - 1][0] < position < self._marks[index][0]
        ):
            self._marks.insert(index, (position, moment))
            self._asked.discard(position)


def created(customer: Customer) -> str:
    """When a customer was created, as a text to sort by."""
    return str(customer.get("createdAt") or _BEFORE_ALL)


def shared_out(sizes: Sequence[float], number: int, *, least: float) -> list[int]:
    """How many points to put into stretches of these sizes, so that the largest remaining one is small.

    Stretches are not cut into pieces smaller than half of ``least``.
    """
    points = [0] * len(sizes)
    for _ in range(number if sizes else 0):
        pieces = [size / (count + 1) for size, count in zip(sizes, points, strict=True)]
        largest = max(range(len(sizes)), key=pieces.__getitem__)
        if pieces[largest] < least:
            break
        points[largest] += 1
    return points


def spaced(number: int, *, from_the_start: bool) -> list[float]:
    """Shares of a stretch (0 to 1) for so many points, with pieces of one length between them.

    At the start of everything nobody comes to meet the first segment, so it had better begin there.
    """
    first = 0 if from_the_start else 1
    return [(first + point) / (first + number) for point in range(number)]
