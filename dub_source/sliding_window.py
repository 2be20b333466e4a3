"""Dub's rate limit as arithmetic: no clock, no lock, no sleep.

Dub counts with Upstash's sliding window: requests are counted in windows aligned to the unix epoch, and one
passes if ``floor(previous * (1 - elapsed share of the current window)) + current < limit``. What passes
counts (2xx and 4xx alike), what is refused does not. Times here are epoch seconds of the *server's* clock.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

#: The server's clock ticks in milliseconds, so the moment just after x is x + 1 ms.
_TICK_S = 0.001


@dataclass(slots=True)
class SlidingWindow:
    """Counts per window, and the question when the next request fits into a budget."""

    window_s: float
    _counts: dict[int, int] = field(default_factory=dict)

    def index(self, at: float) -> int:
        """The number of the window that holds ``at``."""
        return math.floor(at / self.window_s)

    def used(self, at: float) -> int:
        """The left side of the formula: what the server counts against the limit at ``at``."""
        index = self.index(at)
        elapsed = at / self.window_s - index
        return math.floor(self._counts.get(index - 1, 0) * (1.0 - elapsed)) + self._counts.get(index, 0)

    def count(self, at: float) -> int:
        """Count one request; returns its window's number, for ``uncount``."""
        index = self.index(at)
        if index not in self._counts:
            # The window before matters; so do two neighbours of a place in the future. What is older goes, and
            # what a clock that was set back has left.
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
            index = self.index(moment)
            free = budget - self._counts.get(index, 0)
            if free > 0:
                # floor(previous * (1 - f)) < free holds as soon as previous * (1 - f) < free. `free` is below
                # `previous`, or `used` would have been below the budget.
                share = 1.0 - free / self._counts[index - 1]
                moment = max(moment, (index + share) * self.window_s + _TICK_S)
            if free <= 0 or self.index(moment) > index:
                moment = max(moment, (index + 1) * self.window_s)
        return moment


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
    traffic that goes on, and only another try can tell. Each refusal doubles the time of belief up to a window,
    so constant foreign traffic costs a handful of refused requests a window and not one a second.
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

    def refused(self, amount: int, at: float, *, same_event: bool) -> bool:
        """A refusal shows this amount (``same_event``: one of several at once); returns as ``seen``."""
        if not same_event:
            quiet = at >= self.until + self.window_s
            self._belief_s = min(
                self.window_s / 60.0 if quiet else self._belief_s * 2.0 or self.window_s / 60.0, self.window_s
            )
            self.amount = self.believed(at)
            self.until = max(self.until, at + self._belief_s)
        return self._raise_to(amount, at, self._belief_s)

    def _raise_to(self, amount: int, at: float, belief_s: float) -> bool:
        if amount <= self.believed(at):
            return False
        self.amount = amount
        self.until = at + belief_s
        return True
