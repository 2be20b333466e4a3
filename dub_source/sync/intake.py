"""Takes pages from a walk, and has another thread turn them into rows while the walk goes on."""

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any

import pyarrow as pa

from dub_source.changes import Diff
from dub_source.generated_names import GeneratedNames
from dub_source.sync.batches import Batches, Rows
from dub_source.sync.in_order import InOrder
from dub_source.sync.options import Options
from dub_source.types import Page

_ROWS = 10_000
"""Rows that are compared and stored together: Arrow and DuckDB are slow with tables of a page."""
_AT_ONCE = 1_000
"""Customers that become a table together, while the processor still has them at hand."""
_WAITING = 8
"""So many of these tables may wait to be made: a customer that is not one yet takes 2.5 KB."""
_SECONDS = 3.0
"""A killed run loses what it has read since its last flush: at most this long a time."""


class Intake:
    """Takes pages, keeps what is new. Use it as a context manager.

    An error while rows are made or stored is raised by a later call, :meth:`finish` at the latest.

    Attributes:
        read: customers taken so far.
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
            diff: knows the destination's rows; nobody else asks it until the end.
            spool: where rows wait.
            names: tells which names Dub makes up.
            on_dubs_clock: turns a moment of this machine's clock into one of Dub's.
            readers: threads that read such names.
            clock: seconds.
        """
        self._batches = Batches(
            options, diff=diff, rows=spool, names=names, on_dubs_clock=on_dubs_clock, readers=readers
        )
        self._worker = InOrder("dub-rows", most=_WAITING)
        self._clock = clock
        self._since = clock()
        self._pages: list[Page] = []
        self._ids: list[str] = []
        self.read = 0

    def __enter__(self) -> "Intake":
        return self

    def __exit__(self, *_: object) -> None:
        with self._batches, self._worker:
            pass

    def take(self, page: Page) -> None:
        """Take the customers of a page."""
        self._pages.append(page)
        self._ids += [each["id"] for each in page.customers]
        self.read += len(page.customers)
        if sum(len(each.customers) for each in self._pages) >= _AT_ONCE:
            self._hand_over()

    def waiting_ids(self) -> list[str]:
        """The customers that the next flush will store."""
        return list(self._ids)

    def is_due(self) -> bool:
        """Whether it is time to flush."""
        return len(self._ids) >= _ROWS or self._clock() - self._since >= _SECONDS

    def flush(self, events: Sequence[Any] = (), *, known: pa.Table | None = None) -> None:
        """Have what was taken stored, and the events that led to it, as soon as possible.

        Args:
            events: for the spool.
            known: what the destination has of :meth:`waiting_ids`, if the diff does not know it yet.
        """
        self._since = self._clock()
        self._hand_over()
        self._worker.do(partial(self._batches.end, list(events), known))
        self._ids = []

    def finish(self, events: Sequence[Any] = (), *, known: pa.Table | None = None) -> None:
        """Flush, and wait until everything is stored."""
        self.flush(events, known=known)
        self._worker.do(self._batches.finish)
        self._worker.join()

    def _hand_over(self) -> None:
        if self._pages:
            self._worker.do(partial(self._batches.add, self._pages))
            self._pages = []
