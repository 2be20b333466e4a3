"""Finding customers for a sweep to begin at: in the beginning, and later where most is left to read."""

from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby

from dub_source.by_id import ById
from dub_source.client import DubClient
from dub_source.types import Page
from dub_source.walk.ages import Ages, created, shared_out, spaced
from dub_source.walk.sampler import Found, Sampler

_LARGEST_PAGE = 100
_PATIENCE = 8
"""After so many looks in a row that found nobody new, no more are made."""
_ROWS_PER_MARK = 20_000
"""Knowing who is where in the order of creation costs a request for each mark: half a percent of a sweep."""


@dataclass(frozen=True, slots=True)
class Look:
    """One request for customers to begin at, to be made by any thread.

    Attributes:
        make: makes it.
        expected: how many new anchors are hoped for.
        position: where it looks, as :class:`~dub_source.walk.ages.Ages` counts; None for known ids.
    """

    make: Callable[[], Found]
    expected: int
    position: int | None = None


class KnownIds:
    """Customers that probably exist, in an order that may say something about their place."""

    def __init__(self, ids: Sequence[str]) -> None:
        self._ids = ids
        self._asked: set[str] = set()

    def choose(self, wanted: int, claimed: Container[str]) -> list[str]:
        """So many of them that nobody has claimed, from the middles of the longest stretches of such."""
        free = [each not in claimed and each not in self._asked for each in self._ids]
        chosen = list(dict.fromkeys(self._ids[position] for position in middles(free, wanted)))
        self._asked.update(chosen)
        return chosen


class Reserve:
    """Customers that were read, but not claimed yet: to begin at whenever fronts become few.

    To begin at one of them costs no request. It may be deleted by then; that is nothing special.
    """

    def __init__(self) -> None:
        self._pages: dict[str, Page] = {}

    def add(self, pages: Iterable[Page], *, by_age: bool) -> None:
        """Keep these, one by one, in their order or that of their creation."""
        singles = [Page([row], page.requested_at) for page in pages for row in page.customers]
        if by_age:
            singles.sort(key=lambda page: created(page.customers[0]))
        self._pages = {page.customers[0]["id"]: page for page in singles}

    def take(self, wanted: int, claimed: Container[str]) -> list[Page]:
        """So many of them that nobody has claimed, as pages of one; chosen as known ids are."""
        ids = list(self._pages)
        free = [each not in claimed for each in ids]
        if not any(free):
            self._pages = {}
        return [self._pages[ids[position]] for position in middles(free, wanted)]


class Scout:
    """Says where to look for anchors, and picks them from what was found."""

    def __init__(
        self,
        client: DubClient,
        claimed: Container[str],
        *,
        known_ids: Sequence[str],
        ages: Ages | None,
        page_size: int,
        include_expanded_fields: bool,
    ) -> None:
        """Prepare.

        Args:
            client: where to read.
            claimed: customers whom the sweep has already.
            known_ids: customers that probably exist.
            ages: what is known of the order of creation; None if nobody knows how many there are.
            page_size: customers a request.
            include_expanded_fields: whether link, partner and discount come along.
        """
        self._client = client
        self._expanded = include_expanded_fields
        self._claimed = claimed
        self._known = KnownIds(known_ids)
        self._by_id = ById(client, include_expanded_fields=include_expanded_fields)
        self._reserve = Reserve()
        self._ages = ages
        self._sampler: Sampler | None = None
        self._least = 4 * page_size
        self._in_vain = 0
        self._began = False

    def at_hand(self, wanted: int) -> list[Page]:
        """Up to so many customers to begin at that need no request."""
        return self._reserve.take(wanted, self._claimed)

    def looks(self, wanted: int) -> list[Look]:
        """Requests that may find so many customers to begin at; none if there is no hope of finding more."""
        first, self._began = not self._began, True
        # Whether several can be asked for at once is known after the first time.
        asked = _LARGEST_PAGE if self._by_id.together and not first else wanted
        known = self._known.choose(asked, self._claimed)
        if known:
            parts = [known] if self._by_id.together else [[each] for each in known]
            return [Look(partial(self._present, part), min(len(part), wanted)) for part in parts]
        if self._ages is None or self._in_vain >= _PATIENCE:
            return []
        if self._sampler is None:
            self._sampler = Sampler(
                self._client, self._ages.customers, include_expanded_fields=self._expanded
            )
        if first and not self._ages.started:
            marks = min(wanted, self._ages.customers // _ROWS_PER_MARK)
            positions = self._sampler.edges() or self._ages.targets(marks, least=self._least)
            # Nobody is claimed yet, and any customer will do.
            looks = [self._look_at(self._sampler, position, rows=1) for position in positions]
            return [Look(self._sampler.anywhere, wanted), *looks]
        positions = self._ages.targets(wanted, least=self._least)
        return [self._look_at(self._sampler, position, rows=_LARGEST_PAGE) for position in positions]

    @staticmethod
    def _look_at(sampler: Sampler, position: int, *, rows: int) -> Look:
        return Look(partial(sampler.around, position, rows=rows), 1, position=position)

    def understand(self, look: Look, found: Found) -> list[Page]:
        """Those of the customers found that are new anchors."""
        if look.position is None:
            if found.pages:
                self._reserve.add(found.pages, by_age=not found.in_place)
            return self.at_hand(look.expected)
        rows = [row for page in found.pages for row in page.customers]
        if self._ages is not None:
            self._ages.found(look.position, rows[len(rows) // 2] if rows and found.in_place else None)
        new = [position for position, row in enumerate(rows) if row["id"] not in self._claimed]
        if not new:
            self._in_vain += 1
            return []
        self._in_vain = 0
        position = min(new, key=lambda each: abs(each - len(rows) // 2))
        return [Page(rows[position : position + 1], found.pages[0].requested_at)]

    def _present(self, ids: list[str]) -> Found:
        return Found(list(self._by_id.present(ids)))


def middles(free: Sequence[bool], wanted: int) -> list[int]:
    """Up to so many of the positions that are free, evenly spaced in the longest stretches of such."""
    runs: list[tuple[int, int]] = []
    position = 0
    for is_free, run in groupby(free):
        length = sum(1 for _ in run)
        if is_free:
            runs.append((position, length))
        position += length
    numbers = shared_out([length for _, length in runs], wanted, least=1)
    return [
        start + int(share * length)
        for (start, length), number in zip(runs, numbers, strict=True)
        for share in spaced(number, from_the_start=start == 0)
    ]


def only(page: Page, position: int) -> Page | None:
    """A page with just this row of it; None where it has not so many."""
    rows = page.customers[position : position + 1]
    return Page(rows, page.requested_at) if rows else None
