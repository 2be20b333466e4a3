"""How often, and how long, one change is tried."""

import random
import time
from collections.abc import Callable

from dub_source.client import RetryPolicy
from dub_source.errors import RateLimited, RequestError, ServerError


class Patience:
    """That of one change, by a policy; ``pause`` takes seconds, ``clock`` gives them.

    Attributes:
        failures: requests that came to nothing; a 429 is none, as for the client.
    """

    def __init__(
        self,
        policy: RetryPolicy,
        pause: Callable[[float], object],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._policy = policy
        self._pause = pause
        self._clock = clock
        self._began = clock()
        self.failures = 0

    @property
    def is_at_its_end(self) -> bool:
        """Whether to give up."""
        waited = self._clock() - self._began
        return self.failures >= self._policy.max_attempts or waited > self._policy.max_elapsed_s

    def wait(self, trouble: RequestError) -> None:
        """Before the next try."""
        if isinstance(trouble, RateLimited):
            return  # The limiter has paused everybody.
        draw = random.random()  # noqa: S311 - so that workers that failed together do not return together
        wait = self._policy.wait_s(max(1, self.failures), draw)
        told = trouble.retry_after_s if isinstance(trouble, ServerError) else None
        self._pause(wait if told is None else max(wait, told))
