"""When to try again: one table (operation x failure), one policy, one loop.

``tenacity`` runs the loop; time and sleep are handed in. An attempt *returns* its error instead of raising
it, so that no exception of the HTTP library (they hold the URL) can become the context of ours.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Self, TypeVar

import tenacity

from dub_source.errors import (
    ConnectionFailed,
    InvalidResponse,
    RateLimited,
    RequestError,
    ServerError,
    SettingsError,
    UnexpectedRedirect,
    UnreadableRow,
)

T = TypeVar("T")


class Operation(Enum):
    """What is being asked for, as far as repeating it is concerned."""

    READ = "GET"
    UPDATE = "PATCH"
    CREATE = "POST"
    DELETE_BY_ID = "DELETE by id"
    DELETE_BY_EXTERNAL_ID = "DELETE by external id"

    @property
    def method(self) -> str:
        """The HTTP method: the value's first word."""
        return self.value.split()[0]


class Failure(Enum):
    """Ways to fail that may pass by themselves."""

    RATE_LIMITED = "429"
    NOT_SENT = "no connection was made"
    NO_ANSWER = "the connection broke or timed out after the request may have been sent"
    SERVER_ERROR = "5xx"
    UNREADABLE = "the answer was cut off or is no JSON"


_ALL = frozenset(Failure)
_NOTHING_DONE = frozenset({Failure.RATE_LIMITED, Failure.NOT_SENT})

RETRIED: dict[Operation, frozenset[Failure]] = {
    Operation.READ: _ALL,
    Operation.UPDATE: _ALL,
    Operation.CREATE: _NOTHING_DONE,
    Operation.DELETE_BY_ID: _ALL,
    Operation.DELETE_BY_EXTERNAL_ID: _NOTHING_DONE,
}
"""What is repeated.

There is no idempotency key: a POST repeated after a timeout creates nothing twice (409), but then nobody
knows whose customer it is. A DELETE by external id is not idempotent either: the external id is free at
once, and the second DELETE may hit a customer that was created in between. A PATCH sets the same values
again.
"""


def failure_of(error: RequestError) -> Failure | None:
    """The column of the table that an error belongs to; None: repeating cannot help."""
    if isinstance(error, RateLimited):
        return Failure.RATE_LIMITED
    if isinstance(error, ConnectionFailed):
        return Failure.NO_ANSWER if error.sent else Failure.NOT_SENT
    if isinstance(error, ServerError):
        return Failure.SERVER_ERROR
    if isinstance(error, InvalidResponse) and not isinstance(error, UnexpectedRedirect):
        return Failure.UNREADABLE
    return None


def is_retried(operation: Operation, result: object) -> bool:
    """Whether the table repeats this operation after this result, which may be an error or not."""
    return isinstance(result, RequestError) and failure_of(result) in RETRIED[operation]


def may_have_committed(operation: Operation, error: RequestError) -> bool:
    """Whether a write may be in effect although its attempt ended with this error."""
    if operation is Operation.READ:
        return False
    failure = failure_of(error)
    if failure is None:
        # Recorded: PATCH on a row without external id answers 422 *after* the write was committed.
        return isinstance(error, UnreadableRow)
    return failure not in _NOTHING_DONE


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long to keep trying.

    ``max_attempts`` bounds the attempts of one call (1: never retry anything). A 429 does not use one up,
    because nothing was done and the rate limiter decides when to go on. ``max_elapsed_s`` bounds the
    seconds from the first attempt on, 429s included. The wait doubles from ``initial_wait_s`` up to
    ``max_wait_s`` seconds; ``jitter`` (0 to 1) is the share of it that is drawn at random, so that workers
    that failed together do not return together.
    """

    max_attempts: int = 8
    max_elapsed_s: float = 600.0
    initial_wait_s: float = 0.5
    max_wait_s: float = 30.0
    jitter: float = 0.5

    def __post_init__(self) -> None:
        if self.max_attempts < 1 or not 0.0 <= self.jitter <= 1.0:
            raise SettingsError(
                "A retry policy needs max_attempts from 1 up and a jitter between 0 and 1: correct it."
            )
        if min(self.max_elapsed_s, self.initial_wait_s, self.max_wait_s) < 0.0:
            raise SettingsError("The times of a retry policy must be seconds from 0 up: correct them.")

    def for_first_contact(self) -> Self:
        """The same with three attempts at most."""
        return replace(self, max_attempts=min(self.max_attempts, 3))

    def wait_s(self, failures: int, draw: float) -> float:
        """Seconds to wait after the n-th failure (from 1); ``draw`` is random in [0, 1)."""
        # The exponent is bounded because 2.0**1024 overflows.
        full = min(self.initial_wait_s * 2.0 ** min(failures - 1, 60), self.max_wait_s)
        return full * (1.0 - self.jitter * draw)


NO_RETRY = RetryPolicy(max_attempts=1)
"""One attempt and nothing else."""


class RetryLoop:
    """Runs calls under policies. Thread-safe: everything about a call is in the call."""

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._draw = draw

    def run(
        self, attempt: Callable[[int], T | RequestError], *, operation: Operation, policy: RetryPolicy
    ) -> T | RequestError:
        """Call ``attempt(number)`` (from 1) until it returns a value, or an error that is not to be repeated.

        Returns the value or the last error, with ``attempts`` and ``may_have_committed`` set over *all*
        attempts: a DELETE that timed out and is then answered 404 may well have been ours.
        """
        started = self._clock()
        attempts = failures = 0
        uncertain = False

        def once() -> T | RequestError:
            nonlocal attempts, failures, uncertain
            attempts += 1
            result = attempt(attempts)
            if isinstance(result, RequestError):
                failures += not isinstance(result, RateLimited)
                uncertain = uncertain or may_have_committed(operation, result)
                result.attempts, result.may_have_committed = attempts, uncertain
            return result

        def stop(state: tenacity.RetryCallState) -> bool:
            # 429s are no failures, but one attempt means one attempt.
            if policy.max_attempts == 1 or failures >= policy.max_attempts:
                return True
            return self._clock() - started + state.upcoming_sleep > policy.max_elapsed_s

        retrying = tenacity.Retrying(
            sleep=self._sleep,
            stop=stop,
            wait=lambda state: self._wait_s(_result(state), failures, policy),
            retry=tenacity.retry_if_result(lambda result: is_retried(operation, result)),
            retry_error_callback=_result,
        )
        return retrying(once)

    def _wait_s(self, result: object, failures: int, policy: RetryPolicy) -> float:
        if isinstance(result, RateLimited):
            # The limiter has paused everybody; this call waits there like the rest, not twice.
            return 0.0
        wait = policy.wait_s(failures, self._draw())
        told = result.retry_after_s if isinstance(result, ServerError) else None
        return wait if told is None else max(wait, told)


def _result(state: tenacity.RetryCallState) -> Any:
    # The outcome is there whenever tenacity asks for a wait or gives up.
    return state.outcome.result() if state.outcome else None
