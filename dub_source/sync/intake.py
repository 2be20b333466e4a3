"""Takes pages from a walk, and has another thread turn them into rows while the walk goes on."""

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any

import pyarrow as pa

from dub_source.changes import Diff
from dub_source.generated_names import GeneratedNames
from dub_source.sync.batches import Batches, Rows, Taken
from dub_source.sync.in_order import InOrder
from dub_source.sync.options import Options
from dub_source.types import Page

_ROWS = 10_000
"""Rows that are compared and stored together: Arrow and DuckDB are slow with tables of a page."""
_WAITING = 1
"""Batches that may wait for the one at work."""
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
        self._begin = partial(Taken, options, on_dubs_clock)
        self._batches = Batches(diff=diff, rows=spool, names=names, readers=readers)
        self._worker = InOrder("dub-rows", most=_WAITING)
        self._clock = clock
        self._since = clock()
        self._taken = self._begin()
        self.read = 0

    def __enter__(self) -> "Intake":
        return self

    def __exit__(self, *_: object) -> None:
        with self._batches, self._worker:
            pass

    def take(self, page: Page) -> None:
        """Take the customers of a page."""
        self._taken.add(page)
        self.read += len(page.customers)

    @property
    def refused(self) -> dict[str, str]:
        """By id, who could not be made a row, and because of which column; known after :meth:`finish`."""
        return self._batches.refused

    def waiting_ids(self) -> list[str]:
        """The customers that the next flush will store."""
        return self._taken.ids

    def is_due(self) -> bool:
        """Whether it is time to flush."""
        return len(self._taken.ids) >= _ROWS or self._clock() - self._since >= _SECONDS

    def flush(self, events: Sequence[Any] = (), *, known: pa.Table | None = None) -> None:
        """Have what was taken stored, and the events that led to it, as soon as possible.

        Args:
            events: for the spool.
            known: what the destination has of :meth:`waiting_ids`, if the diff does not know it yet.
        """
        self._since = self._clock()
        self._worker.do(partial(self._batches.add, self._taken, list(events), known))
        self._taken = self._begin()

    def finish(self, events: Sequence[Any] = (), *, known: pa.Table | None = None) -> None:
        """Flush, and wait until everything is stored."""
        self.flush(events, known=known)
        self._worker.do(self._batches.finish)
        self._worker.join()
