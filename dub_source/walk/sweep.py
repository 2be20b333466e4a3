"""The sweep: from the first look to the certificate, and on from where an earlier one was killed."""

from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Sequence

from dub_source.client import NO_RETRY, DubClient
from dub_source.errors import Kind, RequestError, UnreadableRow, WalkIncomplete
from dub_source.types import Page
from dub_source.walk.ages import Ages
from dub_source.walk.anchors import Scout, only
from dub_source.walk.certificate import Certificate
from dub_source.walk.growth import Growth
from dub_source.walk.journal import Event, Journal
from dub_source.walk.offsets import readable_pages
from dub_source.walk.territory import SIDES, Territory

_ROWS_PER_ANCHOR = 2_000
"""A new anchor costs a request, its segment at least twenty; more of them would cost more than they save."""
_FRESH_STARTS = 5
"""How often a sweep begins again from new anchors after all its segments were lost to deletes."""
_FASTEST = 500.0
"""Pages a second that one process reads, compares and stores; measured 600. More workers than that takes only
keep each other, and whoever stores, from work: three of them instead of two took a fifth longer."""
_COUNT_TIMEOUT_S = 10.0
_LOST = (
    "Reading the customers lost its place again and again, because those it could go on from were deleted "
    "meanwhile. Nothing was changed in the destination; run it again."
)
_CONTRADICTION = (
    "Dub counts customers in this workspace, but lists none. Nothing was changed in the destination; run it "
    "again."
)


