"""Spans and metrics for OpenTelemetry, if the program around us has set it up; nothing about people in them.

Whoever wants them has imported OpenTelemetry before, as ``opentelemetry-instrument`` does: so it is used if
it is there already, and never imported for nothing. Names follow OpenTelemetry's conventions where there are
any (``http.client.request.duration``). Routes are templates, because addresses hold ids and filters.
"""

import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Span

Attributes = Mapping[str, str | int | float | bool]

_SCOPE = "dub_source"

_HISTOGRAMS = {
    "http.client.request.duration": "Requests to Dub, each attempt for itself",
    "dub_source.run.duration": "Loads, plans, applies, reverts and erasures",
}
"""In seconds."""

_A_WAIT_S = 0.001
"""Less is the time that asking takes."""

_COUNTERS = {
    "dub_source.throttled": ("s", "Time that requests have waited for the key's rate limit"),
    "dub_source.customers": ("{customer}", "Customers whom loads have read, created, updated, deleted"),
    "dub_source.changes": ("{change}", "Changes of plans by what became of them"),
}


@dataclass(frozen=True, slots=True)
class Measured:
    """What a run came to.

    Attributes:
        attributes: of its span.
        counter: the counter that its numbers are added to.
        by: the attribute that tells them apart there.
        numbers: by what they count; attributes of the span, too.
    """

    attributes: Attributes
    counter: str
    by: str
    numbers: Mapping[str, int]


class Telling:
    """A span that is under way, or none."""

    def __init__(self, span: "Span | None" = None) -> None:
        self._span = span

    def know(self, attributes: Attributes) -> None:
        """Add attributes."""
        if self._span is not None:
            self._span.set_attributes(attributes)

    def failed(self, kind: str, sentence: str) -> None:
        """Say that it has failed: the class of the error, and a sentence that is fit for logs."""
        if self._span is not None:
            from opentelemetry.trace import Status, StatusCode

            self._span.set_attribute("error.type", kind)
            self._span.set_status(Status(StatusCode.ERROR, sentence))


@contextmanager
def span(name: str, attributes: Attributes | None = None) -> Iterator[Telling]:
    """A span around what is done meanwhile, the parent of those that begin in it."""
    if not _is_set_up():
        yield Telling()
        return
    from opentelemetry import trace

    # The words of an exception may hold rows and addresses: whoever knows better calls `failed`.
    with trace.get_tracer(_SCOPE).start_as_current_span(
        name, attributes=attributes, record_exception=False, set_status_on_exception=False
    ) as current:
        yield Telling(current)


def here() -> "Context | None":
    """Where spans of this thread would begin; for threads that work for it."""
    if not _is_set_up():
        return None
    from opentelemetry import context

    return context.get_current()


def request(
    method: str,
    route: str,
    *,
    host: str,
    status: int | None,
    error: str | None,
    attempt: int,
    started_at: float,
    ended_at: float,
    waited_s: float,
    parent: "Context | None",
) -> None:
    """Record an attempt that has ended.

    Args:
        method: such as GET.
        route: its template, such as /customers/{id}.
        host: of the server.
        status: None if no answer came.
        error: the class of the error that it is; None if it is what was asked for.
        attempt: from 1.
        started_at: epoch seconds.
        ended_at: epoch seconds.
        waited_s: seconds before that for the rate limit.
        parent: as of :func:`here`, where the work began.
    """
    if not _is_set_up():
        return
    from opentelemetry import trace
    from opentelemetry.trace import SpanKind, Status, StatusCode

    attributes: dict[str, str | int] = {
        "http.request.method": method,
        "url.template": route,
        "server.address": host,
    }
    if status is not None:
        attributes["http.response.status_code"] = status
    waited_s = waited_s if waited_s >= _A_WAIT_S else 0.0
    if error is not None:
        # By their conventions a status, where that says it.
        attributes["error.type"] = str(status) if status is not None and status >= 400 else error
    record("http.client.request.duration", ended_at - started_at, attributes)
    if waited_s > 0:
        count("dub_source.throttled", waited_s)
    one = trace.get_tracer(_SCOPE).start_span(
        f"{method} {route}",
        context=parent,
        kind=SpanKind.CLIENT,
        attributes={**attributes, "dub_source.throttled_s": waited_s},
        start_time=_nanoseconds(started_at),
    )
    if attempt > 1:
        one.set_attribute("http.request.resend_count", attempt - 1)
    if error is not None:
        one.set_status(Status(StatusCode.ERROR))
    one.end(_nanoseconds(ended_at))


def record(name: str, seconds: float, attributes: Attributes | None = None) -> None:
    """Add a duration to one of the histograms."""
    if _is_set_up():
        _instrument(name).record(seconds, attributes)


def count(name: str, number: float, attributes: Attributes | None = None) -> None:
    """Add to one of the counters."""
    if _is_set_up():
        _instrument(name).add(number, attributes)


def unseen() -> AbstractContextManager[object]:
    """Keeps instrumentations of HTTP libraries from recording our requests: they would record addresses."""
    utils = sys.modules.get("opentelemetry.instrumentation.utils")
    return nullcontext() if utils is None else utils.suppress_instrumentation()


def _is_set_up() -> bool:
    return "opentelemetry.trace" in sys.modules


_instruments: dict[str, Any] = {}
_lock = threading.Lock()


def _instrument(name: str) -> Any:
    with _lock:
        if name not in _instruments:
            from opentelemetry import metrics

            meter = metrics.get_meter(_SCOPE)
            if name in _HISTOGRAMS:
                made: Any = meter.create_histogram(name, "s", _HISTOGRAMS[name])
            else:
                made = meter.create_counter(name, *_COUNTERS[name])
            _instruments[name] = made
        return _instruments[name]


def _nanoseconds(epoch_s: float) -> int:
    return int(epoch_s * 1e9)
