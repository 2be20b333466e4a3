"""Who has read which stretch of the customers, and which stretches touch. Knows nothing of requests.

A :class:`Segment` begins with one customer, its *anchor*, and grows at two *fronts*: ``asc`` towards the end
of the table, ``desc`` towards its start, always contiguously in the server's order. A front is done when it
reaches the end of the table or a customer of another segment. Then nobody who was there all the time stands
between the two, and they are *linked*. The table is covered when links lead from a segment that reached the
start to one that reached the end: that chain is the proof, and the whole of it.

Ids are compared for equality only. Every customer belongs to the segment that claimed it first.

Nothing but the calls of :class:`Territory` decides what it is: it notes them in a journal, and another one
that replays them is the same.
"""

from collections import deque
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from dub_source.client import SortOrder
from dub_source.walk.certificate import SegmentProof
from dub_source.walk.journal import Event, Journal

SIDES: tuple[SortOrder, ...] = ("asc", "desc")
State = Literal["open", "met", "ended", "blocked", "lost"]

REMEMBERED = 1_000
"""Ids a front can fall back to when its last customers are deleted: far more than go between two requests."""


@dataclass(slots=True, eq=False)
class Front:
    """One growing end of a segment.

    States: ``open``; ``met`` another segment; ``ended`` at the end of the table; ``blocked`` by a customer
    that cannot be read; ``lost``, because every customer it could go on from is gone.
    """

    segment: "Segment"
    side: SortOrder
    trail: deque[str]
    first: list[str] = field(default_factory=list)
    """The first rows it read: should the anchor be deleted, the other front goes on from them."""
    state: State = "open"
    busy: bool = False
    """A request for it is under way."""
    turns: int = 0
    """Requests made for it."""
    size: int | None = None
    """Rows to ask for; None for a whole page."""

    def is_open(self) -> bool:
        """Whether there is more to read."""
        return self.state == "open"

    @property
    def cursor(self) -> str:
        """The customer to go on from."""
        return self.trail[-1]


@dataclass(slots=True, eq=False)
class Segment:
    """A contiguous stretch of customers around its anchor; ``number`` is its place among all segments."""

    anchor: str
    number: int = 0
    rows: int = 1
    fronts: dict[SortOrder, Front] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.fronts = {side: Front(self, side, deque([self.anchor], maxlen=REMEMBERED)) for side in SIDES}


