"""Dub's rate limit as arithmetic: no clock, no lock, no sleep.

Dub counts with Upstash's sliding window: requests are counted in windows aligned to the unix epoch, and one
passes if ``floor(previous * (1 - elapsed share of the current window)) + current < limit``. What passes
counts (2xx and 4xx alike), what is refused does not. Times here are epoch seconds of the *server's* clock.
"""

import math
from dataclasses import dataclass, field


@dataclass(slots=True)
class SlidingWindow:
    """Counts per window, and the question when the next request fits into a budget.

    Reckons in whole milliseconds, rounded down, as the server does: a moment that is right by half of one is
    enough to be refused.
    """

    window_s: float
    _counts: dict[int, int] = field(default_factory=dict)

    def used(self, at: float) -> int:
        """The left side of the formula: what the server counts against the limit at ``at``."""
        index, elapsed_ms = self._place(at)
        weighted = math.floor(self._counts.get(index - 1, 0) * (1.0 - elapsed_ms / self._window_ms))
        return weighted + self._counts.get(index, 0)

    def count(self, at: float) -> int:
        """Count one request; returns its window's number, for ``uncount``."""
        index, _ = self._place(at)
        if index not in self._counts:
            # The window before matters; so do two neighbours of a place in the future. What is older goes,
            # and what a clock that was set back has left.
            self._counts = {i: n for i, n in self._counts.items() if abs(i - index) <= 2}
            self._counts[index] = 0
        self._counts[index] += 1
        return index

    def uncount(self, index: int) -> None:
        """Take back a request that the server did not count."""
        if self._counts.get(index, 0) > 0:
            self._counts[index] -= 1

    def earliest(self, at: float, budget: int) -> float:
        """The first moment, not before ``at``, at which ``used < budget`` holds (budget from 1 up)."""
        moment = at
        while self.used(moment) >= budget:
            index, elapsed_ms = self._place(moment)
            free = budget - self._counts.get(index, 0)
            if free > 0:
                # floor(previous * (1 - share)) < free holds as soon as previous * (1 - share) < free.
                share = 1.0 - free / self._counts[index - 1]
                elapsed_ms = max(elapsed_ms, math.floor(share * self._window_ms)) + 1
            else:
                elapsed_ms = self._window_ms
            # In the middle of the millisecond, out of reach of rounding.
            moment = (index * self._window_ms + elapsed_ms + 0.5) / 1000.0
        return moment

    @property
    def _window_ms(self) -> int:
        return round(self.window_s * 1000.0)

    def _place(self, at: float) -> tuple[int, int]:
        """The number of the window that holds ``at``, and the milliseconds that have passed in it."""
        return divmod(math.floor(at * 1000.0), self._window_ms)


@dataclass(slots=True)
class ClockOffset:
    """Server clock minus ours in seconds, as an interval that each answer narrows.

    A ``Date`` of D, cut to whole seconds and read between our sending at ``sent`` and our receiving at
    ``received``, says that the offset lies between D - received and D + 1 - sent. Answers at different
    fractions of a second narrow that down to the latency.
    """

    low: float = -math.inf
    high: float = math.inf

    @property
    def known(self) -> bool:
        """Whether an answer has told anything yet."""
        return self.low > -math.inf

    @property
    def value(self) -> float:
        """The offset that is nearest to 0 among the possible ones: most clocks are right."""
        return min(max(0.0, self.low), self.high)

    def observe(self, earliest: float, latest: float, *, sent: float, received: float) -> None:
        """Between sent and received the server's clock stood between ``earliest`` and ``latest``."""
        low, high = earliest - received, latest - sent
        if low > high:
            # Our own clock was set while the request was under way.
            return
        self.low, self.high = max(self.low, low), min(self.high, high)
        if self.low > self.high:
            # A clock was set, or drifted: what was known before is no longer true.
            self.low, self.high = low, high


@dataclass(slots=True)
class ForeignTraffic:
    """Requests of others with the same key, as far as refusals and ``X-RateLimit-Remaining`` show them.

    ``amount`` is believed until ``until`` and then forgotten: it may have been a burst that slides out, or
    traffic that goes on, and only another try can tell. Each refusal doubles the time of belief up to a
    window, so constant foreign traffic costs a handful of refused requests a window and not one a second.
    """

    window_s: float
    amount: int = 0
    until: float = -math.inf
    _belief_s: float = 0.0

    def believed(self, at: float) -> int:
        """The amount to reckon with at ``at``."""
        # The second comparison is for clocks that were set back.
        return self.amount if at < self.until <= at + self.window_s else 0

    def seen(self, amount: int, at: float) -> bool:
        """An answer shows this amount; returns whether that is more than was believed."""
        return self._raise_to(amount, at, self.window_s)

    def refused(self, amount: int, at: float, *, same_event: bool) -> None:
        """A refusal shows this amount (``same_event``: it is one of several at once)."""
        shortest = self.window_s / 60.0
        if not same_event:
            quiet = at >= self.until + self.window_s
            self._belief_s = shortest if quiet else min(max(self._belief_s * 2.0, shortest), self.window_s)
            self.amount = self.believed(at)
            self.until = max(self.until, at + self._belief_s)
            # Refused although everything known fits: there is at least one request that is not known.
            amount = max(amount, self.amount + 1)
        self._raise_to(amount, at, self._belief_s)

    def _raise_to(self, amount: int, at: float, belief_s: float) -> bool:
        if amount <= self.believed(at):
            return False
        # Traffic that comes at random fluctuates by the square root of what comes in a window.
        self.amount = amount + math.isqrt(amount)
        self.until = at + belief_s
        return True
