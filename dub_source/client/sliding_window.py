"""Dub's rate limit as arithmetic: no clock, no lock, no sleep.

Dub counts with Upstash's sliding window: requests are counted in windows aligned to the unix epoch, and one
passes if ``floor(previous * (1 - elapsed share of the current window)) + current < limit``. What passes
counts (2xx and 4xx alike), what is refused does not. Times here are epoch seconds of the *server's* clock.
"""

import math
from dataclasses import dataclass, field

_ON_THE_WAY = 0.98
"""The share of a round trip after which a request has been counted at the latest; the rest is answering."""
_STALE_S = 1.25
"""Seconds that a Date can be old when it is sent, and some: uvicorn renews it every second."""


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


class Arrivals:
    """Two sliding windows, for requests that count when they arrive, which nobody here knows exactly.

    A request that is sent at ``at`` arrives between then and ``transit_s`` later. What fits into the windows
    of both cases fits: in windows of a minute a transit of a fifth of a second makes no difference, in
    windows of a second it shifts a fifth of the requests into another one.
    """

    def __init__(self, window_s: float) -> None:
        self._longest_s = window_s / 2.0
        self._early = SlidingWindow(window_s)
        self._late = SlidingWindow(window_s)
        self._quickest_s = math.inf
        self.transit_s = 0.0

    def took(self, seconds: float) -> None:
        """A request and its answer took so long together.

        The quickest of late count: who arrives a little after the moment that was reckoned with finds more
        room, and who arrives before it may find none.
        """
        self._quickest_s = min(seconds, 1.02 * self._quickest_s)
        self.transit_s = min(_ON_THE_WAY * self._quickest_s, self._longest_s)

    def used(self, at: float) -> int:
        """What the server counts against the limit, at most, when what is sent at ``at`` arrives."""
        return max(self._early.used(at), self._late.used(at + self.transit_s))

    def count(self, at: float) -> tuple[int, int]:
        """Count one request; returns the numbers of its windows, for ``uncount``."""
        return self._early.count(at), self._late.count(at + self.transit_s)

    def uncount(self, windows: tuple[int, int]) -> None:
        """Take back a request that the server did not count."""
        self._early.uncount(windows[0])
        self._late.uncount(windows[1])

    def earliest(self, at: float, budget: int) -> float:
        """The first moment, not before ``at``, to send a request that fits into a budget (from 1 up)."""
        while True:
            at = self._early.earliest(at, budget)
            arrival = at + self.transit_s
            wait = self._late.earliest(arrival, budget) - arrival
            if wait <= 0.0:
                return at
            at += wait


@dataclass(slots=True)
class ClockOffset:
    """Server clock minus ours in seconds, as an interval that each answer narrows.

    A ``Date`` of D, cut to whole seconds and read between our sending at ``sent`` and our receiving at
    ``received``, says that the offset lies between D - received and D + 1 - sent. Answers at different
    fractions of a second narrow that down to the latency. Many servers renew what they write there only now
    and then, so a clock that seems to be a second slow is taken to be right.
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
        if self.low <= 0.0 <= self.high + _STALE_S:
            return 0.0
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

    def refused(self, amount: int, at: float, *, same_event: bool, transit_s: float = 0.0) -> None:
        """A refusal shows this amount (``same_event``: it is one of several at once).

        It is believed for four times ``transit_s``, the way to the server, at least: whoever has come into
        another window than was reckoned with is in the way there until it ends.
        """
        shortest = min(max(self.window_s / 60.0, 4.0 * transit_s), self.window_s)
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
