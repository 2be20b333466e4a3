"""One call: wait for a place, send, understand the answer, retry, count, log.

Knows nothing of customers; ``client`` names the routes and what they answer.
"""

import logging
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import orjson

from dub_source import telemetry
from dub_source.client.error_table import api_error
from dub_source.client.rate_limit import Permit, RateLimiter
from dub_source.client.retry import Operation, RetryLoop, RetryPolicy
from dub_source.client.retry_after import ServerTimes
from dub_source.client.transport import BEFORE_SENDING, Answer, Break, Broken, Transport
from dub_source.deadline import Deadline
from dub_source.errors import (
    ApiError,
    ConnectionFailed,
    InvalidResponse,
    RateLimited,
    RequestError,
    ServerError,
    UnexpectedRedirect,
)
from dub_source.settings import Settings
from dub_source.types import ClientStats

logger = logging.getLogger("dub_source")

_NOT_JSON = object()


def is_json_list(value: Any) -> bool:
    """Whether an answer is a JSON array of objects."""
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)


def is_row(value: Any) -> bool:
    """Whether a piece of an answer is an object with an id: without one it cannot be a customer."""
    return isinstance(value, dict) and isinstance(value.get("id"), str)


def is_page(value: Any) -> bool:
    """Whether an answer is a JSON array of rows."""
    return isinstance(value, list) and all(map(is_row, value))


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, read: ``value`` is its JSON, or ``error`` the error that it is and the caller accepts."""

    answer: Answer
    times: ServerTimes
    value: Any = field(default=None, repr=False)
    error: ApiError | None = None


class Caller:
    """Sends calls to one server with one key. Thread-safe."""

    def __init__(
        self,
        settings: Settings,
        *,
        retry: RetryPolicy,
        limiter: RateLimiter | None,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
        deadline: Deadline,
    ) -> None:
        sleep = deadline.waiting(sleep)
        self._deadline = deadline
        self._window_s = settings.rate_window_s
        self.policy = retry
        self._transport = Transport(settings, clock=clock)
        self._loop = RetryLoop(clock=clock, sleep=sleep)
        self.limiter = limiter or RateLimiter(
            window_s=settings.rate_window_s, max_share=settings.max_rate_share, clock=clock, sleep=sleep
        )
        self._host = settings.host
        self._clock = clock
        self._began_in = telemetry.here()
        self._lock = threading.Lock()
        self._statuses: Counter[int] = Counter()
        self._retries = 0
        self._round_trip_s: float | None = None

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    @property
    def round_trip_s(self) -> float | None:
        """Seconds of the fastest request so far; None before the first answer."""
        return self._round_trip_s

    def stats(self) -> ClientStats:
        """The counters of this moment."""
        with self._lock:
            statuses = dict(self._statuses)
            retries = self._retries
        return ClientStats(
            requests=sum(statuses.values()),
            retries=retries,
            throttled_s=self.limiter.throttled_s,
            statuses=statuses,
        )

    def call(
        self,
        operation: Operation,
        route: str,
        target: str,
        *,
        check: Callable[[Any], bool],
        body: bytes | None = None,
        accept: tuple[type[ApiError], ...] = (),
        retry: RetryPolicy | None = None,
        timeout: float | None = None,
    ) -> Reply:
        """Make one call.

        ``check`` tells whether the JSON is what the route answers. Errors of the classes ``accept`` are part
        of the reply instead of being raised.
        """

        def attempt(number: int) -> Reply | RequestError:
            return self._attempt(number, operation, route, target, body, check, accept, timeout)

        result = self._loop.run(attempt, operation=operation, policy=retry or self.policy)
        if isinstance(result, RequestError):
            # The one place where errors of requests are raised: outside any except block, so without a
            # context.
            raise result
        return result

    def _attempt(
        self,
        number: int,
        operation: Operation,
        route: str,
        target: str,
        body: bytes | None,
        check: Callable[[Any], bool],
        accept: tuple[type[ApiError], ...],
        timeout: float | None,
    ) -> Reply | RequestError:
        method = operation.method
        self._deadline.check()
        asked_at = self._clock()
        permit = self.limiter.acquire()
        waited_s = self._clock() - asked_at
        with telemetry.unseen():
            result = self._transport.send(method, target, body=body, timeout=timeout)
        self._note(number, method, route, result)
        reply = self._understood(permit, result, method, route, check, accept)
        telemetry.request(
            method,
            route,
            host=self._host,
            status=result.status,
            error=type(reply).__name__ if isinstance(reply, RequestError) else None,
            attempt=number,
            started_at=result.started_at,
            ended_at=result.received_at,
            waited_s=waited_s,
            parent=self._began_in,
        )
        return reply

    def _understood(
        self,
        permit: Permit,
        result: Answer | Broken,
        method: str,
        route: str,
        check: Callable[[Any], bool],
        accept: tuple[type[ApiError], ...],
    ) -> Reply | RequestError:
        if isinstance(result, Broken):
            if result.how in BEFORE_SENDING:
                self.limiter.release(permit)
            return _broken(result, method, route)
        times = ServerTimes.read(result.headers, now=result.received_at, window_s=self._window_s)
        self.limiter.observe(
            permit, status=result.status, times=times, sent=result.started_at, received=result.received_at
        )
        if not 200 <= result.status < 300:
            error = _error(result, times, method, route)
            return Reply(result, times, error=error) if isinstance(error, accept) else error
        value = _read_json(result.body)
        if value is _NOT_JSON or not check(value):
            return InvalidResponse(_what_is_wrong(value), method=method, route=route, status=result.status)
        return Reply(result, times, value)

    def _note(self, number: int, method: str, route: str, result: Answer | Broken) -> None:
        status = result.status or 0
        with self._lock:
            self._statuses[status] += 1
            self._retries += number > 1
            if isinstance(result, Answer):
                took = result.received_at - result.started_at
                self._round_trip_s = min(took, self._round_trip_s or took)
        if logger.isEnabledFor(logging.DEBUG):
            milliseconds = (result.received_at - result.started_at) * 1000.0
            outcome = result.how.name if isinstance(result, Broken) else status
            # The route's template, not the address: that one holds ids and filters.
            logger.debug("%s %s %s %.0f ms attempt %d", method, route, outcome, milliseconds, number)


def _broken(result: Broken, method: str, route: str) -> RequestError:
    if result.how is Break.CUT_OFF:
        return InvalidResponse(result.how.value, method=method, route=route, status=result.status)
    sent = result.how not in BEFORE_SENDING
    return ConnectionFailed(result.how.value, sent=sent, method=method, route=route)


def _error(answer: Answer, times: ServerTimes, method: str, route: str) -> RequestError:
    if 300 <= answer.status < 400:
        return UnexpectedRedirect(method=method, route=route, status=answer.status)
    error = api_error(answer.status, answer.body, method=method, route=route)
    if isinstance(error, RateLimited | ServerError):
        error.retry_after_s = times.retry_after_s
    return error


def _read_json(body: bytes) -> Any:
    # Returns instead of raising: orjson's exception holds the whole text.
    try:
        return orjson.loads(body)
    except ValueError:
        return _NOT_JSON


def _what_is_wrong(value: Any) -> str:
    if value is _NOT_JSON:
        return "The answer is not JSON"
    return "The answer is JSON, but not what this route of Dub's API answers"
