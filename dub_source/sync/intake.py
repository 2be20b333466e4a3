"""From pages of customers to stored rows: only those that differ from what the destination has."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from dub_source.changes import Diff
from dub_source.generated_names import GeneratedNames
from dub_source.schema import to_table_without_refused
from dub_source.sync.options import Options
from dub_source.types import Customer, Page

_ROWS = 10_000
"""Rows that are turned into a table together: Arrow and DuckDB are slow with tables of a page."""
_SECONDS = 3.0
"""A killed run loses what it has read since its last flush: at most this long a time."""
_NAMES_PER_REQUEST = 100
_WAITING = 2
"""Batches that may wait for names to be read again while the walk goes on."""

REFUSED = "refused"
"""The event that keeps who could not be made a row, and because of which column."""

_MOMENT = pa.timestamp("us", tz="UTC")


class Rows(Protocol):
    """Where rows wait until they are written, and the events that led to them."""

    def append(self, rows: pa.Table | None, events: Sequence[Any]) -> None:
        """Keep both or none."""


@dataclass(slots=True)
class _Batch:
    """Rows on their way, and what must be stored together with them."""

    table: pa.Table
    events: list[Any]
    names: list[Future[set[str]]] = field(default_factory=list)


class Intake:
    """Takes pages, keeps what is new. Use it as a context manager.

    Attributes:
        read: customers taken so far.
        refused: by id, who could not be made a row so far, and because of which column.
    """

    def __init__(
        self,
        options: Options,
        *,
        diff: Diff,
        spool: Rows,
        names: GeneratedNames,
        on_dubs_clock: Callable[[datetime], datetime],
        readers: int = 2,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare.

        Args:
            options: which customers and columns are wanted.
            diff: knows the destination's rows.
            spool: where rows wait.
            names: tells which names Dub makes up.
            on_dubs_clock: turns a moment of this machine's clock into one of Dub's.
            readers: threads that read such names.
            clock: seconds.
        """
        self._options = options
        self._diff = diff
        self._spool = spool
        self._names = names
        self._on_dubs_clock = on_dubs_clock
        self._clock = clock
        self._readers = ThreadPoolExecutor(readers, thread_name_prefix="dub-names")
        self._customers: list[Customer] = []
        self._moments: list[datetime] = []
        self._since = clock()
        self._waiting: deque[_Batch] = deque()
        self.read = 0
        self.refused: dict[str, str] = {}

    def __enter__(self) -> "Intake":
        return self

    def __exit__(self, *_: object) -> None:
        self._readers.shutdown(wait=True, cancel_futures=True)

    def take(self, page: Page) -> None:
        """Take the customers of a page."""
        self._customers += page.customers
        # On Dub's clock: rows of a clock of ours that is ahead would be newer than those to come.
        self._moments += [self._on_dubs_clock(page.requested_at)] * len(page.customers)
        self.read += len(page.customers)

    def waiting_ids(self) -> list[str]:
        """The customers that the next flush will turn into rows."""
        return [customer["id"] for customer in self._customers]

    def is_due(self) -> bool:
        """Whether it is time to flush."""
        return len(self._customers) >= _ROWS or self._clock() - self._since >= _SECONDS

    def flush(self, events: Sequence[Any] = ()) -> None:
        """Turn what was taken into rows; store them, and the events that led to them, as soon as possible."""
        self._since = self._clock()
        self._waiting.append(self._batch(list(events)))
        self._customers, self._moments = [], []
        while len(self._waiting) > _WAITING or (
            self._waiting and all(each.done() for each in self._waiting[0].names)
        ):
            self._store(self._waiting.popleft())

    def finish(self, events: Sequence[Any] = ()) -> None:
        """Flush, and wait until everything is stored."""
        self.flush(events)
        while self._waiting:
            self._store(self._waiting.popleft())

    def _batch(self, events: list[Any]) -> _Batch:
        moments = {id(each): moment for each, moment in zip(self._customers, self._moments, strict=True)}
        customers, table, refused = to_table_without_refused(
            self._options.selection.of(self._customers), expanded=self._options.expanded
        )
        if refused:
            self.refused |= refused
            # They were met, so that nobody asks whether they are gone.
            self._diff.pass_over(list(refused))
            events.append([REFUSED, refused])
        table = table.append_column("name_generated", pa.repeat(pa.scalar(False), len(customers)))
        observed_at = pa.array([moments[id(each)] for each in customers], _MOMENT)
        table = table.append_column("observed_at", observed_at)
        table = self._options.privacy.applied(table)
        return _Batch(table, events, self._ask_for_names(customers, table))

    def _ask_for_names(self, customers: Sequence[Customer], table: pa.Table) -> list[Future[set[str]]]:
        """Have names read again that may be made up: of customers without email who seem to be changed."""
        if "name" not in table.column_names:
            return []
        nameless = {each["id"]: each.get("name") for each in customers if not each.get("email")}
        if not nameless:
            return []
        rows = table.filter(pc.is_in(table["id"], pa.array(list(nameless), pa.string())))
        doubtful = [(each, nameless[each]) for each in self._diff.differing(rows)["id"].to_pylist()]
        return [
            self._readers.submit(self._names.made_up, dict(doubtful[start : start + _NAMES_PER_REQUEST]))
            for start in range(0, len(doubtful), _NAMES_PER_REQUEST)
        ]

    def _store(self, batch: _Batch) -> None:
        table = batch.table
        made_up = {each for future in batch.names for each in future.result()}
        if made_up:
            generated = pc.is_in(table["id"], pa.array(list(made_up), pa.string()))
            name = pc.if_else(generated, pa.scalar(None, pa.string()), table["name"])
            table = table.set_column(table.column_names.index("name"), "name", name)
            table = table.set_column(table.column_names.index("name_generated"), "name_generated", generated)
        changed = self._diff.changed(table)
        self._spool.append(changed if changed.num_rows else None, batch.events)
