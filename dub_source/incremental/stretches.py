"""Stretches of customers that were read without a gap, and what may hide in the gaps between them.

There is a gap only where a customer cannot be read: no cursor leads past it. How many such customers stand
there, and whether others hide between two of them, no answer shows. But Dub names the position of the first
one on a page, and a page can be asked for that ends right before a known customer. So::

    … b c ✗ d e …        the page of n customers before d begins with the ones up to c: ✗ is its last
    … b c ✗ x ✗ d e …    the first ✗ is not the last one, whatever is x

unless a hundred or more hide there, for no page is longer. Then nothing tells, except a sweep's count; and
they are believed to hide there only if there is a reason to.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from dub_source.client import DubClient, SortOrder
from dub_source.errors import InvalidCursor, UnreadableRow
from dub_source.ids import follows, is_ulid
from dub_source.incremental.walking import End, Walk

_LARGEST = 100
_BEFORE_ALL, _AFTER_ALL = "", "~"


@dataclass(frozen=True, slots=True)
class Stretch:
    """What was read around one customer.

    Attributes:
        start: the customer.
        down: the walk towards the start of the table; None if nobody below is wanted.
        up: the walk towards its end; None if nobody above is wanted.
    """

    start: str
    down: Walk | None
    up: Walk | None

    def is_blocked(self) -> bool:
        """Whether it ends at a customer that cannot be read."""
        return _blocked(self.down) or _blocked(self.up)

    def covers(self, ulid: str) -> bool:
        """Whether a customer with this ULID, if it was there, was read."""
        return not follows(self.lowest, ulid) and not follows(ulid, self.highest)

    @property
    def lowest(self) -> str:
        """The first ULID in it."""
        if not _blocked(self.down):
            return _BEFORE_ALL
        return min(self._ulids(), default=_AFTER_ALL)

    @property
    def highest(self) -> str:
        """The last ULID in it."""
        if not _blocked(self.up):
            return _AFTER_ALL
        return max(self._ulids(), default=_BEFORE_ALL)

    def _ulids(self) -> list[str]:
        walks = [walk for walk in (self.down, self.up) if walk is not None]
        ends = [end for walk in walks for end in (walk.lowest, walk.highest) if end is not None]
        return [*ends, self.start] if is_ulid(self.start) else ends


@dataclass(frozen=True, slots=True)
class Gaps:
    """What is known of all gaps: so many customers, at least, cannot be read; ``narrow``: nobody else."""

    unreadable: int
    narrow: bool


def gaps_between(client: DubClient, stretches: Sequence[Stretch], *, suspicious: bool) -> Gaps:
    """Look into the gaps between these stretches, and below and above them: a few requests each.

    Args:
        client: where to read.
        stretches: what was read, in any order.
        suspicious: whether a hundred customers or more may hide in a gap.
    """
    gaps = []
    ordered = sorted(stretches, key=lambda each: (each.lowest, each.highest))
    if ordered and _blocked(ordered[0].down):
        gaps.append(_nobody_beyond(client, ordered[0].down, "asc"))
    for lower, upper in pairwise(ordered):
        if _blocked(lower.up) and _blocked(upper.down):
            gaps.append(_alone_between(client, lower.up, upper.down, suspicious=suspicious))
    if ordered and _blocked(ordered[-1].up):
        gaps.append(_nobody_beyond(client, ordered[-1].up, "desc"))
    return Gaps(unreadable=len(gaps), narrow=all(gaps))


def _blocked(walk: Walk | None) -> bool:
    return walk is not None and walk.end is End.BLOCKED


def _end(walk: Walk | None) -> str | None:
    return None if walk is None else walk.cursor


def _alone_between(client: DubClient, lower: Walk | None, upper: Walk | None, *, suspicious: bool) -> bool:
    """Whether a single customer stands between the ends of two walks, as far as a page can tell."""
    below, above = _end(lower), _end(upper)
    if below is None or above is None:
        return False
    readable, more = _readable_before(client, below)
    if _first_unreadable(client, above, "asc", readable + 1) != readable:
        return False
    if readable + 2 > _LARGEST:
        return not suspicious
    # One further back there is nobody, or another unreadable one.
    return _first_unreadable(client, above, "asc", readable + 2) == (0 if more else readable)


def _readable_before(client: DubClient, customer_id: str) -> tuple[int, bool]:
    """How many can be read one after the other up to this customer, at most 99; whether there are more."""
    most = _LARGEST - 2
    try:
        page = client.list(starting_after=customer_id, sort_order="desc", page_size=most)
    except InvalidCursor:
        return 1, True
    except UnreadableRow as error:
        return 1 + (error.index or 0), True
    return 1 + len(page.customers), len(page.customers) == most


def _nobody_beyond(client: DubClient, walk: Walk | None, printed: SortOrder) -> bool:
    """Whether the unreadable customer at a walk's end is the last one, as far as two pages can tell.

    The pages show those behind the walk's end, the farthest first.
    """
    end = _end(walk)
    return end is not None and all(
        _first_unreadable(client, end, printed, size) == 0 for size in (2, _LARGEST)
    )


def _first_unreadable(client: DubClient, customer_id: str, printed: SortOrder, size: int) -> int | None:
    """The position of the first unreadable one among so many before this customer, in the printed order."""
    try:
        client.list(ending_before=customer_id, sort_order=printed, page_size=size)
    except InvalidCursor:
        return None
    except UnreadableRow as error:
        return error.index
    return None
