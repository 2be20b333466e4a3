"""From customers to stored rows: only those that differ from what the destination has."""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from dub_source.changes import Diff
from dub_source.generated_names import GeneratedNames
from dub_source.schema import to_table
from dub_source.sync.options import Options
from dub_source.types import Page

_NAMES_PER_REQUEST = 100
_WAITING = 2
"""Batches that may wait for names to be read again while the walk goes on."""

_MOMENT = pa.timestamp("us", tz="UTC")


class Rows(Protocol):
    """Where rows wait until they are written, and the events that led to them."""

    def append(self, rows: pa.Table | None, events: Sequence[Any]) -> None:
        """Keep both or none."""


@dataclass(slots=True)
class _Batch:
    """Rows on their way, and what must be stored together with them."""

    table: pa.Table
    events: Sequence[Any]
    names: list[Future[set[str]]] = field(default_factory=list)


class Batches:
    """Turns pages into rows, a batch at a time. A context manager; not for several threads at once."""

    def __init__(
        self,
        options: Options,
        *,
        diff: Diff,
        rows: Rows,
        names: GeneratedNames,
        on_dubs_clock: Callable[[datetime], datetime],
        readers: int,
    ) -> None:
        """Prepare.

        Args:
            options: which customers and columns are wanted.
            diff: knows the destination's rows.
            rows: where those that differ wait.
            names: tells which names Dub makes up.
            on_dubs_clock: turns a moment of this machine's clock into one of Dub's.
            readers: threads that read such names.
        """
        self._options = options
        self._diff = diff
        self._rows = rows
        self._names = names
        self._on_dubs_clock = on_dubs_clock
        self._readers = ThreadPoolExecutor(readers, thread_name_prefix="dub-names")
        self._tables: list[pa.Table] = []
        self._nameless: dict[str, str | None] = {}
        self._waiting: deque[_Batch] = deque()

    def __enter__(self) -> "Batches":
        return self

    def __exit__(self, *_: object) -> None:
        self._readers.shutdown(wait=True, cancel_futures=True)

    def add(self, pages: Iterable[Page]) -> None:
        """Turn pages into a table of the next batch."""
        customers, moments = [], [pa.array([], _MOMENT)]
        for page in pages:
            wanted = self._options.selection.of(page.customers)
            customers += wanted
            # On Dub's clock: rows of a clock of ours that is ahead would be newer than those to come.
            moment = pa.scalar(self._on_dubs_clock(page.requested_at), _MOMENT)
            moments.append(pa.repeat(moment, len(wanted)))
        self._nameless |= {each["id"]: each.get("name") for each in customers if not each.get("email")}
        table = to_table(customers, expanded=self._options.expanded)
        table = table.append_column("name_generated", pa.repeat(pa.scalar(False), len(customers)))
        table = table.append_column("observed_at", pa.concat_arrays(moments))
        self._tables.append(self._options.privacy.applied(table))

    def end(self, events: Sequence[Any], known: pa.Table | None = None) -> None:
        """End the batch: its rows, and the events that led to them, are stored as soon as possible.

        Args:
            events: for the destination of the rows.
            known: what the destination has of these customers, if the diff does not know it yet.
        """
        if known is not None:
            self._diff.know(known)
        self._waiting.append(self._batch(events))
        while len(self._waiting) > _WAITING or (
            self._waiting and all(each.done() for each in self._waiting[0].names)
        ):
            self._store(self._waiting.popleft())

    def finish(self) -> None:
        """Wait until everything is stored."""
        while self._waiting:
            self._store(self._waiting.popleft())

    def _batch(self, events: Sequence[Any]) -> _Batch:
        tables, nameless = self._tables, self._nameless
        self._tables, self._nameless = [], {}
        if not tables:
            self.add(())
            return self._batch(events)
        # Only some of the tables may have a field that this version does not know.
        table = pa.concat_tables(tables, promote_options="default").combine_chunks()
        return _Batch(table, events, self._ask_for_names(nameless, table))

    def _ask_for_names(self, nameless: dict[str, str | None], table: pa.Table) -> list[Future[set[str]]]:
        """Have names read again that may be made up: of customers without email who seem to be changed."""
        if not nameless or "name" not in table.column_names:
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
        self._rows.append(changed if changed.num_rows else None, batch.events)
