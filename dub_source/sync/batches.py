"""From customers to stored rows: only those that differ from what the destination has."""

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
from dub_source.schema import as_json, table_of
from dub_source.sync.options import Options
from dub_source.types import Page

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


class Taken:
    """Customers of some pages, in little memory.

    Attributes:
        ids: of all of them, whether wanted or not.
    """

    def __init__(self, options: Options, on_dubs_clock: Callable[[datetime], datetime]) -> None:
        """Prepare.

        Args:
            options: which customers and columns are wanted.
            on_dubs_clock: turns a moment of this machine's clock into one of Dub's.
        """
        self._options = options
        self._on_dubs_clock = on_dubs_clock
        self._texts: list[bytes] = []
        self._moments = [pa.array([], _MOMENT)]
        self.ids: list[str] = []
        self.nameless: dict[str, str | None] = {}

    def add(self, page: Page) -> None:
        """Take those of a page."""
        customers = self._options.selection.of(page.customers)
        self.ids += [each["id"] for each in page.customers]
        self.nameless |= {each["id"]: each.get("name") for each in customers if not each.get("email")}
        # On Dub's clock: rows of a clock of ours that is ahead would be newer than those to come.
        moment = pa.scalar(self._on_dubs_clock(page.requested_at), _MOMENT)
        self._moments.append(pa.repeat(moment, len(customers)))
        self._texts.append(as_json(customers))

    def table(self) -> tuple[pa.Table, dict[str, str]]:
        """Those who are wanted, as rows; and by id who cannot be one, and because of which column."""
        table, is_readable, refused = table_of(self._texts, expanded=self._options.expanded)
        moments = pa.concat_arrays(self._moments).filter(is_readable)
        table = table.append_column("name_generated", pa.repeat(pa.scalar(False), table.num_rows))
        table = table.append_column("observed_at", moments)
        return self._options.privacy.applied(table), refused


@dataclass(slots=True)
class _Batch:
    """Rows on their way, and what must be stored together with them."""

    table: pa.Table
    events: Sequence[Any]
    names: list[Future[set[str]]] = field(default_factory=list)


class Batches:
    """Turns customers into rows, a batch at a time. A context manager; not for several threads at once.

    Attributes:
        refused: by id, who could not be made a row so far, and because of which column.
    """

    def __init__(self, *, diff: Diff, rows: Rows, names: GeneratedNames, readers: int) -> None:
        """Prepare.

        Args:
            diff: knows the destination's rows.
            rows: where those that differ wait.
            names: tells which names Dub makes up.
            readers: threads that read such names.
        """
        self._diff = diff
        self._rows = rows
        self._names = names
        self._readers = ThreadPoolExecutor(readers, thread_name_prefix="dub-names")
        self.refused: dict[str, str] = {}
        self._waiting: deque[_Batch] = deque()

    def __enter__(self) -> "Batches":
        return self

    def __exit__(self, *_: object) -> None:
        self._readers.shutdown(wait=True, cancel_futures=True)

    def add(self, taken: Taken, events: Sequence[Any], known: pa.Table | None) -> None:
        """Store the rows of a batch, and the events that led to them, as soon as possible.

        Args:
            taken: the customers.
            events: for the destination of the rows.
            known: what the destination has of these customers, if the diff does not know it yet.
        """
        if known is not None:
            self._diff.know(known)
        table, refused = taken.table()
        if refused:
            self.refused |= refused
            # They were met, so that nobody asks whether they are gone.
            self._diff.pass_over(list(refused))
            events = [*events, [REFUSED, refused]]
        self._waiting.append(_Batch(table, events, self._ask_for_names(taken.nameless, table)))
        while len(self._waiting) > _WAITING or (
            self._waiting and all(each.done() for each in self._waiting[0].names)
        ):
            self._store(self._waiting.popleft())

    def finish(self) -> None:
        """Wait until everything is stored."""
        while self._waiting:
            self._store(self._waiting.popleft())

    def _ask_for_names(self, nameless: dict[str, str | None], table: pa.Table) -> list[Future[set[str]]]:
        """Have names read again that may be made up: of customers without email who seem to be changed."""
        if not nameless or "name" not in table.column_names:
            return []
        ids = [each for each in nameless if each not in self.refused]
        if not self._diff.knows_nobody:
            rows = table.filter(pc.is_in(table["id"], pa.array(ids, pa.string())))
            ids = self._diff.differing(rows)["id"].to_pylist()
        doubtful = [(each, nameless[each]) for each in ids]
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
        self._rows.append(changed if changed.num_rows else None, batch.events)
