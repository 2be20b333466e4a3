"""Making the requests of a sweep: fronts advanced in parallel, and new anchors where fronts become few."""

import math
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from dub_source.client import DubClient
from dub_source.errors import InvalidCursor, UnreadableRow, WalkIncomplete
from dub_source.types import Page
from dub_source.walk.ages import Ages
from dub_source.walk.anchors import Look, Scout
from dub_source.walk.journal import Journal
from dub_source.walk.territory import SIDES, Front, Territory

_AHEAD = 2
"""Requests handed out beyond the number of workers, so that none waits for the consumer."""
_ENOUGH = 0.75
"""The share of the workers that must be busy. As long as there are gaps enough, each is read from one side:
where two fronts meet, one of them has asked for a page in vain."""
_WORTH_A_LOOK = 3
"""Pages that each front has left at least when new anchors are looked for: finding one and using it takes two
round trips."""
_NOBODY = Page([], datetime.fromtimestamp(0, UTC))


@dataclass(slots=True)
class Growth:
    """Grows a territory.

    Workers only make requests. What comes back is understood in the consumer's thread, so that the territory
    needs no lock.

    Attributes:
        client: where to read.
        territory: what grows.
        journal: is told when what was read is handed over.
        scout: finds new anchors.
        ages: is told who was read; None if nobody knows how many customers there are.
        size: how many customers there are, more or less; 0 if nobody knows.
        workers: requests under way at once.
        page_size: customers a request.
        expanded: whether link, partner and discount come along.
    """

    client: DubClient
    territory: Territory
    journal: Journal
    scout: Scout
    ages: Ages | None
    size: int
    workers: int
    page_size: int
    expanded: bool
    pool: ThreadPoolExecutor | None = field(init=False, default=None)

    @property
    def _enough(self) -> int:
        return math.ceil(_ENOUGH * self.workers)

    def run(self, anchors: int = 0) -> Iterator[Page]:
        """Advance open fronts, and begin at ``anchors`` new places, until nothing is left to do."""
        pool = self.pool = ThreadPoolExecutor(self.workers, thread_name_prefix="dub-sweep")
        under_way: dict[Future[Any], Front | Look] = {}
        covered = False
        try:
            for look in self.scout.looks(anchors) if anchors else ():
                under_way[pool.submit(look.make)] = look
            while True:
                covered = self.territory.proof() is not None
                if covered:
                    return
                yield from self.settled(self._more(under_way))
                self._hand_out(pool, under_way)
                if not under_way:
                    return
                for future in wait(under_way, return_when=FIRST_COMPLETED).done:
                    task = under_way.pop(future)
                    if isinstance(task, Front):
                        task.busy = False
                        page = self._advanced(task, future)
                        self.journal.settle()
                        if page.customers:
                            yield page
                    else:
                        yield from self.settled(self.scout.understand(task, future.result()))
        finally:
            # What is still under way when all is covered was asked for in vain: nobody waits for it here.
            for task in under_way.values():
                if isinstance(task, Front):
                    task.busy = False
            pool.shutdown(wait=not covered, cancel_futures=True)

    def join(self) -> None:
        """Wait for requests whose answers nobody needs any more."""
        if self.pool is not None:
            self.pool.shutdown(wait=True)

    def settled(self, pages: Iterable[Page]) -> Iterator[Page]:
        """Begin a segment around each of these customers that is new; those are yielded."""
        for page in pages:
            rows = [row for row in page.customers if self.territory.settle(row["id"]) is not None]
            new = Page(rows, page.requested_at)
            if rows:
                self._note(new)
                self.journal.settle()
                yield new

    def _hand_out(self, pool: ThreadPoolExecutor, under_way: dict[Future[Any], Front | Look]) -> None:
        fronts = self.territory.fronts("open")
        for front in sorted(fronts, key=lambda each: (SIDES.index(each.side), each.turns)):
            if len(under_way) >= (self.workers + _AHEAD if front.side == SIDES[0] else self._enough):
                break
            if front.busy:
                continue
            front.busy = True
            front.turns += 1
            under_way[pool.submit(self._request, front, front.cursor)] = front
        for look in self.scout.looks(missing) if (missing := self._missing(under_way)) else ():
            under_way[pool.submit(look.make)] = look

    def _more(self, under_way: dict[Future[Any], Front | Look]) -> list[Page]:
        missing = self._missing(under_way)
        return self.scout.at_hand(missing) if missing else []

    def _missing(self, under_way: dict[Future[Any], Front | Look]) -> int:
        """How many anchors would help, because there are too few fronts for the workers and much is left."""
        if self.workers <= len(SIDES):
            return 0
        fronts = len(self.territory.fronts("open"))
        pages_left = (self.size - self.territory.rows) / self.page_size
        if not fronts or pages_left < _WORTH_A_LOOK * fronts:
            return 0
        looking = sum(task.expected for task in under_way.values() if isinstance(task, Look))
        return max((self._enough - fronts + 1) // len(SIDES) - looking, 0)

    def _request(self, front: Front, cursor: str) -> Page:
        return self.client.list(
            starting_after=cursor,
            sort_order=front.side,
            page_size=front.size or self.page_size,
            include_expanded_fields=self.expanded,
        )

    def _advanced(self, front: Front, answer: "Future[Page]") -> Page:
        """Let an answer change the territory.

        Returns:
            The customers that are new.
        """
        try:
            page = answer.result()
        except InvalidCursor:
            if front.is_open():
                self.territory.drop_cursor(front)
            return _NOBODY
        except UnreadableRow as error:
            # The rows before the unreadable one can be read alone; the next request stands right at it.
            front.size = error.index
            if not error.index and front.is_open():
                self.territory.block(front)
            return _NOBODY
        if not front.is_open():  # another front has closed the gap while this request was under way
            return _NOBODY
        front.size = None
        if not page.customers:
            self.territory.end(front)
            return _NOBODY
        if page.customers[-1]["id"] == front.cursor:
            raise WalkIncomplete(
                "Dub answered a page of customers that ends where it began, so reading on would never end. "
                "Nothing was changed in the destination; if it happens again, please report it."
            )
        fresh = self.territory.take(front, [row["id"] for row in page.customers])
        new = Page([page.customers[position] for position in fresh], page.requested_at)
        self._note(new)
        return new

    def _note(self, page: Page) -> None:
        if self.ages is not None:
            self.ages.read(page.customers)