class Sweep:
    """All customers of a workspace as pages; iterate it once.

    Pages come in no particular order. Customers that exist during the whole sweep are read exactly once;
    one that is created or deleted meanwhile may or may not be among them.

    A sweep that was killed can be gone on with, by another process too: :meth:`drain_events` after each
    page, or after some, tells what has happened; store that *together* with the customers, and hand all of
    it to the next sweep as ``replay``. Between the two they read everybody once.

    Attributes:
        certificate: the outcome; None until the iteration has ended. It speaks for all parts together.

    Raises:
        WalkIncomplete: while iterating, if it lost its place and must be started again.
        DubError: while iterating, whatever the client raises.
    """

    def __init__(
        self,
        client: DubClient,
        *,
        page_size: int = 100,
        include_expanded_fields: bool = True,
        known_ids: Sequence[str] = (),
        about: int | None = None,
        workers: int | Callable[[], int] = 2,
        replay: Iterable[Event] | None = None,
    ) -> None:
        """Prepare a sweep.

        Args:
            client: where to read; its rate limiter is shared by all workers.
            page_size: customers a request, 1 to 100.
            include_expanded_fields: whether link, partner and discount come along.
            known_ids: customers that probably exist, if possible in the order of their ids or ages: the sweep
                begins with some of them instead of looking for anchors. A thousand of them from everywhere
                do as well as all.
            about: how many customers there are, more or less, if the caller knows. It is used where Dub does
                not count them, and proves nothing: a wrong number costs speed or requests. With neither, one
                segment is read, with two requests under way at most.
            workers: requests under way at once, or what tells that after the first look.
            replay: the events of the same sweep so far, none for a new one. None: nobody is going to drain
                events, and none are kept.

        Raises:
            ValueError: if these are not the events of a sweep.
        """
        self._client = client
        self._page_size = page_size
        self._expanded = include_expanded_fields
        self._known_ids = known_ids
        self._workers_wanted = workers
        self._workers = 1
        self._journal = Journal()
        self._territory = Territory(self._journal)
        self._about = about
        self._looked = False
        self._expected: int | None = None
        self._size = 0
        self._ages: Ages | None = None
        self._nobody_left = False
        self.certificate: Certificate | None = None
        if replay is not None:
            self._replay(replay)
            self._journal.keep()

    @property
    def expected(self) -> int | None:
        """How many customers there were at the first look, as far as the count endpoint can tell."""
        self._look()
        return self._expected

    @property
    def ids(self) -> Collection[str]:
        """The customers read so far, those that an earlier part has read included."""
        return self._territory.ids

    def drain_events(self) -> list[Event]:
        """What has happened since the last time, as lists that JSON can hold.

        That is everything up to the page that was yielded last, that one included; also when the iteration
        has failed. A sweep without ``replay`` keeps no events and has none.
        """
        return self._journal.drain()

    def __iter__(self) -> Generator[Page, None, None]:
        growth = self._growth()
        try:
            yield from self._read(growth)
        finally:
            growth.join()

    def _read(self, growth: Growth) -> Iterator[Page]:
        yield from self._cover(growth)
        counted = None if self.expected is None else self._count()
        if counted is not None and self._territory.rows < min(self.expected or 0, counted):
            # Deletes and new customers can explain that; so can a page that was empty by mistake.
            self._territory.doubt("ended")
            yield from self._cover(growth)
        if self._unreadable_at_least:
            yield from self._behind_unreadable_rows(growth, counted)
        self._journal.settle()
        self.certificate = self._certify(counted)
        if not self.certificate.complete and not self.certificate.unread:
            raise WalkIncomplete(_LOST)
        if counted and not self._territory.rows:
            raise WalkIncomplete(_CONTRADICTION)

    def _replay(self, events: Iterable[Event]) -> None:
        try:
            for event in events:
                match event:
                    case ["expected", counted, about]:
                        self._expect(counted, about)
                    case _:
                        self._replay_one(event)
        except (LookupError, TypeError):
            raise ValueError("These are not the events of a sweep.") from None

    def _replay_one(self, event: Event) -> None:
        if not self._territory.replay(event) and not (self._ages and self._ages.replay(event)):
            raise LookupError

    def _look(self) -> None:
        if not self._looked:
            counted = self._count()
            self._journal.add("expected", counted, self._about)
            self._expect(counted, self._about)

    def _expect(self, counted: int | None, about: int | None) -> None:
        self._looked = True
        self._expected = counted
        self._size = (about or 0) if counted is None else counted
        self._ages = Ages(self._size, self._journal) if self._size else None

    def _cover(self, growth: Growth) -> Iterator[Page]:
        """From anchors, or, should deletes leave no front to go on from, from other ones."""
        self._nobody_left = False
        for _ in range(_FRESH_STARTS):
            anchors = 0 if self._territory.segments else self._wanted_anchors()
            yield from growth.run(anchors)
            if self._territory.proof() is None and not self._territory.fronts("blocked"):
                yield from growth.settled(self._any_anchor())
                yield from growth.run()
            if self._nobody_left or self._territory.proof() is not None or self._territory.fronts("blocked"):
                return
            self._territory.doubt("met")

    def _growth(self) -> Growth:
        self._look()
        wanted = self._workers_wanted
        self._workers = wanted if isinstance(wanted, int) else wanted()
        scout = Scout(
            self._client,
            self._territory,
            known_ids=self._known_ids,
            ages=self._ages,
            page_size=self._page_size,
            include_expanded_fields=self._expanded,
        )
        return Growth(
            client=self._client,
            territory=self._territory,
            journal=self._journal,
            scout=scout,
            ages=self._ages,
            size=self._size,
            workers=self._workers,
            page_size=self._page_size,
            expanded=self._expanded,
        )

    def _wanted_anchors(self) -> int:
        """How many customers to begin at; 0 if any one will do."""
        most = self._workers if self._workers > len(SIDES) else 1
        wanted = min(most, self._size // _ROWS_PER_ANCHOR)
        return max(wanted, 1) if self._known_ids else wanted if wanted > 1 else 0

    def _count(self) -> int | None:
        """What the undocumented count endpoint says; None where it does not answer with a number at once."""
        try:
            return self._client.count(retry=NO_RETRY, timeout=_COUNT_TIMEOUT_S)
        except RequestError as error:
            if error.kind is Kind.FATAL:
                raise
            return None

    def _any_anchor(self) -> list[Page]:
        """The customer that the server shows first, or any readable one; nothing if there is nobody."""
        try:
            page = self._client.list(page_size=1, include_expanded_fields=self._expanded)
        except UnreadableRow:
            for page in readable_pages(self._client, include_expanded_fields=self._expanded):
                return [Page(page.customers[:1], page.requested_at)]
            raise WalkIncomplete(
                "None of this workspace's customers can be read: Dub answers 422 for every page, because a "
                "customer on it has no externalId. Set their externalId in Dub, then run it again."
            ) from None
        self._nobody_left = not page.customers
        return [page]

    # Customers that no request can read

    def _behind_unreadable_rows(self, growth: Growth, counted: int | None) -> Iterator[Page]:
        """Customers that no cursor reaches from the anchors, because unreadable ones stand between."""
        quiet = counted is not None and counted == self.expected
        for page in readable_pages(self._client, include_expanded_fields=self._expanded):
            for position in range(len(page.customers)):
                # Every blocked front stands at another unreadable row. Are no more customers missing than
                # that, then those rows are all that is missing; unless others came and went meanwhile.
                if quiet and (counted or 0) - self._territory.rows <= self._unreadable_at_least:
                    return
                one = only(page, position)
                if one is not None:
                    yield from growth.settled([one])
                    yield from growth.run()

    @property
    def _unreadable_at_least(self) -> int:
        blocked = [front.side for front in self._territory.fronts("blocked")]
        return max(blocked.count(side) for side in SIDES)

    def _certify(self, counted: int | None) -> Certificate:
        rows = self._territory.rows
        chain = self._territory.proof() or ()
        unread = 0 if chain else self._unreadable_at_least
        if unread and counted is not None and counted == self.expected:
            unread = max(unread, counted - rows)
        blocked = dict.fromkeys(front.cursor for front in self._territory.fronts("blocked"))
        return Certificate(
            rows=rows,
            segments=chain,
            aside=rows - sum(segment.rows for segment in chain) if chain or self._nobody_left else 0,
            counted=counted,
            unread=unread,
            neighbours=tuple(blocked) if unread else (),
        )


def workers_for(latency_s: float, requests_per_s: float | None, *, most: int) -> int:
    """How many requests must be under way at once to use a rate in spite of a latency.

    Args:
        latency_s: round trip of one request in seconds.
        requests_per_s: what the key's limit allows; None if nobody knows.
        most: never more than this.
    """
    rate = min(requests_per_s or _FASTEST, _FASTEST)
    return max(len(SIDES), min(most, round(1.5 * latency_s * rate) + 1))
