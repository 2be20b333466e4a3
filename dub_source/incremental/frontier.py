"""Up to where everything is known: what an incremental run begins with and leaves behind."""

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Self

from dub_source.ids import FIRST_ULID_MS, surely_after, surely_before, ulid_ms
from dub_source.incremental.moments import DAY_MS, moment, to_ms
from dub_source.incremental.remembered import Remembered
from dub_source.types import Customer

DEFAULT_OVERLAP_S = 900.0
"""A customer may be stored so much later than its id was made: long transactions, clocks that differ."""

_NEAREST = (0, 1, 4, 16, 64)
_FARTHER, _FAR_MS = 6, 60_000
"""Beyond the nearest ones there is an anchor for each span of ages that is so many times as long as the one
before it; the first is a minute, the tenth 19 years."""
_ALL = 16
_ABOVE = (0, 1, 4, 16)
_FEW = 4


@dataclass(frozen=True, slots=True)
class Frontier:
    """All that one run tells the next one; holds ids and times only.

    Attributes:
        newest_ms: the newest ULID's moment (ms since 1970) in completed walks; None if there was no ULID.
        anchors: customers to read on from, the best first: surely before the frontier, at growing distances.
            In a workspace where nobody is, some that are near to it.
        above: customers that surely come after all that is new, the nearest first.
        first_sale_at: the latest first sale that was seen.
        canceled_at: the latest cancellation that was seen.
        read_at: when the last completed walk began. Together with ``newest_ms`` it keeps runs cheap where
            nobody has come for long.

    Times are of Dub's clock, and never later than the begin of the walk that saw them.
    """

    newest_ms: int | None = None
    anchors: tuple[str, ...] = ()
    above: tuple[str, ...] = ()
    first_sale_at: datetime | None = None
    canceled_at: datetime | None = None
    read_at: datetime | None = None

    def floor_ms(self, overlap_s: float) -> int:
        """All customers with an older ULID (ms since 1970) have been read."""
        # A day is more than any clock of Dub's servers may be wrong. newest_ms itself depends on no clock.
        quiet = to_ms(self.read_at) - DAY_MS if self.read_at is not None else 0
        return max(self.newest_ms or FIRST_ULID_MS, quiet) - round(overlap_s * 1000)

    def as_state(self) -> dict[str, Any]:
        """The same as JSON types."""
        return {
            "newest_ms": self.newest_ms,
            "anchors": list(self.anchors),
            "above": list(self.above),
            "first_sale_at": _text(self.first_sale_at),
            "canceled_at": _text(self.canceled_at),
            "read_at": _text(self.read_at),
        }

    @classmethod
    def from_state(cls, stored: Mapping[str, Any]) -> Self:
        """The inverse of :meth:`as_state`; what is missing is not known."""
        return cls(
            newest_ms=stored.get("newest_ms"),
            anchors=tuple(stored.get("anchors", ())),
            above=tuple(stored.get("above", ())),
            first_sale_at=moment(stored.get("first_sale_at")),
            canceled_at=moment(stored.get("canceled_at")),
            read_at=moment(stored.get("read_at")),
        )


