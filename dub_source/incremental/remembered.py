"""Of millions of ids the few that are worth remembering: near to now many, farther away ever fewer."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from dub_source.ids import is_ulid, likely_order, likely_place, surely_after, surely_before
from dub_source.incremental.moments import DAY_MS

_WIDTHS = (14, 11, 10, 9, 8, 7)
"""Of ULIDs that agree in so many characters the last one is kept: those of a 32nd of a millisecond, then of
1 s, 33 s, 17 min, 9 h, 12 days. The random part begins where the time ends, so order is never lost."""
_KEPT = 1_024
"""Buckets of each width, the newest ones; of older ones there are those of the next width."""
_OTHERS_KEPT = 64
"""Ids without a time on each side of these days, and as many of which nobody knows the side."""
_AT_ONCE = 100_000
"""Ids that wait to be looked at together, which is faster; it bounds the memory."""


class Remembered:
    """Ids that were seen, in any order; of those of one stretch of time one for all.

    Args:
        about_now_ms: decides which ids without a time are kept: those nearest to it; days do not matter.
    """

    def __init__(self, *, about_now_ms: int) -> None:
        self._before_ms = about_now_ms - 2 * DAY_MS
        self._after_ms = about_now_ms + 2 * DAY_MS
        self._waiting: list[str] = []
        self._ulids: list[str] = []
        self._others: list[str] = []

    def add(self, ids: Iterable[str]) -> None:
        """See ids."""
        rest = iter(ids)
        while some := list(islice(rest, _AT_ONCE)):
            self._waiting += some
            if len(self._waiting) >= _AT_ONCE:
                self._sift()

    def ids(self) -> list[str]:
        """All that are remembered, in their likely order."""
        self._sift()
        return sorted({*self._ulids, *self._others}, key=likely_order)

    def _sift(self) -> None:
        waiting, self._waiting = self._waiting, []
        ulids = list(filter(is_ulid, waiting))
        if len(ulids) < len(waiting):
            others = {each for each in waiting if not is_ulid(each)}
            self._others = self._nearest(sorted(others.union(self._others), key=likely_order))
        # Pages come as runs in order, which a sort makes use of.
        self._ulids = _thinned(sorted(ulids + self._ulids))

    def _nearest(self, ids: Sequence[str]) -> list[str]:
        """Of ids in their likely order those that are nearest to the ULIDs of these days."""
        places = [likely_order(each) for each in ids]
        low = bisect_left(places, likely_place(self._before_ms))
        high = bisect_right(places, likely_place(self._after_ms), lo=low)
        below, above, unsure = list[str](), list[str](), list(ids[low:high])
        for each in _until_full(below, reversed(ids[:low])):
            (below if surely_before(each, self._before_ms) else unsure).append(each)
        for each in _until_full(above, iter(ids[high:])):
            (above if surely_after(each, self._after_ms) else unsure).append(each)
        return [*below, *above, *unsure[:_OTHERS_KEPT]]


def _until_full(found: Sequence[str], ids: Iterator[str]) -> Iterator[str]:
    while len(found) < _OTHERS_KEPT and (each := next(ids, None)) is not None:
        yield each


def _thinned(ulids: Sequence[str]) -> list[str]:
    """Of ULIDs in order the newest ones by narrow buckets, older ones by wide ones, and the very first."""
    kept = list[str]()
    end = len(ulids)
    for width in _WIDTHS:
        for _ in range(_KEPT):
            if not end:
                break
            last = ulids[end - 1]
            kept.append(last)
            end = bisect_left(ulids, last[:width], 0, end)
    if ulids and kept[-1] != ulids[0]:
        kept.append(ulids[0])
    return kept[::-1]
