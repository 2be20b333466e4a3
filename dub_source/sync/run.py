"""One run from the first request to the rows that are to be written; knows nothing of dlt."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from dub_source.by_id import ById
from dub_source.changes import Diff
from dub_source.changes.columns import CLOCKS_DIFFER
from dub_source.client import DubClient
from dub_source.deadline import Deadline
from dub_source.errors import AnchorsLost, OtherWorkspace, SpoolError, TooManyVanished, WalkIncomplete
from dub_source.incremental import Frontier
from dub_source.schedule import Decision, decide
from dub_source.settings import Settings
from dub_source.spool import Spool
from dub_source.state import State
from dub_source.sync.history import new_versions, owed_versions
from dub_source.sync.mirror import Mirror
from dub_source.sync.news import read_news
from dub_source.sync.observer import Observer
from dub_source.sync.options import Options
from dub_source.sync.reading import Reading
from dub_source.sync.report import Report
from dub_source.sync.sweeping import read_everybody
from dub_source.sync.vanished import Gone

_ROWS = 5_000
"""Rows that are written together, at least, while there are so many."""

_GRACE_S = 10.0
"""What is on its way when the time is up may take so long: rows are kept only once Dub has answered which of
their names it makes up."""

_SAMPLE = 100
"""Customers of a killed run that are asked for before it is gone on with; one request."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run works.

    Attributes:
        mirror: what the destination has.
        state: what earlier runs have noted.
        folder: private, for rows on their way.
        table: the name of the table of customers.
    """

    mirror: Mirror
    state: State
    folder: Path
    table: str


class Run:
    """Reads what is to be read, once, and then has the rows to write.

    Nothing is to be written unless :meth:`execute` returns. Rows are on disk in ``place.folder`` until
    :meth:`forget`; a sweep that is killed goes on from there.

    Attributes:
        report: what was found; grows while the run goes on.
        state: what the next run must know, once everything is written.
    """

    def __init__(
        self,
        settings: Settings,
        options: Options,
        place: Place,
        *,
        observer: Observer | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Prepare a run.

        Args:
            settings: of the client.
            options: what to do.
            place: see there.
            observer: is told how it gets on.
            clock: the time, UTC.
        """
        self._settings = settings
        self._options = options
        self._place = place
        self._observer = observer
        self._clock = clock
        self._spool: Spool | None = None
        self._goes_on = False
        self._seen_at = clock()
        self._gone = Gone()
        self.report = Report(str(uuid.uuid4()), self._decision(), clock(), place.table, options.baseline)
        self.state = place.state

    def execute(self) -> None:
        """Read; afterwards the rows can be had.

        Raises:
            DubError: for everything that a person can do something about. Then nothing must be written.
        """
        if self._observer is not None:
            self._observer.begins(self.report)
        try:
            deadline = Deadline.after(self._options.max_seconds)
            with DubClient(self._settings, deadline=deadline.later(_GRACE_S)) as client:
                try:
                    self._read(self._reading(client, deadline))
                finally:
                    self.report.stats = client.stats
            if self._observer is not None:
                self._observer.ended()
        except BaseException as error:
            self._forget_unless_of_use(error)
            raise

    def _reading(self, client: DubClient, deadline: Deadline) -> Reading:
        place = self._place
        return Reading(
            client,
            self._settings,
            self._options,
            place.mirror,
            place.state,
            place.folder,
            self.report,
            self._observer,
            deadline,
        )

    def customers(self) -> Iterator[pa.Table]:
        """The rows of ``customers`` to write, each customer once."""
        yield from self._rows()
        yield from self._gone.rows(self._place.mirror)

    def versions(self) -> Iterator[pa.Table]:
        """The rows of ``customers_history`` to write."""
        mirror, certificate = self._place.mirror, self.report.certificate
        # Whoever a certified sweep has not found different is as stored, so that debts can be paid.
        astray = set(mirror.astray()) if certificate is not None and certificate.complete else set()
        astray.difference_update(self.report.refused)
        for rows in self.customers():
            astray.difference_update(rows["id"].to_pylist())
            yield from new_versions(rows, mirror, hashed=self.state.hashed)
        yield from owed_versions(sorted(astray), mirror, seen_at=self._seen_at)

    def forget(self) -> None:
        """Remove the rows from the disk."""
        if self._spool is not None:
            self._spool.remove()
            self._spool = None

    def _forget_unless_of_use(self, error: BaseException) -> None:
        """Rows that no later run goes on with do not stay on the disk."""
        # What a guard has stopped, or what lost its place, would do the same again.
        void = isinstance(error, WalkIncomplete | TooManyVanished | OtherWorkspace)
        goes_on = self._goes_on and not void
        if self._spool is not None and (not goes_on or self._spool.is_empty):
            with suppress(SpoolError):
                self.forget()

    def _rows(self) -> Iterator[pa.Table]:
        """What is in the spool; of a customer that an incremental run has read twice, the newer row."""
        if self._spool is None:
            return
        if self.report.certificate is not None:
            yield from _together(self._spool.rows())
            return
        last = {
            customer_id: number
            for number, rows in enumerate(self._spool.rows())
            for customer_id in rows["id"].to_pylist()
        }
        for number, rows in enumerate(self._spool.rows()):
            newest = [last[customer_id] == number for customer_id in rows["id"].to_pylist()]
            yield rows if all(newest) else rows.filter(pa.array(newest, pa.bool_()))

    def _decision(self) -> Decision:
        if self._options.selection:
            return Decision("full", "a table of some customers is always read as a whole")
        return decide(
            self._options.mode,
            self._place.state,
            baseline=self._options.baseline,
            sweep_every_h=self._options.sweep_every_h,
            now=self._clock(),
        )

    def _read(self, reading: Reading) -> None:
        frontier = self._place.state.frontier or Frontier()
        known = self._place.mirror.living(1) and (frontier.anchors or frontier.above)
        if self.report.decision.kind == "incremental" and not known:
            # With nobody to recognise the workspace by, everybody is read. A walk that has nobody to go on
            # from would take any customers for new ones; an apply may have created the known ones.
            self.report.decision = Decision("full", "nobody is known yet")
        if self.report.decision.kind == "incremental":
            try:
                self._read_news(reading)
            except AnchorsLost:
                # Either all of them were deleted, or this is another workspace, which the sweep finds out.
                self.report.decision = Decision("full", "none of the customers to go on from exists any more")
            else:
                return
        self._read_everybody(reading)

    def _read_news(self, reading: Reading) -> None:
        # What a killed run of this kind has read would have to be read again anyway.
        self._spool, self._goes_on = reading.open_spool(resume=False), False
        with reading.diff(self.report.started_at) as diff:
            self.state = read_news(reading, self._spool, diff)
            self._count(diff)

    def _read_everybody(self, reading: Reading) -> None:
        # Which customers a killed run has selected is not noted: it may have been by somebody's email.
        self._goes_on = not self._options.selection
        self._spool = reading.open_spool(resume=self._goes_on)
        if not _is_of_this_workspace(self._spool, reading):
            self._spool.remove()
            self._spool = reading.open_spool(resume=self._goes_on)
        # The first request, so that Dub's clock is known, and its answer what the walk must know of the key.
        key = reading.client.probe()
        self._seen_at = reading.on_dubs_clock(self._spool.started_at)
        # Customers that were read a moment ago, by the run before, may seem to be of after the start.
        with reading.diff(self._seen_at + CLOCKS_DIFFER) as diff:
            self.state, self._gone = read_everybody(reading, self._spool, diff, key)
            self._count(diff)

    def _count(self, diff: Diff) -> None:
        changed = self._spool.row_count if self._spool is not None else 0
        if self.report.certificate is None:  # some customers may have been read twice
            changed = sum(rows.num_rows for rows in self._rows())
        self.report.created = diff.created
        self.report.updated = changed - diff.created


def _together(tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """The same rows in fewer tables: for each of them the destination is asked for what it has."""
    waiting: list[pa.Table] = []
    for table in tables:
        waiting.append(table)
        if sum(each.num_rows for each in waiting) >= _ROWS:
            yield pa.concat_tables(waiting, promote_options="default")
            waiting = []
    if waiting:
        yield pa.concat_tables(waiting, promote_options="default")


def _is_of_this_workspace(spool: Spool, reading: Reading) -> bool:
    """Whether rows that a killed run has left may be gone on with: the key may be another one since."""
    rows = next(spool.rows(), None)
    some = [] if rows is None else rows["id"].to_pylist()[:_SAMPLE]
    return not some or any(page.customers for page in ById(reading.client).present(some))