class FrontierBuilder:
    """Sees customers in any order, millions of them, and remembers the few that make a frontier.

    It must see only what completed walks read: a customer whom somebody met in another way, or has created,
    says nothing about those who were made before.
    """

    def __init__(
        self,
        before: Frontier | None = None,
        *,
        overlap_s: float = DEFAULT_OVERLAP_S,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Begin.

        Args:
            before: what earlier pages of the same walk, or earlier walks, have left.
            overlap_s: seconds that the next run looks back.
            clock: epoch seconds. Decides which ids without a time are remembered; days do not matter.
        """
        self._before = before or Frontier()
        self._overlap_s = overlap_s
        self._remembered = Remembered(about_now_ms=round(clock() * 1000))
        self._first_sale_at = self._before.first_sale_at
        self._canceled_at = self._before.canceled_at
        self.add_ids([*self._before.anchors, *self._before.above])

    def add_ids(self, customer_ids: Iterable[str]) -> None:
        """Customers of a walk in the order of ids: pages, or all of them at once."""
        self._remembered.add(customer_ids)

    def add_dates(self, customers: Sequence[Customer]) -> None:
        """Customers of a walk that reads everybody, or goes by first sales or by cancellations."""
        self._first_sale_at = latest(
            [self._first_sale_at, *(_date(each, "firstSaleAt") for each in customers)]
        )
        self._canceled_at = latest(
            [self._canceled_at, *(_date(each, "subscriptionCanceledAt") for each in customers)]
        )

    @property
    def dates(self) -> Frontier:
        """Nothing but the latest dates so far."""
        return Frontier(first_sale_at=self._first_sale_at, canceled_at=self._canceled_at)

    def frontier(self, *, now: datetime) -> Frontier:
        """What the next run begins with.

        Args:
            now: when the walk **began**, on Dub's clock. Of customers that came later, some may be unread.
        """
        known = self._remembered.ids()
        frontier = Frontier(
            newest_ms=self._newest(known, to_ms(now)),
            first_sale_at=_until(self._first_sale_at, now),
            canceled_at=_until(self._canceled_at, now),
            read_at=now,
        )
        floor, ceiling = frontier.floor_ms(self._overlap_s), to_ms(now) + DAY_MS
        before = [each for each in reversed(known) if surely_before(each, floor)]
        above = [each for each in known if surely_after(each, ceiling)]
        anchors = _spread(before, floor)
        if len(anchors) < _FEW:
            settled = {*before, *above}
            anchors += [each for each in known if each not in settled][:_FEW]
        return replace(frontier, anchors=tuple(anchors), above=tuple(_at(above, _ABOVE)))

    def _newest(self, known: Sequence[str], now_ms: int) -> int | None:
        """The moment of the newest ULID that is not from the future."""
        made = (ulid_ms(each) for each in reversed(known))
        newest = next((ms for ms in made if ms is not None and ms <= now_ms), None)
        before = self._before.newest_ms
        both = [ms for ms in (newest, before) if ms is not None]
        return min(max(both), now_ms) if both else None


def latest(moments: Iterable[datetime | None]) -> datetime | None:
    """The last one of those that are known."""
    return max((each for each in moments if each is not None), default=None)


def _spread(before: Sequence[str], floor_ms: int) -> list[str]:
    """Some of the ids, which come nearest first: the nearest, then some of growing age, and the last.

    When the nearest are deleted, the next ones cost a few pages more, and when all of an import are, some
    from before it are left.
    """
    if len(before) <= _ALL:
        return list(before)
    # The oldest of each span of ages: it grows into the next span, so that all spans stay occupied although
    # each run adds new customers only.
    far = {}
    for customer_id in before:
        ms = ulid_ms(customer_id)
        if ms is not None:
            far[_span(floor_ms - ms)] = customer_id
    chosen = {*_at(before, _NEAREST), *far.values(), before[-1]}
    return [each for each in before if each in chosen]


def _span(age_ms: int) -> int:
    """0 up to a minute, then one more for each time the age is _FARTHER times as large."""
    return max(0, math.ceil(math.log(max(age_ms, 1) / _FAR_MS, _FARTHER)))


def _at(ids: Sequence[str], positions: Sequence[int]) -> list[str]:
    return [ids[position] for position in positions if position < len(ids)]


def _date(customer: Customer, name: str) -> datetime | None:
    return moment(customer.get(name))


def _until(seen: datetime | None, now: datetime) -> datetime | None:
    """Never later than now: a date from the future must not hide the ones to come."""
    return None if seen is None else min(seen, now)


def _text(value: datetime | None) -> str | None:
    return None if value is None else value.astimezone(UTC).isoformat()
