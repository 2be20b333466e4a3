"""How a load gets on, as plain values: for other processes, and for logs that programs read.

No event holds anything about a person: numbers, the table's name, the settings' name of a workspace, and
sentences that :mod:`dub_source.errors` and :mod:`dub_source.failures` vouch for.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dub_source.sync import Report

Tell = Callable[[Mapping[str, Any]], None]
"""Takes an event: ``event`` says which, the rest depends on that."""

SECONDS_BETWEEN_EVENTS = 5.0
"""Between two that say how many customers have been read."""


class Events:
    """An observer that tells what happens.

    The events: ``begins`` (run_id, mode, reason, table), ``expecting`` (customers or None), ``reading``
    (customers so far, of how many or None), ``loading`` (customers).
    """

    def __init__(self, tell: Tell, clock: Callable[[], float] = time.monotonic) -> None:
        self._tell = tell
        self._clock = clock
        self._last = clock()
        self._total: int | None = None
        self._read = 0

    def begins(self, report: "Report") -> None:
        """See :class:`~dub_source.sync.Observer`."""
        decision = report.decision
        self._say(
            "begins", run_id=report.run_id, mode=decision.kind, reason=decision.reason, table=report.table
        )

    def expecting(self, customers: int | None) -> None:
        """See :class:`~dub_source.sync.Observer`."""
        self._total = customers
        self._say("expecting", customers=customers)

    def read(self, customers: int) -> None:
        """See :class:`~dub_source.sync.Observer`."""
        self._read = customers
        if self._clock() - self._last >= SECONDS_BETWEEN_EVENTS:
            self._say("reading", customers=customers, of=self._total)

    def ended(self) -> None:
        """See :class:`~dub_source.sync.Observer`."""
        self._say("loading", customers=self._read)

    def _say(self, event: str, **values: Any) -> None:
        self._last = self._clock()
        self._tell({"event": event, **values})


@contextmanager
def warnings_as_events(tell: Tell) -> Iterator[None]:
    """Tell what this package warns of in the log as events ``warning`` (text), instead of on stderr."""
    log = logging.getLogger("dub_source")
    handler, propagated = _Warnings(tell), log.propagate
    log.addHandler(handler)
    log.propagate = False
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.propagate = propagated


class _Warnings(logging.Handler):
    def __init__(self, tell: Tell) -> None:
        super().__init__(logging.WARNING)
        self._tell_event = tell

    def emit(self, record: logging.LogRecord) -> None:
        self._tell_event({"event": "warning", "text": record.getMessage()})