class Territory:
    """All segments of one sweep. Not thread-safe: one thread alone makes all calls."""

    def __init__(self, journal: Journal | None = None) -> None:
        self.segments: list[Segment] = []
        self._journal = journal or Journal()
        self._owner: dict[str, Segment] = {}
        self._above: dict[Segment, list[Segment]] = {}
        """Segment -> those proven to follow it directly."""

    def __contains__(self, customer_id: object) -> bool:
        return customer_id in self._owner

    @property
    def rows(self) -> int:
        """Customers claimed so far."""
        return len(self._owner)

    @property
    def ids(self) -> Collection[str]:
        """The customers claimed so far."""
        return self._owner.keys()

    def settle(self, customer_id: str) -> Segment | None:
        """A new segment around a customer whose row was read.

        None if it is claimed already. Then it is alive, and lost fronts of its segment can go on from it.
        """
        self._journal.add("settle", customer_id)
        owner = self._owner.get(customer_id)
        if owner is not None:
            for front in owner.fronts.values():
                if front.state == "lost":
                    front.trail.append(customer_id)
                    front.state = "open"
            return None
        segment = Segment(customer_id, len(self.segments))
        self.segments.append(segment)
        self._owner[customer_id] = segment
        self._above[segment] = []
        return segment

    def fronts(self, state: State) -> list[Front]:
        """All fronts in this state; ``asc`` ones first."""
        return [
            each.fronts[side] for side in SIDES for each in self.segments if each.fronts[side].state == state
        ]

    def take(self, front: Front, ids: Sequence[str]) -> list[int]:
        """Claim the rows of a page that an open front asked for.

        Returns:
            The positions of rows that are new. A row of another segment ends the front before it; unless that
            segment is lost in this direction, for then nobody goes on from there.
        """
        self._journal.add("take", front.segment.number, front.side, list(ids))
        fresh: list[int] = []
        segment = front.segment
        for position, customer_id in enumerate(ids):
            owner = self._owner.get(customer_id)
            if owner is None:
                self._owner[customer_id] = segment
                fresh.append(position)
                if len(front.first) < REMEMBERED:
                    front.first.append(customer_id)
            elif owner is not segment and owner.fronts[front.side].state != "lost":
                self._meet(front, owner, customer_id)
                break
            front.trail.append(customer_id)
        segment.rows += len(fresh)
        return fresh

    def _meet(self, front: Front, other: Segment, row: str) -> None:
        """``front`` has come upon ``row`` of another segment."""
        front.state = "met"
        lower, upper = (front.segment, other) if front.side == "asc" else (other, front.segment)
        if upper not in self._above[lower]:
            self._above[lower].append(upper)
        opposite = other.fronts["desc" if front.side == "asc" else "asc"]
        # Only at the very edge of the other segment is there nothing left for it to find on this side. Else
        # its edge was deleted, or this segment began inside of it: then it has to see for itself; and so it
        # has if this segment is lost behind.
        lost = front.segment.fronts[opposite.side].state == "lost"
        if opposite.state == "open" and opposite.cursor == row and not lost:
            opposite.state = "met"

    def end(self, front: Front) -> None:
        """An empty page: this is the end of the table."""
        self._journal.add("end", front.segment.number, front.side)
        front.state = "ended"

    def doubt(self, state: Literal["ended", "met"]) -> None:
        """Ask again where the table was said to end, or where segments met."""
        self._journal.add("doubt", state)
        for front in self.fronts(state):
            front.state = "open"

    def block(self, front: Front) -> None:
        """The next customer cannot be read, and nobody behind it by cursor."""
        self._journal.add("block", front.segment.number, front.side)
        front.state = "blocked"

    def drop_cursor(self, front: Front) -> None:
        """The customer that the front would go on from is gone: go on from the one before it.

        With nobody left to go on from the front is lost. Whoever had stopped because of this segment must
        then go on themselves: what lies behind it is not covered.
        """
        self._journal.add("drop", front.segment.number, front.side)
        front.trail.pop()
        if front.trail:
            return
        opposite = front.segment.fronts["desc" if front.side == "asc" else "asc"]
        front.trail.extend(reversed(opposite.first))
        opposite.first = []
        if front.trail:
            return
        front.state = "lost"
        if front.side == "asc":
            stopped = [each for each in self.segments if front.segment in self._above[each]]
        else:
            stopped = list(self._above[front.segment])
        for each in stopped:
            neighbour = each.fronts[front.side]
            if neighbour.state == "met":
                neighbour.state = "open"

    def replay(self, event: Event) -> bool:
        """Make the call that was noted as ``event`` by a territory that was the same until then.

        Returns:
            Whether it is an event of a territory.

        Raises:
            LookupError: if the territory that noted it was another one.
        """
        match event:
            case ["settle", customer_id]:
                self.settle(customer_id)
            case ["take", number, side, ids]:
                self.take(self._front(number, side), ids)
            case ["end", number, side]:
                self.end(self._front(number, side))
            case ["block", number, side]:
                self.block(self._front(number, side))
            case ["drop", number, side]:
                self.drop_cursor(self._front(number, side))
            case ["doubt", state]:
                self.doubt(state)
            case _:
                return False
        return True

    def _front(self, number: int, side: SortOrder) -> Front:
        return self.segments[number].fronts[side]

    def proof(self) -> tuple[SegmentProof, ...] | None:
        """The chain of segments from the start of the table to its end; None while there is none."""
        path = self._path()
        if path is None:
            return None
        anchors = [None, *(each.anchor for each in path), None]
        return tuple(
            SegmentProof(each.anchor, each.rows, below, above)
            for each, below, above in zip(path, anchors, anchors[2:], strict=False)
        )

    def _path(self) -> list[Segment] | None:
        """A way along links from the start to the end, found breadth first."""
        came_from: dict[Segment, Segment | None] = {
            each: None for each in self.segments if each.fronts["desc"].state == "ended"
        }
        queue = deque(came_from)
        while queue:
            segment = queue.popleft()
            if segment.fronts["asc"].state == "ended":
                return list(reversed(list(_back(segment, came_from))))
            for above in self._above[segment]:
                if above not in came_from:
                    came_from[above] = segment
                    queue.append(above)
        return None


def _back(segment: Segment | None, came_from: dict[Segment, Segment | None]) -> Iterable[Segment]:
    while segment is not None:
        yield segment
        segment = came_from[segment]
