"""Upstash's sliding window, written after its published script, and clients in simulated time before it."""

import heapq
import math
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

from dub_source.client.rate_limit import Permit, RateLimiter
from dub_source.client.retry_after import ServerTimes
from tests.client.fake_time import EPOCH


@dataclass
class Upstash:
    """The server's side, written after the published script: integer milliseconds, one counter a window."""

    limit: int
    window_ms: int = 60_000
    counters: dict[int, int] = field(default_factory=dict)

    def request(self, now_ms: int) -> tuple[bool, int, int]:
        """(whether it passes, remaining, reset in ms)."""
        window = now_ms // self.window_ms
        current = self.counters.get(window, 0)
        share = (now_ms % self.window_ms) / self.window_ms
        previous = math.floor((1 - share) * self.counters.get(window - 1, 0))
        reset = (window + 1) * self.window_ms
        if previous + current >= self.limit:
            return False, 0, reset
        self.counters[window] = current + 1
        return True, self.limit - (current + 1) - previous, reset


@dataclass
class World:
    """One client in simulated time. ``skew``: server clock minus ours; ``foreign``: others' requests/s."""

    limit: int
    share: float = 1.0
    start: float = 0.0
    skew: float = 0.0
    latency: float = 0.0
    foreign: float = 0.0
    errors: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        self.now = EPOCH + self.start
        self.random = random.Random(self.seed)
        self.server = Upstash(self.limit)
        self.limiter = RateLimiter(
            window_s=60.0, max_share=self.share, clock=lambda: self.now, sleep=self._sleep
        )
        self.passed = 0
        self.refused: list[float] = []
        self.sent = 0
        self._next_foreign = self.now

    def _sleep(self, seconds: float) -> None:
        assert 0.0 < seconds <= 130.0
        self.now += seconds

    def run(self, windows: float) -> None:
        end = self.now + windows * 60.0
        while self.now < end:
            before = self.now
            permit = self.limiter.acquire()
            self._foreigners()
            self._request(permit)
            self.sent += 1
            # Without latency and limit a simulated client would send for ever in no time at all.
            assert self.sent < 50_000
            assert self.now - before < 130.0, "nobody waits longer than two windows"

    def _foreigners(self) -> None:
        while self.foreign and self._next_foreign <= self.now:
            self.server.request(self.server_ms(self._next_foreign))
            self._next_foreign += self.random.expovariate(self.foreign)

    def server_ms(self, at: float) -> int:
        return math.floor((at + self.skew) * 1000 + 1e-3)

    def _request(self, permit: Permit) -> None:
        sent = self.now
        self.now += self.latency / 2
        passes, remaining, reset = self.server.request(self.server_ms(self.now))
        date = float(math.floor(self.now + self.skew))
        self.now += self.latency / 2
        if passes:
            self.passed += 1
        else:
            self.refused.append(self.now)
        # Headers come on errors only; the first request is the probe, which is one.
        if not passes or self.sent == 0 or self.random.random() < self.errors:
            times = ServerTimes(limit=self.limit, remaining=remaining, reset=reset / 1000, date=date)
        else:
            times = ServerTimes(date=date)
        self.limiter.observe(permit, status=200 if passes else 429, times=times, sent=sent, received=self.now)


def most_possible(limit: int, start: float, windows: float) -> int:
    """What a client that tries every millisecond gets through."""
    server = Upstash(limit)
    now = round((EPOCH + start) * 1000)
    end = now + round(windows * 60_000)
    passed = 0
    while now < end:
        if server.request(now)[0]:
            passed += 1
        else:
            now += 1
    return passed


class Minutes(World):
    """A world in which several requests travel at once, as those of a sweep do, by the server's minute."""

    def by_minute(self, minutes: int, workers: int) -> list[int]:
        passed: Counter[int] = Counter()
        arrivals: list[tuple[float, int, Permit, float]] = []
        first = math.floor((self.now + self.skew) / 60.0)
        end = (first + minutes) * 60.0 - self.skew
        while self.now < end:
            if len(arrivals) < workers:
                permit = self.limiter.acquire()
                sent = self.now
                heapq.heappush(arrivals, (sent + self.latency, self.sent, permit, sent))
                self.sent += 1
            while arrivals and (len(arrivals) >= workers or arrivals[0][0] <= self.now):
                received, number, permit, sent = heapq.heappop(arrivals)
                self.now = max(self.now, received)
                handled = received - self.latency / 2
                passes, remaining, reset = self.server.request(self.server_ms(handled))
                passed[math.floor((handled + self.skew) / 60.0) - first] += passes
                if not passes:
                    self.refused.append(received)
                told = not passes or number == 0
                times = ServerTimes(
                    limit=self.limit if told else None,
                    remaining=remaining if told else None,
                    reset=reset / 1000 if told else None,
                    date=float(math.floor(handled + self.skew)),
                )
                status = 200 if passes else 429
                self.limiter.observe(permit, status=status, times=times, sent=sent, received=received)
        return [passed[minute] for minute in range(minutes)]


class RealServer:
    """Upstash's window over real time, for threads."""

    def __init__(self, limit: int, window_s: float) -> None:
        self.upstash = Upstash(limit, round(window_s * 1000))
        self.lock = threading.Lock()

    def request(self) -> tuple[int, ServerTimes]:
        with self.lock:
            passes, remaining, reset = self.upstash.request(math.floor(time.time() * 1000))
        date = float(math.floor(time.time()))
        times = ServerTimes(limit=self.upstash.limit, remaining=remaining, reset=reset / 1000, date=date)
        return (200 if passes else 429), times
